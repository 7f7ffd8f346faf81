"""What training writes as types: run.json, metrics.json and the cells of a grid.

Input: none. Output: types, of which `docs/contracts` holds the schemas (made by `loaders.contracts.schema_of`).
Keys may be added, none changes. Not covered: what statistics read of them (`stats.contracts`: the floors meet in
files only, and a test compares the two).
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic reads the one of `typing` from Python 3.12 on only

Fraction = Annotated[float, Field(ge=0, le=1)]


class RunFile(TypedDict):
    """The content of ``outputs/<run>/run.json`` (schema_version 2): what decides the result of a run."""

    schema_version: Literal[2]
    fingerprint: str
    config: dict[str, object]
    data: dict[str, str]
    files: dict[str, str]
    backbone: str


class Epoch(TypedDict):
    """One pass over the train split."""

    epoch: int
    train_loss: float
    dev_weighted_f1: float
    seconds: float
    dev_accuracy: float


_From = TypedDict("_From", {"from": NotRequired[str]})  # a word of Python


class StageRecord(_From):
    """One stage of a run; `from` is the metrics.json of the run that the stage was taken from."""

    name: str
    dataset: str
    config: str | None
    fingerprint: str
    dev_fingerprint: str
    dialogues: int
    utterances: int
    dropped_leaks: dict[str, int] | None
    epochs: list[Epoch]
    best_epoch: int


class ClassScore(TypedDict):
    """Scores of one emotion."""

    precision: Fraction
    recall: Fraction
    f1: Fraction
    support: int


class Scores(TypedDict):
    """Scores of one test set; `micro_f1_no_neutral` is null where the label set has no neutral class."""

    examples: int
    weighted_f1: Fraction
    macro_f1: Fraction
    micro_f1: Fraction
    accuracy: Fraction
    micro_f1_no_neutral: Fraction | None
    per_class: dict[str, ClassScore]
    confusion: list[list[int]]


class Evaluation(Scores):
    """One test split, its scores, and the file of the predictions; rows of `confusion` are gold labels."""

    dataset: str
    config: str | None
    split: str
    label_set: str
    labels: list[str]
    fingerprint: str
    revision: str | None
    predictions: str


class RunRecord(TypedDict):
    """Which run it was."""

    name: str
    model: str
    backbone: str
    recipe: str
    seed: int
    command: list[str]
    config: dict[str, object]
    fingerprint: str
    data: dict[str, str]
    backbone_fingerprint: str


class Cost(TypedDict):
    """What it took."""

    seconds: float
    tokens: int
    peak_memory_bytes: int
    parameters: int
    processes: int


class Metrics(TypedDict):
    """The content of ``outputs/<run>/metrics.json`` (schema_version 1)."""

    schema_version: Literal[1]
    run: RunRecord
    stages: list[StageRecord]
    evaluations: list[Evaluation]
    cost: Cost
    versions: dict[str, str]


# A finished cell has a score and no reason, a failed one a reason and no score.
_ENDS = ConfigDict(
    json_schema_extra={
        "if": {"properties": {"status": {"const": "done"}}},
        "then": {
            "properties": {"score": {"type": "number"}, "reason": {"type": "null"}, "examples": {"type": "integer"}}
        },
        "else": {"properties": {"score": {"type": "null"}, "reason": {"type": "string"}}},
    }
)
Variant = Literal["org", "nat", "bal", "tstr-nat", "tstr-bal", "leave-out"]
TestSet = Literal["org", "nat", "bal"]
_Name = Annotated[str, Field(min_length=1)]


@with_config(_ENDS)
class Cell(TypedDict):
    """The content of ``results/<cell>.json``: one number of Tables 2 and 3, and where it is from.

    `score` is weighted F1; `options` are the settings that decide it. `fingerprints` are of the rows it is from:
    ``meld_natural/train``, ``meld/test``. `metrics` is the path of the run's metrics.json from the cell's folder.
    """

    schema_version: Literal[1]
    model: _Name
    variant: Variant
    benchmark: _Name
    test_set: TestSet
    seed: int
    score: Fraction | None
    status: Literal["done", "failed"]
    reason: str | None
    recipe: str | None
    metrics: str
    examples: Annotated[int, Field(ge=0)] | None
    options: list[str]
    fingerprints: dict[str, str]
    macro_f1: Fraction | None
    micro_f1: Fraction | None
    accuracy: Fraction | None
    micro_f1_no_neutral: Fraction | None
