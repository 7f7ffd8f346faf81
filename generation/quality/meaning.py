"""Meaning: the lines of a set beside those of a reference, as points of a sentence encoder.

Purpose: every figure of two clouds of embeddings at an equal number of lines, and beside it what chance alone
gives: one half of the reference against the other.
Input: dialogues, reference dialogues, an encoder. Output: figures and notes in `Findings`.
Not covered: the figures themselves (`likeness`, `manifold`), labels (`judging`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from erc_synth.generation.quality import likeness, manifold
from erc_synth.generation.quality.diversity import Estimate
from erc_synth.generation.quality.findings import Findings
from erc_synth.loaders.schema import Dialogue

ENCODED_LINES = 1000


def compare_meaning(
    findings: Findings,
    own: Sequence[Dialogue],
    real: Sequence[Dialogue],
    encode: likeness.Encode,
    seed: int,
    *,
    mauve: bool = False,
) -> None:
    """Add every figure of meaning; two dialogues of each set are needed, else a note says so.

    Args:
        findings: Where they go.
        own: The set.
        real: The reference.
        encode: Sentence encoder.
        seed: Of the lines that are drawn, and of resampling.
        mauve: MAUVE as well.
    """
    texts, owners = likeness.sample_lines(own, ENCODED_LINES, seed)
    halves = [likeness.sample_lines(real[part::2], len(texts), seed) for part in (0, 1)]
    size = min(len(texts), *(len(half[0]) for half in halves))
    if min(len(set(o[:size])) for o in (owners, halves[0][1], halves[1][1])) < 2:
        findings.note("Too few dialogues for the two-sample test.")
        return
    findings.note(f"Meaning at {size} lines of each.")
    made, half, other = (encode(t[:size]) for t in (texts, halves[0][0], halves[1][0]))
    found = _pair_of_clouds(made, half, (owners[:size], halves[0][1][:size]), seed)
    floor = _pair_of_clouds(other, half, (halves[1][1][:size], halves[0][1][:size]), seed)
    for name, estimate in found.items():
        findings.add("meaning", name, estimate, floor[name])
    if mauve:
        pairs = ((made, half), (other, half))
        findings.add("meaning", "MAUVE", *(Estimate(manifold.mauve(*pair, seed)) for pair in pairs))
    findings.note("Reference column of meaning and divergence: one half of the reference against the other.")


def _pair_of_clouds(
    made: np.ndarray, real: np.ndarray, owners: Sequence[Sequence[int]], seed: int
) -> dict[str, Estimate]:
    """Every figure of the embeddings of a set beside those of real lines, as many of each."""
    precision, recall = likeness.precision_recall(made, real, owners, seed)
    density, coverage = manifold.density_coverage(made, real, owners, seed)
    return {
        "two-sample accuracy": likeness.two_sample(made, real, owners, seed),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "Fréchet distance": manifold.jackknifed(manifold.frechet, (made, real), owners, seed),
        "Vendi score": manifold.jackknifed(manifold.vendi, (made,), owners[:1], seed),
    }
