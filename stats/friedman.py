"""Friedman's test, rank tables, families of pairwise comparisons, corrections, second opinions.

Input: `Table`. Output: a plain dict, ready for `stats.json`. Rank 1 is the best score of its block
(Demsar 2006); ties get mid-ranks. Corrections are written out here (four short formulas, checked
against statsmodels in the tests), because importing statsmodels costs more than the whole test.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, permutations
from operator import add
from typing import Any

from erc_synth.stats.exact import StatsError, block_pvalue, pairwise_pvalue
from erc_synth.stats.table import Table

FAMILIES = ("paper", "all", "control")
EXACT_LIMIT = 100_000  # steps of the exact permutation law (about 0.2 s); above it Monte Carlo
MONTE_CARLO_CELLS, DRAWS = 400, 1_000


def ranks_of(scores: Sequence[float]) -> tuple[float, ...]:
    """Ranks of one block: 1 for the highest score, mid-ranks for ties."""
    order = sorted(range(len(scores)), key=lambda j: -scores[j])
    ranks = [0.0] * len(scores)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and scores[order[end + 1]] == scores[order[start]]:
            end += 1
        for position in range(start, end + 1):
            ranks[order[position]] = (start + end) / 2 + 1
        start = end + 1
    return tuple(ranks)


def chi_square_tail(x: float, df: int) -> float:
    """P(X >= x) for a chi-square law (closed sums; Abramowitz and Stegun 26.4.4, 26.4.5)."""
    if x <= 0:
        return 1.0
    half = x / 2
    if df % 2 == 0:
        term = total = math.exp(-half)
        for i in range(1, df // 2):
            term *= half / i
            total += term
        return min(1.0, total)
    total = math.erfc(math.sqrt(half))
    term = math.exp(-half) * math.sqrt(half) / math.gamma(1.5)
    for i in range(1, (df + 1) // 2):
        total += term
        term *= half / (i + 0.5)
    return min(1.0, total)


def omnibus(ranks: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Friedman chi-square (with tie correction), Iman-Davenport F (`None` when all blocks agree), Kendall's W."""
    n, k = len(ranks), len(ranks[0])
    sums = [sum(column) for column in zip(*ranks, strict=True)]
    spread = sum((s - n * (k + 1) / 2) ** 2 for s in sums)
    ties = sum(sum(block.count(r) ** 3 - block.count(r) for r in set(block)) for block in map(list, ranks))
    scale = n * k * (k + 1) - ties / (k - 1)
    chi2 = 12 * spread / scale if scale > 0 else 0.0
    w = chi2 / (n * (k - 1))
    f = (n - 1) * chi2 / (n * (k - 1) - chi2) if chi2 < n * (k - 1) else math.inf
    df = k - 1, (k - 1) * (n - 1)
    return {
        "chi_square": chi2, "df": k - 1, "p": chi_square_tail(chi2, k - 1),
        "kendall_w": w, "iman_davenport_f": f if math.isfinite(f) else None, "iman_davenport_df": df,
        "iman_davenport_p": f_tail(f, *df),
        "permutation": _permutation_p(ranks, spread),
    }  # fmt: skip


def f_tail(f: float, d1: int, d2: int) -> float:
    """P(F >= f): the regularised incomplete beta by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if f <= 0:
        return 1.0
    if math.isinf(f):
        return 0.0
    a, b, x = d2 / 2, d1 / 2, d2 / (d2 + d1 * f)
    if x > (a + 1) / (a + b + 2):  # the fraction is quick on the other side
        return 1.0 - _beta_share(b, a, 1 - x)
    return _beta_share(a, b, x)


def _beta_share(a: float, b: float, x: float) -> float:
    front = math.exp(a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) / a
    value = 0.0
    for m in range(200, 0, -1):  # from the inside out
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        value = even / (1 + odd / (1 + value))
    first = -(a + b) * x / (a + 1)
    return min(1.0, front / (1 + first / (1 + value)))


def _permutation_p(ranks: Sequence[Sequence[float]], observed: float) -> dict[str, Any] | None:
    """Permutation p of the omnibus: exact for a small table, seeded Monte Carlo for a middle one."""
    n, k = len(ranks), len(ranks[0])
    if n == 1 or n * k > MONTE_CARLO_CELLS:
        return None  # the chi-square law is good there
    mean = n * (k + 1) / 2

    def spread(sums: Sequence[float]) -> float:
        return sum((s - mean) ** 2 for s in sums)

    law = _rank_sum_law(ranks)
    if law:
        hits = sum(ways for sums, ways in law.items() if spread(sums) >= observed - 1e-9)
        total = sum(law.values())
        return {"kind": "exact", "p": hits / total, "permutations": total}
    draw, hits = random.Random(0), 0
    blocks = [list(block) for block in ranks]
    for _ in range(DRAWS):
        for block in blocks:
            draw.shuffle(block)
        hits += spread([sum(column) for column in zip(*blocks, strict=True)]) >= observed - 1e-9
    return {"kind": "monte-carlo", "p": (hits + 1) / (DRAWS + 1), "permutations": DRAWS}


def _rank_sum_law(ranks: Sequence[Sequence[float]]) -> dict[tuple[float, ...], int] | None:
    """Rank sums -> number of ways when each block's ranks are permuted; `None` for more than `EXACT_LIMIT` steps.

    The models are exchangeable, so sums are kept sorted: far fewer than the k!^n tables that they stand for.
    """
    k, steps = len(ranks[0]), 0
    if math.factorial(k) > EXACT_LIMIT:
        return None
    law: dict[tuple[float, ...], int] = {(0.0,) * k: 1}
    for block in ranks:
        orders = Counter(permutations(block))
        steps += len(law) * len(orders)
        if steps > EXACT_LIMIT:
            return None
        following: Counter[tuple[float, ...]] = Counter()
        for sums, ways in law.items():
            for order, times in orders.items():
                following[tuple(sorted(map(add, sums, order)))] += ways * times
        law = following
    return law


def corrections(p: Sequence[float], family: int | None = None) -> dict[str, list[float]]:
    """Bonferroni, Holm, Hochberg and Benjamini-Hochberg of one family of p-values."""
    m = family or len(p)
    order = sorted(range(len(p)), key=lambda i: p[i])
    holm, hochberg, bh = [0.0] * len(p), [0.0] * len(p), [0.0] * len(p)
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (m - rank) * p[i]))
        holm[i] = running
    low_hochberg = low_bh = 1.0
    for rank in range(len(order) - 1, -1, -1):
        i = order[rank]
        low_hochberg = min(low_hochberg, (m - rank) * p[i])
        low_bh = min(low_bh, m * p[i] / (rank + 1))
        hochberg[i], bh[i] = min(1.0, low_hochberg), min(1.0, low_bh)
    return {"bonferroni": [min(1.0, m * x) for x in p], "holm": holm, "hochberg": hochberg, "bh": bh}


def pairs_of(models: Sequence[str], family: str, control: str | None = None) -> list[tuple[int, int]]:
    """Index pairs of a family: `paper` (variants against their own control), `all`, `control`.

    Raises:
        StatsError: No model matches the control.
    """
    if family not in FAMILIES:
        raise StatsError(f"Unknown family {family!r}.", hint=f"Known: {', '.join(FAMILIES)}.")
    if family == "all":
        return list(combinations(range(len(models)), 2))
    word = control or "Org"
    if family == "control":
        if word not in models:
            raise StatsError(f"No model is called {word!r}.", hint=f"Models: {', '.join(models)}.")
        at = list(models).index(word)
        return [(at, j) for j in range(len(models)) if j != at]
    pairs = []
    for i, name in enumerate(models):
        if name.split()[-1] == word or name == word:
            stem = name[: len(name) - len(word)].strip()
            pairs += [(i, j) for j, other in enumerate(models) if j != i and other.rsplit(" ", 1)[0] == stem]
    if not pairs:
        raise StatsError(f"No model is a variant called {word!r}.", hint="Names look like 'CoMPM Org'.")
    return pairs


def wilcoxon_exact(differences: Sequence[float]) -> float | None:
    """Exact two-sided Wilcoxon signed-rank p (all sign patterns); `None` above 20 non-zero differences."""
    nonzero = [d for d in differences if d]
    n = len(nonzero)
    if n == 0:
        return 1.0
    if n > 20:
        return None
    ranks = ranks_of([-abs(d) for d in nonzero])  # smallest difference gets rank 1
    halves = [round(2 * rank) for rank in ranks]
    ways = {0: 1}
    for half in halves:
        following = dict(ways)
        for total, count in ways.items():
            following[total + half] = following.get(total + half, 0) + count
        ways = following
    positive = sum(h for h, d in zip(halves, nonzero, strict=True) if d > 0)
    centre = sum(halves) / 2
    extreme = sum(count for total, count in ways.items() if abs(total - centre) >= abs(positive - centre))
    return float(extreme / 2**n)


def rank_biserial(differences: Sequence[float]) -> float:
    """Matched-pairs rank-biserial correlation: +1 when every difference is positive."""
    nonzero = [d for d in differences if d]
    if not nonzero:
        return 0.0
    ranks = ranks_of([-abs(d) for d in nonzero])
    return sum(math.copysign(r, d) for r, d in zip(ranks, nonzero, strict=True)) / sum(ranks)


def bayes_signed_rank(
    differences: Sequence[float], rope: float, *, draws: int = 2_000, seed: int = 0
) -> dict[str, float]:
    """Bayesian signed-rank test with a region of practical equivalence (Benavoli et al. 2017).

    Dirichlet weights over the differences and one prior pseudo-observation at 0; returns the
    posterior probabilities that the Walsh averages lie below, within, above the rope.
    """
    values = [0.0, *differences]
    draw, wins = random.Random(seed), [0.0, 0.0, 0.0]
    kind = [[1 + (a + b > 2 * rope) - (a + b < -2 * rope) for b in values] for a in values]
    for _ in range(draws):
        weights = [draw.expovariate(1.0) for _ in values]
        sums = [0.0, 0.0, 0.0]
        for i, first in enumerate(weights):
            for j, second in enumerate(weights):
                sums[kind[i][j]] += first * second
        wins[sums.index(max(sums))] += 1
    return {"worse": wins[0] / draws, "rope": wins[1] / draws, "better": wins[2] / draws}


def analyse(table: Table, *, family: str = "paper", control: str | None = None, rope: float = 1.0) -> dict[str, Any]:
    """Everything about one table: ranks, omnibus, one family of comparisons with all corrections.

    Returns:
        A dict with models, blocks, scores, ranks, rank_sums, omnibus, family, comparisons,
        sensitivity (the same p-values without each benchmark), ties.

    Raises:
        StatsError: Fewer than two models or blocks, unknown family or control.
    """
    n, k = len(table.blocks), len(table.models)
    if k < 2 or n < 2:
        raise StatsError(f"{k} models in {n} blocks cannot be compared.", hint="At least two of each are needed.")
    ranks = [ranks_of(row) for row in table.scores]
    sums = [sum(column) for column in zip(*ranks, strict=True)]
    pairs = pairs_of(table.models, family, control)
    ties = any(len(set(block)) < k for block in ranks)
    rows = [_compare(table, ranks, sums, a, b, ties=ties, rope=rope) for a, b in pairs]
    adjusted = corrections([row["p"] for row in rows])
    for i, row in enumerate(rows):
        row["adjusted"] = {name: values[i] for name, values in adjusted.items()}
    critical = nemenyi_difference(k, n)
    return {
        "models": list(table.models), "blocks": list(table.blocks), "scores": [list(row) for row in table.scores],
        "ranks": [list(row) for row in ranks], "rank_sums": sums, "mean_ranks": [s / n for s in sums],
        "omnibus": omnibus(ranks), "ties": ties,
        "family": {"name": family, "control": control, "size": len(pairs)},
        "rope": rope, "comparisons": rows, "nemenyi_critical_difference": critical,
        "sensitivity": _sensitivity(table, pairs),
        "sources": {f"{block}|{model}": source for (block, model), source in table.sources.items()},
        "seeds": {f"{b}|{m}": list(values) for (b, m), values in table.replicates.items() if len(values) > 1},
    }  # fmt: skip


def _compare(
    table: Table, ranks: Sequence[Sequence[float]], sums: Sequence[float], a: int, b: int, *, ties: bool, rope: float
) -> dict[str, Any]:
    n, k = len(table.blocks), len(table.models)
    d = sums[a] - sums[b]
    differences = [row[b] - row[a] for row in table.scores]
    wins = sum(x > 0 for x in differences)
    z = abs(d) / math.sqrt(n * k * (k + 1) / 6)
    return {
        "a": table.models[a], "b": table.models[b], "difference": d,
        "p": block_pvalue(d, ranks) if ties else pairwise_pvalue(int(d), k, n),
        "mid_p": None if ties else pairwise_pvalue(int(d), k, n, mid=True),
        "normal_p": math.erfc(z / math.sqrt(2)),
        "wilcoxon_p": wilcoxon_exact(differences), "rank_biserial": rank_biserial(differences),
        "nemenyi_differs": abs(d) / n >= nemenyi_difference(k, n),
        "mean_gain": sum(differences) / n, "gain_interval": seed_interval(table, a, b),
        "wins": wins, "losses": sum(x < 0 for x in differences),
        "bayes": bayes_signed_rank(differences, rope),
    }  # fmt: skip


def _sensitivity(table: Table, pairs: Sequence[tuple[int, int]]) -> dict[str, list[float]]:
    """Exact p-values of the same pairs without the blocks of each benchmark."""
    groups = list(dict.fromkeys(block.split("/")[0] for block in table.blocks))
    result = {}
    for group in groups if len(groups) > 1 else []:
        rest = table.without(group)
        if len(rest.blocks) < 2:
            continue
        ranks = [ranks_of(row) for row in rest.scores]
        sums = [sum(column) for column in zip(*ranks, strict=True)]
        result[group] = [block_pvalue(sums[a] - sums[b], ranks) for a, b in pairs]
    return result


def bootstrap_interval(
    values: Sequence[float], *, draws: int = 5_000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of independent values (seeds, or per-dialogue differences)."""
    if not values:
        raise StatsError("A bootstrap needs at least one value.")
    draw, n = random.Random(seed), len(values)
    means = sorted(sum(draw.choices(values, k=n)) / n for _ in range(draws))
    tail = (1 - level) / 2
    return means[int(tail * draws)], means[min(draws - 1, int((1 - tail) * draws))]


def seed_interval(table: Table, a: int, b: int, *, draws: int = 1_000, seed: int = 0) -> tuple[float, float] | None:
    """95 % interval of the mean gain of model b over a: each cell's seeds are drawn anew; `None` with one seed."""
    cells = [[table.replicates.get((block, table.models[j]), ()) for j in (a, b)] for block in table.blocks]
    if any(len(seeds) < 2 for pair in cells for seeds in pair):
        return None
    draw = random.Random(seed)

    def mean(seeds: Sequence[float]) -> float:
        return sum(draw.choices(seeds, k=len(seeds))) / len(seeds)

    gains = sorted(sum(mean(second) - mean(first) for first, second in cells) / len(cells) for _ in range(draws))
    return gains[int(0.025 * draws)], gains[int(0.975 * draws)]


# Critical values of the studentised range at 0.05 for infinite degrees of freedom, divided by the
# square root of 2, k = 2..10 (Demsar 2006, Table 5a): scipy is slow to import.
NEMENYI_Q05 = (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)


def nemenyi_difference(k: int, n: int) -> float:
    """Critical difference of mean ranks at 0.05 (Nemenyi)."""
    if k <= 10:
        q = NEMENYI_Q05[k - 2]
    else:
        from scipy.stats import studentized_range

        q = float(studentized_range.ppf(0.95, k, math.inf)) / math.sqrt(2)
    return q * math.sqrt(k * (k + 1) / (6 * n))
