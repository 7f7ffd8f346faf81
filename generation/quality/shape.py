"""Shape: how long dialogues and lines are, how many speak, how many lines ask, how hard they read, how even labels are.

Purpose: figures that are made of sums of counts.
Input: `subject.Tally`. Output: `diversity.Estimate`s by name.
Not covered: distance to other labels (`likeness`), wording (`diversity`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from erc_synth.generation.curation.splitting import entropies
from erc_synth.generation.quality.diversity import Estimate, interval
from erc_synth.generation.quality.likeness import REPLICATES
from erc_synth.generation.quality.subject import Tally
from erc_synth.loaders.seeds import numpy_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

READABILITY = "readability (ARI)"
SPACED_LETTERS = 1.5


def shape(tally: Tally, seed: int) -> dict[str, Estimate]:
    """Every figure with a bootstrap interval over dialogues; nothing for no dialogues."""
    if not len(tally):
        return {}
    draws = [_figures(sums) for sums in _resampled(tally.counts, seed)]
    whole = _figures(tally.counts.sum(0, dtype=np.float64))
    return {name: interval([draw[name] for draw in draws], value) for name, value in whole.items()}


def balance(tally: Tally, classes: int, seed: int) -> Estimate:
    """Entropy of the labels, divided by that of `classes` equal ones: 1 is balanced, 0 is a single label."""
    if classes < 2:
        return Estimate(1.0, 1.0, 1.0)
    sums = np.stack([tally.emotions.sum(0, dtype=np.float64), *_resampled(tally.emotions, seed)])
    value, *draws = (entropies(sums) / np.log(classes)).tolist()
    return interval(draws, value)


def spaced(tally: Tally) -> bool:
    """Whether the script puts blanks between words, so that their letters can be counted."""
    spoken, letters = tally.counts[:, 3:5].sum(0, dtype=np.int64)
    return bool(letters / max(1, spoken) >= SPACED_LETTERS)


def _resampled(counts: NDArray[np.int32], seed: int) -> Iterator[NDArray[np.float64]]:
    """Sums of as many rows ``[n, k]``, drawn with replacement, `REPLICATES` times."""
    total = len(counts)
    rows = counts.astype(np.float64)  # a weighted sum by BLAS, exact for counts
    chance = np.random.default_rng([numpy_seed(seed), total])
    for _ in range(REPLICATES):
        yield np.bincount(chance.integers(0, total, total), minlength=total) @ rows


def _figures(sums: NDArray[np.float64]) -> dict[str, float]:
    """The figures of summed counts; readability as Senter and Smith (1967) have it, in US school years."""
    dialogues, turns, speakers, spoken, letters, sentences, questions = sums.tolist()
    return {
        "turns per dialogue": turns / dialogues,
        "speakers per dialogue": speakers / dialogues,
        "words per utterance": spoken / turns,
        "questions": questions / turns,
        READABILITY: 4.71 * letters / max(1, spoken) + 0.5 * spoken / max(1, sentences) - 21.43,
    }
