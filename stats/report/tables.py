"""The tables of a grid's cells: Table 2, Table 3, per-class F1, paired differences, TSTR, leave-out, failures.

Input: cells (`results/<cell>.json`) and the runs that they name. Output: plain lists and dicts for the templates.
Not covered: what they mean (`findings`), how they look (`templates`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from erc_synth.stats.friedman import bootstrap_interval
from erc_synth.stats.inputs import link, read_json, relative
from erc_synth.stats.paired import compare_files
from erc_synth.stats.table import NAMES, VARIANTS, place

Place = tuple[str, str, str, str]  # model, benchmark, variant, test set
Scores = Mapping[Place, list[dict[str, Any]]]  # its finished cells, one per seed


def by_place(cells: Iterable[dict[str, Any]]) -> dict[Place, list[dict[str, Any]]]:
    """Finished cells by model, benchmark, variant and test set."""
    scores: dict[Place, list[dict[str, Any]]] = {}
    for cell in cells:
        if cell["status"] == "done":
            scores.setdefault((cell["model"], cell["benchmark"], cell["variant"], cell["test_set"]), []).append(cell)
    return scores


def failures(cells: Iterable[Mapping[str, Any]], results: Path, out: Path) -> list[dict[str, Any]]:
    """Failed runs with the reason and the log, once each."""
    rows = {}
    for cell in cells:
        if cell["status"] != "done":
            log = (results / str(cell["metrics"])).parent / "log.txt"
            rows[log.parent.name] = {
                "name": log.parent.name, "reason": cell.get("reason") or "unknown",
                "log": relative(log, out) if log.exists() else None,
            }  # fmt: skip
    return list(rows.values())


def name_of(model: str, variant: str) -> str:
    """As the paper writes it: CoMPM Nat."""
    return f"{NAMES.get(model, model)} {VARIANTS.get(variant, variant)}"


def tstr(scores: Scores, results: Path, out: Path) -> list[dict[str, Any]]:
    """Trained on synthetic data only, scored on the benchmark's own test set."""
    rows = []
    for (model, benchmark, variant, test_set), some in sorted(scores.items(), key=_paper_order):
        if variant.startswith("tstr") and test_set == "org":
            real, mean = scores.get((model, benchmark, "org", "org")), _mean(some)
            rows.append(
                {
                    "model": NAMES.get(model, model), "benchmark": NAMES.get(benchmark, benchmark),
                    "variant": VARIANTS.get(variant, variant), "score": mean, "seeds": len(some),
                    "real": _mean(real) if real else None, "gap": mean - _mean(real) if real else None,
                    "link": link(results, some[0], out),
                }
            )  # fmt: skip
    return rows


def leave_out(scores: Scores, results: Path, out: Path) -> list[dict[str, Any]]:
    """Trained on the other benchmarks: scores on the three test sets of the one left out."""
    rows = []
    for model, benchmark in dict.fromkeys(
        (m, b) for (m, b, variant, _), _ in sorted(scores.items(), key=_paper_order) if variant == "leave-out"
    ):
        found = {t: scores.get((model, benchmark, "leave-out", t)) for t in ("org", "nat", "bal")}
        some = next(cells for cells in found.values() if cells)
        rows.append(
            {
                "model": NAMES.get(model, model), "benchmark": NAMES.get(benchmark, benchmark),
                "scores": [_mean(cells) if cells else None for cells in found.values()],
                "options": _told(some[0].get("options") or [], ("--train", "--finetune", "--label-map")),
                "link": link(results, some[0], out),
            }
        )  # fmt: skip
    return rows


def _told(words: Sequence[str], flags: Sequence[str]) -> dict[str, str]:
    return {flag.lstrip("-"): words[i + 1] for i, flag in enumerate(words[:-1]) if flag in flags}


def classes(scores: Scores, results: Path) -> list[dict[str, Any]]:
    """F1 of each label on each benchmark's own test set, a mean over seeds: rows labels, columns models."""
    found = []
    for benchmark in dict.fromkeys(b for b in NAMES if any(key[1] == b for key in scores)):
        columns = {}
        for (model, own, variant, test_set), some in sorted(scores.items(), key=_paper_order):
            if (own, test_set) == (benchmark, "org") and variant in ("org", "nat", "bal"):
                evaluations = [e for e in (_evaluation(results, cell, benchmark) for cell in some) if e]
                if evaluations:
                    columns[name_of(model, variant)] = evaluations
        if columns:
            first = next(iter(columns.values()))[0]
            rows = [
                {"label": label, "support": first["per_class"][label]["support"],
                 "cells": [_mean_f1(evaluations, label) for evaluations in columns.values()]}
                for label in first["labels"]
            ]  # fmt: skip
            found.append({"benchmark": NAMES.get(benchmark, benchmark), "models": list(columns), "rows": rows})
    return found


def _paper_order(item: tuple[Place, Any]) -> tuple[int, ...]:
    return tuple(map(place, item[0]))


def _mean_f1(evaluations: Sequence[Mapping[str, Any]], label: str) -> float:
    return 100 * sum(float(e["per_class"][label]["f1"]) for e in evaluations) / len(evaluations)


def _evaluation(results: Path, cell: Mapping[str, Any], benchmark: str) -> dict[str, Any] | None:
    """The evaluation of a cell's run on the benchmark's own test split."""
    metrics = results / str(cell["metrics"])
    evaluations = read_json(metrics)["evaluations"] if metrics.exists() else []
    return next((e for e in evaluations if e["dataset"] == benchmark), None)


def paired(scores: Scores, results: Path) -> list[dict[str, Any]]:
    """Each variant against its own Org on the original test set: bootstrap by dialogue, per seed."""
    rows = []
    for (model, benchmark, variant, test_set), some in sorted(scores.items(), key=_paper_order):
        if test_set != "org" or variant in ("org", "leave-out"):  # leave-out has other labels
            continue
        controls = {cell["seed"]: cell for cell in scores.get((model, benchmark, "org", "org"), [])}
        for cell in some:
            files = [predictions(results, c, benchmark) for c in (controls.get(cell["seed"]), cell) if c]
            if len(files) < 2 or None in files:
                continue
            found = compare_files(files[0], files[1])  # type: ignore[arg-type]
            rows.append(
                {
                    "name": name_of(model, variant), "seed": cell["seed"],
                    "benchmark": NAMES.get(benchmark, benchmark), "value": 100 * found.value, "low": 100 * found.low,
                    "high": 100 * found.high, "below_zero": found.below_zero, "dialogues": found.dialogues,
                }
            )  # fmt: skip
    return rows


def predictions(results: Path, cell: Mapping[str, Any], benchmark: str) -> Path | None:
    """Predictions file of a cell on the benchmark's own test split; `None` when it is not there."""
    found = _evaluation(results, cell, benchmark)
    path = (results / str(cell["metrics"])).parent / found["predictions"] if found else None
    return path if path and path.exists() else None


def _mean(cells: Sequence[Mapping[str, Any]]) -> float:
    return round(100 * sum(float(cell["score"]) for cell in cells) / len(cells), 10)  # equal seeds have an equal mean


def table2(scores: Scores, results: Path, out: Path) -> dict[str, Any]:
    """Scores on the original test sets: rows classifiers, columns benchmark x (Org, Nat, Bal)."""
    models = sorted(dict.fromkeys(key[0] for key in scores), key=place)
    benchmarks = [b for b in ("meld", "emorynlp", "iemocap") if any(key[1] == b for key in scores)]
    rows = []
    for model in models:
        cells = [_cell2(scores, (model, b, v, "org"), results, out) for b in benchmarks for v in ("org", "nat", "bal")]
        rows.append({"model": NAMES.get(model, model), "cells": cells})
    return {"benchmarks": [NAMES.get(b, b) for b in benchmarks], "rows": rows}


def _cell2(scores: Scores, key: Place, results: Path, out: Path) -> dict[str, Any] | None:
    some = scores.get(key)
    if not some:
        return None
    values = [100 * float(cell["score"]) for cell in some]
    column = [_mean(s) for k, s in scores.items() if (k[1], k[3]) == (key[1], "org") and k[2] in ("org", "nat", "bal")]
    return {
        "score": _mean(some), "seeds": len(values), "interval": bootstrap_interval(values) if len(values) > 1 else None,
        "examples": some[0]["examples"], "best": _mean(some) == max(column) > min(column),
        "link": link(results, some[0], out),
    }  # fmt: skip


def table3(s: Mapping[str, Any], out: Path, results: Path | None) -> dict[str, Any]:
    """Scores with ranks; sums below, and differences and p-values where each model has one control."""
    rows = []
    low, high = min(map(min, s["scores"])), max(map(max, s["scores"]))
    for block, scores, ranks in zip(s["blocks"], s["scores"], s["ranks"], strict=True):
        cells = []
        for model, score, rank in zip(s["models"], scores, ranks, strict=True):
            source = s.get("sources", {}).get(f"{block}|{model}")
            share = (score - low) / (high - low) if high > low else 0.5
            where = relative(results / source, out) if source and results else None
            best = rank == min(ranks) < max(ranks)  # where all are equal none is best
            cells.append({"score": score, "rank": rank, "best": best, "heat": round(100 * share), "link": where})
        rows.append({"block": block, "cells": cells})
    by_model = {row["b"]: row for row in s["comparisons"]}
    one_control = len(by_model) == len(s["comparisons"])
    foot = [by_model.get(model) for model in s["models"]] if one_control else []
    return {"models": s["models"], "rows": rows, "sums": s["rank_sums"], "foot": foot}
