"""The stages of a run: one network goes through pre-training, teachers, training and fine-tuning.

Purpose: the recipes scratch, tstr and pretrain-finetune are lists of stages; a classifier may pre-train on texts
and put a teacher before each stage. Input: configuration, `Inputs`, the network. Output: `StageRecord`s, the cost.
Not covered: the loop (`loop`), scores (`evaluation`).
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json
from erc_synth.training import saved
from erc_synth.training.batching import Encoded
from erc_synth.training.config import RunConfig, first_stage_differences, restored
from erc_synth.training.contracts import Epoch, Metrics, RunFile, StageRecord
from erc_synth.training.grayscale import Soft
from erc_synth.training.inputs import Inputs
from erc_synth.training.loop import Progress, Stage, Trainer, predict
from erc_synth.training.models.registry import Lesson, Start


class Stages:
    """What one network learns, in order; `records` and the cost grow with each stage."""

    def __init__(self, config: RunConfig, inputs: Inputs, network: nn.Module, folder: Path) -> None:
        self.config, self.inputs, self.network, self.folder = config, inputs, network, folder
        self.trainer = Trainer(config, inputs.accelerator, folder / "progress")
        self.records: list[StageRecord] = []
        self.tokens, self.seconds = 0, 0.0

    @property
    def names(self) -> list[tuple[str, str]]:
        """(stage, data set) in order."""
        if self.config.finetune is None:
            return [("train", self.config.train)]
        return [("pretrain", self.config.train), ("finetune", self.config.finetune)]

    def run(self) -> None:
        """Train all of them; a finished run may stand for the first one."""
        for number, (stage, name) in enumerate(self.names):
            if number == 0 and self.config.pretrained is not None:
                self._take_over(Path(self.config.pretrained).expanduser())
                continue
            if number == 0:
                self.seconds += self._pretrain(name)
            train, dev = (self.inputs.encoded(name, split) for split in ("train", "validation"))
            soft = self._soft(2 * number, stage, name)
            self._fit(Stage(2 * number, stage, train, dev, self._epochs(stage), soft), name)

    def _pretrain(self, name: str) -> float:
        start = Start(
            self.inputs.encoded(name, "train"),
            self.inputs.tokenizer,
            self.config.optimisation,
            self.config.seed,
            self.folder / "progress" / "topics",
        )
        return self.config.spec.pretrain(self.config.options, self.network, start)

    def _take_over(self, parent: Path) -> None:
        """The first stage from a finished run that equals it; its records name that run, its cost stays there."""
        done = parent / "metrics.json"
        if not done.exists():
            raise ErcSynthError(f"{parent} holds no finished run.", hint="Train it first, or leave out --pretrained.")
        stages = cast(Metrics, read_json(done))["stages"]
        asked = cast(RunFile, read_json(parent / "run.json"))["config"]
        differ = first_stage_differences(self.config, restored(asked))
        if stages[-1]["fingerprint"] != self.inputs.found[self.config.train].fingerprints["train"]:
            differ.append("the data")
        if differ:
            raise ErcSynthError(
                f"{parent} is not the first stage of this run: {', '.join(differ)} differ.",
                hint="Give a run with the same settings, or leave out --pretrained.",
            )
        saved.load_into(self.network, parent / "model")
        origin = os.path.relpath(done, self.folder)
        for stage in stages:
            stage["name"], stage["from"] = stage["name"].replace("train", "pretrain"), origin
        self.records += stages

    def _epochs(self, stage: str) -> int:
        options = self.config.optimisation
        return (options.finetune_epochs or options.epochs) if "finetune" in stage else options.epochs

    def _fit(self, stage: Stage, name: str) -> Progress:
        progress = self.trainer.fit(self.network, stage)
        self.tokens += progress.tokens
        self.seconds += progress.seconds
        found = self.inputs.found[name]
        dataset, config = found.parts
        self.records.append(
            {
                "name": stage.name,
                "dataset": dataset,
                "config": config,
                "fingerprint": found.fingerprints["train"],
                "dev_fingerprint": found.fingerprints["validation"],
                "dialogues": len(stage.train),
                "utterances": len(stage.train.rows()),
                "dropped_leaks": found.leaks,
                "epochs": [cast(Epoch, asdict(e)) for e in progress.epochs],
                "best_epoch": progress.epochs[progress.best(self.config.optimisation.select_by)].epoch,
            }
        )
        return progress

    def _soft(self, index: int, stage: str, name: str) -> Soft | None:
        train = self.inputs.encoded(name, "train")
        lesson = Lesson(train, self.inputs.found[name].labels, lambda: self._teach(index, stage, name, train))
        return self.config.spec.soft_targets(self.config.options, self.network, lesson)

    def _teach(self, index: int, stage: str, name: str, train: Encoded) -> np.ndarray:
        """Teacher probabilities; it starts from the same weights as the student of the stage."""
        cache = self.folder / "progress" / f"teacher-{index}.npy"
        start = {k: v.clone() for k, v in self.network.state_dict().items()}
        dev = self.inputs.encoded(name, "validation")
        self._fit(Stage(index + 1, f"teacher-{stage}", train, dev, self._epochs(stage)), name)
        if cache.exists():
            teacher = np.load(cache, allow_pickle=False)
        else:
            logits = torch.from_numpy(predict(self.inputs.accelerator, self.network, train))
            teacher = np.zeros((len(train.labels), logits.shape[1]))
            teacher[train.labels >= 0] = torch.softmax(logits.double(), dim=1).numpy()
            if self.inputs.accelerator.is_main_process:
                draft = cache.with_suffix(".part.npy")
                np.save(draft, teacher, allow_pickle=False)
                draft.replace(cache)
        self.network.load_state_dict(start)
        return teacher  # type: ignore[no-any-return]
