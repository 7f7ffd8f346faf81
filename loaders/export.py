"""Export of a loaded data set: JSONL (one dialogue a line), CSV, Parquet, ConvoKit corpus folders.

Input: a `DatasetDict` in the schema. Output: files in a folder, each whole or not at all; labels are names in all
but Parquet, and the columns of synthetic sets (seed, target, recipe, generator) are in every form. ConvoKit's layout
is its corpus format: utterances.jsonl, speakers.json, conversations.json, corpus.json, index.json.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_whole
from erc_synth.loaders.labels import label_set_of
from erc_synth.loaders.schema import PROVENANCE_COLUMNS, Dialogue, to_dialogues

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

FORMATS = ("jsonl", "csv", "parquet", "convokit")
LABEL_COLUMNS = ("emotion", "target_emotion")


def check_target(form: str, folder: Path) -> Path:
    """The folder, when the form is known and the folder can be one.

    Raises:
        ErcSynthError: Unknown form, or a file stands in the way.
    """
    if form not in FORMATS:
        raise ErcSynthError(f"Unknown export format {form!r}.", hint=f"Known: {', '.join(FORMATS)}.")
    standing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if standing is not None and not standing.is_dir():
        raise ErcSynthError(f"{standing} is a file, so {folder} can be no folder.", hint="Give another --out.")
    return folder


def export(splits: DatasetDict, form: str, folder: Path) -> Path:
    """Write all splits in one of `FORMATS` below a folder; returns the folder."""
    check_target(form, folder)
    if form == "convokit":
        _convokit(splits, folder)
        return folder
    for split, rows in splits.items():
        path = folder / f"{split}.{form}"
        if form == "parquet":
            _parquet(rows, path)
        else:
            write_whole(path, _csv(rows) if form == "csv" else map(_line, to_dialogues(rows)))
    return folder


def _line(dialogue: Dialogue) -> str:
    return json.dumps(dialogue.to_json(), ensure_ascii=False) + "\n"


def _parquet(rows: Dataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:  # a path as text would be read as a pattern or a chain of file systems
        rows.to_parquet(file)
    temporary.replace(path)


def _csv(rows: Dataset) -> Iterator[str]:
    """Rows of a table with a header; an unlabelled row has an empty emotion."""
    labels, names = label_set_of(rows), rows.column_names
    buffer = io.StringIO(newline="")
    table = csv.writer(buffer)  # CR LF, so that both are quoted inside a text
    table.writerow(names)
    columns = rows.with_format(None)[:]
    for name in set(LABEL_COLUMNS) & set(names):
        columns[name] = [labels.name_of(index) for index in columns[name]]
    for values in zip(*(columns[name] for name in names), strict=True):
        table.writerow(values)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _convokit(splits: DatasetDict, folder: Path) -> None:
    speakers: dict[str, dict[str, object]] = {}
    conversations: dict[str, dict[str, object]] = {}
    meta_types = {"split": "str", "dialogue_id": "str"}

    def lines() -> Iterator[str]:
        for split, rows in splits.items():
            for dialogue in to_dialogues(rows):
                origin = {c: v for c in PROVENANCE_COLUMNS if (v := getattr(dialogue, c)) is not None}
                meta_types.update({column: type(value).__name__ for column, value in origin.items()})
                meta = {"split": str(split), "dialogue_id": dialogue.dialogue_id, **origin}
                conversations[f"{dialogue.dialogue_id}#0"] = {"meta": meta}
                speakers.update({turn.speaker: {"meta": {}} for turn in dialogue.utterances})
                yield from _convokit_turns(dialogue)

    write_whole(folder / "utterances.jsonl", lines())
    index = {
        "utterances-index": {"emotion": ["<class 'str'>"]},
        "speakers-index": {},
        "conversations-index": {name: [f"<class '{kind}'>"] for name, kind in meta_types.items()},
        "overall-index": {},
        "version": 1,
    }
    contents = {"speakers": speakers, "conversations": conversations, "corpus": {}, "index": index}
    for name, content in contents.items():
        write_whole(folder / f"{name}.json", [json.dumps(content, ensure_ascii=False)])


def _convokit_turns(dialogue: Dialogue) -> Iterator[str]:
    for position, turn in enumerate(dialogue.utterances):
        record = {
            "id": f"{dialogue.dialogue_id}#{position}",
            "conversation_id": f"{dialogue.dialogue_id}#0",
            "text": turn.text,
            "speaker": turn.speaker,
            "reply-to": f"{dialogue.dialogue_id}#{position - 1}" if position else None,
            "timestamp": position,
            "meta": {"emotion": turn.emotion},
        }
        yield json.dumps(record, ensure_ascii=False) + "\n"
