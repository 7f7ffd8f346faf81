"""The blind sheet: people say the emotion of a hundred lines without seeing the generated label.

Purpose: the only check of labels that no model takes part in.
Input: dialogues; later, filled sheets. Output: `<stem>.csv` and `<stem>.html` to fill in, `<stem>.key.json`
with the generated labels (keep it from the readers); agreement and kappa.
Not covered: who the people are and how they are asked.
"""

from __future__ import annotations

import csv
import html
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from erc_synth.generation.quality.diversity import interval
from erc_synth.generation.quality.labels import kappa, kappa_by_label
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json, write_json, write_whole
from erc_synth.loaders.schema import Dialogue, LabelSet

COLUMNS = ("item", "context", "speaker", "text", "emotion")
CONTEXT_TURNS = 4
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the sheet; `emotion` is the generated label, which only the key shows."""

    item: str
    dialogue_id: str
    utterance_id: int
    context: tuple[str, ...]
    speaker: str
    text: str
    emotion: str


def draw_items(dialogues: Sequence[Dialogue], size: int, seed: int) -> list[Item]:
    """`size` labelled lines in random order, from as many different dialogues as there are.

    Raises:
        ErcSynthError: No line has a label.
    """
    chance = random.Random(f"sheet {seed}")
    places = [(d, n) for d in dialogues for n, turn in enumerate(d.utterances) if turn.emotion is not None]
    if not places:
        raise ErcSynthError("No line has a label.", hint="A sheet needs a labelled set.")
    chance.shuffle(places)
    taken: dict[str, int] = {}
    rank = []
    for dialogue, _ in places:  # the first line of every dialogue before the second of any
        rank.append(taken.setdefault(dialogue.dialogue_id, 0))
        taken[dialogue.dialogue_id] += 1
    order = sorted(range(len(places)), key=rank.__getitem__)[:size]
    return [_item(f"{count:03d}", *places[position]) for count, position in enumerate(order, start=1)]


def _item(name: str, dialogue: Dialogue, number: int) -> Item:
    turn = dialogue.utterances[number]
    before = dialogue.utterances[max(0, number - CONTEXT_TURNS) : number]
    context = tuple(f"{u.speaker}: {u.text}" for u in before)
    return Item(name, dialogue.dialogue_id, number, context, turn.speaker, turn.text, turn.emotion or "")


def write_sheet(items: Sequence[Item], labels: LabelSet, dataset: str, stem: Path) -> list[Path]:
    """Write the CSV, the HTML form and the key; returns their paths.

    Raises:
        ErcSynthError: One of them exists: a filled sheet is never overwritten.
    """
    paths = [stem.with_name(f"{stem.name}{ending}") for ending in (".csv", ".html", ".key.json")]
    for path in paths:
        if path.exists():
            raise ErcSynthError(f"{path} exists.", hint="Choose another --out, or move it away.")
    stem.parent.mkdir(parents=True, exist_ok=True)
    key = {
        "schema_version": 1,
        "dataset": dataset,
        "labels": list(labels.labels),
        "items": {i.item: {"dialogue_id": i.dialogue_id, "utterance_id": i.utterance_id, "emotion": i.emotion}
                  for i in items},
    }  # fmt: skip
    write_json(paths[2], key)
    write_whole(paths[1], _page(items, labels))
    write_whole(paths[0], [_csv(items)])
    return paths


def _csv(items: Sequence[Item]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in items:
        cells = (item.item, " / ".join(item.context), item.speaker, item.text, "")
        writer.writerow([_cell(cell) for cell in cells])
    return text.getvalue()


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _page(items: Sequence[Item], labels: LabelSet) -> Iterator[str]:
    """A form that works from the disk: answers stay in the browser until they are saved as CSV."""
    yield _HEAD
    # Answers are kept under a name of the content: another sheet at the same address starts empty.
    content = repr([(item.context, item.speaker, item.text) for item in items])
    yield f'<form data-sheet="{zlib.crc32(content.encode()):08x}">\n'
    for item in items:
        yield f'<fieldset data-item="{item.item}"><legend>Line {item.item}</legend>\n'
        for before in item.context:
            yield f'<p class="before">{html.escape(before)}</p>\n'
        yield f"<p><b>{html.escape(item.speaker)}:</b> {html.escape(item.text)}</p>\n"
        for label in labels.labels:
            shown = html.escape(label, quote=True)
            yield f'<label><input type="radio" name="{item.item}" value="{shown}"> {shown}</label>\n'
        yield "</fieldset>\n"
    yield _TAIL


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Which emotion?</title>
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: auto; padding: 1rem }
fieldset { margin: 1rem 0; border: 1px solid #767676 } .before { opacity: .75; margin: 0 }
label { display: inline-block; margin-right: 1rem } button { font: inherit; padding: .5rem 1rem }
#bar { position: sticky; bottom: 0; margin: 0; padding: .5rem 0; background: Canvas; border-top: 1px solid #767676 }
</style></head><body><main>
<h1>Which emotion does the last line express?</h1>
<p>Read the lines before it, choose one emotion for the bold speaker's line, and save your answers.
Nothing is sent anywhere.</p>
"""
_TAIL = """</form>
<p id="bar"><button type="button" id="save">Save answers as CSV</button> <span id="left" role="status"></span></p>
</main><script>
const form = document.querySelector("form"), store = "sheet " + form.dataset.sheet;
const chosen = () => Object.fromEntries(new FormData(form));
const count = () => { const left = form.elements.length && document.querySelectorAll("fieldset").length
  - Object.keys(chosen()).length; document.getElementById("left").textContent = left + " lines left"; };
try { for (const [item, label] of Object.entries(JSON.parse(localStorage.getItem(store) || "{}")))
  for (const input of form.elements) if (input.name === item && input.value === label) input.checked = true;
} catch (error) { /* a browser without storage: the page still works */ }
form.addEventListener("change", () => { count();
  try { localStorage.setItem(store, JSON.stringify(chosen())); } catch (error) { /* as above */ } });
document.getElementById("save").addEventListener("click", () => {
  const answers = chosen();
  const items = [...document.querySelectorAll("fieldset")].map(line => line.dataset.item);
  const rows = items.map(item => item + "," + (answers[item] || ""));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["item,emotion\\n" + rows.join("\\n") + "\\n"], {type: "text/csv"}));
  link.download = "answers.csv"; link.click();
});
count();
</script></body></html>
"""


def read_answers(path: Path, key: Mapping[str, Any]) -> dict[str, str]:
    """Item -> emotion of a filled sheet; lines without an answer are left out.

    Raises:
        ErcSynthError: A column is missing, an item or emotion is unknown, or nothing was answered.
    """
    answers: dict[str, str] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        sample = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=";" if sample.count(";") > sample.count(",") else ",")
        if not {"item", "emotion"} <= set(reader.fieldnames or ()):
            raise ErcSynthError(f"{path} lacks the column item or emotion.", hint="Save the sheet as CSV.")
        for row in reader:
            item = (row["item"] or "").strip()
            item = item.zfill(3) if item.isdigit() else item  # spreadsheets turn 001 into 1
            emotion = (row["emotion"] or "").strip().lower()
            if item not in key["items"] or (emotion and emotion not in key["labels"]):
                wrong = f"the item {item!r}" if item not in key["items"] else f"the emotion {emotion!r}"
                raise ErcSynthError(
                    f"{path}, line {reader.line_num}: {wrong} is not in the key.",
                    hint=f"Emotions: {', '.join(key['labels'])}.",
                )
            if emotion:
                answers[item] = emotion
    if not answers:
        raise ErcSynthError(f"{path} has no answer.", hint="Fill in the column emotion.")
    return answers


def score_sheets(answers: Sequence[Path], key_path: Path, seed: int = 0) -> dict[str, Any]:
    """Agreement of each reader with the generated labels, and of the readers with each other.

    Returns:
        ``dataset``, ``readers`` [{file, answered, agreement, kappa {value, low, high}, kappa_by_label}],
        ``kappa_between_readers`` (mean over pairs, on lines both answered; null for one reader).
    """
    key = read_json(key_path)
    if not {"items", "labels", "dataset"} <= key.keys():
        raise ErcSynthError(f"{key_path} is not the key of a sheet.", hint="Give the .key.json file.")
    said = [read_answers(path, key) for path in answers]
    pairs = []
    for first, second in combinations(said, 2):
        shared = sorted(first.keys() & second.keys())
        pairs.append(kappa([first[item] for item in shared], [second[item] for item in shared]))
    return {
        "schema_version": 1,
        "dataset": key["dataset"],
        "readers": [_reader(path, own, key, seed) for path, own in zip(answers, said, strict=True)],
        "kappa_between_readers": sum(pairs) / len(pairs) if pairs else None,
    }


def _reader(path: Path, own: Mapping[str, str], key: Mapping[str, Any], seed: int) -> dict[str, Any]:
    items = sorted(own)
    given = np.array([key["items"][item]["emotion"] for item in items])
    said = np.array([own[item] for item in items])
    picks = np.random.default_rng(seed).integers(0, len(items), (1000, len(items)))
    estimate = interval(
        [kappa(given[pick].tolist(), said[pick].tolist()) for pick in picks], kappa(given.tolist(), said.tolist())
    )
    return {
        "file": path.name,
        "answered": len(items),
        "agreement": float((given == said).mean()),
        "kappa": {"value": estimate.value, "low": estimate.low, "high": estimate.high},
        "kappa_by_label": kappa_by_label(given.tolist(), said.tolist(), key["labels"]),
    }
