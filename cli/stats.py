"""`erc-synth stats`: exact pairwise p-values of a table of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def stats(
    scores: Annotated[Path | None, typer.Argument(help="CSV, JSON, Parquet or results folder.")] = None,
    paper: Annotated[bool, typer.Option(help="The paper's own Table 3.")] = False,
    family: Annotated[str, typer.Option(help="paper (variants against their own control), all, control.")] = "paper",
    control: Annotated[str | None, typer.Option(help="Control: a variant (Org) or a model.")] = None,
    rope: Annotated[float, typer.Option(help="Scores that count as equal in the Bayesian test.")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="Write stats.json here.")] = None,
) -> None:
    """Friedman's test, ranks, exact p-values, corrections beside each other."""
    import json

    from erc_synth.stats.exact import StatsError
    from erc_synth.stats.friedman import analyse
    from erc_synth.stats.table import paper_table, read_table

    if paper == (scores is not None):
        raise StatsError("Give either a table of scores or --paper.")
    table = paper_table() if scores is None else read_table(scores)
    # A control that is itself a model, with no variants of its own: compare it with all others.
    if (
        control in table.models
        and family == "paper"
        and not any(m != control and m.endswith(f" {control}") for m in table.models)
    ):
        family = "control"
    result = analyse(table, family=family, control=control, rope=rope)
    if out:  # before anything is printed: a closed pipe (`| head`) loses nothing
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = out.with_suffix(".tmp")
        temporary.write_text(json.dumps(result, indent=1), "utf-8")
        temporary.replace(out)
    show(result)


def show(result: dict[str, Any]) -> None:
    """Print rank sums, omnibus and the family of comparisons."""
    test = result["omnibus"]
    n, k = len(result["blocks"]), len(result["models"])
    typer.echo(
        f"{k} models, {n} blocks. Friedman chi-square {test['chi_square']:.2f} (df {test['df']}), p = {test['p']:.3g}"
    )
    if test["permutation"]:
        kind = test["permutation"]["kind"]
        drawn = f" ({test['permutation']['permutations']} draws)" if kind == "monte-carlo" else ""
        typer.echo(f"  {kind} permutation p = {test['permutation']['p']:.3g}{drawn}")
    f, df = test["iman_davenport_f"], test["iman_davenport_df"]
    said = f"F {f:.2f} (df {df[0]}, {df[1]}), p = {test['iman_davenport_p']:.3g}" if f is not None else "F infinite"
    typer.echo(f"  Iman-Davenport {said}; Kendall's W {test['kendall_w']:.2f}")
    width = max(len(model) for model in result["models"])
    for model, total, mean in zip(result["models"], result["rank_sums"], result["mean_ranks"], strict=True):
        typer.echo(f"  {model:<{width}}  rank sum {total:>6g}  mean rank {mean:.2f}")
    family = result["family"]
    typer.echo(f"Family '{family['name']}': {family['size']} comparisons. Exact two-sided p (Eisinga et al. 2017):")
    typer.echo(
        f"  {'pair':<{2 * width + 4}} {'diff':>6} {'p':>10} {'Bonferroni':>10} {'Holm':>9} {'Hochberg':>9} {'BH':>9}"
    )
    for row in result["comparisons"]:
        a = row["adjusted"]
        pair = f"{row['a']} vs {row['b']}"
        typer.echo(
            f"  {pair:<{2 * width + 4}} {row['difference']:>6g} {row['p']:>10.6f} {a['bonferroni']:>10.6f} "
            f"{a['holm']:>9.6f} {a['hochberg']:>9.6f} {a['bh']:>9.6f}"
        )
    titles = "".join(f" {title:>10}" for title in ("Wilcoxon", "rank-bis.", "P(better)", "P(equal)", "Nemenyi"))
    typer.echo(f"  {'second opinions':<{2 * width + 4}}{titles}")
    for row in result["comparisons"]:
        wilcoxon = "-" if row["wilcoxon_p"] is None else f"{row['wilcoxon_p']:.4f}"
        bayes, nemenyi = row["bayes"], "differ" if row["nemenyi_differs"] else "-"
        typer.echo(
            f"  {row['a'] + ' vs ' + row['b']:<{2 * width + 4}} {wilcoxon:>10} {row['rank_biserial']:>10.2f} "
            f"{bayes['better']:>10.2f} {bayes['rope']:>10.2f} {nemenyi:>10}"
        )
    for group, values in result["sensitivity"].items():
        typer.echo(f"  Exact p without {group}: {', '.join(f'{p:.4f}' for p in values)}")
    if result["ties"]:
        typer.echo("Ties: mid-ranks; p-values from each block's own law.")
