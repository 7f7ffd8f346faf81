"""Dialogues to read: what was said, the gold label, and what each model made of it.

Input: predictions of the cells; texts of the curated sets, and of benchmarks where the caller gives them (their
licences differ, so the page shows none by itself). Output: one sheet per dialogue.
Not covered: all dialogues of a set (`erc-synth browse`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from erc_synth.stats.paired import Predictions
from erc_synth.stats.report.results import Place, Results
from erc_synth.stats.report.sheet import Column, Item, Sheet
from erc_synth.stats.report.sources import Inputs

SHOWN = 2  # dialogues of each test set
LINES = range(3, 15)  # long enough to be a conversation, short enough to read
MODELS = 9  # columns

Lines = Sequence[tuple[str, str]]  # speaker, text


def dialogues_to_read(results: Results, inputs: Inputs) -> list[Sheet]:
    """For each test set whose texts are there: the dialogues that the models disagree on most."""
    sheets: list[Sheet] = []
    texts: dict[str, Lines] = dict(inputs.texts)
    for path in sorted(inputs.curated.glob("*.jsonl")) if inputs.curated and inputs.curated.is_dir() else ():
        if not path.name.endswith(".dropped.jsonl"):
            texts |= _curated(path)
    for benchmark, test_set in dict.fromkeys((p.benchmark, p.test_set) for p in results.places()):
        columns = _columns(results, benchmark, test_set)
        if columns:
            where = f"{results.names.benchmark(benchmark)}/{results.names.variant(test_set)}"
            sheets += _sheets(f"read-{benchmark}-{test_set}", where, columns, texts)
    return sheets


def _curated(path: Path) -> dict[str, Lines]:
    """Dialogue -> lines of a curated file; records that are no dialogues are left out."""
    found: dict[str, Lines] = {}
    for line in path.read_text("utf-8").split("\n"):
        record = json.loads(line) if line.strip() else {}
        if "dialogue_id" in record:
            found[record["dialogue_id"]] = [(turn["speaker"], turn["text"]) for turn in record["utterances"]]
    return found


def _columns(results: Results, benchmark: str, test_set: str) -> dict[str, Predictions]:
    """Trained model -> its predictions (first seed); only models that were scored on the same utterances."""
    found: dict[str, Predictions] = {}
    for place in results.places():
        if (place.benchmark, place.test_set) == (benchmark, test_set) and place.variant != "leave-out":
            predictions = results.predictions(results.cells(Place(*place))[0])
            first = next(iter(found.values()), predictions)
            if predictions and first and predictions.same_utterances(first) and len(found) < MODELS:
                found[results.names.trained(place.model, place.variant)] = predictions
    return found


def _sheets(key: str, where: str, columns: Mapping[str, Predictions], texts: Mapping[str, Lines]) -> list[Sheet]:
    first = next(iter(columns.values()))
    rows: dict[str, list[int]] = {}
    for i, name in enumerate(first.dialogues):
        rows.setdefault(name, []).append(i)
    fitting = [name for name, at in rows.items() if len(at) in LINES and len(texts.get(name, ())) > first.turns[at[-1]]]

    def disagreement(name: str) -> int:
        return sum(len({one.predicted[i] for one in columns.values()}) > 1 for i in rows[name])

    chosen = sorted(fitting, key=lambda name: (-disagreement(name), name))[:SHOWN]
    heads = [
        Column("Line", text=True),
        Column("Gold", text=True),
        *(Column(m, "Predicted", text=True) for m in columns),
    ]
    return [
        Sheet(
            f"{key}-{number}",
            f"{where}: {name}",
            heads,
            [_row(first, i, texts[name], columns.values()) for i in rows[name]],
            sortable=False,
        )
        for number, name in enumerate(chosen)
    ]


def _row(first: Predictions, i: int, lines: Lines, models: object) -> list[Item]:
    speaker, text = lines[first.turns[i]]
    gold = first.gold[i]
    guesses = [one.predicted[i] for one in models]  # type: ignore[attr-defined]
    marks = [Item(f"✓ {guess}" if guess == gold else f"✗ {guess}", strong=guess != gold) for guess in guesses]
    return [Item(f"{speaker}: {text}"), Item(gold), *marks]
