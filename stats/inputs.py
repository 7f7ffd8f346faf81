"""Tables of scores: long (model, block, score) or wide (rows data sets, columns classifiers), in any common form.

Input: CSV, TSV, JSON or Parquet, also as Excel saves it. Output: `Table`, complete and rectangular. A block is a
test set; each model has one score in each. Several scores of one cell (seeds) are averaged, kept and said.
Not covered: cells of a grid (`cells`), what a score means (`analysis`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

from erc_synth.stats.errors import StatsError
from erc_synth.stats.files import FORMS, Rows, read_rows, text_rows

COLUMNS_HINT = "Columns: model, block, score; or one row per data set and one column per classifier."
# Names that users of autorank, scikit-posthocs, pandas and R give to the same thing; the first found is taken.
SYNONYMS = {
    "model": ("model", "classifier", "method", "algorithm", "estimator", "system", "treatment", "group", "groups"),
    "block": ("block", "blocks", "dataset", "testset", "benchmark", "task", "corpus", "problem", "data"),
    "score": ("score", "weightedf1", "f1", "accuracy", "value", "values", "vals", "result", "y"),
    "seed": ("seed",),
}
NAMELESS = ("", "unnamed0", "index")  # headers that a written index gets


class Score(NamedTuple):
    """One number of a table and where it is from."""

    model: str
    block: str
    value: float
    source: str = ""
    seed: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns as the user gives them; `None` is found by `SYNONYMS`."""

    model: str | None = None
    block: str | None = None
    score: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Scores by block and model; `scores[i][j]` is block i, model j.

    `sources` maps (block, model) to where the number comes from, `replicates` to all its seeds, `examples` a block to
    its number of test examples. `notes` say what a reader of the numbers should know.
    """

    models: tuple[str, ...]
    blocks: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    sources: Mapping[tuple[str, str], str] = field(default_factory=dict)
    replicates: Mapping[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    examples: Mapping[str, int] = field(default_factory=dict)
    scale: Literal["fraction", "points"] = "points"
    lower_is_better: bool = False
    notes: tuple[str, ...] = ()

    def gains(self, a: int, b: int) -> list[float]:
        """What model b is better than model a by, in each block."""
        sign = -1 if self.lower_is_better else 1
        return [sign * (row[b] - row[a]) for row in self.scores]

    def groups(self) -> list[str]:
        """Benchmarks of blocks called `benchmark/test set`, in order; a name without a slash is no benchmark."""
        return list(dict.fromkeys(block.split("/")[0] for block in self.blocks if "/" in block))

    def without(self, group: str) -> Table:
        """The table without the blocks of one benchmark."""
        keep = [i for i, block in enumerate(self.blocks) if not block.startswith(f"{group}/")]
        blocks, scores = tuple(self.blocks[i] for i in keep), tuple(self.scores[i] for i in keep)
        return Table(self.models, blocks, scores, scale=self.scale, lower_is_better=self.lower_is_better)


def build_table(
    rows: Iterable[Score | tuple[str, str, float, str]],
    where: str,
    *,
    scale: Literal["fraction", "points"] | None = None,
    lower_is_better: bool = False,
) -> Table:
    """A table of scores, in order of first appearance; `scale` is read from the numbers when it is not given.

    Raises:
        StatsError: No rows, a missing cell, or a seed given twice (named).
    """
    entries = [Score(*row) for row in rows]
    if not entries:
        raise StatsError(f"{where} holds no scores.", hint=COLUMNS_HINT)
    models = tuple(dict.fromkeys(entry.model for entry in entries))
    blocks = tuple(dict.fromkeys(entry.block for entry in entries))
    cells: dict[tuple[str, str], list[float]] = {}
    for entry in entries:
        cells.setdefault((entry.block, entry.model), []).append(entry.value)
    _refuse_gaps(cells, models, blocks, where)
    _refuse_repeated_seeds(entries, where)
    # Rounded, so that equal scores of more or fewer seeds stay a tie.
    means = {key: round(sum(some) / len(some), 10) for key, some in cells.items()}
    scores = tuple(tuple(means[(block, model)] for model in models) for block in blocks)
    return Table(
        models,
        blocks,
        scores,
        sources={(e.block, e.model): e.source for e in entries if e.source},
        replicates={key: tuple(some) for key, some in cells.items()},
        scale=scale or scale_of(scores),
        lower_is_better=lower_is_better,
        notes=(*_seed_notes(cells), *([] if scale else _scale_notes(models, scores))),
    )


def _refuse_gaps(
    cells: Mapping[tuple[str, str], object], models: Sequence[str], blocks: Sequence[str], at: str
) -> None:
    missing = [f"{model} on {block}" for block in blocks for model in models if (block, model) not in cells]
    if missing:
        raise StatsError(
            f"{at}: {len(missing)} cells have no score, the first is {missing[0]}.",
            hint="Every model needs a score in every block.",
        )


def _refuse_repeated_seeds(entries: Sequence[Score], where: str) -> None:
    counts = Counter((e.model, e.block, e.seed) for e in entries if e.seed)
    twice = [key for key, count in counts.items() if count > 1]
    if twice:
        model, block, seed = twice[0]
        raise StatsError(
            f"{where}: {model} on {block} has the seed {seed} {counts[twice[0]]} times.", hint="Keep one of them."
        )


def _seed_notes(cells: Mapping[tuple[str, str], Sequence[float]]) -> list[str]:
    """What is said about cells with several scores: a mean hides how many numbers it is made of."""
    sizes = {key: len(some) for key, some in cells.items()}
    low, high = min(sizes.values()), max(sizes.values())
    if low < high:
        fewest, most = (min(key for key, size in sizes.items() if size == n) for n in (low, high))
        return [
            f"Unequal numbers of scores in a cell: {low} for {fewest[1]} on {fewest[0]}, {high} for {most[1]} on "
            f"{most[0]}; each mean is taken over what is there."
        ]
    return [f"Every cell has {high} scores (seeds or repeated rows); their mean is compared."] if high > 1 else []


def scale_of(scores: Sequence[Sequence[float]]) -> Literal["fraction", "points"]:
    """Fractions are all within 0..1 and not all of them whole."""
    values = [value for row in scores for value in row]
    return "fraction" if all(0 <= v <= 1 for v in values) and any(v % 1 for v in values) else "points"


def _scale_notes(models: Sequence[str], scores: Sequence[Sequence[float]]) -> list[str]:
    scales = {model: scale_of([[row[j]] for row in scores]) for j, model in enumerate(models)}
    fractions = [model for model, scale in scales.items() if scale == "fraction"]
    if not 0 < len(fractions) < len(models):
        return []
    return [f"The scores of {', '.join(fractions)} are all within 0..1, the others' are not: fractions among percent?"]


def read_table(path: Path, columns: Columns | None = None, *, lower_is_better: bool = False) -> Table:
    """Table of a CSV, TSV, JSON or Parquet file.

    Raises:
        StatsError: Unreadable, unknown form, or incomplete.
    """
    if not path.exists():
        raise StatsError(f"{path} does not exist.", hint=f"Give a file ({', '.join(FORMS)}) or a results folder.")
    return build_table(
        _scores(read_rows(path), str(path), columns or Columns()), str(path), lower_is_better=lower_is_better
    )


def read_csv_text(text: str, where: str) -> Table:
    """Table of CSV text; lines that begin with # are comments."""
    return build_table(_scores(text_rows(text, where), where, Columns()), where)


def paper_table() -> Table:
    """The paper's Table 3 (figures only)."""
    text = files("erc_synth.stats").joinpath("data", "paper_table3.csv").read_text("utf-8")
    return read_csv_text(text, "paper_table3.csv")


def _scores(rows: Rows, where: str, columns: Columns) -> list[Score]:
    header = list(dict.fromkeys(name for row in rows for name in row))
    if rows and not header:
        raise StatsError(f"{where} has no columns.", hint=COLUMNS_HINT)
    found = {role: _find(header, role, getattr(columns, role, None), where) for role in SYNONYMS}
    if not rows:
        return []
    return _long(rows, found, where) if found["model"] or found["score"] else _wide(rows, header, found, where)


def _find(header: Sequence[str], role: str, asked: str | None, where: str) -> str | None:
    if asked is not None:
        if asked not in header:
            raise StatsError(f"{where} has no column {asked!r}.", hint=f"Its columns: {', '.join(header)}.")
        return asked
    plain = {_plain(name): name for name in reversed(header)}  # of two alike the first wins
    return next((plain[name] for name in SYNONYMS[role] if name in plain), None)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _long(rows: Rows, found: Mapping[str, str | None], where: str) -> list[Score]:
    """One score a row."""
    for role in ("model", "block", "score"):
        if found[role] is None:
            raise StatsError(
                f"{where}: the column {role!r} is missing.",
                hint=f"Its columns: {', '.join(rows[0])}. {COLUMNS_HINT} Other names: --{role}-column.",
            )
    names = {role: str(name) for role, name in found.items()}
    return [
        Score(
            str(row.get(names["model"])),
            str(row.get(names["block"])),
            number(row.get(names["score"]), f"{where}, row {i}"),
            str(row.get("source") or ""),
            str(row.get(names["seed"]) or "") if found["seed"] else "",
        )
        for i, row in enumerate(rows, start=1)
    ]


def _wide(rows: Rows, header: Sequence[str], found: Mapping[str, str | None], where: str) -> list[Score]:
    """One data set a row, one classifier a column; without a column of names the rows are numbered."""
    names = found["block"]
    if names is None:
        first = header[0]
        nameless = _plain(first) in NAMELESS
        names = first if nameless or any(_is_text(row.get(first)) for row in rows) else None
    models = [name for name in header if name != names]
    return [
        Score(model, str(row.get(names) if names is not None else i), number(row[model], f"{where}, row {i}, {model}"))
        for i, row in enumerate(rows, start=1)
        for model in models
        if not _is_empty(row.get(model))  # a gap, named by `build_table`
    ]


def _is_empty(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _is_text(value: object) -> bool:
    if isinstance(value, str):
        try:
            number(value, "")
        except StatsError:
            return True
    return False


def number(value: object, where: str) -> float:
    """A score as a number; `71,5` and `71.5 %` are read too.

    Raises:
        StatsError: No number, or not finite.
    """
    text = str(value).strip().removesuffix("%").strip() if isinstance(value, str) else value
    if isinstance(text, str) and re.fullmatch(r"[-+]?\d+,\d+", text):
        text = text.replace(",", ".")
    try:
        found = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise StatsError(f"{where}: the score {value!r} is not a number.") from error
    if not math.isfinite(found):
        raise StatsError(f"{where}: the score {found} is not finite (NaN or infinite).")
    return found
