"""The cells of a grid: one JSON file per test set of a trained model, and when it may be taken for finished.

Purpose: a cell says which settings and which data its score is from. A finished cell of other settings or other data
is refused, never skipped; a finished cell is never overwritten by a failure.
Input: metrics.json of a training. Output: `results/<cell>.json` (docs/contracts/cell.schema.json).
Not covered: running trainings (`launchers`), reading cells for statistics (`stats.cells`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_json
from erc_synth.training.contracts import Cell, Evaluation, Metrics, StageRecord, TestSet, Variant
from erc_synth.training.grid.plan import TEST_SETS, Plan, Training

Fingerprints = Mapping[str, Mapping[str, str]]  # data set name -> split -> hash of its rows
SCORES = ("macro_f1", "micro_f1", "accuracy", "micro_f1_no_neutral")  # beside the score


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a grid writes: its cells, and the run folders of its trainings."""

    results: Path
    outputs: Path

    def resolved(self) -> Folders:
        """The same as absolute paths, for machines that start elsewhere."""
        return Folders(self.results.resolve(), self.outputs.resolve())

    def run(self, training: Training) -> Path:
        """Run folder of a training."""
        return self.outputs / training.name


def open_trainings(plan: Plan, results: Path, data: Fingerprints | None = None) -> list[Training]:
    """Trainings of which some cell is not done; `data` are the fingerprints of the data as it is now.

    Raises:
        ErcSynthError: A finished cell is of other settings or other data: it would be passed off as this plan's.
    """
    # Every cell is looked at, also behind an open one: a foreign cell is refused before anything is trained.
    counts = {t: sum(_is_done(t, s, plan, results, data) for s in TEST_SETS) for t in plan.trainings()}
    return [training for training, done in counts.items() if done < len(TEST_SETS)]


def _is_done(training: Training, test_set: str, plan: Plan, results: Path, data: Fingerprints | None) -> bool:
    path = results / training.cell(test_set)
    cell = cast("Cell | None", read(path))
    if cell is None or cell.get("status") != "done":
        return False
    way_out = "Use another --results and --outputs, or --overwrite to train it again."
    options = plan.settings(training)
    if cell.get("options", options) != options:
        raise ErcSynthError(f"{path} was made with other options: {' '.join(cell['options'])}.", hint=way_out)
    if data is None:
        return True
    if "fingerprints" not in cell:
        raise ErcSynthError(f"{path} does not say which data it is from.", hint=way_out)
    for name, now in expected(training, test_set, data).items():
        then = cell["fingerprints"].get(name)
        if then != now:
            raise ErcSynthError(f"{path} is from other data: {name} was {then}, now it is {now}.", hint=way_out)
    return True


def expected(training: Training, test_set: str, data: Fingerprints) -> dict[str, str]:
    """Fingerprints that a cell of this data has: of the train split of each stage, and of the test set."""
    test = training.test_name(test_set)
    return {
        **{f"{_short(name)}/train": data[name]["train"] for name in training.stages},
        f"{_short(test)}/test": data[test]["test"],
    }


def _short(name: str) -> str:
    """Config or benchmark: where a repo lies is not part of what a cell is."""
    return name.rpartition(":")[2]


def read(path: Path) -> dict[str, object] | None:
    """The object of a JSON file; ``None`` for anything else (a cell that is not there, or half a file)."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write(training: Training, options: list[str], folders: Folders, reason: str | None) -> str | None:
    """Write all cells of a training that ended, failed for `reason` or not; returns why it failed."""
    metrics = cast("Metrics | None", read(folders.run(training) / "metrics.json")) if reason is None else None
    if reason is None and metrics is None:
        reason = "the training wrote no metrics.json"
    for test_set in TEST_SETS:
        path = folders.results / training.cell(test_set)
        made = _cell(training, test_set, metrics, reason)
        if made["status"] == "failed" and (read(path) or {}).get("status") == "done":
            continue  # what was finished stays finished
        made["metrics"] = os.path.relpath(folders.run(training) / "metrics.json", folders.results)
        made["options"] = options
        write_json(path, made)
    return reason


def _cell(training: Training, test_set: str, metrics: Metrics | None, reason: str | None) -> Cell:
    wanted = training.test_name(test_set)
    found = next((e for e in (metrics["evaluations"] if metrics else ()) if _name(e) == wanted), None)
    if metrics is not None and found is None:
        reason = f"metrics.json has no score of {wanted}"
    more = cast("Mapping[str, float | None]", found or {})  # a run of an earlier version has fewer
    return {
        "schema_version": 1,
        "model": training.model,
        "variant": cast(Variant, training.variant),
        "benchmark": training.benchmark,
        "test_set": cast(TestSet, test_set),
        "seed": training.seed,
        "score": found["weighted_f1"] if found else None,
        "status": "done" if found else "failed",
        "reason": reason,
        "recipe": metrics["run"].get("recipe") if metrics else None,
        "metrics": "",
        "examples": found["examples"] if found else None,
        "options": [],
        "fingerprints": _fingerprints(metrics, found),
        "macro_f1": more.get("macro_f1"),
        "micro_f1": more.get("micro_f1"),
        "accuracy": more.get("accuracy"),
        "micro_f1_no_neutral": more.get("micro_f1_no_neutral"),
    }


def _fingerprints(metrics: Metrics | None, found: Evaluation | None) -> dict[str, str]:
    told = {f"{_short(_name(s))}/train": s.get("fingerprint", "") for s in (metrics["stages"] if metrics else ())}
    return told | ({f"{_short(_name(found))}/test": found.get("fingerprint", "")} if found else {})


def _name(entry: StageRecord | Evaluation) -> str:
    config = entry.get("config")
    return f"{entry['dataset']}:{config}" if config else str(entry["dataset"])


def expected_seconds(plan: Plan, outputs: Path) -> dict[Training, float]:
    """Seconds of each training by the finished runs of its model: of the same recipe, or else of any.

    Trainings of a model that no run is finished of are left out. Start-up and loading are not counted.
    """
    seen: dict[tuple[str, str | None], list[float]] = {}
    for path in outputs.glob("*/metrics.json"):
        metrics = cast("Metrics | None", read(path))
        if metrics:
            run, seconds = metrics["run"], float(metrics["cost"]["seconds"])
            seen.setdefault((run["model"], run.get("recipe")), []).append(seconds)
            seen.setdefault((run["model"], None), []).append(seconds)
    found = {}
    for training in plan.trainings():
        times = seen.get((training.model, training.recipe)) or seen.get((training.model, None))
        if times:
            found[training] = sum(times) / len(times)
    return found
