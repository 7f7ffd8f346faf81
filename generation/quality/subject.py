"""A data set that is measured, and the counts of each of its dialogues.

Purpose: a set of a million dialogues is read from disk, in order or by number, and never held as a whole.
Input: splits of dialogues. Output: `Subject`, a sequence of its dialogues, `Tally`.
Not covered: finding it by name (`subjects`), figures (`shape`, `likeness`, `diversity`).
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING, overload

import numpy as np

from erc_synth.loaders.schema import Dialogue, LabelSet
from erc_synth.loaders.wording import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Subject:
    """A data set to be measured.

    Attributes:
        name: As it was asked for.
        splits: Split -> dialogues.
        labels: Its label set.
        curated: True when it was read from a curated file.
    """

    name: str
    splits: Mapping[str, Sequence[Dialogue]]
    labels: LabelSet
    curated: bool = False

    @property
    def dialogues(self) -> Sequence[Dialogue]:
        """All dialogues that have a turn, split after split."""
        return Joined([_with_turns(split) for split in self.splits.values()])


def _with_turns(dialogues: Sequence[Dialogue]) -> Sequence[Dialogue]:
    """Without the empty ones; what is read from disk has none."""
    return [dialogue for dialogue in dialogues if dialogue.utterances] if isinstance(dialogues, list) else dialogues


class Joined(Sequence[Dialogue]):
    """Several sequences as one; each dialogue is read from its own when it is asked for."""

    def __init__(self, parts: Sequence[Sequence[Dialogue]]) -> None:
        self._parts = parts
        self._starts = [0, *accumulate(map(len, parts))]
        self._chosen: Sequence[int] | None = None  # None: all of them

    def __len__(self) -> int:
        return self._starts[-1] if self._chosen is None else len(self._chosen)

    @overload
    def __getitem__(self, at: int) -> Dialogue: ...
    @overload
    def __getitem__(self, at: slice) -> Joined: ...
    def __getitem__(self, at: int | slice) -> Dialogue | Joined:
        """One dialogue, or a part that is read as lazily."""
        chosen = range(len(self)) if self._chosen is None else self._chosen
        if isinstance(at, slice):
            part = Joined(self._parts)
            part._chosen = chosen[at]
            return part
        number = chosen[at]
        part_number = bisect_right(self._starts, number) - 1
        return self._parts[part_number][number - self._starts[part_number]]

    def __iter__(self) -> Iterator[Dialogue]:
        if self._chosen is None:
            return chain.from_iterable(self._parts)  # a part reads many at once
        return (self[at] for at in range(len(self)))


class Tally:
    """Counts of each dialogue, taken in one pass; a resample of dialogues then is a weighted sum of rows.

    Counting every line again for each of 200 resamples took a third of a whole measurement.

    Attributes:
        counts: ``[n, 7]``: one, turns, speakers, words, letters, sentences, questions.
        emotions: ``[n, k]``: labelled turns of each emotion.
        names: The k emotions.
    """

    def __init__(self, dialogues: Iterable[Dialogue]) -> None:
        counts, owners, said = array("i"), array("i"), array("i")
        columns: dict[str, int] = {}
        number = -1
        for number, dialogue in enumerate(dialogues):
            counts.extend(_counts(dialogue))
            labels = [columns.setdefault(label, len(columns)) for label in dialogue.emotions if label is not None]
            said.extend(labels)
            owners.extend([number] * len(labels))
        total, kinds = number + 1, len(columns)
        self.names = tuple(columns)
        self.counts: NDArray[np.int32] = np.frombuffer(counts, np.int32).reshape(total, 7)
        cells = np.frombuffer(owners, np.int32).astype(np.int64) * kinds + np.frombuffer(said, np.int32)
        found = np.bincount(cells, minlength=total * kinds).astype(np.int32)
        self.emotions: NDArray[np.int32] = found.reshape(total, kinds)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def words(self) -> NDArray[np.int32]:
        """Words of each dialogue ``[n]``."""
        return self.counts[:, 3]

    @property
    def label_counts(self) -> Counter[str]:
        """Utterances per label."""
        return Counter(dict(zip(self.names, self.emotions.sum(0, dtype=np.int64).tolist(), strict=True)))


def _counts(dialogue: Dialogue) -> tuple[int, ...]:
    """One, turns, speakers, words, letters, sentences and questions of a dialogue."""
    texts = [turn.text for turn in dialogue.utterances]
    spoken = [word for text in texts for word in words(text)]
    return (
        1,
        len(texts),
        len({turn.speaker for turn in dialogue.utterances}),
        len(spoken),
        sum(map(len, spoken)),
        sum(max(1, len(_SENTENCE_END.findall(text.strip()))) for text in texts),
        sum(any(sign in text for sign in "?？؟") for text in texts),
    )
