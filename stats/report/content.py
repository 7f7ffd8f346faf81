"""Everything that the report shows, collected from what the stages left: data, quality, cells, runs.

Input: `Inputs`; everything is optional, what is missing is said. Output: `Content`, plain values for the
templates. Not covered: the tables of scores (`tables`), sentences (`findings`), pages (`report`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from erc_synth.stats.exact import StatsError
from erc_synth.stats.inputs import Inputs, read_json, relative
from erc_synth.stats.report import tables
from erc_synth.stats.report.figures import critical_difference, curves, heat_map, log_bars
from erc_synth.stats.report.findings import findings
from erc_synth.stats.table import NAMES, read_cells


@dataclass(slots=True)
class Content:
    """Everything that the templates show."""

    data: list[dict[str, Any]] = field(default_factory=list)
    quality: dict[str, Any] | None = None
    table2: dict[str, Any] | None = None
    table3: dict[str, Any] | None = None
    stats: dict[str, Any] | None = None
    classes: list[dict[str, Any]] = field(default_factory=list)
    tstr: list[dict[str, Any]] = field(default_factory=list)
    leave_out: list[dict[str, Any]] = field(default_factory=list)
    paired: list[dict[str, Any]] = field(default_factory=list)
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # classifier -> its runs
    failed: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def collect(inputs: Inputs, out: Path) -> Content:
    """Read all inputs and draw the figures."""
    content = Content()
    _collect_data(inputs, content)
    _collect_cells(inputs, content, out)
    _collect_runs(inputs, content, out)
    _collect_stats(inputs, content, out)
    content.findings = findings(content)
    return content


def _collect_stats(inputs: Inputs, content: Content, out: Path) -> None:
    if not inputs.stats or not inputs.stats.exists():
        content.missing.append("statistics (erc-synth stats ... --out stats.json)")
        return
    s = content.stats = read_json(inputs.stats)
    if "rope" not in s:
        raise StatsError(f"{inputs.stats} is of an older version.", hint="Run erc-synth stats again.")
    content.table3 = tables.table3(s, out, inputs.results)
    content.figures["critical_difference"] = critical_difference(
        s["models"], s["mean_ranks"], s["nemenyi_critical_difference"]
    )
    content.figures["scores"] = heat_map(s["blocks"], s["models"], s["scores"], "Scores by test set and model")


def _collect_data(inputs: Inputs, content: Content) -> None:
    if not inputs.curated or not inputs.curated.is_dir():
        content.missing.append("curated data")
        return
    references = read_json(inputs.references) if inputs.references and inputs.references.exists() else {}
    curations = [read_json(path) for path in sorted(inputs.curated.glob("*.curation.json"), key=_paper_order)]
    totals = [_label_totals(curation) for curation in curations]
    most = max([10, *(count for counts in (*totals, *references.values()) for count in counts.values())])
    decades = math.ceil(math.log10(most))
    for curation, counts in zip(curations, totals, strict=True):
        manifest = _manifest(inputs.runs, curation["recipe"])
        recipe = manifest.get("recipe") or {}
        reference = references.get(recipe.get("label_set", curation["config"].split("_")[0]), {})
        # The fixed label list, so that a label nobody used still has its row (and counts as uneven).
        counts = {label: counts.get(label, 0) for label in reference or recipe.get("labels") or counts}
        figure = log_bars(curation["config"], counts, reference, decades)
        content.figures[f"labels-{curation['config']}"] = figure
        facts = _set_facts(curation, manifest.get("counts") or {})
        content.data.append({**facts, "entropy": _entropy(counts), "figure": figure})
    content.quality = _quality(inputs.curated)


def _paper_order(path: Path) -> tuple[Any, ...]:
    """The paper's order of benchmarks, natural before balanced."""
    first = tuple(NAMES)
    benchmark = path.name.split("_")[0]
    return first.index(benchmark) if benchmark in first else 99, "balanced" in path.name, path.name


def _label_totals(curation: Mapping[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for split in curation["label_counts"].values():
        for label, count in split.items():
            counts[label] = counts.get(label, 0) + count
    return counts


def _manifest(runs: Path | None, recipe: str) -> dict[str, Any]:
    path = runs / recipe / "manifest.json" if runs else None
    return dict(read_json(path)) if path and path.exists() else {}


def _set_facts(curation: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, what came, what was kept."""
    answers = asked.get("accepted", 0) + sum((asked.get("rejected") or {}).values())
    return {
        "config": curation["config"], "generator": curation.get("generator") or "unknown",
        "jobs": asked.get("jobs"), "answers": answers, "accepted": asked.get("accepted"),
        "parse_yield": asked.get("accepted", 0) / answers if answers else None,
        "rejected": asked.get("rejected") or {}, "kept": curation["kept"], "dropped": curation["dropped"],
        "splits": curation["splits"],
        "leaks": {k: v for k, v in (curation.get("leaks") or {}).items() if v.get("checked")},
    }  # fmt: skip


def _quality(curated: Path) -> dict[str, Any] | None:
    """The measures of all `<config>.quality.json` side by side: rows measures, columns sets."""
    sets = [read_json(path) for path in sorted(curated.glob("*.quality.json"), key=_paper_order)]
    if not sets:
        return None
    readings = {name: m.get("reading") or "" for one in sets for name, m in one["measures"].items()}
    return {
        "sets": [{"name": one["dataset"], "reference": one.get("reference"), "notes": one.get("notes") or [],
                  "section": one.get("section") or ""} for one in sets],
        "rows": [{"name": name, "reading": reading, "cells": [one["measures"].get(name) for one in sets]}
                 for name, reading in readings.items()],
        "notes": list(dict.fromkeys(note for one in sets for note in one.get("notes") or [])),
    }  # fmt: skip


def _entropy(counts: Mapping[str, int]) -> float:
    """Label entropy as a share of the largest possible (1 is perfectly balanced)."""
    total = sum(counts.values())
    shares = [count / total for count in counts.values() if count] if total else []
    return -sum(p * math.log(p) for p in shares) / math.log(len(counts)) if len(counts) > 1 else 0.0


def _collect_cells(inputs: Inputs, content: Content, out: Path) -> None:
    cells = read_cells(inputs.results) if inputs.results and inputs.results.is_dir() else []
    if not cells:
        content.missing.append("grid cells (erc-synth grid)")
        return
    assert inputs.results is not None
    content.failed = tables.failures(cells, inputs.results, out)
    scores = tables.by_place(cells)
    if scores:
        content.table2 = tables.table2(scores, inputs.results, out)
        content.paired = tables.paired(scores, inputs.results)
        content.classes = tables.classes(scores, inputs.results)
        content.tstr = tables.tstr(scores, inputs.results, out)
        content.leave_out = tables.leave_out(scores, inputs.results, out)


def _collect_runs(inputs: Inputs, content: Content, out: Path) -> None:
    paths = sorted(inputs.outputs.glob("*/metrics.json")) if inputs.outputs and inputs.outputs.is_dir() else []
    for path in paths:
        metrics, log = read_json(path), path.parent / "log.txt"
        figure = curves(_learning(metrics["stages"]), "epoch", "dev weighted F1, %")
        if figure:
            content.figures[f"learning-{path.parent.name}"] = figure
        model = metrics["run"]["model"]
        content.runs.setdefault(NAMES.get(model, model), []).append(
            {
                "name": path.parent.name, "metrics": metrics, "figure": figure,
                "link": relative(path, out),
                "log": relative(log, out) if log.exists() else None,
            }
        )  # fmt: skip
    if not paths:
        content.missing.append("training runs")


def _learning(stages: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Stage -> (epoch, dev weighted F1 in %)."""
    return {
        f"{stage['name']} on {short_name(stage)}": [
            (epoch["epoch"], 100 * epoch["dev_weighted_f1"]) for epoch in stage["epochs"]
        ]
        for stage in stages
    }


def short_name(record: Mapping[str, Any]) -> str:
    """Data set and config without the folder: ``erc-synth:meld_natural``."""
    name = str(record["dataset"]).rstrip("/").split("/")[-1]
    return f"{name}:{record['config']}" if record.get("config") else name
