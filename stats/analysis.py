"""Everything about one table of scores: ranks, omnibus, one family of comparisons with all corrections.

Input: `Table`. Output: an `Analysis`, the content of `stats.json`. Each comparison has its exact p-value first
(Eisinga et al. 2017), second opinions beside it. Not covered: how it is shown (`report`, `cli.stats`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from erc_synth.stats.contracts import Analysis, Comparison
from erc_synth.stats.errors import StatsError
from erc_synth.stats.exact import BlockLaw, pairwise_pvalues
from erc_synth.stats.inputs import Table
from erc_synth.stats.paired import ENDS, seed_means
from erc_synth.stats.ranks import corrections, nemenyi_difference, omnibus, pairs_of, rank_sums, ranks_of
from erc_synth.stats.signed import bayes_signed_rank, rank_biserial, wilcoxon

ROPE = {"points": 1.0, "fraction": 0.01}  # one point, in the unit of the scores
WIDEST_ROPE = 0.1  # of fractions: ten points; a wider region is one in points by mistake
Pair = tuple[int, int]


def analyse(
    table: Table, *, family: str | None = None, control: str | None = None, rope: float | None = None
) -> Analysis:
    """All tests of one table.

    Args:
        table: Scores by block and model.
        family: paper, all or control (`ranks.pairs_of`); by default the first of paper, control, all that fits.
        control: A variant ("Org") or a model.
        rope: Scores that count as equal in the Bayesian test; one point by default.

    Raises:
        StatsError: Fewer than two models or blocks, unknown family or control, an impossible region of equivalence.
    """
    n, k = len(table.blocks), len(table.models)
    if k < 2 or n < 2:
        raise StatsError(f"{k} models in {n} blocks cannot be compared.", hint="At least two of each are needed.")
    rope = _checked_rope(table, rope)
    family = family or fitting_family(table.models, control)
    pairs = pairs_of(table.models, family, control)
    law = _Law.of(table)
    rows = _comparisons(table, law, pairs, rope)
    sensitivity = _sensitivity(table, pairs)
    for i, (row, adjusted) in enumerate(zip(rows, corrections([row["p"] for row in rows]), strict=True)):
        row["adjusted"] = adjusted
        row["without"] = {group: values[i] for group, values in sensitivity.items()}
    return {
        "schema_version": 1,
        "models": list(table.models),
        "blocks": list(table.blocks),
        "scores": [list(row) for row in table.scores],
        "scale": table.scale,
        "lower_is_better": table.lower_is_better,
        "ranks": [list(row) for row in law.ranks],
        "rank_sums": law.sums,
        "mean_ranks": [s / n for s in law.sums],
        "omnibus": omnibus(law.ranks),
        "ties": law.ties,
        "family": {"name": family, "control": control, "size": len(pairs)},
        "rope": rope,
        "comparisons": rows,
        "nemenyi_critical_difference": nemenyi_difference(k, n),
        "sensitivity": sensitivity,
        "sources": {f"{block}|{model}": source for (block, model), source in table.sources.items()},
        "seeds": {f"{b}|{m}": list(values) for (b, m), values in table.replicates.items() if len(values) > 1},
        "examples": dict(table.examples),
        "notes": list(table.notes),
    }


def _checked_rope(table: Table, rope: float | None) -> float:
    if rope is None:
        return ROPE[table.scale]
    if not (math.isfinite(rope) and rope >= 0):
        raise StatsError(f"--rope {rope:g}: a region of equivalence is 0 or more.", hint="Leave it out for one point.")
    if table.scale == "fraction" and rope > WIDEST_ROPE:
        raise StatsError(
            f"--rope {rope:g}: the scores are fractions (0 to 1), so all would count as equal.",
            hint=f"One point is --rope {ROPE['fraction']:g}.",
        )
    return rope


def fitting_family(models: Sequence[str], control: str | None) -> str:
    """The paper's family where variants have a control of their own, else a control against all, else all pairs."""
    if any(model.split(" ")[-1] == (control or "Org") and " " in model for model in models):
        try:
            pairs_of(models, "paper", control)
            return "paper"
        except StatsError:
            pass
    return "control" if control else "all"


@dataclass(frozen=True, slots=True)
class _Law:
    """Ranks of a table and the exact law of the difference of two rank sums; built once for all pairs."""

    ranks: list[tuple[float, ...]]
    sums: list[float]
    ties: bool
    blocks: BlockLaw | None  # with ties

    @classmethod
    def of(cls, table: Table) -> _Law:
        sign = -1 if table.lower_is_better else 1
        ranks = [ranks_of([sign * score for score in row]) for row in table.scores]
        ties = any(len(set(block)) < len(block) for block in ranks)
        return cls(ranks, rank_sums(ranks), ties, BlockLaw(ranks) if ties else None)

    def pvalues(self, pairs: Sequence[Pair]) -> list[tuple[float, float | None]]:
        """Exact p and mid-p (without ties) of each pair."""
        distances = [self.sums[a] - self.sums[b] for a, b in pairs]
        if self.blocks:
            return [(self.blocks.pvalue(d), None) for d in distances]
        found = pairwise_pvalues(map(int, distances), len(self.sums), len(self.ranks))
        return [found[abs(int(d))] for d in distances]


def _comparisons(table: Table, law: _Law, pairs: Sequence[Pair], rope: float) -> list[Comparison]:
    n, k = len(table.blocks), len(table.models)
    critical, seeds = nemenyi_difference(k, n), seed_means(table)
    sign = -1 if table.lower_is_better else 1
    rows = []
    for (a, b), (p, mid_p) in zip(pairs, law.pvalues(pairs), strict=True):
        d, gains = law.sums[a] - law.sums[b], table.gains(a, b)
        wilcoxon_p, kind = wilcoxon(gains)
        interval = np.quantile(sign * (seeds[b] - seeds[a]), ENDS).tolist() if a in seeds and b in seeds else None
        row: Comparison = {
            "a": table.models[a],
            "b": table.models[b],
            "difference": d,
            "p": p,
            "mid_p": mid_p,
            "normal_p": math.erfc(abs(d) / math.sqrt(n * k * (k + 1) / 6) / math.sqrt(2)),
            "adjusted": {"bonferroni": p, "holm": p, "hochberg": p, "bh": p},  # until the family is complete
            "without": {},
            "wilcoxon_p": wilcoxon_p,
            "wilcoxon_kind": kind,
            "rank_biserial": rank_biserial(gains),
            "nemenyi_differs": abs(d) / n >= critical,
            "mean_gain": sum(gains) / n,
            "gain_interval": interval,
            "wins": sum(gain > 0 for gain in gains),
            "losses": sum(gain < 0 for gain in gains),
            "bayes": bayes_signed_rank(gains, rope),
        }
        rows.append(row)
    return rows


def _sensitivity(table: Table, pairs: Sequence[Pair]) -> dict[str, list[float]]:
    """Exact p-values of the same pairs without the blocks of each benchmark."""
    groups = table.groups()
    rest = {group: table.without(group) for group in groups} if len(groups) > 1 else {}
    return {group: [p for p, _ in _Law.of(t).pvalues(pairs)] for group, t in rest.items() if len(t.blocks) > 1}
