"""The content of `quality.json` as text: a table for the terminal, a Markdown section for card and report.

Input: measures as `quality` writes them. Output: strings. Not covered: measuring.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from erc_synth.loaders.contracts import Interval, Measure, Quality

SHOWN = 5  # paraphrases named for each split


def table(content: Quality) -> str:
    """The content of `quality.json` as plain text for a terminal."""
    size = content["size"]
    head = f"{content['dataset']}: {size['dialogues']} dialogues, {size['utterances']} utterances"
    against = content["reference"]
    rows = [head, f"wording at {content['equal_words']} words; intervals 95 %", ""]
    rows.append(f"{'measure':<30}{'value':>26}{against or '':>26}  reading")
    for name, measure in content["measures"].items():
        real = measure["reference"]
        rows.append(f"{name:<30}{_cell(measure):>26}{_cell(real) if real else '':>26}  {measure['reading']}")
    if agreement := content["label_agreement"]:
        rows += ["", f"{'kappa by label':<30}{'value':>26}{'ceiling':>26}"]
        for label in agreement["over"]:
            pair = (agreement[key].get(label) for key in ("kappa_by_label", "ceiling_by_label"))
            rows.append(f"  {label:<28}" + "".join(f"{_cell(found) if found else '-':>26}" for found in pair))
    for found in content["annotators"]:
        ceiling = _cell(found["ceiling"]) if found["ceiling"] else "-"
        rows += ["", f"{'kappa with ' + found['annotator']:<30}{_cell(found['kappa']):>26}{ceiling:>26}"]
        for label, kappa in found["kappa_by_label"].items():
            best = found["ceiling_by_label"].get(label)
            rows.append(f"  {label:<28}{_cell(kappa):>26}{_cell(best) if best else '-':>26}")
    if asked := content["target_compliance"]:
        rows += ["", f"{'asked emotion is there':<30}{'labelled':>26}{'heard by annotator':>26}"]
        for emotion, share in asked.items():
            heard = _cell(share["heard"]) if share["heard"] else "-"
            rows.append(
                f"  {emotion + ' (' + str(share['dialogues']) + ')':<28}{_cell(share['labelled']):>26}{heard:>26}"
            )
    rows += ["", f"{'leaks (dialogues that hit)':<30}{'exact':>8}{'8-gram':>8}{'near':>8}{'lines of 5+ words':>20}"]
    for source, row in content["leaks"].items():
        counts = "".join(f"{row[kind]:>8}" for kind in ("exact", "ngram8", "near_duplicate"))
        shared = f"{row.get('shared_lines', 0):>19.1%}"
        rows.append(f"  {source:<28}{counts + ' ' + shared if row['checked'] else '   not checked'}")
    if "paraphrases" in content:
        rows += ["", "paraphrases of benchmark dialogues, by embedding (dialogues)"]
    for source, told in content.get("paraphrases", {}).items():
        ids = ", ".join(f"{one['dialogue_id']} ({one['similarity']:.2f})" for one in told["found"][:SHOWN])
        rows.append(f"  {source:<28}{len(told['found']):>8} of {told['searched']}  {ids}".rstrip())
    return "\n".join([*rows, "", *content["notes"]]).rstrip()


def section(measures: Mapping[str, Measure], reference: str | None) -> str:
    """One Markdown row per measure; the reference's name is the only text that is not ours."""
    title = "" if reference is None else re.sub(r"[^\w./:-]", "", reference)
    rows = [f"| measure | this set | {title or '-'} | reading |", "| --- | ---: | ---: | --- |"]
    for name, measure in measures.items():
        real = measure["reference"]
        rows.append(f"| {name} | {_cell(measure)} | {_cell(real) if real else ''} | {measure['reading']} |")
    return "\n".join(rows) + "\n"


def _cell(estimate: Interval) -> str:
    digits = 3 if abs(estimate["value"]) < 10 else 1 if abs(estimate["value"]) < 1000 else 0
    value = f"{estimate['value']:.{digits}f}"
    if estimate["low"] is None:
        return value
    return f"{value} [{estimate['low']:.{digits}f}, {estimate['high']:.{digits}f}]"
