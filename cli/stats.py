"""`erc-synth stats`: exact pairwise p-values of a table of scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from erc_synth.stats.contracts import Analysis, Comparison, Correction

COLUMNS, GRID = "Names of columns", "Results of a grid"


def stats(
    scores: Annotated[
        Path | None, typer.Argument(help="Results folder, or a long or wide table: CSV, TSV, JSON, Parquet.")
    ] = None,
    paper: Annotated[bool, typer.Option("--paper", help="The paper's own Table 3.")] = False,
    family: Annotated[
        str | None,
        typer.Option(help="paper (variants against their own control), all, control; by default what fits."),
    ] = None,
    control: Annotated[str | None, typer.Option(help="Control: a variant (Org) or a model.")] = None,
    rope: Annotated[
        float | None, typer.Option(help="Scores that count as equal in the Bayesian test; by default one point.")
    ] = None,
    lower_is_better: Annotated[bool, typer.Option("--lower-is-better", help="Errors, losses, times.")] = False,
    model_column: Annotated[str | None, typer.Option(rich_help_panel=COLUMNS, help="The classifiers.")] = None,
    block_column: Annotated[str | None, typer.Option(rich_help_panel=COLUMNS, help="The data sets.")] = None,
    score_column: Annotated[str | None, typer.Option(rich_help_panel=COLUMNS, help="The scores.")] = None,
    min_examples: Annotated[int, typer.Option(min=0, rich_help_panel=GRID, help="Leave smaller test sets out.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write stats.json here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print stats.json instead of tables.")] = False,
) -> None:
    """Friedman's test, ranks, exact p-values, corrections beside each other."""
    import json

    from erc_synth.stats.analysis import analyse
    from erc_synth.stats.cells import grid_table
    from erc_synth.stats.errors import StatsError
    from erc_synth.stats.files import write_whole
    from erc_synth.stats.inputs import Columns, paper_table, read_table

    if paper == (scores is not None):
        raise StatsError("Give either a table of scores or --paper.")
    columns = Columns(model_column, block_column, score_column)
    if (scores is None or scores.is_dir()) and (columns != Columns() or lower_is_better):
        raise StatsError("A results folder and --paper have fixed columns, and higher is better there.")
    if scores is None:
        table = paper_table()
    elif scores.is_dir():
        table = grid_table(scores, min_examples=min_examples)
    else:
        table = read_table(scores, columns, lower_is_better=lower_is_better)
    result = analyse(table, family=family, control=control, rope=rope)
    text = json.dumps(result, indent=1)
    if out:  # before anything is printed: a closed pipe (`| head`) loses nothing
        write_whole(out, text + "\n")
    typer.echo(text if as_json else "\n".join(_lines(result)))


def _lines(result: Analysis) -> list[str]:
    """The result as text: notes first, as they say how far the numbers below can be trusted."""
    return [
        *(f"Note: {note}" for note in result["notes"]),
        *_omnibus_lines(result),
        *_comparison_lines(result),
        *_opinion_lines(result),
        *_sensitivity_lines(result),
        *(["Ties: mid-ranks; p-values from each block's own law."] if result["ties"] else []),
    ]


def _omnibus_lines(result: Analysis) -> list[str]:
    from erc_synth.stats.text import p_text

    test = result["omnibus"]
    n, k = len(result["blocks"]), len(result["models"])
    lines = [
        f"{k} models, {n} blocks{', lower scores are better' if result['lower_is_better'] else ''}. "
        f"Friedman chi-square {test['chi_square']:.2f} (df {test['df']}), p = {p_text(test['p'])}"
    ]
    if test["permutation"]:
        kind = test["permutation"]["kind"]
        drawn = f" ({test['permutation']['permutations']} draws)" if kind == "monte-carlo" else ""
        lines.append(f"  {kind} permutation p = {p_text(test['permutation']['p'])}{drawn}")
    f, df = test["iman_davenport_f"], test["iman_davenport_df"]
    said = f"F {f:.2f} (df {df[0]}, {df[1]}), p = {p_text(test['iman_davenport_p'])}" if f is not None else "F infinite"
    lines.append(f"  Iman-Davenport {said}; Kendall's W {test['kendall_w']:.2f}")
    width = max(map(len, result["models"]))
    for model, total, mean in zip(result["models"], result["rank_sums"], result["mean_ranks"], strict=True):
        lines.append(f"  {model:<{width}}  rank sum {total:>6g}  mean rank {mean:.2f}")
    return lines


def _comparison_lines(result: Analysis) -> list[str]:
    from erc_synth.stats.text import p_text

    family = result["family"]
    corrections: tuple[Correction, ...] = ("bonferroni", "holm", "hochberg", "bh")
    columns: list[Column] = [("diff", lambda row: f"{row['difference']:g}"), ("p", lambda row: p_text(row["p"], 6))]
    for name, title in zip(corrections, ("Bonferroni", "Holm", "Hochberg", "BH"), strict=True):
        columns.append((title, partial(_adjusted, name)))
    head = f"Family '{family['name']}': {family['size']} comparisons. Exact two-sided p (Eisinga et al. 2017):"
    return [head, *_table("pair", result["comparisons"], columns)]


def _adjusted(correction: Correction, row: Comparison) -> str:
    from erc_synth.stats.text import p_text

    return p_text(row["adjusted"][correction], 6)


def _without(group: str, row: Comparison) -> str:
    from erc_synth.stats.text import p_text

    return p_text(row["without"][group])


def _opinion_lines(result: Analysis) -> list[str]:
    from erc_synth.stats.text import p_text

    return _table(
        "second opinions",
        result["comparisons"],
        [
            ("Wilcoxon", lambda row: p_text(row["wilcoxon_p"])),
            ("rank-bis.", lambda row: f"{row['rank_biserial']:.2f}"),
            ("P(better)", lambda row: f"{row['bayes']['better']:.2f}"),
            ("P(equal)", lambda row: f"{row['bayes']['rope']:.2f}"),
            ("Nemenyi", lambda row: "differ" if row["nemenyi_differs"] else "-"),
        ],
    )


def _sensitivity_lines(result: Analysis) -> list[str]:

    columns: list[Column] = [(f"no {group}", partial(_without, group)) for group in result["sensitivity"]]
    return _table("exact p, one benchmark left out", result["comparisons"], columns) if columns else []


Column = tuple[str, "Callable[[Comparison], str]"]


def _table(title: str, rows: Sequence[Comparison], columns: Sequence[Column]) -> list[str]:
    """Lines of equal columns, each row led by the names of its pair."""
    pairs = [f"{row['a']} vs {row['b']}" for row in rows]
    cells = [[value(row) for _, value in columns] for row in rows]
    width = max(map(len, (title, *pairs)))
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, (name, _) in enumerate(columns)]

    def line(first: str, rest: Sequence[str]) -> str:
        return f"  {first:<{width}}" + "".join(f"  {text:>{w}}" for text, w in zip(rest, widths, strict=True))

    return [line(title, [name for name, _ in columns]), *map(line, pairs, cells)]
