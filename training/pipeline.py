"""A run from names to metrics.json: load, tokenise, train each stage, score the tests once, write.

Purpose: the recipes scratch, tstr and pretrain-finetune are lists of stages over one model; EmoOne puts a
teacher before each. A finished run is skipped, a broken one goes on. Input: `RunConfig`.
Output: files of the contract `outputs/<run>/`. Not covered: the loop (`loop`), comparing runs (`stats`).
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import DistributedDataParallelKwargs, set_seed
from torch import nn

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json, write_json
from erc_synth.training import backbones, batching, corpus, grayscale, saved, scoring
from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Encoded
from erc_synth.training.config import RunConfig, first_stage_differences, out_folder
from erc_synth.training.corpus import Corpus
from erc_synth.training.loop import Progress, Stage, Trainer, predict, tokens_of
from erc_synth.training.models import factory
from erc_synth.training.models.context import ContextClassifier

PACKAGES = ("erc-synth", "torch", "transformers", "accelerate", "datasets", "evaluate", "safetensors", "numpy")


def run(config: RunConfig, command: Sequence[str] = ()) -> dict[str, Any]:
    """Do one run; returns the content of metrics.json.

    Raises:
        ErcSynthError: Bad input, another run in the folder, NaN loss, no memory.
    """
    folder = out_folder(config)
    if (finished := _earlier(config, folder)) is not None:
        print(f"{folder} is finished (weighted F1 in {folder / 'metrics.json'}); skipped.", file=sys.stderr)
        _push(config, folder)  # a push that failed is made up for; an equal one makes no commit
        return finished
    accelerator = _accelerator(config, folder)
    found = corpus.load_all(config)
    if accelerator.is_main_process:
        write_json(folder / "run.json", {"fingerprint": config.fingerprint(), "config": config.to_dict()})
    metrics = Run(config, accelerator, found, folder).execute(list(command))
    accelerator.end_training()
    if accelerator.is_main_process:
        _push(config, folder)
    return metrics


def _push(config: RunConfig, folder: Path) -> None:
    if config.push_to_hub:
        from erc_synth.training import model_card

        model_card.push(folder / "model", config.push_to_hub)


def _earlier(config: RunConfig, folder: Path) -> dict[str, Any] | None:
    """Metrics of a finished equal run; ``None`` when there is work; refuses another run's folder."""
    told = folder / "run.json"
    if config.overwrite and told.exists():
        shutil.rmtree(folder)
    if not told.exists():
        return None
    if read_json(told)["fingerprint"] != config.fingerprint():
        raise ErcSynthError(
            f"{folder} holds another run (its settings are in {told}).", hint="Use another --out, or --overwrite."
        )
    done = folder / "metrics.json"
    return dict(read_json(done)) if done.exists() else None


def _accelerator(config: RunConfig, folder: Path) -> Accelerator:
    there = {tracker.value for tracker in get_available_trackers()}
    if missing := sorted(set(config.trackers) - there):
        raise ErcSynthError(
            f"Trackers not installed: {', '.join(missing)}.",
            hint=f"pip install {' '.join(missing)}, or leave them out.",
        )
    try:
        accelerator = Accelerator(
            mixed_precision=config.optimisation.precision,
            log_with=list(config.trackers) or None,
            project_dir=str(folder),
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
    except (ValueError, ImportError) as error:
        raise ErcSynthError(str(error).splitlines()[0], hint="Check --precision and --trackers.") from error
    if config.optimisation.precision == "fp16" and accelerator.device.type == "cpu":
        raise ErcSynthError("fp16 needs a GPU; accelerate would quietly train in fp32.", hint="Use --precision bf16.")
    if config.trackers:
        flat = {k: v for k, v in config.to_dict().items() if isinstance(v, int | float | str | bool)}
        accelerator.init_trackers("erc-synth", config=flat)
    return accelerator


class Run:
    """State of one run: its data, tokenizer, and the model that goes through the stages."""

    def __init__(self, config: RunConfig, accelerator: Accelerator, found: dict[str, Corpus], folder: Path) -> None:
        self.config, self.accelerator, self.found, self.folder = config, accelerator, found, folder
        self.labels = found[config.train].labels
        self.tokenizer = backbones.load_tokenizer(config.backbone)
        self.trainer = Trainer(config, accelerator, folder / "progress")
        self.records: list[dict[str, Any]] = []
        self.tokens, self.seconds = 0, 0.0
        self.cached: dict[tuple[str, str], Encoded] = {}

    def execute(self, command: list[str]) -> dict[str, Any]:
        """Train all stages, score, write."""
        set_seed(self.config.seed)  # before any head is initialised
        model = factory.create(self.config, len(self.labels), self.tokenizer)
        encoder = next(module for module in model.modules() if isinstance(module, Encoder))
        self.special = factory.special_of(self.tokenizer, encoder, self.config.shape.max_tokens)
        self._compile(model)
        model.to(self.accelerator.device)
        self._topics(model)
        names = [("train" if self.config.finetune is None else "pretrain", self.config.train)]
        if self.config.finetune is not None:
            names.append(("finetune", self.config.finetune))
        for number, (stage, name) in enumerate(names):
            if number == 0 and self.config.pretrained is not None:
                self._take_over(model, Path(self.config.pretrained).expanduser())
            else:
                self._stage(model, 2 * number, stage, name)
        start = time.monotonic()
        evaluations = [self._evaluate(model, name) for name in self.config.eval or (names[-1][1],)]
        self.seconds += time.monotonic() - start
        metrics = self._metrics(command, evaluations, model)
        if self.accelerator.is_main_process:
            self._write(model, metrics)
        self.accelerator.wait_for_everyone()
        return metrics

    def _compile(self, model: nn.Module) -> None:
        if self.config.optimisation.compile:
            for module in model.modules():
                if isinstance(module, Encoder):
                    module.packs = False  # what is compiled is the backbone's own forward
                    module.backbone.compile(dynamic=True)

    def _topics(self, model: nn.Module) -> None:
        if self.config.model == "todkat" and self.config.shape.mode == "paper" and self.config.pretrained is None:
            from erc_synth.training.models import topics

            seconds = topics.pretrain(model, self._encoded(self.config.train, "train"), self.tokenizer,
                                      self.config, self.folder / "progress" / "topics")  # fmt: skip
            self.seconds += seconds

    def _encoded(self, name: str, split: str) -> Encoded:
        key = (name, split)
        if key not in self.cached:
            marker: batching.Marker = "name" if self.config.model == "baseline" else "id"
            dialogues = self.found[name].split(split)
            encoded = batching.encode(dialogues, self.labels, self.tokenizer, self.special, marker)
            if self.config.model == "todkat" and self.config.shape.knowledge is not None:
                from erc_synth.training import knowledge

                phrases = knowledge.phrases(dialogues, self.config.shape)
                encoded = replace(encoded, knowledge=knowledge.tokens(phrases, self.tokenizer, self.special))
            self.cached[key] = encoded
        return self.cached[key]

    def _stage(self, model: nn.Module, index: int, stage: str, name: str) -> None:
        train, dev = self._encoded(name, "train"), self._encoded(name, "validation")
        soft = self._soft(model, index, stage, name, train, dev)
        self._fit(model, Stage(index, stage, train, dev, self._epochs(stage), soft), name)

    def _take_over(self, model: nn.Module, parent: Path) -> None:
        """The first stage from a finished run that equals it; its records name that run, its cost stays there."""
        done = parent / "metrics.json"
        if not done.exists():
            raise ErcSynthError(f"{parent} holds no finished run.", hint="Train it first, or leave out --pretrained.")
        stages = read_json(done)["stages"]
        differ = first_stage_differences(self.config, read_json(parent / "run.json")["config"])
        if stages[-1]["fingerprint"] != self.found[self.config.train].fingerprints["train"]:
            differ.append("the data")
        if differ:
            raise ErcSynthError(
                f"{parent} is not the first stage of this run: {', '.join(differ)} differ.",
                hint="Give a run with the same settings, or leave out --pretrained.",
            )
        saved.load_into(model, parent / "model")
        origin = os.path.relpath(done, self.folder)
        self.records += [{**s, "name": s["name"].replace("train", "pretrain"), "from": origin} for s in stages]

    def _epochs(self, stage: str) -> int:
        options = self.config.optimisation
        return (options.finetune_epochs or options.epochs) if "finetune" in stage else options.epochs

    def _fit(self, model: nn.Module, stage: Stage, name: str) -> Progress:
        progress = self.trainer.fit(model, stage)
        self.tokens += progress.tokens
        self.seconds += progress.seconds
        found = self.found[name]
        best = progress.best(self.config.optimisation.select_by)
        dataset, config = found.parts
        self.records.append(
            {
                "name": stage.name,
                "dataset": dataset,
                "config": config,
                "fingerprint": found.fingerprints["train"],
                "dialogues": len(stage.train),
                "utterances": len(stage.train.targets()),
                "dropped_leaks": found.leaks,
                "epochs": [asdict(e) for e in progress.epochs],
                "best_epoch": progress.epochs[best].epoch,
            }
        )
        return progress

    def _soft(
        self, model: nn.Module, index: int, stage: str, name: str, train: Encoded, dev: Encoded
    ) -> np.ndarray | None:
        """Grayscale targets ``[utterances, classes]``; the teacher is trained and read once, then cached."""
        shape = self.config.shape
        if self.config.model != "emoone" or shape.method == "none":
            return None
        gold = np.maximum(train.labels, 0)  # unlabelled rows are never read
        if shape.method == "category":
            return grayscale.category(gold, self.labels)
        if shape.method == "word":
            if shape.word_vectors is None:
                raise ErcSynthError("--method word needs --word-vectors.", hint="For example crawl-300d-2M.vec.")
            return grayscale.word(gold, self.labels, Path(shape.word_vectors))
        teacher = self._teacher(model, index, stage, name, train, dev)
        return grayscale.self_adjust(teacher, gold) if shape.method.endswith("adjust") else teacher

    def _teacher(self, model: nn.Module, index: int, stage: str, name: str, train: Encoded, dev: Encoded) -> np.ndarray:
        """Teacher probabilities; it starts from the same weights as the student of the stage."""
        cache = self.folder / "progress" / f"teacher-{index}.npy"
        assert isinstance(model, ContextClassifier)
        start = {k: v.clone() for k, v in model.state_dict().items()}
        model.view = "future" if self.config.shape.method.startswith("future") else "past"
        self._fit(model, Stage(index + 1, f"teacher-{stage}", train, dev, self._epochs(stage)), name)
        if cache.exists():
            teacher = np.load(cache, allow_pickle=False)
        else:
            logits = torch.from_numpy(predict(self.accelerator, model, train))
            teacher = np.zeros((len(train.labels), logits.shape[1]))
            teacher[train.labels >= 0] = torch.softmax(logits.double(), dim=1).numpy()
            if self.accelerator.is_main_process:
                draft = cache.with_suffix(".part.npy")
                np.save(draft, teacher, allow_pickle=False)
                draft.replace(cache)
        model.view = "past"
        model.load_state_dict(start)
        return teacher  # type: ignore[no-any-return]

    def _evaluate(self, model: nn.Module, name: str) -> dict[str, Any]:
        found = self.found[name]
        encoded = self._encoded(name, "test")
        tokens = tokens_of(model)
        logits = predict(self.accelerator, model, encoded)
        self.tokens += tokens_of(model) - tokens
        gold = encoded.labels[encoded.labels >= 0]
        guesses = logits.argmax(1)
        dataset, config = found.parts
        file = f"predictions-{_slug(name)}.parquet"
        if self.accelerator.is_main_process:
            self._predictions(found, encoded, logits, self.folder / file)
        labels = list(self.labels.labels)
        computed = scoring.scores(scoring.confusion(gold, guesses, len(labels)), labels)
        return {
            "dataset": dataset,
            "config": config,
            "split": "test",
            "label_set": self.labels.name,
            "labels": labels,
            **computed,
            "fingerprint": found.fingerprints["test"],
            "revision": found.revision,
            "predictions": file,
        }

    def _predictions(self, found: Corpus, encoded: Encoded, logits: np.ndarray, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        chances = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
        names, dialogues = self.labels.labels, found.split("test")
        targets = encoded.targets()
        gold = encoded.labels[encoded.labels >= 0]
        table = pa.table(
            {
                "dialogue_id": [dialogues[d].dialogue_id for d, _ in targets],
                "utterance_id": pa.array([t for _, t in targets], pa.int32()),
                "gold": [names[i] for i in gold],
                "predicted": [names[i] for i in logits.argmax(1)],
                "probabilities": pa.array(list(chances), pa.list_(pa.float32())),
            }
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def _metrics(self, command: list[str], evaluations: list[dict[str, Any]], model: nn.Module) -> dict[str, Any]:
        config = self.config
        device = self.accelerator.device
        tokens = self.accelerator.reduce(torch.tensor(float(self.tokens), device=device), "sum")
        return {
            "schema_version": 1,
            "run": {
                "name": self.folder.name,
                "model": config.model,
                "backbone": config.backbone,
                "recipe": config.resolved_recipe,
                "seed": config.seed,
                "command": command,
                "config": config.to_dict(),
            },
            "stages": self.records,
            "evaluations": evaluations,
            "cost": {
                "seconds": round(self.seconds, 3),
                "tokens": int(tokens),
                "peak_memory_bytes": _peak_memory(),
                "parameters": sum(p.numel() for p in model.parameters()),
                "processes": self.accelerator.num_processes,
            },
            "versions": _versions(),
        }

    def _write(self, model: nn.Module, metrics: dict[str, Any]) -> None:
        from erc_synth.training import model_card

        folder = self.folder / "model"
        saved.save_model(folder, model, self.tokenizer, self.config, list(self.labels.labels))
        example = saved.example_text(self.config) if saved.loads_in_transformers(model) else None
        (folder / "README.md").write_text(model_card.render(metrics, example=example), encoding="utf-8")
        write_json(self.folder / "metrics.json", metrics)
        shutil.rmtree(self.folder / "progress", ignore_errors=True)  # the model and all scores are safe


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-")


def _peak_memory() -> int:
    """Bytes: of the GPU when there is one, else the resident peak of this process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
