"""The tests of `stats.json` as tables: scores with ranks, exact p-values with corrections, second opinions.

Input: an `Analysis`. Output: sheets. Where a test set is too small to rank models on (`SMALL_TEST` examples), scores
are shown but no rank and no p-value. Not covered: the tests themselves (`stats.analysis`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from erc_synth.stats.cells import SMALL_TEST
from erc_synth.stats.contracts import Analysis, Comparison, Correction
from erc_synth.stats.errors import StatsError
from erc_synth.stats.files import read_json
from erc_synth.stats.report.results import Results
from erc_synth.stats.report.sheet import DASH, Column, Item, Sheet, items, signed
from erc_synth.stats.text import p_text

CORRECTIONS: Mapping[Correction, str] = {
    "bonferroni": "Bonferroni",
    "holm": "Holm",
    "hochberg": "Hochberg",
    "bh": "Benjamini-Hochberg",
}
LEVEL = 0.05


def read_analysis(path: Path) -> Analysis:
    """The content of `stats.json`.

    Raises:
        StatsError: It is no JSON, or of an older version.
    """
    found = read_json(path)
    if not isinstance(found, dict) or not set(found) >= Analysis.__required_keys__:
        raise StatsError(f"{path} is of an older version.", hint="Run erc-synth stats again.")
    return cast("Analysis", found)


def small_blocks(s: Analysis) -> dict[str, int]:
    """Test sets too small to rank models on, with their number of examples."""
    return {block: n for block, n in s["examples"].items() if n < SMALL_TEST}


def pair_name(row: Comparison) -> str:
    """Both names of a comparison."""
    return f"{row['b']} against {row['a']}"


def table3(s: Analysis, results: Results | None) -> Sheet:
    """Scores with ranks; sums below, and differences and p-values where each model has one control."""
    ranked = not small_blocks(s)
    low, high = min(map(min, s["scores"])), max(map(max, s["scores"]))
    rows = []
    for i, block in enumerate(s["blocks"]):
        n = s["examples"].get(block)
        row = [Item(block, [f"n {n:,}"] if n else [])]
        for j, model in enumerate(s["models"]):
            score, rank = s["scores"][i][j], s["ranks"][i][j]
            best = rank == min(s["ranks"][i]) < max(s["ranks"][i])  # where all are equal none is best
            shade = (score - low) / (high - low) if high > low else 0.5
            run = _run(s, results, block, model)
            row.append(
                Item(
                    f"{score:.2f}" if s["scale"] == "points" else f"{score:.4f}",
                    [f"({rank:g})"] if ranked else [],
                    best,
                    0.8 * shade,
                    run,
                )
            )
        rows.append(row)
    title = "Scores, ranks, rank sums and exact p-values" if ranked else "Scores (test sets too small for ranks)"
    columns = [_split(model) for model in s["models"]]
    heads = [Column("Test set", text=True), *(Column(name, group) for group, name in columns)]
    notes = ["Bold: the best of a row.", *(["In brackets: ranks, 1 is the best."] if ranked else [])]
    notes += [note for note in s["notes"] if note.startswith("Every cell")]
    if s["lower_is_better"]:
        notes.append("Lower scores are better.")
    if ranked and s["ties"]:
        notes.append("Ties: mid-ranks, and p-values from each block's own law.")
    if len(groups := [block.split("/")[0] for block in s["blocks"] if "/" in block]) > len(set(groups)):
        notes.append("Test sets of one benchmark are not independent blocks.")
    return Sheet("table3", title, heads, rows, _foot(s) if ranked else (), notes)


def _split(model: str) -> tuple[str, str]:
    """Group and name of a column: CoMPM, Nat."""
    stem, _, variant = model.rpartition(" ")
    return stem, variant


def _run(s: Analysis, results: Results | None, block: str, model: str) -> str:
    source = s["sources"].get(f"{block}|{model}")
    cell = next((c for c in results.all if c["file"] == source), None) if results and source else None
    return results.run_of(cell) if results and cell else ""


def _foot(s: Analysis) -> list[list[Item]]:
    foot = [items("Rank sum", *(f"{total:g}" for total in s["rank_sums"]))]
    by_model = {row["b"]: row for row in s["comparisons"]}
    if len(by_model) < len(s["comparisons"]):
        return foot  # several controls: the comparisons have a table of their own
    compared = [by_model.get(model) for model in s["models"]]
    foot.append(items("Difference to control", *(f"{row['difference']:g}" if row else None for row in compared)))
    foot.append(items("Exact p", *(p_text(row["p"]) if row else None for row in compared)))
    last = [_p_item(row["adjusted"]["bonferroni"]) if row else DASH for row in compared]
    return [*foot, [Item(f"p × {s['family']['size']} (Bonferroni)"), *last]]


def _p_item(p: float) -> Item:
    return Item(p_text(p), strong=p < LEVEL)


def omnibus_sentence(s: Analysis) -> str:
    """Friedman's test in one sentence."""
    o = s["omnibus"]
    said = f"Friedman chi-square {o['chi_square']:.2f} (df {o['df']}), p = {p_text(o['p'])}"
    if o["iman_davenport_f"] is not None:
        df = o["iman_davenport_df"]
        said += (
            f"; Iman-Davenport F {o['iman_davenport_f']:.2f} (df {df[0]}, {df[1]}), p = {p_text(o['iman_davenport_p'])}"
        )
    if o["permutation"]:
        kind = "Monte Carlo" if o["permutation"]["kind"] == "monte-carlo" else "exact"
        draws = f" ({o['permutation']['permutations']:,} draws)" if o["permutation"]["kind"] == "monte-carlo" else ""
        said += f"; {kind} permutation p = {p_text(o['permutation']['p'])}{draws}"
    return f"{said}. Kendall's W {o['kendall_w']:.2f}."


def comparisons(s: Analysis) -> Sheet:
    """Exact p-values of one family with four corrections, and without each benchmark."""
    left_out = list(s["sensitivity"])
    heads = [Column("Comparison", text=True), Column("d"), Column("Exact p")]
    heads += [Column(name, "Corrected p") for name in CORRECTIONS.values()]
    heads += [Column(group, "p without") for group in left_out]
    rows = []
    for row in s["comparisons"]:
        corrected = [_p_item(row["adjusted"][name]) for name in CORRECTIONS]
        without = items(*(p_text(row["without"][group]) for group in left_out))
        rows.append([*items(pair_name(row), f"{row['difference']:g}", p_text(row["p"])), *corrected, *without])
    notes = [
        "Exact two-sided P(|D| ≥ d), Eisinga et al. 2017; d is the difference of the rank sums, for the first of "
        "the two when positive.",
        "Bold: below 0.05.",
    ]
    notes += ["p without: one benchmark left out, uncorrected."] if left_out else []
    title = f"Comparisons: family “{s['family']['name']}” of {s['family']['size']}"
    return Sheet("comparisons", title, heads, rows, notes=notes)


def opinions(s: Analysis) -> Sheet:
    """What other tests and effect sizes say about the same pairs."""
    mid = any(row["mid_p"] is not None for row in s["comparisons"])
    names = ["Mid-p"] if mid else []
    names += ["Normal p", "Wilcoxon p", "Nemenyi", "Rank-biserial", "Mean gain", "P(better)", "P(equal)", "P(worse)"]
    digits = 2 if s["scale"] == "points" else 4
    rows = []
    for row in s["comparisons"]:
        ends, bayes = row["gain_interval"], row["bayes"]
        interval = [f"[{signed(ends[0], digits)}, {signed(ends[1], digits)}]"] if ends else []
        first = items(pair_name(row), *([p_text(row["mid_p"]) if row["mid_p"] is not None else None] if mid else []))
        tests = items(
            p_text(row["normal_p"]),
            p_text(row["wilcoxon_p"]),
            "differs" if row["nemenyi_differs"] else None,
            f"{row['rank_biserial']:.2f}",
        )
        chances = items(*(f"{bayes[key]:.2f}" for key in ("better", "rope", "worse")))
        rows.append([*first, *tests, Item(signed(row["mean_gain"], digits), interval), *chances])
    unit = "points" if s["scale"] == "points" else "of the score"
    notes = [f"Mean gain over all test sets, in {unit}."]
    if any(row["gain_interval"] for row in s["comparisons"]):
        notes.append("Brackets: 95 % bootstrap interval over seeds.")
    notes.append(f"P: Bayesian signed-rank test; differences within ±{s['rope']:g} {unit} count as equal.")
    if any(row["wilcoxon_kind"] == "normal" for row in s["comparisons"]):
        notes.append("Wilcoxon's p is from the normal law where there are more than 500 differences.")
    heads = [Column("Comparison", text=True), *map(Column, names)]
    return Sheet("opinions", "Second opinions on the same comparisons", heads, rows, notes=notes)
