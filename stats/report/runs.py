"""Each training of the report: what it was, how it learnt, what it scored on each test set.

Input: `outputs/<run>/metrics.json`. Output: `Run` with sheets and a figure; its record for the embedded provenance.
Not covered: the cells of a grid (`results`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from erc_synth.stats.cells import Names
from erc_synth.stats.contracts import ClassScore, Evaluation, Metrics, Stage
from erc_synth.stats.errors import StatsError
from erc_synth.stats.files import read_json
from erc_synth.stats.report.figures import curves
from erc_synth.stats.report.results import single_class
from erc_synth.stats.report.sheet import Column, Item, Sheet, items, slug
from erc_synth.stats.report.sources import Inputs, relative

CUTS = {"max_train_dialogues": "train", "max_eval_dialogues": "validation and test"}  # option -> splits that it cuts


@dataclass(frozen=True, slots=True)
class Run:
    """One training."""

    name: str
    model: str
    metrics: Metrics
    sheets: Sequence[Sheet]  # one per test set
    figure: str  # learning curves, or nothing
    link: str
    log: str | None

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return anchor(self.name)

    @property
    def facts(self) -> list[str]:
        """What it was, in a few words each."""
        run, cost = self.metrics["run"], self.metrics["cost"]
        backbone = run["backbone"].rstrip("/")
        if backbone.startswith(("/", ".", "~")):
            backbone = backbone.split("/")[-1]
        return [
            f"{self.model} on {backbone}",
            f"regime {run['recipe']}",
            f"seed {run['seed']}",
            f"{cost['seconds']:,.0f} s",
            f"{cost['tokens']:,} tokens",
        ]

    @property
    def stages(self) -> list[str]:
        """Each stage in a sentence."""
        return [
            f"{stage['name']} on {short_name(stage)}, data fingerprint {stage['fingerprint']}, best epoch "
            f"{stage['best_epoch']}{_origin(stage)}"
            for stage in self.metrics["stages"]
        ]

    @property
    def summary(self) -> str:
        """Scores in one line."""
        return ", ".join(
            f"{short_name(found)} {100 * found['weighted_f1']:.2f}" for found in self.metrics["evaluations"]
        )

    def cuts(self) -> dict[str, int]:
        """Splits of which only the first dialogues were used: name -> how many."""
        return {CUTS[key]: value for key, value in _settings(self.metrics["run"]["config"]) if key in CUTS}

    def single_classes(self) -> list[str]:
        """Test sets on which it gives everything the same label."""
        return [short_name(found) for found in self.metrics["evaluations"] if single_class(found)]

    def record(self) -> dict[str, object]:
        """What the page carries with it, so that a mailed report still says where its numbers are from."""
        return {
            "run": self.metrics["run"],
            "stages": [{k: v for k, v in stage.items() if k != "epochs"} for stage in self.metrics["stages"]],
            "evaluations": self.metrics["evaluations"],
            "cost": self.metrics["cost"],
            "versions": self.metrics["versions"],
        }


def _origin(stage: Stage) -> str:
    origin = stage.get("from")
    return f", taken over from {Path(origin).parent.name}" if origin else ""


def _settings(config: Mapping[str, object]) -> list[tuple[str, int]]:
    """All settings with a number, whatever group they stand in."""
    found: list[tuple[str, int]] = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            found += _settings(value)
        elif isinstance(value, int):
            found.append((key, value))
    return found


def anchor(name: str) -> str:
    """Id of a run on the page."""
    return f"run-{slug(name)}"


def short_name(record: Evaluation | Stage) -> str:
    """Data set and config without the folder: ``erc-synth:meld_natural``."""
    name = record["dataset"].rstrip("/").split("/")[-1]
    return f"{name}:{record['config']}" if record.get("config") else name


def read_runs(inputs: Inputs, names: Names, out: Path) -> dict[str, list[Run]]:
    """Classifier -> its runs.

    Raises:
        StatsError: A file that is no metrics.json.
    """
    found: dict[str, list[Run]] = {}
    paths = sorted(inputs.outputs.glob("*/metrics.json")) if inputs.outputs and inputs.outputs.is_dir() else []
    for path in paths:
        metrics = read_json(path)
        if not isinstance(metrics, dict) or not {"run", "stages", "evaluations", "cost", "versions"} <= set(metrics):
            raise StatsError(f"{path} is no metrics.json of erc-synth train.", hint="Train again, or move it away.")
        run = _run(path, cast("Metrics", metrics), names, out)
        found.setdefault(run.model, []).append(run)
    return found


def _run(path: Path, metrics: Metrics, names: Names, out: Path) -> Run:
    log = path.parent / "log.txt"
    return Run(
        path.parent.name,
        names.model(metrics["run"]["model"]),
        metrics,
        [_confusion_sheet(path.parent.name, i, found) for i, found in enumerate(metrics["evaluations"])],
        curves(_learning(metrics["stages"]), "Epoch", "Weighted F1 on validation, %"),
        relative(path, out),
        relative(log, out) if log.exists() else None,
    )


def _learning(stages: Sequence[Stage]) -> dict[str, list[tuple[float, float]]]:
    """Stage -> (epoch, weighted F1 on validation in percent)."""
    return {
        f"{stage['name']} on {short_name(stage)}": [
            (epoch["epoch"], 100 * epoch["dev_weighted_f1"]) for epoch in stage["epochs"]
        ]
        for stage in stages
        if stage["epochs"]
    }


def _confusion_sheet(run: str, number: int, found: Evaluation) -> Sheet:
    """Scores of each class and where its utterances went: rows gold, columns predicted."""
    heads = [Column("Gold", text=True), *map(Column, ("F1", "Precision", "Recall", "Support"))]
    heads += [Column(label, "Predicted as") for label in found["labels"]]
    rows = []
    for label, counts in zip(found["labels"], found["confusion"], strict=True):
        total = max(sum(counts), 1)
        cells = [Item(str(n), shade=n / total) for n in counts]
        rows.append([Item(label), *_class_items(found["per_class"][label], guessed=_guessed(found, label)), *cells])
    overall = [
        f"Weighted F1 {100 * found['weighted_f1']:.2f}",
        f"macro {100 * found['macro_f1']:.2f}",
        f"micro {100 * found['micro_f1']:.2f}",
    ]
    without = found.get("micro_f1_no_neutral")
    if without is not None:
        overall.append(f"micro without neutral {100 * without:.2f}")
    notes = [f"{', '.join(overall)}. Data fingerprint {found['fingerprint']}."]
    if label := single_class(found):
        notes.insert(0, f"This model predicts one class only: {label}.")
    title = f"{short_name(found)}, {found['split']} ({found['examples']:,} utterances)"
    return Sheet(f"{anchor(run)}-{number}", title, heads, rows, notes=notes, sortable=False)


def _guessed(found: Evaluation, label: str) -> int:
    column = found["labels"].index(label)
    return sum(row[column] for row in found["confusion"])


def _class_items(score: ClassScore, *, guessed: int) -> list[Item]:
    """A class without support has no F1 and no recall, one that nobody predicts no precision."""
    f1, precision, recall = (f"{100 * score[key]:.1f}" for key in ("f1", "precision", "recall"))
    support = score["support"]
    return items(f1 if support else None, precision if guessed else None, recall if support else None, support)
