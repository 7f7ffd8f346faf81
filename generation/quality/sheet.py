"""The blind sheet: people say the emotion of a hundred lines without seeing the generated label.

Purpose: the only check of labels that no model takes part in.
Input: dialogues. Output: `<stem>.csv` and `<stem>.html` to fill in, `<stem>.key.json` with the generated labels
(keep it from the readers).
Not covered: reading and scoring filled sheets (`answers`); who the people are and how they are asked.
"""

from __future__ import annotations

import csv
import html
import random
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from importlib.resources import files
from io import StringIO
from pathlib import Path

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_json, write_whole
from erc_synth.loaders.labels import meanings
from erc_synth.loaders.schema import Dialogue, LabelSet

UNSURE = "unsure"
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
    owners, turns = array("i"), array("i")  # of each labelled line
    for number, dialogue in enumerate(dialogues):
        labelled = [at for at, label in enumerate(dialogue.emotions) if label is not None]
        owners.extend([number] * len(labelled))
        turns.extend(labelled)
    if not owners:
        raise ErcSynthError("No line has a label.", hint="A sheet needs a labelled set.")
    order = list(range(len(owners)))
    chance.shuffle(order)
    taken: Counter[int] = Counter()
    rank = array("i")
    for place in order:  # the first line of every dialogue before the second of any
        rank.append(taken[owners[place]])
        taken[owners[place]] += 1
    first = nsmallest(size, range(len(order)), key=rank.__getitem__)
    chosen = (order[at] for at in first)
    return [_item(f"{n:03d}", dialogues[owners[at]], turns[at]) for n, at in enumerate(chosen, start=1)]


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
    if UNSURE in labels.labels:
        raise ErcSynthError(f"{UNSURE!r} is an emotion of this set.", hint="A sheet needs the word for no answer.")
    for path in paths:
        if path.exists():
            raise ErcSynthError(f"{path} exists.", hint="Choose another --out, or move it away.")
    stem.parent.mkdir(parents=True, exist_ok=True)
    entries = {
        item.item: {"dialogue_id": item.dialogue_id, "utterance_id": item.utterance_id, "emotion": item.emotion}
        for item in items
    }
    key = {"schema_version": 1, "dataset": dataset, "labels": list(labels.labels), "items": entries}
    write_json(paths[2], key)
    write_whole(paths[1], [_page(items, labels)])
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


def _page(items: Sequence[Item], labels: LabelSet) -> str:
    """A form that works from the disk: answers stay in the browser until they are saved as CSV."""
    page = _data("sheet.html")
    return page.replace("<!--DEFINITIONS-->", _definitions(labels)).replace(
        "<!--FORM-->", "".join(_form(items, labels))
    )


def _definitions(labels: LabelSet) -> str:
    """What each emotion means, for those that we have words for."""
    shown = meanings(labels.labels)
    rows = "".join(f"<dt>{html.escape(label)}</dt><dd>{html.escape(said)}</dd>" for label, said in shown.items())
    return f"<details open><summary>What the emotions mean</summary><dl>{rows}</dl></details>" if shown else ""


def _form(items: Sequence[Item], labels: LabelSet) -> Iterator[str]:
    # Answers are kept under a name of the content: another sheet at the same address starts empty.
    content = repr([(item.context, item.speaker, item.text) for item in items])
    yield f'<form data-sheet="{zlib.crc32(content.encode()):08x}">\n'
    for item in items:
        yield f'<fieldset data-item="{item.item}"><legend>Line {item.item}</legend>\n'
        for before in item.context:
            yield f'<p class="before">{html.escape(before)}</p>\n'
        yield f"<p><b>{html.escape(item.speaker)}:</b> {html.escape(item.text)}</p>\n"
        for number, label in enumerate((*labels.labels, UNSURE), start=1):
            shown, key = html.escape(label, quote=True), "0" if label == UNSURE else number if number < 10 else ""
            yield f'<label><input type="radio" name="{item.item}" value="{shown}"> {shown} <kbd>{key}</kbd></label>\n'
        yield "</fieldset>\n"
    yield "</form>\n"


def _data(name: str) -> str:
    return files("erc_synth.generation").joinpath("data", name).read_text("utf-8")
