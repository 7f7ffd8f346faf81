"""The tables of a grid's cells: Table 2, per-class F1, paired differences, TSTR, leave-out, failures.

Input: `Results`. Output: sheets, and the rows that findings are made from. Benchmarks and classifiers are those of
the cells. Not covered: what they mean (`findings`), how they look (`templates`), tests (`significance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from erc_synth.stats.cells import TABLE_VARIANTS
from erc_synth.stats.contracts import Cell, Evaluation
from erc_synth.stats.paired import difference
from erc_synth.stats.report.results import Place, Results, Value
from erc_synth.stats.report.sheet import DASH, Column, Item, Sheet, items, signed
from erc_synth.stats.report.sources import relative

FLAGS = ("--train", "--finetune", "--label-map")  # of leave-out, worth a column


def item_of(value: Value | None, *, best: bool = False) -> Item:
    """A score with its interval, number of examples and seeds."""
    if value is None:
        return DASH
    told = [f"[{value.interval[0]:.1f}, {value.interval[1]:.1f}]"] if value.interval else []
    sizes = [f"n {value.examples:,}"] if value.examples else []
    sizes += [f"{value.seeds} seeds"] if value.seeds > 1 else []
    told += [", ".join(sizes)] if sizes else []
    told += [f"predicts only {value.one_class}"] if value.one_class else []
    return Item(f"{value.score:.2f}", told, strong=best, run=value.run)


def table2(results: Results) -> Sheet | None:
    """Scores on the original test sets: rows classifiers, columns benchmark x ways to train."""
    columns, keys = [Column("Classifier", text=True)], []
    for benchmark in results.benchmarks():
        for variant in TABLE_VARIANTS:
            if any(results.cells(Place(m, benchmark, variant, "org")) for m in results.models()):
                columns.append(Column(results.names.variant(variant), results.names.benchmark(benchmark)))
                keys.append((benchmark, variant))
    values = {m: [results.value(Place(m, b, v, "org")) for b, v in keys] for m in results.models()}
    values = {model: row for model, row in values.items() if any(row)}
    if not values:
        return None
    best = [_best_of_benchmark(list(values.values()), keys, i) for i in range(len(keys))]
    rows = [
        [
            Item(results.names.model(model)),
            *(item_of(v, best=v is not None and v.score == top) for v, top in zip(row, best, strict=True)),
        ]
        for model, row in values.items()
    ]
    return Sheet(
        "table2",
        "Weighted F1 on the original test sets, in percent",
        columns,
        rows,
        notes=_notes2(values, keys, results),
    )


def _best_of_benchmark(rows: Sequence[Sequence[Value | None]], keys: Sequence[tuple[str, str]], i: int) -> float | None:
    """The highest score of a column's benchmark; nothing where all are equal."""
    scores = [v.score for row in rows for v, key in zip(row, keys, strict=True) if v and key[0] == keys[i][0]]
    return max(scores) if scores and max(scores) > min(scores) else None


def _notes2(values: dict[str, list[Value | None]], keys: Sequence[tuple[str, str]], results: Results) -> list[str]:
    """Notes about what is there, nothing else."""
    shown = [value for row in values.values() for value in row if value]
    variants = {variant for _, variant in keys}
    synthetic = " and ".join(results.names.variant(v) for v in ("nat", "bal") if v in variants)
    notes = ["Org: trained on the benchmark."] if "org" in variants else []
    notes += [f"{synthetic}: pretrained on the synthetic set, then fine-tuned."] if synthetic else []
    if any(v.interval and v.by_dialogue for v in shown):
        again = ", and seeds anew where there are several" if any(v.seeds > 1 for v in shown) else ""
        notes.append(f"Brackets: 95 % bootstrap interval; whole dialogues are drawn{again}.")
    if any(v.interval and not v.by_dialogue for v in shown):
        notes.append("Brackets: 95 % bootstrap interval over seeds (the predictions are not there).")
    if any(v.examples for v in shown):
        notes.append("n: utterances scored.")
    if any(item_of(v).strong for v in shown) or len(shown) > 1:
        notes.append("Bold: the best of a benchmark.")
    return notes


@dataclass(frozen=True, slots=True)
class Gap:
    """A difference in points between two models on the same utterances, or of TSTR against the benchmark."""

    model: str
    benchmark: str
    variant: str
    seed: int | None
    value: float
    low: float | None = None
    high: float | None = None
    below_zero: float | None = None
    dialogues: int | None = None
    examples: int | None = None
    score: float | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired(results: Results) -> list[Gap]:
    """Each way to train against its own Org on the original test set: bootstrap by dialogue, per seed."""
    rows = []
    for place in results.places():
        if place.test_set != "org" or place.variant in ("org", "leave-out"):  # leave-out has other labels
            continue
        controls = {cell["seed"]: cell for cell in results.cells(place._replace(variant="org"))}
        for cell in results.cells(place):
            gap = _paired_gap(results, controls.get(cell["seed"]), cell)
            rows += [gap] if gap else []
    return rows


def _paired_gap(results: Results, control: Cell | None, cell: Cell) -> Gap | None:
    first = results.predictions(control) if control else None
    second = results.predictions(cell)
    if not first or not second or not first.gold or not first.same_utterances(second):
        return None
    found = difference(first, second)
    return Gap(
        results.names.model(cell["model"]),
        results.names.benchmark(cell["benchmark"]),
        results.names.variant(cell["variant"]),
        cell["seed"],
        100 * found.value,
        100 * found.low,
        100 * found.high,
        found.below_zero,
        found.dialogues,
        len(first.gold),
    )


def paired_sheet(gaps: Sequence[Gap]) -> Sheet | None:
    """The paired differences; those whose interval leaves 0 out are bold."""
    if not gaps:
        return None
    names = ("Model", "Benchmark", "Seed", "Difference", "95 % interval", "Draws below 0", "Dialogues", "n")
    rows = []
    for g in gaps:
        first, *rest = items(
            f"{g.model} {g.variant}",
            g.benchmark,
            g.seed,
            signed(g.value),
            f"{signed(g.low or 0)} to {signed(g.high or 0)}",
            f"{100 * (g.below_zero or 0):.0f} %",
            g.dialogues,
            f"{g.examples:,}",
        )
        rest[2] = Item(rest[2].text, strong=g.clear)
        rows.append([first, *rest])
    notes = [
        "Weighted F1 minus Org's on the same utterances, in points. Paired bootstrap: whole dialogues, 2,000 draws.",
        "Bold: the interval leaves 0 out. Where nothing differs, about 1 in 20 still does.",
    ]
    return Sheet("paired", "Against Org on the same utterances", _columns(names, 2), rows, notes=notes)


def _columns(names: Sequence[str], words: int) -> list[Column]:
    return [Column(name, text=i < words) for i, name in enumerate(names)]


def classes(results: Results) -> list[Sheet]:
    """F1 of each label on each benchmark's own test set, a mean over seeds: rows labels, columns models."""
    sheets = []
    for benchmark in results.benchmarks():
        columns: dict[str, list[Evaluation]] = {}
        for place in results.places():
            if place.benchmark == benchmark and place.test_set == "org" and place.variant in TABLE_VARIANTS:
                found = [e for e in map(results.evaluation, results.cells(place)) if e]
                if found:
                    columns[results.names.trained(place.model, place.variant)] = found
        if columns:
            sheets.append(_class_sheet(benchmark, results.names.benchmark(benchmark), columns))
    return sheets


def _class_sheet(key: str, name: str, columns: dict[str, list[Evaluation]]) -> Sheet:
    first = next(iter(columns.values()))[0]
    rows = []
    for label in first["labels"]:
        support = first["per_class"][label]["support"]
        cells = [_class_item(some, label) if support else DASH for some in columns.values()]
        rows.append([Item(label), Item(f"{support:,}"), *cells])
    absent = [label for label in first["labels"] if not first["per_class"][label]["support"]]
    notes = [f"No utterance has the label {', '.join(absent)}: a dash, not a zero."] if absent else []
    heads = [Column("Label", text=True), Column("Support"), *map(Column, columns)]
    return Sheet(f"classes-{key}", f"F1 of each class: {name}, original test set, in percent", heads, rows, notes=notes)


def _class_item(evaluations: Sequence[Evaluation], label: str) -> Item:
    f1 = 100 * sum(e["per_class"][label]["f1"] for e in evaluations) / len(evaluations)
    return Item(f"{f1:.1f}", shade=f1 / 100)


def tstr(results: Results) -> list[Gap]:
    """Trained on synthetic data only against trained on the benchmark, on the benchmark's own test set."""
    rows = []
    for place in results.places():
        score, real = results.score(place), results.score(place._replace(variant="org"))
        if place.variant.startswith("tstr") and place.test_set == "org" and score is not None and real is not None:
            names, value = results.names, results.value(place)
            examples = value.examples if value else None
            words = names.model(place.model), names.benchmark(place.benchmark), names.variant(place.variant)
            rows.append(Gap(*words, None, score - real, examples=examples, score=score))
    return rows


def tstr_sheet(results: Results) -> Sheet | None:
    """TSTR as a table."""
    rows = []
    for place in results.places():
        value = results.value(place)
        if place.variant.startswith("tstr") and place.test_set == "org" and value:
            real = results.score(place._replace(variant="org"))
            names = results.names
            rows.append(
                [
                    *items(names.model(place.model), names.benchmark(place.benchmark), names.variant(place.variant)),
                    item_of(value),
                    *items(
                        f"{real:.2f}" if real is not None else None,
                        signed(value.score - real) if real is not None else None,
                    ),
                ]
            )
    names_ = ("Classifier", "Benchmark", "Trained on", "Weighted F1", "Trained on the benchmark", "Gap")
    title = "Train on synthetic, test on real (TSTR): weighted F1 on the original test set, in percent"
    return Sheet("tstr", title, _columns(names_, 3), rows) if rows else None


def leave_out(results: Results) -> Sheet | None:
    """Trained on the other benchmarks: scores on the test sets of the one left out."""
    rows = []
    for place in dict.fromkeys(p._replace(test_set="") for p in results.places() if p.variant == "leave-out"):
        found = [results.value(place._replace(test_set=test_set)) for test_set in TABLE_VARIANTS]
        cell = next(c for t in TABLE_VARIANTS for c in results.cells(place._replace(test_set=t)))
        told = _told(cell.get("options") or [])
        stages = [results.names.benchmark(told[flag]) for flag in FLAGS[:2] if flag in told]
        words = items(
            results.names.model(place.model),
            results.names.benchmark(place.benchmark),
            ", then ".join(stages) or "the others",
            told.get("--label-map"),
        )
        rows.append([*words, *map(item_of, found)])
    heads = [*_columns(("Classifier", "Left out", "Trained on", "Labels"), 4)]
    heads += [Column(results.names.variant(test_set), "Test set") for test_set in TABLE_VARIANTS]
    notes = ["Labels are joined by a map, so these scores do not compare with the other tables."]
    return (
        Sheet("leave-out", "Leave one benchmark out: weighted F1 in percent", heads, rows, notes=notes)
        if rows
        else None
    )


def _told(words: Sequence[str]) -> dict[str, str]:
    return {flag: words[i + 1] for i, flag in enumerate(words[:-1]) if flag in FLAGS}


@dataclass(frozen=True, slots=True)
class Failure:
    """A training that failed: why, and where its log stands."""

    name: str
    reason: str
    log: str | None


def failures(results: Results, out: Path) -> list[Failure]:
    """Failed runs with the reason and the log, once each."""
    rows = {}
    for cell in results.all:
        if cell["status"] != "done":
            log = (results.folder / cell["metrics"]).parent / "log.txt"
            rows[log.parent.name] = Failure(
                log.parent.name, cell.get("reason") or "unknown", relative(log, out) if log.exists() else None
            )
    return list(rows.values())
