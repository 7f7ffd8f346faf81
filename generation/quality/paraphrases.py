"""Paraphrases of benchmark dialogues, by meaning: what the leak check on words cannot see.

Purpose: a model that tells a scene of the test split in other words has seen it all the same.
Input: dialogues, benchmark dialogues, a sentence encoder.
Output: `loaders.contracts.Paraphrases`, reported apart from leaks.
Two dialogues are alike by their lines in order: the best alignment of both, in which each pair of lines counts its
cosine similarity and the words of the line; 1 is the same text, unrelated dialogues of one series reach about 0.3.
Not covered: a few lines of a scene, translation (`leaks` has copies in words).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING

import numpy as np

from erc_synth.generation.quality.likeness import Encode
from erc_synth.loaders.contracts import Paraphrase, Paraphrases
from erc_synth.loaders.schema import Dialogue
from erc_synth.loaders.wording import lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIKE = 0.45
"""Least similarity. Of 1,256 dialogues of MELD against all others of it, three pairs reach 0.39: a scene that is there
twice, two parts of one scene, and one pair by chance (0.39)."""
CANDIDATES = 10  # benchmark dialogues whose mean vector is nearest: only these are aligned
MOST_WORDS = 15  # a long line counts no more than this
LEAST_WORDS, LEAST_TURNS = 12, 3  # greetings are alike everywhere


AT_ONCE = 256  # dialogues of the set whose lines are encoded together


@dataclass(frozen=True, slots=True)
class _Meant:
    """A dialogue as vectors: of its lines ``[n, d]``, how much each counts ``[n]``, and of the whole ``[d]``."""

    dialogue_id: str
    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]
    whole: NDArray[np.float32]


class _Known:
    """The dialogues of one benchmark split, searched by the vector of the whole."""

    def __init__(self, dialogues: Iterable[Dialogue], encode: Encode) -> None:
        self._all = list(_meant(dialogues, encode))
        self._wholes = np.array([meant.whole for meant in self._all])

    def told_again(self, meant: _Meant) -> Paraphrase | None:
        """The benchmark dialogue that is told again, if one is."""
        if not self._all:
            return None
        near = np.argsort(-(self._wholes @ meant.whole), kind="stable")[:CANDIDATES]
        similarity, at = max((similarity_of(meant, self._all[at]), -int(at)) for at in near)
        if similarity < ALIKE:
            return None
        again = self._all[-at].dialogue_id
        return {"dialogue_id": meant.dialogue_id, "of": again, "similarity": round(similarity, 3)}


def paraphrases(
    dialogues: Iterable[Dialogue], benchmarks: Mapping[str, Iterable[Dialogue]], encode: Encode
) -> dict[str, Paraphrases]:
    """For each benchmark split: how many dialogues tell one of its dialogues again, and which.

    Args:
        dialogues: The set, read once.
        benchmarks: ``<benchmark>/<split>`` -> dialogues; their vectors are held, 1.5 KB a line.
        encode: Sentence encoder; vectors of length 1.
    """
    known = {source: _Known(others, encode) for source, others in benchmarks.items()}
    table: dict[str, Paraphrases] = {source: {"searched": 0, "found": []} for source in known}
    for meant in _meant(dialogues, encode):
        for source, others in known.items():
            table[source]["searched"] += 1
            if told := others.told_again(meant):
                table[source]["found"].append(told)
    return table


def _told(dialogue: Dialogue) -> bool:
    return len(dialogue) >= LEAST_TURNS and sum(map(len, lines(dialogue))) >= LEAST_WORDS


def _meant(dialogues: Iterable[Dialogue], encode: Encode) -> Iterator[_Meant]:
    """Those that are long enough to tell a scene, many encoded at once."""
    long = filter(_told, dialogues)
    while batch := list(islice(long, AT_ONCE)):
        vectors = encode([turn.text for dialogue in batch for turn in dialogue.utterances])
        ends = accumulate(map(len, batch))
        for dialogue, end in zip(batch, ends, strict=True):
            weights = np.array([min(len(line), MOST_WORDS) for line in lines(dialogue)], dtype=np.float32)
            own = vectors[end - len(dialogue) : end]
            whole = weights @ own
            yield _Meant(dialogue.dialogue_id, own, weights, whole / max(float(np.linalg.norm(whole)), 1e-9))


def similarity_of(own: _Meant, other: _Meant) -> float:
    """Similarity of two dialogues, 0..1, by the best alignment of their lines in order."""
    gains = np.maximum(own.vectors @ other.vectors.T, 0) * np.minimum.outer(own.weights, other.weights)
    return aligned(gains) / float(max(own.weights.sum(), other.weights.sum()))


def aligned(gains: NDArray[np.float32]) -> float:
    """Greatest sum of gains ``[n, m]`` of pairs that follow each other in both (Needleman and Wunsch 1970)."""
    best = np.zeros(gains.shape[1] + 1)
    for row in gains:
        best[1:] = np.maximum.accumulate(np.maximum(best[1:], best[:-1] + row))
    return float(best[-1])
