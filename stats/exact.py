"""The exact law of the difference of two Friedman rank sums (Eisinga et al. 2017).

Input: number of treatments k, blocks n, a difference d. Output: exact probabilities, as float or
`Fraction`. No ties: the n-fold convolution, in whole numbers, of the per-block law
P(+-j) = (k-j)/(k(k-1)), j = 1..k-1. With ties: mid-ranks, and each block's own law is convolved.
Not covered: more than two treatments at once (`friedman`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

Law = dict[int, int]  # difference -> number of ways
EXACT_TIES = 200_000  # n^2 k^2 of the largest table with ties whose law is made of whole numbers


class StatsError(Exception):
    """Bad input of the statistics; same attributes as the error class of the other stages."""

    def __init__(self, message: str, *, hint: str = "", exit_code: int = 2) -> None:
        super().__init__(f"{message} {hint}".rstrip())
        self.hint = hint
        self.exit_code = exit_code


def _check(k: int, n: int) -> None:
    if k < 2 or n < 1:
        raise StatsError(f"k = {k} treatments and n = {n} blocks: at least 2 and 1 are needed.")


def _recurrence(k: int, n: int) -> list[tuple[int, int, int]]:
    """Terms (e, p, a) of m Q[m] = sum of (p - a m) Q[m - e].

    Q is the n-th power of the block polynomial N(x) / (1-x)^2 with the five-term
    N = (1-x^k)^2 - k x^(k-1) (1-x)^2; it obeys A Q' = B Q, A = N (1-x), B = n (N' (1-x) + 2 N).
    """
    numerator = Counter({0: 1})
    for e, c in ((k - 1, -k), (k, 2 * k - 2), (k + 1, -k), (2 * k, 1)):
        numerator[e] += c
    a: Counter[int] = Counter()
    b: Counter[int] = Counter()  # b[e + 1] is the coefficient of B at e
    for e, c in numerator.items():
        a[e] += c
        a[e + 1] -= c
        b[e] += n * e * c
        b[e + 1] += 2 * n * c - n * e * c
    return [(e, b[e] + e * a[e], a[e]) for e in a if e and (a[e] or b[e])]


def _lower_counts(k: int, n: int, upto: int) -> Iterator[int]:
    """Ways to the differences -n(k-1), -n(k-1)+1, ..., `upto` of them; the law is symmetric.

    Each follows from seven earlier ones in exact integers, so only the tail that is asked for is computed.
    """
    terms, window = _recurrence(k, n), 2 * k + 1
    ways = [0] * window + [1]  # newest last; far older ones are let go
    yield 1
    for m in range(1, upto):
        total = 0
        for e, p, a in terms:
            total += (p - a * m) * ways[-e]
        ways.append(total // m)
        if len(ways) > 8 * window:
            del ways[:-window]
        yield ways[-1]


@lru_cache(maxsize=64)
def _tail(k: int, n: int, d: int) -> tuple[int, int]:
    """Ways to |D| >= d > 0, and to |D| = d >= 0."""
    total = last = 0
    if d <= n * (k - 1):
        for last in _lower_counts(k, n, n * (k - 1) - d + 1):
            total += last
    return 2 * total, 2 * last if d else last


def pairwise_law(k: int, n: int) -> dict[int, Fraction]:
    """P(D = d) for every difference d of two rank sums under the null hypothesis."""
    _check(k, n)
    middle, total = n * (k - 1), (k * (k - 1)) ** n
    lower = list(_lower_counts(k, n, middle + 1))
    ways = lower + lower[-2::-1]
    return {i - middle: Fraction(count, total) for i, count in enumerate(ways) if count}


def pairwise_pvalue_fraction(d: int, k: int, n: int) -> Fraction:
    """Exact two-sided P(|D| >= d)."""
    _check(k, n)
    d = abs(int(d))
    return Fraction(_tail(k, n, d)[0], (k * (k - 1)) ** n) if d else Fraction(1)


def pairwise_pvalue(d: int, k: int, n: int, *, mid: bool = False) -> float:
    """Exact two-sided p-value of a rank-sum difference (Eisinga et al. 2017, equation 2).

    Args:
        d: Difference of two rank sums.
        k: Treatments (models) ranked in each block.
        n: Blocks (test sets).
        mid: Mid-p: half of the probability of the observed |d| itself is left out.

    Raises:
        StatsError: k < 2 or n < 1.
    """
    p = pairwise_pvalue_fraction(d, k, n)
    if mid:
        p -= Fraction(_tail(k, n, abs(int(d)))[1], 2 * (k * (k - 1)) ** n)
    # Both parts may exceed the range of a float; the quotient does not.
    return float(p)


def tied_pvalue(d: float, blocks: Sequence[Sequence[float]]) -> Fraction:
    """Exact two-sided P(|D| >= d) with ties: each block's mid-ranks are assigned at random.

    Args:
        d: Observed difference of two rank sums (a multiple of one half).
        blocks: The mid-ranks of each block; the blocks may differ.

    Differences are counted in half ranks, so that mid-ranks stay whole numbers.
    """
    law: Law = {0: 1}
    total = 1
    for ranks in blocks:
        following: Counter[int] = Counter()
        moves = _moves(ranks)
        for base, ways in law.items():
            for move, more in moves.items():
                following[base + move] += ways * more
        law = dict(following)
        total *= len(ranks) * (len(ranks) - 1)
    bound = round(2 * abs(d))
    return Fraction(sum(ways for difference, ways in law.items() if abs(difference) >= bound), total)


def block_pvalue(d: float, blocks: Sequence[Sequence[float]]) -> float:
    """Two-sided P(|D| >= d) of any table: exact as in `tied_pvalue`, in float64 for large ones.

    The convolution has positive terms only, so float64 keeps a relative error of about n * 1e-16.
    """
    n, k = len(blocks), len(blocks[0])
    if n * n * k * k <= EXACT_TIES:
        return float(tied_pvalue(d, blocks))
    import numpy as np

    law, reach = np.ones(1), 0  # of differences -reach .. reach, in half ranks
    for ranks in blocks:
        moves = _moves(ranks)
        far = max(moves)
        step = np.zeros(2 * far + 1)
        step[[move + far for move in moves]] = list(moves.values())
        law, reach = np.convolve(law, step / step.sum()), reach + far
    bound = round(2 * abs(d))
    if not bound:
        return 1.0
    return float(law[: max(0, reach - bound + 1)].sum() + law[reach + bound :].sum())


@lru_cache(maxsize=4096)
def _moves_of(halves: tuple[int, ...]) -> dict[int, int]:
    step: Counter[int] = Counter()
    for i, first in enumerate(halves):
        for j, second in enumerate(halves):
            if i != j:
                step[first - second] += 1
    return dict(step)


def _moves(ranks: Sequence[float]) -> Law:
    """Difference of two models' ranks in one block, in half ranks -> ordered pairs of places."""
    return _moves_of(tuple(sorted(round(2 * rank) for rank in ranks)))
