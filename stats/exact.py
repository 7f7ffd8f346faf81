"""The exact law of the difference of two Friedman rank sums (Eisinga et al. 2017).

Input: number of treatments k, blocks n, a difference d. Output: exact probabilities, as float or
`Fraction`. No ties: the n-fold convolution, in whole numbers, of the per-block law
P(+-j) = (k-j)/(k(k-1)), j = 1..k-1. With ties: mid-ranks, and each block's own law is convolved.
Not covered: more than two treatments at once (`friedman`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

from erc_synth.stats.errors import StatsError

Law = dict[int, int]  # difference -> number of ways
EXACT_TIES = 200_000  # n^2 k^2 of the largest table with ties whose law is made of whole numbers


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


def _tails(k: int, n: int, distances: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Ways to |D| >= d and to |D| = d for several d >= 0, in one walk from the rim of the law to its middle."""
    top = n * (k - 1)
    found = dict.fromkeys(distances, (0, 0))
    inside = [d for d in found if d <= top]
    total = 0
    ways = _lower_counts(k, n, top - min(inside) + 1) if inside else iter(())
    for d, count in zip(range(top, -1, -1), ways, strict=False):
        total += count
        if d in found:
            found[d] = (2 * total, 2 * count if d else count)
    return found


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
    return Fraction(_tails(k, n, [d])[d][0], (k * (k - 1)) ** n) if d else Fraction(1)


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
    return pairwise_pvalues([d], k, n)[abs(int(d))][mid]


def pairwise_pvalues(differences: Iterable[int], k: int, n: int) -> dict[int, tuple[float, float]]:
    """|d| -> exact p and mid-p of many differences: the law is walked through once for all of them."""
    _check(k, n)
    total = (k * (k - 1)) ** n
    tails = _tails(k, n, {abs(int(d)) for d in differences})
    return {d: (_quotient(d, t, total, mid=False), _quotient(d, t, total, mid=True)) for d, t in tails.items()}


def _quotient(d: int, tail: tuple[int, int], total: int, *, mid: bool) -> float:
    beyond = tail[0] if d else total
    # Both parts may exceed the range of a float; the quotient does not.
    return float(Fraction(2 * beyond - tail[1] if mid else 2 * beyond, 2 * total))


def tied_pvalue(d: float, blocks: Sequence[Sequence[float]]) -> Fraction:
    """Exact two-sided P(|D| >= d) with ties: each block's mid-ranks are assigned at random.

    Args:
        d: Observed difference of two rank sums (a multiple of one half).
        blocks: The mid-ranks of each block; the blocks may differ.
    """
    law = _whole_law(blocks)
    bound = round(2 * abs(d))
    return Fraction(sum(ways for move, ways in law.items() if abs(move) >= bound), sum(law.values()))


def _whole_law(blocks: Sequence[Sequence[float]]) -> Law:
    """Difference in half ranks (so that mid-ranks stay whole numbers) -> number of ways."""
    law: Law = {0: 1}
    for ranks in blocks:
        following: Counter[int] = Counter()
        moves = _moves(ranks)
        for base, ways in law.items():
            for move, more in moves.items():
                following[base + move] += ways * more
        law = following
    return law


class BlockLaw:
    """The law of any table, built once and asked for many pairs: P(|D| >= d) of each.

    Exact in whole numbers, as in `tied_pvalue`; in float64 for large tables. There the convolution
    has positive terms only, so float64 keeps a relative error of about n * 1e-16.
    """

    def __init__(self, blocks: Sequence[Sequence[float]]) -> None:
        n, k = len(blocks), len(blocks[0])
        if n * n * k * k <= EXACT_TIES:
            counts = _whole_law(blocks)
            self._at = self._tail_of(counts, sum(counts.values()))
        else:
            self._at = self._tail_of(_float_law(blocks), 1.0)

    @staticmethod
    def _tail_of(law: dict[int, int] | dict[int, float], total: float) -> list[float]:
        """P(|D| >= h) for each h in half ranks, summed from the rim (small terms first)."""
        beyond: list[float] = []
        running: float = 0
        for h in range(max(law), 0, -1):
            running += law.get(h, 0) + law.get(-h, 0)
            # True division of whole numbers is right even where both are beyond the range of a float.
            beyond.append(running / total)
        return [1.0, *reversed(beyond)]

    def pvalue(self, d: float) -> float:
        """Two-sided P(|D| >= d)."""
        half = round(2 * abs(d))
        return self._at[half] if half < len(self._at) else 0.0


def _float_law(blocks: Sequence[Sequence[float]]) -> dict[int, float]:
    import numpy as np

    law, reach = np.ones(1), 0  # of differences -reach .. reach, in half ranks
    for ranks in blocks:
        moves = _moves(ranks)
        far = max(moves)
        step = np.zeros(2 * far + 1)
        step[[move + far for move in moves]] = list(moves.values())
        law, reach = np.convolve(law, step / step.sum()), reach + far
    return dict(enumerate(law.tolist(), start=-reach))


def block_pvalue(d: float, blocks: Sequence[Sequence[float]]) -> float:
    """Two-sided P(|D| >= d) of one difference in any table (`BlockLaw` for many)."""
    return BlockLaw(blocks).pvalue(d)


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
