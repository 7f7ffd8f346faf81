"""Sentences from the numbers only, led by what is significant; a claim about all cells is made only where all agree.

Input: what the report shows. Output: sentences. Not covered: opinions, cautions (`cautions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from erc_synth.stats.cells import VARIANTS
from erc_synth.stats.contracts import Analysis, Comparison
from erc_synth.stats.report.data import SyntheticSet
from erc_synth.stats.report.sheet import signed
from erc_synth.stats.report.significance import LEVEL, pair_name, small_blocks
from erc_synth.stats.report.tables import Failure, Gap
from erc_synth.stats.text import p_text

TSTR = tuple(name for word, name in VARIANTS.items() if word.startswith("tstr"))
NAMED = 4  # more rows than these are summed up


@dataclass(frozen=True, slots=True)
class Shown:
    """The parts of the report that sentences are made from."""

    stats: Analysis | None = None
    paired: Sequence[Gap] = ()
    tstr: Sequence[Gap] = ()
    sets: Sequence[SyntheticSet] = ()
    failed: Sequence[Failure] = field(default=())


def findings(shown: Shown) -> list[str]:
    """All sentences: what is significant, what is not, then the rest."""
    tested = shown.stats if shown.stats and not small_blocks(shown.stats) else None
    said = _significant(tested) if tested else []
    said += _of_paired(shown.paired)
    said += _rest(tested) if tested else []
    said += _of_tstr(shown.tstr)
    if shown.sets:
        kept = sum(one.curation["kept"]["dialogues"] for one in shown.sets)
        said.append(f"{len(shown.sets)} synthetic sets with {kept:,} curated dialogues.")
    if shown.failed:
        said.append(f"{len(shown.failed)} trainings failed; their cells are left out.")
    return said


def _significant(s: Analysis) -> list[str]:
    clear = [row for row in s["comparisons"] if row["adjusted"]["bonferroni"] < LEVEL]
    clear.sort(key=lambda row: row["p"])
    said = [_sentence(s, row) for row in clear[:NAMED]]
    if len(clear) > NAMED:
        said.append(f"{len(clear) - NAMED} more below 0.05 after Bonferroni: see the table of comparisons.")
    return said


def _sentence(s: Analysis, row: Comparison) -> str:
    blocks, unit = len(s["blocks"]), " points" if s["scale"] == "points" else ""
    digits = 2 if s["scale"] == "points" else 4
    first, second = (row["b"], row["a"]) if row["difference"] > 0 else (row["a"], row["b"])
    wins, gain = (row["wins"], row["mean_gain"]) if row["difference"] > 0 else (row["losses"], -row["mean_gain"])
    return (
        f"{first} ranks above {second}: better in {wins} of {blocks} test sets, by {signed(gain, digits)}{unit} on "
        f"average; rank sums differ by {abs(row['difference']):g}, exact p = {p_text(row['p'])}, times "
        f"{s['family']['size']} = {p_text(row['adjusted']['bonferroni'])}."
    )


def _rest(s: Analysis) -> list[str]:
    """What is not significant, what all agree on, and the test of all models at once."""
    unclear = [row for row in s["comparisons"] if row["adjusted"]["bonferroni"] >= LEVEL]
    said = []
    if unclear and len(unclear) <= NAMED:
        named = "; ".join(f"{pair_name(row)} (p = {p_text(row['p'])})" for row in unclear)
        said.append(f"Not below 0.05 after Bonferroni (times {s['family']['size']}): {named}.")
    elif unclear:
        said.append(f"{len(unclear)} of {s['family']['size']} comparisons are not below 0.05 after Bonferroni.")
    said += [_agreement(s)] if s["family"]["name"] != "all" else []  # among all pairs there is no control
    test = s["omnibus"]
    said.append(
        f"Friedman's test over {len(s['models'])} models and {len(s['blocks'])} test sets: chi-square "
        f"{test['chi_square']:.2f}, p = {p_text(test['p'])}."
    )
    return said


def _agreement(s: Analysis) -> str:
    """Whether every compared model beats its control everywhere, or in how many cells it does not."""
    rows, blocks = s["comparisons"], len(s["blocks"])
    better, worse = ("lower", "higher") if s["lower_is_better"] else ("higher", "lower")
    if all(row["losses"] == 0 and row["wins"] == blocks for row in rows):
        return f"Every compared model scores {better} than its control in every test set."
    losses = sum(row["losses"] for row in rows)
    equal = sum(blocks - row["wins"] - row["losses"] for row in rows)
    level = f", in {equal} they are equal" if equal else ""
    return f"In {losses} of {blocks * len(rows)} cells a compared model scores {worse} than its control{level}."


def _of_paired(rows: Sequence[Gap]) -> list[str]:
    rows = [row for row in rows if row.variant not in TSTR]  # these have a sentence of their own
    clear = sorted((row for row in rows if row.clear), key=lambda row: -abs(row.value))
    said = [
        f"{row.model} {row.variant} scores {abs(row.value):.2f} points {'above' if row.value > 0 else 'below'} Org on "
        f"{row.benchmark}'s test set (seed {row.seed}, {row.examples:,} utterances, interval "
        f"[{signed(row.low or 0)}, {signed(row.high or 0)}])."
        for row in clear[:NAMED]
    ]
    if len(clear) > NAMED:
        said.append(f"{len(clear) - NAMED} more paired differences have an interval that leaves 0 out.")
    if rows and not clear:
        said.append(f"None of {len(rows)} paired differences from Org has an interval that leaves 0 out.")
    return said


def _of_tstr(rows: Sequence[Gap]) -> list[str]:
    if len(rows) > NAMED:
        below, gap = sum(row.value < 0 for row in rows), sum(row.value for row in rows) / len(rows)
        return [
            f"Training on synthetic data only scores below training on the benchmark in {below} of {len(rows)} rows; "
            f"the mean gap is {signed(gap)} points."
        ]
    return [
        f"{row.model} trained on synthetic data only ({row.variant}) scores {row.score:.2f} on "
        f"{f'{row.examples:,} utterances of ' if row.examples else ''}{row.benchmark}'s test set, "
        f"{abs(row.value):.2f} points {'below' if row.value < 0 else 'above'} training on the benchmark."
        for row in rows
    ]
