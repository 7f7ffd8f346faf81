"""The one schema of every data set: utterances, dialogues, and `datasets.Features`.

Purpose: a dialogue means the same thing in every stage. Published and loaded rows are utterances;
generation, curation and training work on `Dialogue`; `to_dialogues` and `to_utterances` convert.
Input: utterance rows; curated JSON records. Output: frozen values, `datasets` objects.
Not covered: label sets (`labels`, whose names are also had from here), reading benchmark files (`benchmarks`),
finding data by name (`registry`).
`datasets` is imported only inside the functions that return its objects.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Required, TypedDict, overload

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import UNLABELLED as UNLABELLED
from erc_synth.loaders.labels import LabelSet as LabelSet
from erc_synth.loaders.labels import label_set as label_set
from erc_synth.loaders.labels import label_set_names as label_set_names
from erc_synth.loaders.labels import label_set_of as label_set_of

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset, Features

SPLITS = ("train", "validation", "test")
READ_AT_ONCE = 2_000  # dialogues
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

    @property
    def emotions(self) -> tuple[str | None, ...]:
        """The emotion of each turn."""
        return tuple(turn.emotion for turn in self.utterances)

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
    return list(Dialogues(rows))


class Dialogues(Sequence[Dialogue]):
    """Dialogues that are read from their rows when they are asked for; equal to a list of the same dialogues.

    `datasets` keeps the rows on disk, so a split of a million dialogues costs memory for row numbers, not for texts.

    Args:
        rows: Utterance rows, each dialogue's together and in order.

    Raises:
        ErcSynthError: The rows of a dialogue are not contiguous or not in order (a shuffled set).
    """

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __init__(self, rows: Dataset) -> None:
        self._rows, self._labels = rows.with_format(None), label_set_of(rows)
        self._bounds = _bounds(rows)
        self._chosen: Sequence[int] = range(len(self._bounds) - 1)

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, at: int) -> Dialogue: ...
    @overload
    def __getitem__(self, at: slice) -> Dialogues: ...
    def __getitem__(self, at: int | slice) -> Dialogue | Dialogues:
        """One dialogue, or a part that is read as lazily."""
        if isinstance(at, slice):
            return self._part(self._chosen[at])
        return next(self._read([self._chosen[at]]))

    def __iter__(self) -> Iterator[Dialogue]:
        for start in range(0, len(self), READ_AT_ONCE):
            yield from self._read(self._chosen[start : start + READ_AT_ONCE])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | Dialogues):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def without(self, names: Container[str]) -> Dialogues:
        """All but the dialogues with these ids."""
        kept = (number for number, one in zip(self._chosen, self, strict=True) if one.dialogue_id not in names)
        return self._part(list(kept))

    def drawn(self, size: int, seed: int) -> Dialogues:
        """`size` dialogues drawn by the seed, in their order; all of them when there are no more."""
        numbers = Random(f"dialogues {seed}").sample(self._chosen, min(size, len(self)))
        return self._part(sorted(numbers))

    def _part(self, chosen: Sequence[int]) -> Dialogues:
        part = copy(self)
        part._chosen = chosen
        return part

    def _read(self, chosen: Sequence[int]) -> Iterator[Dialogue]:
        """Some dialogues, by one read from the first row of any to the last."""
        first = int(self._bounds[min(chosen)])
        table = self._rows[first : int(self._bounds[max(chosen) + 1])]
        for number in chosen:
            own = slice(int(self._bounds[number]) - first, int(self._bounds[number + 1]) - first)
            turns = zip(*(table[name][own] for name in ("speaker", "text", "emotion")), strict=True)
            said = {name: table[name][own][0] for name in PROVENANCE_COLUMNS if name in table}
            yield Dialogue(
                str(table["dialogue_id"][own][0]),
                tuple(Utterance(speaker, text, self._labels.name_of(label)) for speaker, text, label in turns),
                seed=said.get("seed"),
                target_emotion=self._labels.name_of(said.get("target_emotion")),
                recipe=said.get("recipe"),
                generator=said.get("generator"),
            )


def _bounds(rows: Dataset) -> np.ndarray:
    """First row of each dialogue, and one past the last; checks that its rows are together and in order."""
    import numpy as np
    import pyarrow.compute as pc

    table = rows.select_columns(["dialogue_id", "utterance_id"]).with_format("arrow")[:]
    names, turns = table["dialogue_id"].combine_chunks(), table["utterance_id"].to_numpy()
    new = np.ones(len(names), dtype=bool)
    if len(names) > 1:
        new[1:] = pc.not_equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
    first = np.flatnonzero(new)
    bounds = np.append(first, len(names))
    wrong = np.flatnonzero(turns != np.arange(len(names)) - np.repeat(first, np.diff(bounds)))
    counted = pc.value_counts(names.take(first))
    twice = counted.filter(pc.greater(counted.field("counts"), 1)).field("values")
    if len(wrong) or len(twice):
        name = names[int(wrong[0])] if len(wrong) else twice[0]
        raise ErcSynthError(
            f"The rows of dialogue {name.as_py()!r} are not contiguous and in order.",
            hint="Group the dialogues before you shuffle or filter rows.",
        )
    return bounds
