"""Tests on the differences of two models' scores: Wilcoxon, rank-biserial correlation, Bayesian signed ranks.

Input: differences (b minus a), one a block. Differences are compared after rounding to 1e-9: 44.0 - 40.8 and
33.8 - 30.6 are the same difference, though not the same float. Output: numbers for `analysis`.
Not covered: rank sums over all models (`ranks`, `exact`), intervals (`paired`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from erc_synth.stats.contracts import Bayes
from erc_synth.stats.errors import StatsError
from erc_synth.stats.ranks import ranks_of

DIGITS = 9  # below these, differences of decimal scores are float noise
EXACT_WILCOXON = 500  # differences; the exact law has n(n+1)/2 steps, at 500 it takes 0.2 s
DRAWS = 4_000  # of the Bayesian test: standard error of a probability at most 0.008
PRIOR_STRENGTH = 0.5  # of the pseudo-observation at 0, as in baycomp (Benavoli et al. 2014 leave it free)


def _rounded(differences: Sequence[float]) -> list[float]:
    return [round(float(d), DIGITS) for d in differences]


def _signed_ranks(differences: Sequence[float]) -> list[tuple[float, float]]:
    """(rank of |d|, sign) of the differences that are not zero; the smallest gets rank 1, ties mid-ranks."""
    nonzero = [d for d in _rounded(differences) if d]
    ranks = ranks_of([-abs(d) for d in nonzero]) if nonzero else ()
    return [(rank, math.copysign(1, d)) for rank, d in zip(ranks, nonzero, strict=True)]


def wilcoxon(differences: Sequence[float]) -> tuple[float, Literal["exact", "normal"]]:
    """Two-sided Wilcoxon signed-rank p and how it was found; zero differences are left out.

    Exact (all sign patterns, ties included) up to `EXACT_WILCOXON` differences, above them the normal law with the
    correction for ties.
    """
    ranked = _signed_ranks(differences)
    if not ranked:
        return 1.0, "exact"
    halves = [round(2 * rank) for rank, _ in ranked]  # mid-ranks become whole numbers
    positive = sum(half for half, (_, sign) in zip(halves, ranked, strict=True) if sign > 0)
    total = sum(halves)
    away = abs(2 * positive - total)
    if len(ranked) > EXACT_WILCOXON:
        # Var of the sum of +-half is the sum of squares, with mid-ranks already the one corrected for ties.
        return math.erfc(away / math.sqrt(2 * sum(half * half for half in halves))), "normal"
    law = np.ones(1)  # of the sum of the positive half ranks
    for half in halves:
        following = np.zeros(len(law) + half)
        following[: len(law)] += law / 2
        following[half:] += law / 2
        law = following
    distance = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, float(law[distance >= away].sum())), "exact"


def rank_biserial(differences: Sequence[float]) -> float:
    """Matched-pairs rank-biserial correlation: +1 when every difference is positive, 0 without any difference."""
    ranked = _signed_ranks(differences)
    return sum(rank * sign for rank, sign in ranked) / sum(rank for rank, _ in ranked) if ranked else 0.0


@lru_cache(maxsize=4)
def _weights(n: int, draws: int, seed: int) -> np.ndarray:
    """Dirichlet weights of the prior's pseudo-observation and of n differences, ``[draws, n + 1]``."""
    shapes = np.ones(n + 1)
    shapes[0] = PRIOR_STRENGTH
    gammas = np.random.default_rng(seed).standard_gamma(shapes, size=(draws, n + 1))
    weights: np.ndarray = gammas / gammas.sum(1, keepdims=True)
    return weights


def bayes_signed_rank(differences: Sequence[float], rope: float, *, draws: int = DRAWS, seed: int = 0) -> Bayes:
    """Bayesian signed-rank test with a region of practical equivalence (Benavoli et al. 2014, 2017).

    Dirichlet weights over the differences and a pseudo-observation at 0 of strength 0.5; posterior probabilities that
    most of the Walsh averages lie below, within or above the region. An average on the region's edge counts half,
    as in baycomp; draws that end level are shared.

    Raises:
        StatsError: The region is negative or not a number.
    """
    if not (math.isfinite(rope) and rope >= 0):
        raise StatsError(f"A region of equivalence of {rope:g} is not possible.", hint="Give 0 or more.")
    values = np.array([0.0, *_rounded(differences)])
    sums = np.round(values[:, None] + values, DIGITS)
    edge = round(2 * rope, DIGITS)
    weights = _weights(len(values) - 1, draws, seed)

    def share(beyond: np.ndarray) -> np.ndarray:
        halved = (beyond > edge) + 0.5 * (beyond == edge)
        found: np.ndarray = np.einsum("ij,ij->i", weights @ halved, weights)
        return found

    worse, better = share(-sums), share(sums)
    parts = np.round(np.stack([worse, 1 - worse - better, better]), 12)  # so that level parts compare as level
    wins = parts == parts.max(0)
    won = (wins / wins.sum(0)).mean(1)
    return {"worse": float(won[0]), "rope": float(won[1]), "better": float(won[2])}
