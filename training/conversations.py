"""Conversations from text, JSON lines or CSV, with or without labels, for prediction.

Input: the content of a file or of standard input. Output: `Dialogue`s. Forms:
- text: one ``Name: line`` a line, an empty line between conversations;
- JSON lines: a conversation a line (``{"dialogue_id": ..., "utterances": [{"speaker": ..., "text": ...}]}``, or that
  list alone), or an utterance a line (``{"dialogue_id": ..., "speaker": ..., "text": ...}``);
- CSV: columns ``speaker`` and ``text``, and ``dialogue_id`` where there are several conversations.
A key ``emotion`` is kept as the gold label. Not covered: data sets by name (`loaders.registry`).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, Utterance

FORMS = ("text", "jsonl", "csv")
LONGEST_NAME = 60  # a colon further on belongs to the line
ONE_A_LINE = "Write one object a line."
UTTERANCE = 'For example {"speaker": "Ann", "text": "Hello."}.'
SUFFIXES = {".txt": "text", ".jsonl": "jsonl", ".json": "jsonl", ".csv": "csv"}


def read(path: Path | None, content: bytes, form: str | None = None) -> list[Dialogue]:
    """Conversations of a file's content; `form` is one of `FORMS`, else told by the suffix or the content.

    Raises:
        ErcSynthError: The content has no conversation, or a line is of no known form; names the line.
    """
    where = str(path) if path else "standard input"
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ErcSynthError(f"{where} is not UTF-8 text (byte {error.start}).", hint="Save it as UTF-8.") from error
    chosen = form or SUFFIXES.get(path.suffix.lower() if path else "") or _guess(text)
    if chosen not in FORMS:
        raise ErcSynthError(f"Unknown form {chosen!r}.", hint=f"Known: {', '.join(FORMS)}.")
    dialogues = list({"text": _text, "jsonl": _json_lines, "csv": _csv}[chosen](text, where))
    if not dialogues:
        raise ErcSynthError(f"{where} holds no conversation.", hint="Write one `Name: line` a line.")
    return dialogues


def of_turns(turns: Iterable[tuple[str, str]], dialogue_id: str = "1") -> Dialogue:
    """A conversation of ``(speaker, text)`` pairs."""
    return Dialogue(dialogue_id, tuple(Utterance(str(speaker), str(text), None) for speaker, text in turns))


def _guess(text: str) -> str:
    first = text.lstrip()[:1]
    if first in ("{", "["):
        return "jsonl"
    header = next(csv.reader([text.split("\n", 1)[0]]), [])
    return "csv" if {"speaker", "text"} <= set(header) else "text"


def _text(text: str, where: str) -> Iterator[Dialogue]:
    turns: list[tuple[str, str]] = []
    count = 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip():
            if turns:
                count += 1
                yield of_turns(turns, str(count))
            turns = []
            continue
        name, colon, said = line.partition(":")
        if not colon or not name.strip() or len(name) > LONGEST_NAME:
            raise ErcSynthError(f"{where}, line {number} is not of the form `Name: line`.", hint="Write `Ann: Hello.`")
        turns.append((name.strip(), said.strip()))
    if turns:
        yield of_turns(turns, str(count + 1))


def _json_lines(text: str, where: str) -> Iterator[Dialogue]:
    loose: list[dict[str, object]] = []
    used = 0
    for number, record in _records(text, where):
        turns = record if isinstance(record, list) else record.get("utterances")
        if turns is None:
            loose.append({**record, "line": number})
            continue
        if not isinstance(turns, list):
            raise ErcSynthError(f"{where}, line {number}: `utterances` is no list.", hint=UTTERANCE)
        used += 1
        key = str(record.get("dialogue_id", used)) if isinstance(record, dict) else str(used)
        yield Dialogue(key, tuple(_turn(turn, f"{where}, line {number}") for turn in turns))
    yield from _grouped(loose, where)


def _records(text: str, where: str) -> Iterator[tuple[int, Any]]:
    """Objects and lists, one a line; or the members of one JSON list of objects with utterances."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, list) and whole and all(isinstance(x, dict) and "utterances" in x for x in whole):
        yield from enumerate(whole, start=1)
        return
    if isinstance(whole, dict | list):  # one record, perhaps over several lines
        yield 1, whole
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ErcSynthError(
                f"{where}, line {number} is no JSON: {error}.", hint="Write one object a line."
            ) from error
        if not isinstance(record, dict | list):
            raise ErcSynthError(f"{where}, line {number} is no JSON object.", hint=ONE_A_LINE)
        yield number, record


def _csv(text: str, where: str) -> Iterator[Dialogue]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    missing = {"speaker", "text"} - set(rows.fieldnames or ())
    if missing:
        raise ErcSynthError(
            f"{where} has no column {' and no column '.join(sorted(missing))}.",
            hint="The first line names the columns: dialogue_id,speaker,text.",
        )
    try:
        found = [{**row, "line": n} for n, row in enumerate(rows, start=2)]
    except csv.Error as error:
        raise ErcSynthError(f"{where} is no CSV: {error}.", hint="Export it again, as UTF-8 with commas.") from error
    yield from _grouped(found, where)


def _grouped(rows: list[dict[str, object]], where: str) -> Iterator[Dialogue]:
    """Conversations of utterance rows by their `dialogue_id`, in order of appearance."""
    groups: dict[str, list[Utterance]] = {}
    for row in rows:
        turn = _turn(row, f"{where}, line {row['line']}")
        key = row.get("dialogue_id")
        groups.setdefault("1" if key in (None, "") else str(key), []).append(turn)
    for key, turns in groups.items():
        yield Dialogue(key, tuple(turns))


def _turn(record: object, where: str) -> Utterance:
    if isinstance(record, list) and len(record) == 2:
        record = {"speaker": record[0], "text": record[1]}
    if not isinstance(record, dict) or not all(isinstance(record.get(key), str) for key in ("speaker", "text")):
        raise ErcSynthError(
            f"{where}: an utterance needs `speaker` and `text`.", hint='e.g. {"speaker": "Ann", "text": "Hi"}'
        )
    emotion = record.get("emotion")
    return Utterance(record["speaker"], record["text"], emotion if isinstance(emotion, str) and emotion else None)
