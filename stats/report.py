"""The report: what the runs, cells and statistics say, as HTML, Markdown, LaTeX and SVG.

Input: folders as the stages leave them (`results/`, `outputs/`, `curated/`, `runs/`), `stats.json`.
Everything is optional; what is missing is said. Output: one self-contained `report.html` (no network),
`report.md`, `tables/*.tex`, `figures/*.svg`. Sentences are made from the numbers only.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from erc_synth.stats.exact import StatsError
from erc_synth.stats.figures import critical_difference, curves, log_bars
from erc_synth.stats.friedman import bootstrap_interval
from erc_synth.stats.paired import compare_files
from erc_synth.stats.table import NAMES, VARIANTS, read_cells


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where things are; `None` or an absent folder is left out of the report."""

    results: Path | None = None
    outputs: Path | None = None
    curated: Path | None = None
    runs: Path | None = None
    stats: Path | None = None
    references: Path | None = None  # JSON: label set -> {label: count}


@dataclass(slots=True)
class Content:
    """Everything that the templates show."""

    data: list[dict[str, Any]] = field(default_factory=list)
    table2: dict[str, Any] | None = None
    table3: dict[str, Any] | None = None
    stats: dict[str, Any] | None = None
    tstr: list[dict[str, Any]] = field(default_factory=list)
    paired: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise StatsError(f"{path} is not JSON: {error}.", hint="Run the stage that wrote it again.") from error


def collect(inputs: Inputs, out: Path) -> Content:
    """Read all inputs and draw the figures."""
    content = Content()
    _collect_data(inputs, content)
    _collect_cells(inputs, content, out)
    _collect_runs(inputs, content, out)
    if inputs.stats and inputs.stats.exists():
        content.stats = _json(inputs.stats)
        s = content.stats
        content.figures["critical_difference"] = critical_difference(
            s["models"], s["mean_ranks"], s["nemenyi_critical_difference"]
        )
        content.table3 = _table3(s, out, inputs)
    else:
        content.missing.append("statistics (erc-synth stats ... --out stats.json)")
    content.findings = findings(content)
    return content


def _collect_data(inputs: Inputs, content: Content) -> None:
    if not inputs.curated or not inputs.curated.is_dir():
        content.missing.append("curated data")
        return
    references = _json(inputs.references) if inputs.references and inputs.references.exists() else {}
    first = tuple(NAMES)  # the paper's order of benchmarks, natural before balanced
    files = sorted(
        inputs.curated.glob("*.curation.json"),
        key=lambda path: (
            first.index(path.name.split("_")[0]) if path.name.split("_")[0] in first else 99,
            "balanced" in path.name,
            path.name,
        ),
    )
    curations = [_json(path) for path in files]
    totals = []
    for curation in curations:
        counts: dict[str, int] = {}
        for split in curation["label_counts"].values():
            for label, count in split.items():
                counts[label] = counts.get(label, 0) + count
        totals.append(counts)
    most = max(
        [max(c.values(), default=1) for c in totals] + [max(r.values(), default=1) for r in references.values()] + [10]
    )
    decades = math.ceil(math.log10(most))
    for curation, counts in zip(curations, totals, strict=True):
        manifest_path = (inputs.runs / curation["recipe"] / "manifest.json") if inputs.runs else None
        manifest = _json(manifest_path) if manifest_path and manifest_path.exists() else {}
        asked = manifest.get("counts") or {}
        label_set = (manifest.get("recipe") or {}).get("label_set", curation["config"].split("_")[0])
        answers = asked.get("accepted", 0) + sum((asked.get("rejected") or {}).values())
        reference = references.get(label_set, {})
        # The fixed label list, so that a label nobody used still has its row (and counts as uneven).
        fixed = reference or (manifest.get("recipe") or {}).get("labels") or counts
        counts = {label: counts.get(label, 0) for label in fixed}
        figure = log_bars(curation["config"], counts, reference, decades)
        content.figures[f"labels-{curation['config']}"] = figure
        content.data.append(
            {
                "config": curation["config"],
                "generator": curation.get("generator") or "unknown",
                "jobs": asked.get("jobs"),
                "answers": answers,
                "accepted": asked.get("accepted"),
                "parse_yield": asked.get("accepted", 0) / answers if answers else None,
                "rejected": asked.get("rejected") or {},
                "kept": curation["kept"],
                "dropped": curation["dropped"],
                "splits": curation["splits"],
                "entropy": _entropy(counts),
                "leaks": {k: v for k, v in (curation.get("leaks") or {}).items() if v.get("checked")},
                "figure": figure,
            }
        )


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
    content.failed = [c for c in cells if c["status"] != "done"]
    scores: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        if cell["status"] == "done":
            scores.setdefault((cell["model"], cell["benchmark"], cell["variant"], cell["test_set"]), []).append(cell)
    assert inputs.results is not None
    content.table2 = _table2(scores, inputs.results, out)
    content.paired = _paired(scores, inputs.results)
    for (model, benchmark, variant, test_set), some in sorted(scores.items()):
        if variant.startswith("tstr") and test_set == "org":
            real = scores.get((model, benchmark, "org", "org"))
            mean = _mean(some)
            content.tstr.append(
                {
                    "model": NAMES.get(model, model), "benchmark": NAMES.get(benchmark, benchmark),
                    "variant": VARIANTS.get(variant, variant), "score": mean,
                    "real": _mean(real) if real else None, "gap": mean - _mean(real) if real else None,
                    "link": _link(inputs.results, some[0], out),
                }
            )  # fmt: skip


def _paired(scores: Mapping[tuple[str, str, str, str], list[dict[str, Any]]], results: Path) -> list[dict[str, Any]]:
    """Each variant against its own Org on the original test set: bootstrap by dialogue, per seed."""
    rows = []
    for (model, benchmark, variant, test_set), some in sorted(scores.items()):
        if test_set != "org" or variant == "org":
            continue
        controls = {cell["seed"]: cell for cell in scores.get((model, benchmark, "org", "org"), [])}
        for cell in some:
            files = [_predictions(results, c, benchmark) for c in (controls.get(cell["seed"]), cell) if c]
            if len(files) < 2 or None in files:
                continue
            found = compare_files(files[0], files[1])  # type: ignore[arg-type]
            rows.append(
                {
                    "name": f"{NAMES.get(model, model)} {VARIANTS.get(variant, variant)}", "seed": cell["seed"],
                    "benchmark": NAMES.get(benchmark, benchmark), "value": 100 * found.value, "low": 100 * found.low,
                    "high": 100 * found.high, "below_zero": found.below_zero, "dialogues": found.dialogues,
                }
            )  # fmt: skip
    return rows


def _predictions(results: Path, cell: Mapping[str, Any], benchmark: str) -> Path | None:
    """Predictions file of a cell on the benchmark's own test split; `None` when it is not there."""
    metrics = results / str(cell["metrics"])
    if not metrics.exists():
        return None
    names = [e["predictions"] for e in _json(metrics)["evaluations"] if e["dataset"] == benchmark]
    path = metrics.parent / names[0] if names else None
    return path if path and path.exists() else None


def _mean(cells: Sequence[Mapping[str, Any]]) -> float:
    return 100 * sum(float(cell["score"]) for cell in cells) / len(cells)


def _link(results: Path, cell: Mapping[str, Any], out: Path) -> str:
    """Path of the run's metrics.json, relative to the report."""
    return os.path.relpath((results / cell["metrics"]).resolve(), out.resolve())


def _table2(
    scores: Mapping[tuple[str, str, str, str], list[dict[str, Any]]], results: Path, out: Path
) -> dict[str, Any]:
    """Scores on the original test sets: rows classifiers, columns benchmark x (Org, Nat, Bal)."""
    models = list(
        dict.fromkeys(key[0] for key in sorted(scores, key=lambda k: list(NAMES).index(k[0]) if k[0] in NAMES else 99))
    )
    benchmarks = list(dict.fromkeys(b for b in ("meld", "emorynlp", "iemocap") if any(k[1] == b for k in scores)))
    rows = []
    for model in models:
        cells: list[dict[str, Any] | None] = []
        for benchmark in benchmarks:
            for variant in ("org", "nat", "bal"):
                some = scores.get((model, benchmark, variant, "org"))
                if not some:
                    cells.append(None)
                    continue
                values = [100 * float(cell["score"]) for cell in some]
                spread = bootstrap_interval(values) if len(values) > 1 else None
                best = max(
                    (
                        _mean(s)
                        for k, s in scores.items()
                        if k[1] == benchmark and k[3] == "org" and k[2] in ("org", "nat", "bal")
                    ),
                    default=0.0,
                )
                cells.append(
                    {
                        "score": _mean(some), "seeds": len(values), "interval": spread, "examples": some[0]["examples"],
                        "best": _mean(some) == best, "link": _link(results, some[0], out),
                    }
                )  # fmt: skip
        rows.append({"model": NAMES.get(model, model), "cells": cells})
    return {"benchmarks": [NAMES.get(b, b) for b in benchmarks], "rows": rows}


def _table3(s: Mapping[str, Any], out: Path, inputs: Inputs) -> dict[str, Any]:
    """Scores with ranks; sums, differences to the control and p-values below."""
    rows = []
    low, high = min(map(min, s["scores"])), max(map(max, s["scores"]))
    for block, scores, ranks in zip(s["blocks"], s["scores"], s["ranks"], strict=True):
        cells = []
        for model, score, rank in zip(s["models"], scores, ranks, strict=True):
            source = s.get("sources", {}).get(f"{block}|{model}")
            link = (
                os.path.relpath((inputs.results / source).resolve(), out.resolve())
                if source and inputs.results
                else None
            )
            share = (score - low) / (high - low) if high > low else 0.5
            cells.append(
                {"score": score, "rank": rank, "best": rank == min(ranks), "heat": round(100 * share), "link": link}
            )
        rows.append({"block": block, "cells": cells})
    by_model = {row["b"]: row for row in s["comparisons"]}
    foot = [by_model.get(model) for model in s["models"]]
    return {"models": s["models"], "rows": rows, "sums": s["rank_sums"], "foot": foot}


def _collect_runs(inputs: Inputs, content: Content, out: Path) -> None:
    if not inputs.outputs or not inputs.outputs.is_dir():
        content.missing.append("training runs")
        return
    for path in sorted(inputs.outputs.glob("*/metrics.json")):
        metrics = _json(path)
        series = {
            f"{stage['name']} on {stage['dataset']}{':' + stage['config'] if stage.get('config') else ''}": [
                (epoch["epoch"], 100 * epoch["dev_weighted_f1"]) for epoch in stage["epochs"]
            ]
            for stage in metrics["stages"]
        }
        name = path.parent.name
        figure = curves(series, "epoch", "dev weighted F1, %")
        if figure:
            content.figures[f"learning-{name}"] = figure
        content.runs.append(
            {
                "name": name,
                "metrics": metrics,
                "link": os.path.relpath(path.resolve(), out.resolve()),
                "log": os.path.relpath((path.parent / "log.txt").resolve(), out.resolve())
                if (path.parent / "log.txt").exists()
                else None,
                "figure": figure,
            }
        )
    if not content.runs:
        content.missing.append("training runs")


def findings(content: Content) -> list[str]:
    """Sentences from the numbers only; a claim about all cells is made only where all agree."""
    said = []
    if content.stats:
        s = content.stats
        test, family = s["omnibus"], s["family"]
        said.append(
            f"Friedman's test over {len(s['models'])} models and {len(s['blocks'])} blocks: chi-square "
            f"{test['chi_square']:.2f}, p = {_p(test['p'])}."
        )
        for row in s["comparisons"]:
            better = row["b"] if row["difference"] > 0 else row["a"]
            bonferroni = row["adjusted"]["bonferroni"]
            verdict = "below" if bonferroni < 0.05 else "not below"
            share = f"higher in {row['wins']} of {len(s['blocks'])} blocks"
            said.append(
                f"{row['b']} against {row['a']}: {share}, rank sums differ by {abs(row['difference']):g}"
                f"{f' in favour of {better}' if row['difference'] else ''}; exact p = {_p(row['p'])}, "
                f"times {family['size']} = {_p(bonferroni)}, {verdict} 0.05."
            )
        if all(row["losses"] == 0 and row["wins"] for row in s["comparisons"]):
            said.append("Every compared model scores higher than its control in every block.")
        else:
            exceptions = sum(row["losses"] for row in s["comparisons"])
            equal = sum(len(s["blocks"]) - row["wins"] - row["losses"] for row in s["comparisons"])
            said.append(
                f"In {exceptions} cells a compared model scores lower than its control"
                f"{f', in {equal} they are equal' if equal else ''}."
            )
    for row in content.tstr:
        if row["gap"] is not None:
            said.append(
                f"{row['model']} trained on synthetic data only ({row['variant']}) reaches {row['score']:.2f} on "
                f"{row['benchmark']}'s test set, {abs(row['gap']):.2f} points {'below' if row['gap'] < 0 else 'above'} "
                "training on the benchmark."
            )
    if content.data:
        kept = sum(row["kept"]["dialogues"] for row in content.data)
        said.append(f"{len(content.data)} synthetic sets with {kept} curated dialogues.")
    return said


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.1e}"


def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("erc_synth.stats", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(("html.j2", "html")),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["p"] = _p
    environment.filters["tex"] = tex_text
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    environment.globals["variants"] = VARIANTS
    environment.globals["names"] = NAMES
    return environment


def tex_text(text: object) -> str:
    """Text that LaTeX takes literally."""
    table = {c: f"\\{c}" for c in "&%$#_{}"} | {
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
    return "".join(table.get(character, character) for character in str(text))


def write_report(inputs: Inputs, out: Path, *, title: str = "erc-synth report") -> Path:
    """Write all forms of the report; returns the path of report.html."""
    out.mkdir(parents=True, exist_ok=True)
    content = collect(inputs, out)
    try:
        number = version("erc-synth")
    except PackageNotFoundError:
        number = "unknown"
    environment = _environment()
    view = {"c": content, "title": title, "erc_synth": number}
    pages = {"report.html": "report.html.j2", "report.md": "report.md.j2"}
    if content.table2:
        pages["tables/table2.tex"] = "table2.tex.j2"
    if content.table3:
        pages["tables/table3.tex"] = "table3.tex.j2"
    for name, template in pages.items():
        _write(out / name, environment.get_template(template).render(**view))
    for name, figure in content.figures.items():
        _write(out / "figures" / f"{name}.svg", figure + "\n")
    return out / "report.html"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)
