"""The exact law: brute force, a second formula, and the paper's four p-values."""

from fractions import Fraction
from itertools import permutations, product
from math import comb, factorial
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.stats.exact import (
    StatsError,
    block_pvalue,
    pairwise_law,
    pairwise_pvalue,
    pairwise_pvalue_fraction,
    tied_pvalue,
)
from erc_synth.stats.ranks import ranks_of


def alternating_sum(d, k, n):
    """P(|D| >= d) by the published formula (Eisinga et al. 2017, eq. 3): the second implementation."""
    total = Fraction(0)
    for h in range(n + 1):
        inner = Fraction(0)
        for s in range(h + 1):
            if k * s - d - h >= 0:
                inner += (-1) ** s * _h(k, d, h, s)
        total += comb(n, h) * Fraction(1, k**h * (1 - k) ** n) * inner
    return 2 * total


def _h(k, d, h, s):
    top = k * s - d + h
    return Fraction(factorial(2 * h), factorial(h + s) * factorial(h - s)) * comb(top, 2 * h) if top >= 2 * h else 0


@pytest.mark.parametrize(("k", "n"), [(2, 1), (2, 4), (3, 3), (4, 2), (5, 1)])
def test_law_equals_brute_force(k, n):
    counts: dict[int, int] = {}
    for blocks in product(list(permutations(range(k))), repeat=n):
        difference = sum(block[0] - block[1] for block in blocks)
        counts[difference] = counts.get(difference, 0) + 1
    total = factorial(k) ** n
    assert pairwise_law(k, n) == {d: Fraction(c, total) for d, c in counts.items()}


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(1, 12))
def test_law_sums_to_one_and_is_symmetric(k, n):
    law = pairwise_law(k, n)
    assert sum(law.values()) == 1
    assert all(law[-d] == p for d, p in law.items())


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(1, 12), st.integers(1, 150))
def test_tail_equals_the_law_and_the_alternating_sum(k, n, d):
    p = pairwise_pvalue_fraction(d, k, n)
    assert p == sum(q for x, q in pairwise_law(k, n).items() if abs(x) >= d)
    if d <= n * (k - 1):
        assert p == alternating_sum(d, k, n)


@pytest.mark.parametrize(("d", "times_six"), [(39, 0.003430), (34, 0.018682), (27, 0.127320), (25, 0.202592)])
def test_the_papers_p_values(d, times_six):
    assert round(6 * pairwise_pvalue(d, 9, 9), 6) == times_six


def test_difference_zero_is_certain_and_sign_does_not_matter():
    assert pairwise_pvalue(0, 5, 5) == 1.0
    assert pairwise_pvalue(-7, 5, 5) == pairwise_pvalue(7, 5, 5)


@pytest.mark.parametrize("d", [0, 3, -3, 9, 10])
def test_mid_p_takes_half_of_the_observed_point(d):
    law = pairwise_law(4, 3)
    point = sum(p for x, p in law.items() if abs(x) == abs(d))
    assert pairwise_pvalue(d, 4, 3, mid=True) == pytest.approx(float(pairwise_pvalue_fraction(d, 4, 3) - point / 2))


def test_large_tables_stay_exact_probabilities():
    assert 0 < pairwise_pvalue(2000, 50, 500) < pairwise_pvalue(1000, 50, 500) < 1


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 20))
def test_tied_law_without_ties_is_the_untied_one(k, n, d):
    blocks = [list(range(1, k + 1))] * n
    assert tied_pvalue(d, blocks) == pairwise_pvalue_fraction(d, k, n)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=4, max_size=4), min_size=1, max_size=6), st.integers(0, 40))
def test_float_law_of_large_tables_equals_the_exact_one(rows, halves):
    blocks = [ranks_of(row) for row in rows]
    expected = float(tied_pvalue(halves / 2, blocks))
    with mock.patch("erc_synth.stats.exact.EXACT_TIES", 0):
        assert block_pvalue(halves / 2, blocks) == pytest.approx(expected, rel=1e-12, abs=0)


def test_tied_law_equals_brute_force():
    blocks = [(1.5, 1.5, 3.0), (1.0, 2.5, 2.5)]
    hits = total = 0
    for rows in product(*(list(permutations(block)) for block in blocks)):
        hits += abs(sum(row[0] - row[1] for row in rows)) >= 2.0
        total += 1
    assert tied_pvalue(2.0, blocks) == Fraction(hits, total)


@pytest.mark.parametrize(("k", "n"), [(1, 3), (3, 0)])
def test_impossible_tables_are_refused(k, n):
    with pytest.raises(StatsError, match="at least 2 and 1"):
        pairwise_pvalue(1, k, n)
