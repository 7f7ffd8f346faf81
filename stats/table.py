"""Tables of scores: (model, block, score) from CSV, JSON, Parquet or a grid's results folder.

Output: `Table`, complete and rectangular. A block is a test set; each model has one score in each.
Several scores of one cell (seeds) are averaged and kept. Not covered: what a score means.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from erc_synth.stats.exact import StatsError

VARIANTS = {"org": "Org", "nat": "Nat", "bal": "Bal", "tstr-nat": "TSTR Nat", "tstr-bal": "TSTR Bal",
            "leave-out": "Leave-out"}  # fmt: skip
NAMES = {"compm": "CoMPM", "emoone": "EmoOne", "todkat": "TODKAT", "meld": "MELD", "emorynlp": "EmoryNLP",
         "iemocap": "IEMOCAP", "baseline": "Baseline"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Scores by block and model; `scores[i][j]` is block i, model j; higher is better.

    `sources` maps (block, model) to where the number comes from; `replicates` to all its seeds.
    """

    models: tuple[str, ...]
    blocks: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    sources: dict[tuple[str, str], str] = field(default_factory=dict)
    replicates: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)

    def without(self, group: str) -> Table:
        """The table without the blocks of one benchmark (`group/...`)."""
        keep = [i for i, block in enumerate(self.blocks) if block.split("/")[0] != group]
        return Table(self.models, tuple(self.blocks[i] for i in keep), tuple(self.scores[i] for i in keep))


def build_table(rows: Iterable[tuple[str, str, float, str]], where: str) -> Table:
    """A table of (model, block, score, source) rows, in order of first appearance.

    Raises:
        StatsError: No rows, or a missing cell (named).
    """
    cells: dict[tuple[str, str], list[float]] = {}
    sources: dict[tuple[str, str], str] = {}
    models: dict[str, None] = {}
    blocks: dict[str, None] = {}
    for model, block, score, source in rows:
        models.setdefault(model)
        blocks.setdefault(block)
        cells.setdefault((block, model), []).append(score)
        if source:
            sources[(block, model)] = source
    if not cells:
        raise StatsError(f"{where} holds no scores.", hint="Columns: model, block, score.")
    missing = [f"{model} on {block}" for block in blocks for model in models if (block, model) not in cells]
    if missing:
        raise StatsError(
            f"{where}: {len(missing)} cells have no score, the first is {missing[0]}.",
            hint="Every model needs a score in every block.",
        )
    # Rounded, so that equal scores of more or fewer seeds stay a tie.
    scores = tuple(tuple(round(sum(c) / len(c), 10) for m in models for c in [cells[(b, m)]]) for b in blocks)
    return Table(tuple(models), tuple(blocks), scores, sources, {key: tuple(some) for key, some in cells.items()})


def _row(record: Any, where: str) -> tuple[str, str, float, str]:
    if not isinstance(record, dict):
        raise StatsError(f"{where} is not a row with the columns model, block, score.")
    try:
        score = float(record["score"])
        row = str(record["model"]), str(record["block"]), score, str(record.get("source") or "")
    except KeyError as error:
        raise StatsError(f"{where}: the column {error} is missing.", hint="Columns: model, block, score.") from error
    except (TypeError, ValueError) as error:
        raise StatsError(f"{where}: the score {record.get('score')!r} is not a number.") from error
    if not math.isfinite(score):
        raise StatsError(f"{where}: the score {score} is not finite (NaN or infinite).")
    return row


def read_csv_text(text: str, where: str) -> Table:
    """Table of CSV text with the columns model, block, score; lines that begin with # are comments."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    table = csv.DictReader(io.StringIO("\n".join(lines)))
    return build_table([_row(dict(r), f"{where}, row {i}") for i, r in enumerate(table, start=1)], where)


def paper_table() -> Table:
    """The paper's Table 3 (figures only)."""
    text = files("erc_synth.stats").joinpath("data", "paper_table3.csv").read_text("utf-8")
    return read_csv_text(text, "paper_table3.csv")


def read_table(path: Path) -> Table:
    """Table of a CSV, JSON or Parquet file, or of a folder of grid cells.

    Raises:
        StatsError: Unreadable, unknown form, or incomplete.
    """
    if path.is_dir():
        return grid_table(path)
    if not path.exists():
        raise StatsError(f"{path} does not exist.", hint="Give a CSV, JSON or Parquet file, or a results folder.")
    if path.suffix not in (".csv", ".json", ".parquet"):
        raise StatsError(f"{path}: unknown form {path.suffix!r}.", hint="Use .csv, .json or .parquet.")
    try:
        if path.suffix == ".csv":
            return read_csv_text(path.read_text("utf-8-sig"), str(path))
        records = json.loads(path.read_text("utf-8-sig")) if path.suffix == ".json" else _parquet_rows(path)
    except ValueError as error:  # broken UTF-8, JSON or Parquet (ArrowInvalid)
        reason = " ".join(str(error).split())
        raise StatsError(f"{path} cannot be read as {path.suffix[1:]}: {reason}", hint="Write it again.") from error
    if not isinstance(records, list):
        raise StatsError(
            f"{path} is not a list of rows.", hint='For example [{"model": .., "block": .., "score": ..}].'
        )
    return build_table([_row(r, f"{path}, row {i}") for i, r in enumerate(records, start=1)], str(path))


def _parquet_rows(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pylist()


def read_cells(folder: Path) -> list[dict[str, Any]]:
    """All cells of a grid's results folder (`results/<cell>.json`)."""
    cells = []
    for path in sorted(folder.glob("*.json")):
        try:
            cell = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise StatsError(f"{path} is not JSON: {error}.") from error
        if isinstance(cell, dict) and {"model", "variant", "test_set"} <= set(cell):
            cells.append({**cell, "file": path.name})
    return cells


def place(word: str) -> int:
    """Where the paper's tables put a model, benchmark, variant or test set; unknown words come last."""
    order = (*NAMES, *VARIANTS)
    return order.index(word) if word in order else len(order)


def grid_table(folder: Path, *, variants: tuple[str, ...] = ("org", "nat", "bal")) -> Table:
    """Table of finished cells: models are "<classifier> <variant>", blocks "<benchmark>/<test set>".

    Blocks in which some model has no score are left out, so a partly failed grid can still be read.
    """
    done = [c for c in read_cells(folder) if c.get("status") == "done" and c["variant"] in variants]
    done.sort(key=lambda c: (place(c["model"]), place(c["variant"]), place(c["benchmark"]), place(c["test_set"])))
    rows = [
        (f"{NAMES.get(c['model'], c['model'])} {VARIANTS.get(c['variant'], c['variant'])}",
         f"{NAMES.get(c['benchmark'], c['benchmark'])}/{VARIANTS.get(c['test_set'], c['test_set'])}",
         100.0 * float(c["score"]), c["file"])
        for c in done
    ]  # fmt: skip
    models = {row[0] for row in rows}
    full = {block for block in {r[1] for r in rows} if {r[0] for r in rows if r[1] == block} == models}
    return build_table([row for row in rows if row[1] in full], str(folder))
