"""The JSON files of a curated folder: what stands in `<config>.curation.json` and `<config>.quality.json`.

Purpose: curation, quality, cards and report mean the same by a key. Input: none. Output: types; JSON Schemas.
Not covered: the dialogues (`curated`), writing (`generation.curation.files`, `generation.quality.measure`).

The schemas in `docs/contracts` are made from these types (`schema_of`); keys may be added, none changes.
"""

from __future__ import annotations

from typing import (
    Any,
    Literal,
    NotRequired,  # pydantic reads the one of `typing` from Python 3.12 on only
)

from typing_extensions import TypedDict


class Size(TypedDict):
    """How much a part holds."""

    dialogues: int
    utterances: int


class Labels(TypedDict):
    """A label set by name, with its labels in order."""

    name: str
    labels: list[str]


class LeakRow(TypedDict):
    """Dialogues that repeat one split of a benchmark, by kind; all 0 when it was not searched."""

    checked: bool
    exact: int
    ngram8: int
    near_duplicate: int
    dropped: int
    shared_lines: NotRequired[float]
    paraphrase: NotRequired[int | None]


class Curation(TypedDict):
    """The content of ``<config>.curation.json`` (schema_version 1)."""

    schema_version: Literal[1]
    config: str
    recipe: str | None
    generator: str | None
    generators: dict[str, int]
    label_set: Labels | None
    seed: int
    input: Size
    kept: Size
    dropped: dict[str, int]
    reported: dict[str, Size]
    splits: dict[str, Size]
    label_counts: dict[str, dict[str, int]]
    leaks: dict[str, LeakRow]
    options: dict[str, Any]


class Interval(TypedDict):
    """A figure with its 95 % interval, where one can be given."""

    value: float
    low: float | None
    high: float | None


class Measure(Interval):
    """A figure of the set beside the same of the reference."""

    group: str
    reference: Interval | None
    reading: str


class QualitySize(Size):
    """How much was measured."""

    words: int


class Agreement(TypedDict):
    """Kappa of the generated labels with a judge, by label; the ceiling is the judge's on real test data."""

    judge_trained_on: str
    over: list[str]
    kappa_by_label: dict[str, Interval]
    ceiling_by_label: dict[str, Interval]


class AnnotatorAgreement(TypedDict):
    """Kappa of the generated labels with one annotator who reads whole dialogues; never mixed with another's."""

    annotator: str
    kappa: Interval
    ceiling: Interval | None
    kappa_by_label: dict[str, Interval]
    ceiling_by_label: dict[str, Interval]


class Compliance(TypedDict):
    """Dialogues that were asked to express an emotion: shares with a turn labelled so, and heard so by an annotator."""

    dialogues: int
    labelled: Interval
    heard: Interval | None


class Doubtful(TypedDict):
    """A line whose label looks wrong."""

    dialogue_id: str
    utterance_id: int
    given: str
    likelier: str


class Quality(TypedDict):
    """The content of ``<config>.quality.json`` (schema_version 1)."""

    schema_version: Literal[1]
    dataset: str
    reference: str | None
    seed: int
    size: QualitySize
    reference_size: QualitySize | None
    equal_words: int
    measures: dict[str, Measure]
    label_counts: dict[str, int]
    label_agreement: Agreement | None
    annotators: list[AnnotatorAgreement]
    target_compliance: dict[str, Compliance]
    doubtful_labels: list[Doubtful]
    leaks: dict[str, LeakRow]
    notes: list[str]
    section: str


def schema_of(contract: Any) -> dict[str, Any]:
    """JSON Schema of one of the types here, as it stands in `docs/contracts`."""
    from pydantic import TypeAdapter

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TypeAdapter(contract).json_schema()}
