"""Cells of a grid as a table of scores, and what things are called and in which order they stand.

Input: `results/<cell>.json`. Output: `Table`, or the cells. Models and benchmarks are called as their cell says
(`model_name`, `benchmark_name`), else as the paper writes them; the paper's own come first, in its order.
Not covered: other tables (`inputs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

from erc_synth.stats.contracts import Cell
from erc_synth.stats.errors import StatsError
from erc_synth.stats.files import read_json
from erc_synth.stats.inputs import Score, Table, build_table, paper_table

# Ways to train (of the grid) and test sets, as the paper writes them, in its order.
VARIANTS = {
    "org": "Org",
    "nat": "Nat",
    "bal": "Bal",
    "tstr-nat": "TSTR Nat",
    "tstr-bal": "TSTR Bal",
    "leave-out": "Leave-out",
}
TABLE_VARIANTS = ("org", "nat", "bal")  # of Tables 2 and 3, as ways to train and as test sets
SMALL_TEST = 100  # examples; a test set below has scores too coarse to rank

REQUIRED = frozenset({"model", "variant", "benchmark", "test_set", "status", "score"})


@lru_cache(maxsize=1)
def paper_names() -> tuple[dict[str, str], dict[str, str]]:
    """Classifiers and benchmarks of the paper's table: word on the command line -> the paper's spelling."""
    table = paper_table()
    models = dict.fromkeys(model.rsplit(" ", 1)[0] for model in table.models)
    return {name.lower(): name for name in models}, {name.lower(): name for name in table.groups()}


class Names:
    """What models and benchmarks are called, and where they stand, as the cells and the paper have it."""

    def __init__(self, cells: Iterable[Mapping[str, object]]) -> None:
        models, benchmarks = paper_names()
        self._models, self._benchmarks = dict(models), dict(benchmarks)
        for cell in cells:
            for key, names in (("model", self._models), ("benchmark", self._benchmarks)):
                word = str(cell[key])
                names[word] = str(cell.get(f"{key}_name") or names.get(word, word))
        self._order = {word: i for i, word in enumerate((*self._models, *self._benchmarks))}

    def model(self, word: str) -> str:
        """A classifier."""
        return self._models.get(word, word)

    def benchmark(self, word: str) -> str:
        """A benchmark."""
        return self._benchmarks.get(word, word)

    def variant(self, word: str) -> str:
        """A way to train, or a test set."""
        return VARIANTS.get(word, word)

    def trained(self, model: str, variant: str) -> str:
        """A trained model, as the paper writes it: CoMPM Nat."""
        return f"{self.model(model)} {self.variant(variant)}"

    def place(self, *words: str) -> tuple[tuple[int, str], ...]:
        """Sort key of models, benchmarks, variants and test sets; unknown words come last, by alphabet."""
        known = {**self._order, **{word: i for i, word in enumerate(VARIANTS)}}
        return tuple((known.get(word, len(known)), word) for word in words)

    def order(self, cell: Mapping[str, object]) -> tuple[tuple[int, str], ...]:
        """Sort key of a cell: model, variant, benchmark, test set."""
        return self.place(*(str(cell[key]) for key in ("model", "variant", "benchmark", "test_set")))


def read_cells(folder: Path) -> list[Cell]:
    """All cells of a grid's results folder (`results/<cell>.json`); other JSON files are left alone.

    Raises:
        StatsError: A file that is no JSON.
    """
    cells = []
    for path in sorted(folder.glob("*.json")):
        content = read_json(path)
        if isinstance(content, dict) and set(content) >= REQUIRED:
            cells.append(cast("Cell", {**content, "file": path.name}))
    return cells


def grid_table(folder: Path, *, variants: Sequence[str] = TABLE_VARIANTS, min_examples: int = 0) -> Table:
    """Table of finished cells: models are "<classifier> <variant>", blocks "<benchmark>/<test set>".

    Blocks in which some model has no score are left out, and those of fewer than `min_examples` examples; both is
    said in the table's notes. Scores become percent.

    Raises:
        StatsError: No block is complete.
    """
    cells = read_cells(folder)
    names = Names(cells)
    done = [c for c in cells if c["status"] == "done" and c["score"] is not None and c["variant"] in variants]
    done.sort(key=lambda cell: (names.order(cell), int(cell.get("seed", 0))))
    rows = [
        Score(
            names.trained(c["model"], c["variant"]),
            f"{names.benchmark(c['benchmark'])}/{names.variant(c['test_set'])}",
            100.0 * float(c["score"] or 0),
            c["file"],
            str(c.get("seed", "")),
        )
        for c in done
    ]
    sizes: dict[str, int] = {}
    for row, cell in zip(rows, done, strict=True):
        if cell.get("examples"):
            sizes[row.block] = min(int(cell["examples"] or 0), sizes.get(row.block, int(cell["examples"] or 0)))
    full, notes = _full_blocks(rows)
    small = [block for block in full if block in sizes and sizes[block] < min_examples]
    if small:
        notes.append(f"Left out, below {min_examples} examples: {', '.join(f'{b} ({sizes[b]})' for b in small)}.")
    kept = [row for row in rows if row.block in full and row.block not in small]
    if not kept:
        raise StatsError(
            f"{folder} holds no test set that every model is scored on.", hint="Finish the grid, or lower the limits."
        )
    table = build_table(kept, str(folder), scale="points")
    examples = {block: sizes[block] for block in table.blocks if block in sizes}
    return _with(table, examples, (*notes, *table.notes, *_small_notes(examples)))


def _full_blocks(rows: Sequence[Score]) -> tuple[list[str], list[str]]:
    """Blocks in which every model has a score, and a note about the others."""
    models = {row.model for row in rows}
    have: dict[str, set[str]] = {}
    for row in rows:
        have.setdefault(row.block, set()).add(row.model)
    partial = [block for block, some in have.items() if some != models]
    notes = [f"Left out, as some model has no score there: {', '.join(partial)}."] if partial else []
    return [block for block in have if block not in partial], notes


def _small_notes(examples: Mapping[str, int]) -> list[str]:
    small = [f"{block} ({n})" for block, n in examples.items() if n < SMALL_TEST]
    if not small:
        return []
    return [
        f"Test sets of fewer than {SMALL_TEST} examples, too few to rank models on: {', '.join(small)}; "
        "--min-examples leaves them out."
    ]


def _with(table: Table, examples: Mapping[str, int], notes: tuple[str, ...]) -> Table:
    from dataclasses import replace

    return replace(table, examples=examples, notes=notes)
