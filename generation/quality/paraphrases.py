"""Paraphrases of benchmark dialogues, by meaning: what the leak check on words cannot see.

Purpose: a model that tells a scene of the test split in other words has seen it all the same.
Input: dialogues, benchmark dialogues, a sentence encoder.
Output: `loaders.contracts.Paraphrases`, reported apart from leaks.
Two dialogues are alike by their lines in order: the best alignment of both, in which each pair of lines counts its
cosine similarity and the words of the line; 1 is the same text, unrelated dialogues of one series reach about 0.3.
Not covered: a few lines of a scene, translation (`leaks` has copies in words).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Meant:
    """A dialogue as vectors: of its lines ``[n, d]``, how much each counts ``[n]``, and of the whole ``[d]``."""

    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]
    whole: NDArray[np.float32]


def paraphrases(
    dialogues: Sequence[Dialogue], benchmarks: Mapping[str, Sequence[Dialogue]], encode: Encode
) -> dict[str, Paraphrases]:
    """For each benchmark split: how many dialogues tell one of its dialogues again, and which.

    Args:
        dialogues: The set.
        benchmarks: ``<benchmark>/<split>`` -> dialogues.
        encode: Sentence encoder; vectors of length 1.
    """
    own = [(dialogue, _meant(dialogue, encode)) for dialogue in dialogues if _told(dialogue)]
    table: dict[str, Paraphrases] = {}
    for source, known in benchmarks.items():
        others = [(dialogue, _meant(dialogue, encode)) for dialogue in known if _told(dialogue)]
        found = [told for dialogue, meant in own if (told := _told_again(dialogue, meant, others))]
        table[source] = {"searched": len(own), "found": found}
    return table


def _told_again(dialogue: Dialogue, meant: _Meant, others: Sequence[tuple[Dialogue, _Meant]]) -> Paraphrase | None:
    if not others:
        return None
    near = np.argsort([-float(other.whole @ meant.whole) for _, other in others], kind="stable")[:CANDIDATES]
    similarity, at = max((similarity_of(meant, others[at][1]), -int(at)) for at in near)
    if similarity < ALIKE:
        return None
    again = others[-at][0].dialogue_id
    return {"dialogue_id": dialogue.dialogue_id, "of": again, "similarity": round(similarity, 3)}


def _told(dialogue: Dialogue) -> bool:
    return len(dialogue) >= LEAST_TURNS and sum(map(len, lines(dialogue))) >= LEAST_WORDS


def _meant(dialogue: Dialogue, encode: Encode) -> _Meant:
    vectors = encode([turn.text for turn in dialogue.utterances])
    weights = np.array([min(len(line), MOST_WORDS) for line in lines(dialogue)], dtype=np.float32)
    whole = weights @ vectors
    return _Meant(vectors, weights, whole / max(float(np.linalg.norm(whole)), 1e-9))


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
