"""The one schema of every data set: utterances, dialogues, and `datasets.Features`.

Purpose: a dialogue means the same thing in every stage. Published and loaded rows are utterances;
generation, curation and training work on `Dialogue`; `to_dialogues` and `to_utterances` convert.
Input: utterance rows; curated JSON records. Output: frozen values, `datasets` objects.
Not covered: label sets (`labels`, whose names are also had from here), reading benchmark files (`benchmarks`),
finding data by name (`registry`).
`datasets` is imported only inside the functions that return its objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Required, TypedDict, cast

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import UNLABELLED as UNLABELLED
from erc_synth.loaders.labels import LabelSet as LabelSet
from erc_synth.loaders.labels import label_set as label_set
from erc_synth.loaders.labels import label_set_names as label_set_names
from erc_synth.loaders.labels import label_set_of as label_set_of

if TYPE_CHECKING:
    from datasets import Dataset, Features

SPLITS = ("train", "validation", "test")
PROVENANCE_COLUMNS = ("seed", "target_emotion", "recipe", "generator")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn. `emotion` is a label name of the dialogue's label set, or ``None`` (unlabelled)."""

    speaker: str
    text: str
    emotion: str | None


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One conversation; utterance ids are the positions 0..n-1.

    Attributes:
        dialogue_id: Unique over all splits of a data set.
        utterances: In the order of the conversation.
        seed: Sampling seed of a synthetic dialogue, 0..2**31-1; ``None`` for a real one.
        target_emotion: The emotion that a balanced recipe asked for; ``None`` when natural or real.
        recipe: Name of the recipe; ``None`` for a real dialogue.
        generator: Model id that wrote it; ``None`` for a real dialogue.
    """

    dialogue_id: str
    utterances: tuple[Utterance, ...]
    seed: int | None = None
    target_emotion: str | None = None
    recipe: str | None = None
    generator: str | None = None

    def __len__(self) -> int:
        return len(self.utterances)

    def to_json(self) -> dict[str, object]:
        """Plain dict for one line of a curated JSONL file."""
        return {
            "dialogue_id": self.dialogue_id,
            "utterances": [{"speaker": u.speaker, "text": u.text, "emotion": u.emotion} for u in self.utterances],
            **{column: getattr(self, column) for column in PROVENANCE_COLUMNS},
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Dialogue:
        """Inverse of `to_json`; other keys of the record (`split`, ...) are left to the caller."""
        turns = tuple(Utterance(turn["speaker"], turn["text"], turn["emotion"]) for turn in record["utterances"])
        provenance = {column: record.get(column) for column in PROVENANCE_COLUMNS}
        return cls(record["dialogue_id"], turns, **provenance)


class Provenance(TypedDict, total=False):
    """Columns that synthetic rows add; the target is a ClassLabel index."""

    seed: int | None
    target_emotion: int | None
    recipe: str | None
    generator: str | None


class Row(Provenance):
    """One utterance as a row; the emotion is a ClassLabel index."""

    dialogue_id: Required[str]
    utterance_id: Required[int]
    speaker: Required[str]
    text: Required[str]
    emotion: Required[int]


def features(labels: LabelSet, *, provenance: bool = False) -> Features:
    """`datasets.Features` of utterance rows; `provenance` adds the four synthetic columns."""
    from datasets import ClassLabel, Features, Value

    columns: dict[str, object] = {
        "dialogue_id": Value("string"),
        "utterance_id": Value("int32"),
        "speaker": Value("string"),
        "text": Value("string"),
        "emotion": ClassLabel(names=list(labels.labels)),
    }
    if provenance:
        columns["seed"] = Value("int64")
        columns["target_emotion"] = ClassLabel(names=list(labels.labels))
        columns["recipe"] = Value("string")
        columns["generator"] = Value("string")
    return Features(columns)


def utterance_rows(dialogues: Iterable[Dialogue], labels: LabelSet, *, provenance: bool = False) -> Iterator[Row]:
    """Utterance rows (ClassLabels as indices) of dialogues, contiguous and in order."""
    for dialogue in dialogues:
        extra: Provenance = {}
        if provenance:
            target = dialogue.target_emotion
            extra = {
                "seed": dialogue.seed,
                "target_emotion": None if target is None else labels.index(target),
                "recipe": dialogue.recipe,
                "generator": dialogue.generator,
            }
        for position, turn in enumerate(dialogue.utterances):
            yield {
                "dialogue_id": dialogue.dialogue_id,
                "utterance_id": position,
                "speaker": turn.speaker,
                "text": turn.text,
                "emotion": labels.index(turn.emotion),
                **extra,
            }


def to_utterances(dialogues: Iterable[Dialogue], labels: LabelSet, *, provenance: bool = False) -> Dataset:
    """Utterance rows of dialogues as a `Dataset`; inverse of `to_dialogues`."""
    from datasets import Dataset

    rows: list[Mapping[str, object]] = list(utterance_rows(dialogues, labels, provenance=provenance))
    schema = features(labels, provenance=provenance)
    columns = {name: [row[name] for row in rows] for name in schema}
    return Dataset.from_dict(columns, features=schema)


def to_dialogues(rows: Dataset) -> list[Dialogue]:
    """Dialogues of utterance rows; inverse of `to_utterances`.

    Raises:
        ErcSynthError: The rows of a dialogue are not contiguous or not in order (a shuffled set).
    """
    labels = label_set_of(rows)
    dialogues: list[Dialogue] = []
    seen: set[str] = set()
    for dialogue_id, group in groupby(_plain_rows(rows), key=lambda row: str(row["dialogue_id"])):
        turns = list(group)
        ordered = [row["utterance_id"] for row in turns] == list(range(len(turns)))
        if dialogue_id in seen or not ordered:
            raise ErcSynthError(
                f"The rows of dialogue {dialogue_id!r} are not contiguous and in order.",
                hint="Group the dialogues before you shuffle or filter rows.",
            )
        seen.add(dialogue_id)
        dialogues.append(_dialogue(dialogue_id, turns, labels))
    return dialogues


def _plain_rows(rows: Dataset) -> Iterator[Row]:
    """Rows as Python values, column by column (far cheaper than row access)."""
    table = rows.with_format(None)[:]
    names = list(table)
    for values in zip(*(table[name] for name in names), strict=True):
        yield cast(Row, dict(zip(names, values, strict=True)))


def _dialogue(dialogue_id: str, turns: list[Row], labels: LabelSet) -> Dialogue:
    first = turns[0]
    return Dialogue(
        dialogue_id,
        tuple(Utterance(t["speaker"], t["text"], labels.name_of(t["emotion"])) for t in turns),
        seed=first.get("seed"),
        target_emotion=labels.name_of(first.get("target_emotion")),
        recipe=first.get("recipe"),
        generator=first.get("generator"),
    )
