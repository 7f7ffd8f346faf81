"""What trainings on the data have shown: the table of scores for the card.

Input: a folder of grid cells and, where it is given, `stats.json`. Output: `Proof`. Scores are weighted F1 on the
benchmark's own test split, in per cent, the mean over seeds. Not covered: making either (`erc-synth grid`, `stats`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json

VARIANTS = {"org": "Org", "nat": "Nat", "bal": "Bal", "tstr-nat": "TSTR Nat", "tstr-bal": "TSTR Bal"}


@dataclass(frozen=True, slots=True)
class Row:
    """Scores of a classifier on one benchmark: variant -> per cent; how many utterances, and how many seeds."""

    model: str
    benchmark: str
    scores: Mapping[str, float]
    utterances: int | None
    seeds: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Scores, and Friedman's test over them with its smallest pairwise p-values: (better, worse, exact p)."""

    rows: tuple[Row, ...]
    friedman: float | None
    blocks: int
    pairs: tuple[tuple[str, str, float], ...]


def read(results: Path, stats: Path | None) -> Proof:
    """Scores of the cells that are done.

    Raises:
        ErcSynthError: The folder holds no finished cell, or a file is damaged.
    """
    cells = [read_json(path) for path in sorted(results.glob("*.json"))]
    done = [
        c for c in cells if c.get("status") == "done" and c.get("test_set") == "org" and c.get("variant") in VARIANTS
    ]
    if not done:
        raise ErcSynthError(
            f"{results} holds no finished cell on a benchmark's test split.", hint="Run `erc-synth grid` first."
        )
    pairs = sorted({(str(c["benchmark"]), str(c["model"])) for c in done})
    rows = tuple(
        _row(model, benchmark, [c for c in done if (c["benchmark"], c["model"]) == (benchmark, model)])
        for benchmark, model in pairs
    )
    analysis: Mapping[str, Any] = read_json(stats) if stats else {}
    omnibus = analysis.get("omnibus") or {}
    return Proof(rows, omnibus.get("p"), len(analysis.get("blocks") or ()), _significant(analysis))


def _row(model: str, benchmark: str, cells: list[dict[str, Any]]) -> Row:
    scores: dict[str, float] = {}
    for variant in VARIANTS:
        found = [cell["score"] for cell in cells if cell["variant"] == variant]
        if found:
            scores[variant] = 100 * sum(found) / len(found)
    seeds = len({cell["seed"] for cell in cells})
    return Row(model, benchmark, scores, next((cell.get("examples") for cell in cells), None), seeds)


def _significant(analysis: Mapping[str, Any], most: int = 5) -> tuple[tuple[str, str, float], ...]:
    """The pairs with the smallest exact p-values, the better first."""
    found = sorted(analysis.get("comparisons") or [], key=lambda one: float(one["p"]))[:most]
    return tuple(
        (one["a"], one["b"], one["p"]) if one["wins"] >= one["losses"] else (one["b"], one["a"], one["p"])
        for one in found
    )
