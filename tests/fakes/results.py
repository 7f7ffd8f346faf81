"""An invented project as the stages leave it: curated sets, runs with predictions, cells of a grid.

Scores follow from the predictions, as in a real run. Classifiers, benchmarks and sizes are the caller's.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from fakes import manifests
from fakes.dialogues import invented_line

LABELS = {
    "meld": ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"),
    "emorynlp": ("joyful", "mad", "neutral", "peaceful", "powerful", "sad", "scared"),
    "iemocap": ("angry", "excited", "frustrated", "happy", "neutral", "sad"),
    "toyset": ("calm", "glad", "upset"),
}
CONFIGS = {"nat": "natural", "bal": "balanced"}
GAIN = {"org": 0.0, "nat": 0.06, "bal": 0.09, "tstr-nat": -0.2, "tstr-bal": -0.15, "leave-out": -0.1}


@dataclass(frozen=True)
class Project:
    """What an invented project holds; `cut` is written as the run's --max-eval-dialogues."""

    models: tuple[str, ...] = ("compm",)
    benchmarks: tuple[str, ...] = ("meld",)
    variants: tuple[str, ...] = ("org", "nat", "bal", "tstr-nat", "leave-out")
    seeds: tuple[int, ...] = (1,)
    dialogues: int = 30
    turns: int = 8
    cut: int | None = None
    single_class: tuple[str, ...] = ()  # variants whose models say one label only
    names: dict[str, str] = field(default_factory=dict)  # model or benchmark -> its name in the cells

    def write(self, root: Path) -> Path:
        """Write `outputs/`, `results/`, `curated/` and `runs/` below a folder."""
        for benchmark in self.benchmarks:
            for kind in CONFIGS.values():
                _write_set(root, f"{benchmark}_{kind}", self)
            for model in self.models:
                for variant in self.variants:
                    for seed in self.seeds:
                        _write_training(root, self, model, benchmark, variant, seed)
        return root


def test_set(benchmark: str, name: str, project: Project) -> list[tuple[str, int, str, str, str]]:
    """(dialogue, turn, speaker, text, gold) of an invented test set; the last label never occurs in `org`."""
    chance = random.Random(f"{benchmark}-{name}")
    labels = LABELS[benchmark][:-1] if name == "org" else LABELS[benchmark]
    weights = [5 if label in ("neutral", "calm") and name != "bal" else 1 for label in labels]
    prefix = benchmark if name == "org" else f"{benchmark}_{CONFIGS[name]}"
    return [
        (f"{prefix}-{d:06d}", t, ("Ada", "Ben")[t % 2], invented_line(chance), chance.choices(labels, weights)[0])
        for d in range(project.dialogues)
        for t in range(project.turns)
    ]


def _write_training(root: Path, project: Project, model: str, benchmark: str, variant: str, seed: int) -> None:
    run = root / "outputs" / f"{model}-{benchmark}-{variant}-s{seed}"
    run.mkdir(parents=True)
    (run / "log.txt").write_text("log")
    evaluations = []
    for name in ("org", "nat", "bal"):
        evaluation = _evaluate(run, project, (model, benchmark, variant, seed), name)
        evaluations.append(evaluation)
        cell = {
            "schema_version": 1, "model": model, "variant": variant, "benchmark": benchmark, "test_set": name,
            "seed": seed, "score": evaluation["weighted_f1"], "status": "done", "reason": None, "recipe": "scratch",
            "metrics": f"../outputs/{run.name}/metrics.json", "examples": evaluation["examples"],
            "options": ["--seed", str(seed)],
            "fingerprints": {f"{benchmark}/train": f"f-{benchmark}", f"{name}/test": evaluation["fingerprint"]},
            **{key: evaluation[key] for key in ("macro_f1", "micro_f1", "accuracy", "micro_f1_no_neutral")},
        }  # fmt: skip
        for key in ("model", "benchmark"):
            if cell[key] in project.names:
                cell[f"{key}_name"] = project.names[cell[key]]
        (root / "results").mkdir(exist_ok=True)
        (root / "results" / f"{run.name}-on-{name}.json").write_text(json.dumps(cell))
    epochs = [
        {"epoch": e, "train_loss": 1.0 / e, "dev_weighted_f1": 0.6 - 0.5 / (e + 1), "seconds": 1.0, "dev_accuracy": 0.5}
        for e in (1, 2, 3, 4)
    ]
    stage = {"name": "train", "dataset": benchmark, "config": None, "fingerprint": f"f-{benchmark}", "epochs": epochs,
             "dev_fingerprint": f"d-{benchmark}", "dialogues": 40, "utterances": 320, "dropped_leaks": None,
             "best_epoch": 4}  # fmt: skip
    info = {
        "name": run.name, "model": model, "backbone": "roberta-base", "recipe": "scratch", "seed": seed,
        "command": ["erc-synth", "train", "--model", model, "--train", benchmark, "--seed", str(seed)],
        "config": {"data": {"max_train_dialogues": None, "max_eval_dialogues": project.cut}},
        "fingerprint": "f", "data": {f"{benchmark}/train": f"f-{benchmark}"}, "backbone_fingerprint": "b",
    }  # fmt: skip
    metrics = {
        "schema_version": 1, "run": info, "stages": [stage], "evaluations": evaluations,
        "cost": {"seconds": 125.0, "tokens": 150_000, "peak_memory_bytes": 10**9, "parameters": 10**6,
                 "processes": 1},
        "versions": {"python": "3.11.9", "torch": "2.9.0", "transformers": "4.57.0"},
    }  # fmt: skip
    (run / "metrics.json").write_text(json.dumps(metrics))


def _evaluate(run: Path, project: Project, training: tuple[str, str, str, int], name: str) -> dict[str, object]:
    model, benchmark, variant, _ = training
    chance = random.Random(f"{run.name}-{name}")
    labels = LABELS[benchmark]
    lines = test_set(benchmark, name, project)
    right = (
        0.5 + GAIN[variant] + 0.04 * project.models.index(model) + (0.1 if name != "org" and variant != "org" else 0)
    )
    gold = [line[4] for line in lines]
    guesses = [g if chance.random() < right else chance.choice(labels) for g in gold]
    if variant in project.single_class:
        guesses = [labels[0]] * len(gold)
    file = f"predictions-{name}.parquet"
    columns = {"dialogue_id": [line[0] for line in lines], "utterance_id": [line[1] for line in lines],
               "gold": gold, "predicted": guesses}  # fmt: skip
    pq.write_table(pa.table(columns), run / file)
    order = list(labels)
    each = precision_recall_fscore_support(gold, guesses, labels=order, zero_division=0)
    return {
        "dataset": benchmark if name == "org" else "./dist/erc-synth",
        "config": None if name == "org" else f"{benchmark}_{CONFIGS[name]}",
        "split": "test", "label_set": benchmark, "labels": order, "examples": len(gold),
        "weighted_f1": float(f1_score(gold, guesses, average="weighted", zero_division=0)),
        "macro_f1": float(f1_score(gold, guesses, average="macro", zero_division=0)),
        "micro_f1": float(f1_score(gold, guesses, average="micro", zero_division=0)),
        "accuracy": accuracy_score(gold, guesses),
        "micro_f1_no_neutral": None,
        "per_class": {
            label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
            for label, p, r, f, s in zip(order, *each, strict=True)
        },
        "confusion": confusion_matrix(gold, guesses, labels=order).tolist(),
        "fingerprint": f"{name}-{benchmark}", "revision": None, "predictions": file,
    }  # fmt: skip


def _write_set(root: Path, config: str, project: Project) -> None:
    benchmark, kind = config.split("_")
    name = {v: k for k, v in CONFIGS.items()}[kind]
    lines = test_set(benchmark, name, project)
    counts = {label: sum(line[4] == label for line in lines) for label in LABELS[benchmark]}
    size = (project.dialogues, len(lines))
    curation = manifests.curation(
        config, dict.fromkeys(("train", "validation", "test"), size), dropped={"duplicate": 2},
        label_counts={"test": {label: n for label, n in counts.items() if n}},
    )  # fmt: skip
    manifest = manifests.manifest(
        config, project.dialogues + 2, rejected=4, label_set=benchmark, labels=dict.fromkeys(LABELS[benchmark], 1)
    )
    (root / "runs" / config).mkdir(parents=True, exist_ok=True)
    (root / "runs" / config / "manifest.json").write_text(json.dumps(manifest))
    curated = root / "curated"
    curated.mkdir(parents=True, exist_ok=True)
    (curated / f"{config}.curation.json").write_text(json.dumps(curation))
    dialogues: dict[str, list[dict[str, str]]] = {}
    for dialogue, _, speaker, text, emotion in lines:
        dialogues.setdefault(dialogue, []).append({"speaker": speaker, "text": text, "emotion": emotion})
    facts = {"seed": 0, "target_emotion": None, "recipe": config, "generator": manifests.MODEL, "split": "test"}
    records = [{"dialogue_id": d, "utterances": turns, **facts} for d, turns in dialogues.items()]
    (curated / f"{config}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
