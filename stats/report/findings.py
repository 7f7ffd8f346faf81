"""Sentences from the numbers only; a claim about all cells is made only where all agree.

Input: what the report shows. Output: sentences. Not covered: opinions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

TSTR_NAMED = 4  # more rows than these are summed up


class Shown(Protocol):
    """The parts of the report's content that sentences are made from."""

    stats: dict[str, Any] | None
    tstr: list[dict[str, Any]]
    data: list[dict[str, Any]]
    failed: list[dict[str, Any]]


def findings(content: Shown) -> list[str]:
    """All sentences, the tests first."""
    said = [*_of_stats(content.stats)] if content.stats else []
    said += _of_tstr([row for row in content.tstr if row["gap"] is not None])
    if content.data:
        kept = sum(row["kept"]["dialogues"] for row in content.data)
        said.append(f"{len(content.data)} synthetic sets with {kept} curated dialogues.")
    if content.failed:
        said.append(f"{len(content.failed)} trainings failed; their cells are left out.")
    return said


def _of_stats(s: dict[str, Any]) -> list[str]:
    test, family, blocks = s["omnibus"], s["family"], len(s["blocks"])
    said = [
        f"Friedman's test over {len(s['models'])} models and {blocks} blocks: chi-square "
        f"{test['chi_square']:.2f}, p = {p_text(test['p'])}."
    ]
    for row in s["comparisons"]:
        better = row["b"] if row["difference"] > 0 else row["a"]
        bonferroni = row["adjusted"]["bonferroni"]
        said.append(
            f"{row['b']} against {row['a']}: higher in {row['wins']} of {blocks} blocks, rank sums differ by "
            f"{abs(row['difference']):g}{f' in favour of {better}' if row['difference'] else ''}; "
            f"exact p = {p_text(row['p'])}, times {family['size']} = {p_text(bonferroni)}, "
            f"{'below' if bonferroni < 0.05 else 'not below'} 0.05."
        )
    if all(row["losses"] == 0 and row["wins"] == blocks for row in s["comparisons"]):
        said.append("Every compared model scores higher than its control in every block.")
        return said
    exceptions = sum(row["losses"] for row in s["comparisons"])
    equal = sum(blocks - row["wins"] - row["losses"] for row in s["comparisons"])
    said.append(
        f"In {exceptions} of {blocks * len(s['comparisons'])} cells a compared model scores lower than its control"
        f"{f', in {equal} they are equal' if equal else ''}."
    )
    return said


def _of_tstr(rows: Sequence[dict[str, Any]]) -> list[str]:
    if len(rows) > TSTR_NAMED:
        below, gap = sum(row["gap"] < 0 for row in rows), sum(row["gap"] for row in rows) / len(rows)
        return [
            f"Training on synthetic data only scores below training on the benchmark in {below} of {len(rows)} rows; "
            f"the mean gap is {gap:+.2f} points."
        ]
    return [
        f"{row['model']} trained on synthetic data only ({row['variant']}) reaches {row['score']:.2f} on "
        f"{row['benchmark']}'s test set, {abs(row['gap']):.2f} points {'below' if row['gap'] < 0 else 'above'} "
        "training on the benchmark."
        for row in rows
    ]


def p_text(value: float) -> str:
    """A p-value with four digits, or its power of ten."""
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.1e}"
