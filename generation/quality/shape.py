"""Shape: how long dialogues and lines are, how many speak, how many lines ask, how hard they read.

Purpose: figures that are quotients of counts. Each dialogue is counted once; a resample of dialogues then is a sum
of rows, where counting every line again for each of 200 resamples took a third of a whole measurement.
Input: dialogues with a turn each. Output: `diversity.Estimate`s by name.
Not covered: labels (`likeness`), wording (`diversity`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from erc_synth.generation.quality.diversity import Estimate, interval
from erc_synth.generation.quality.likeness import REPLICATES
from erc_synth.loaders.schema import Dialogue
from erc_synth.loaders.seeds import numpy_seed
from erc_synth.loaders.wording import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

READABILITY = "readability (ARI)"
SPACED_LETTERS = 1.5
_SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)")


def shape(dialogues: Sequence[Dialogue], seed: int) -> dict[str, Estimate]:
    """Every figure with a bootstrap interval over dialogues; nothing for no dialogues."""
    if not dialogues:
        return {}
    counts = np.array([_counts(dialogue) for dialogue in dialogues], dtype=np.float64)
    chance = np.random.default_rng([numpy_seed(seed), len(counts)])
    draws = [_figures(counts[chance.integers(0, len(counts), len(counts))].sum(0)) for _ in range(REPLICATES)]
    whole = _figures(counts.sum(0))
    return {name: interval([draw[name] for draw in draws], value) for name, value in whole.items()}


def spaced(dialogues: Sequence[Dialogue]) -> bool:
    """Whether the script puts blanks between words, so that their letters can be counted."""
    spoken, letters = np.array([_counts(dialogue)[3:5] for dialogue in dialogues]).sum(0)
    return bool(letters / max(1, spoken) >= SPACED_LETTERS)


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


def _figures(sums: NDArray[np.float64]) -> dict[str, float]:
    """The figures of summed `_counts`; readability as Senter and Smith (1967) have it, in US school years."""
    dialogues, turns, speakers, spoken, letters, sentences, questions = sums.tolist()
    return {
        "turns per dialogue": turns / dialogues,
        "speakers per dialogue": speakers / dialogues,
        "words per utterance": spoken / turns,
        "questions": questions / turns,
        READABILITY: 4.71 * letters / max(1, spoken) + 0.5 * spoken / max(1, sentences) - 21.43,
    }
