"""The cells of a grid with what stands behind them: evaluations, predictions, intervals.

Input: the results folder. Output: a `Value` for each place of a table. Files are read once.
Not covered: the tables themselves (`tables`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from erc_synth.stats.cells import Names, read_cells
from erc_synth.stats.contracts import Cell, Evaluation, Metrics
from erc_synth.stats.files import read_json
from erc_synth.stats.paired import Predictions, bootstrap_interval, f1_interval, read_predictions

CONFIGS = {"nat": "natural", "bal": "balanced"}  # test set -> how the config of a synthetic sibling ends


class Place(NamedTuple):
    """Where a number stands."""

    model: str
    benchmark: str
    variant: str
    test_set: str


@dataclass(frozen=True, slots=True)
class Value:
    """A mean score in percent with what a reader must know to believe it."""

    score: float
    seeds: int
    examples: int | None
    interval: tuple[float, float] | None  # percent
    by_dialogue: bool  # the interval draws whole dialogues; else seeds only
    one_class: str  # the label that every seed predicts everywhere, or nothing
    run: str  # name of the first seed's training


class Results:
    """Finished cells by place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all = read_cells(folder) if folder.is_dir() else []
        self.names = Names(cast("list[dict[str, object]]", self.all))
        self._metrics: dict[Path, Metrics | None] = {}
        self._predictions: dict[Path, Predictions | None] = {}
        self._values: dict[Place, Value] = {}
        self._cells: dict[Place, list[Cell]] = {}
        for cell in self.all:
            if cell["status"] == "done" and cell["score"] is not None:
                place = Place(cell["model"], cell["benchmark"], cell["variant"], cell["test_set"])
                self._cells.setdefault(place, []).append(cell)

    def places(self) -> Iterator[Place]:
        """All places with a number, in the order of the paper's tables."""
        yield from sorted(self._cells, key=lambda place: self.names.place(*place))

    def cells(self, place: Place) -> list[Cell]:
        """The finished cells of a place, one per seed."""
        return self._cells.get(place, [])

    def models(self) -> list[str]:
        """Classifiers with a number."""
        return list(dict.fromkeys(place.model for place in self.places()))

    def benchmarks(self) -> list[str]:
        """Benchmarks with a number, in order."""
        return sorted({place.benchmark for place in self._cells}, key=self.names.place)

    def run_of(self, cell: Cell) -> str:
        """Name of a cell's training."""
        return (self.folder / cell["metrics"]).resolve().parent.name

    def metrics(self, cell: Cell) -> Metrics | None:
        """The metrics.json of a cell's training, if it is still there."""
        path = self.folder / cell["metrics"]
        if path not in self._metrics:
            self._metrics[path] = cast("Metrics", read_json(path)) if path.exists() else None
        return self._metrics[path]

    def evaluation(self, cell: Cell) -> Evaluation | None:
        """The evaluation that a cell's score is from."""
        ending = CONFIGS.get(cell["test_set"])
        metrics = self.metrics(cell)
        for found in metrics["evaluations"] if metrics else []:
            if ending is None and found["dataset"] == cell["benchmark"]:
                return found
            if ending and found.get("config") == f"{cell['benchmark']}_{ending}":
                return found
        return None

    def predictions(self, cell: Cell) -> Predictions | None:
        """What a cell's model said on its test set, if the file is still there."""
        found = self.evaluation(cell)
        path = (self.folder / cell["metrics"]).parent / found["predictions"] if found else None
        if path is None or not path.exists():
            return None
        if path not in self._predictions:
            self._predictions[path] = read_predictions(path)
        return self._predictions[path]

    def score(self, place: Place) -> float | None:
        """Mean over seeds, percent; rounded, so that equal seeds have an equal mean."""
        some = [100 * float(cell["score"] or 0) for cell in self.cells(place)]
        return round(sum(some) / len(some), 10) if some else None

    def value(self, place: Place) -> Value | None:
        """The number of a place, or nothing."""
        if place not in self._values and self.cells(place):
            self._values[place] = self._value(self.cells(place), self.score(place) or 0.0)
        return self._values.get(place)

    def _value(self, cells: Sequence[Cell], score: float) -> Value:
        scores = [100 * float(cell["score"] or 0) for cell in cells]
        predicted = [found for found in map(self.predictions, cells) if found]
        drawn = f1_interval(predicted) if len(predicted) == len(cells) else None
        interval = (100 * drawn[0], 100 * drawn[1]) if drawn else bootstrap_interval(scores) if len(cells) > 1 else None
        counts = [int(cell.get("examples") or 0) for cell in cells]
        return Value(
            score=score,
            seeds=len(cells),
            examples=min(counts) or None,
            interval=interval,
            by_dialogue=drawn is not None,
            one_class=self._one_class(cells),
            run=self.run_of(cells[0]),
        )

    def _one_class(self, cells: Sequence[Cell]) -> str:
        said = {single_class(found) if found else "" for found in map(self.evaluation, cells)}
        return " or ".join(sorted(said)) if "" not in said else ""


def single_class(found: Evaluation) -> str:
    """The label that a model gives to everything although the test set has several; else nothing."""
    support = [sum(row) for row in found["confusion"]]
    guessed = [
        label for label, n in zip(found["labels"], map(sum, zip(*found["confusion"], strict=True)), strict=True) if n
    ]
    return guessed[0] if len(guessed) == 1 and sum(n > 0 for n in support) > 1 else ""
