"""Wilcoxon's test, its effect size and the Bayesian test against enumeration and the printed examples."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.stats.signed import bayes_signed_rank, rank_biserial, wilcoxon

# Differences of scores printed with one decimal: equal in print, unequal by float noise.
NOISY = [44.0 - 40.8, 68.3 - 64.2, 68.9 - 63.2, 29.7 - 33.8]


def _enumerated(differences):
    """Two-sided p of the sum of positive ranks over all signs; zeros left out, ties with mid-ranks."""
    values = [round(abs(d), 9) for d in differences if round(d, 9)]
    ranks = [sum(w < v for w in values) + (sum(w == v for w in values) + 1) / 2 for v in values]
    signs = [round(d, 9) > 0 for d in differences if round(d, 9)]
    seen = sum(r for r, s in zip(ranks, signs, strict=True) if s)
    middle = sum(ranks) / 2
    sums = [sum(r for r, s in zip(ranks, chosen, strict=True) if s) for chosen in product((0, 1), repeat=len(ranks))]
    return sum(abs(s - middle) >= abs(seen - middle) - 1e-9 for s in sums) / len(sums)


def test_float_noise_breaks_no_tie():
    p, kind = wilcoxon(NOISY)
    assert (p, kind) == (pytest.approx(_enumerated(NOISY)), "exact")
    assert rank_biserial(NOISY) == pytest.approx(0.5)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=9))
def test_wilcoxon_equals_enumeration_with_ties_and_zeros(pairs):
    differences = [a / 10 - b / 10 for a, b in pairs]
    assert wilcoxon(differences)[0] == pytest.approx(_enumerated(differences))


def test_more_than_twenty_differences_have_a_p_too():
    from scipy.stats import wilcoxon as by_scipy

    differences = [0.5 + i * (-1) ** i for i in range(40)]
    assert wilcoxon(differences)[0] == pytest.approx(float(by_scipy(differences).pvalue), rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=12), st.floats(0, 2))
def test_the_three_probabilities_sum_to_one(differences, rope):
    found = bayes_signed_rank(differences, rope, draws=200)
    assert found["worse"] + found["rope"] + found["better"] == pytest.approx(1)
