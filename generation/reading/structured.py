"""Answers as JSON or as a Markdown table, whose keys or header name speaker, text and label.

Input: text or lines. Output: turns, or `None` when the answer is neither. Not covered: YAML, CSV, XML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache

from erc_synth.generation.lines import LineFormat
from erc_synth.generation.reading.cleaning import TOKEN, borders, typed, visible
from erc_synth.generation.reading.labels import folded, labels_of
from erc_synth.generation.reading.said import said
from erc_synth.generation.reading.speakers import speakers_of
from erc_synth.generation.reading.turns import Reject, Turn
from erc_synth.generation.reading.vocabulary import vocabulary

_JSON = re.compile(r"^\s*(?=\[\s*\{|\{\s*[\"\n]|\[\s*$)", re.MULTILINE)
_CELL = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"\|?(?:\s*:?-{1,}:?\s*\|)+\s*(?::?-{1,}:?)?\s*")


def json_turns(lines: list[str], form: LineFormat) -> list[Turn] | None:
    """Turns of a JSON answer: a list of objects, an object that holds one list, or objects line by line.

    Raises:
        Reject: It is JSON and not sure.
    """
    text = "\n".join(line for line in lines if not line.startswith("```"))
    begin = _JSON.search(text)
    if begin is None:
        return None
    records = list(_records(text[begin.end() :]))
    if not records:
        return None
    return [turn for record in records if (turn := _turn(record, form))]


def _records(text: str) -> Iterator[Mapping[str, object]]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    position, seen = 0, 0
    while True:
        position += len(text[position:]) - len(text[position:].lstrip(" \n,"))
        if text[position : position + 1] not in ("{", "["):
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError as error:
            raise Reject("no_turns", f"JSON: {error}") from error
        except RecursionError as error:
            raise Reject("no_turns", "JSON: too deep") from error
        if isinstance(value, dict) and not _is_turn(value):
            inner = [item for item in value.values() if isinstance(item, list)]
            if len(inner) != 1:
                raise Reject("no_turns", "JSON without one list of turns")
            value = inner[0]
        whole = value if isinstance(value, list) else [value]
        seen += isinstance(value, list)
        if seen > 1:  # a second list is another conversation
            return
        for record in whole:
            if not isinstance(record, dict):
                raise Reject("no_turns", "JSON: a turn is no object")
            yield record


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise Reject("two_labels", "JSON: a key is given twice")
    return dict(pairs)


def _is_turn(value: dict[str, object]) -> bool:
    return all(not isinstance(item, list | dict) for item in value.values())


@cache
def _roles(form: LineFormat) -> dict[str, str]:
    """Key or column name -> speaker, utterance, number or position."""
    words = vocabulary(form.language)
    roles = dict.fromkeys(map(folded, words.position_keys), "position")
    roles |= dict.fromkeys(map(folded, words.speaker_keys), "speaker")
    roles |= dict.fromkeys(map(folded, words.text_keys), "utterance")
    roles |= dict.fromkeys(map(folded, words.markers), "number")
    return roles | {folded(form.marker(field)): field for field in form.fields}


def _turn(record: Mapping[str, object], form: LineFormat) -> Turn | None:
    roles = _roles(form)
    values: dict[str, list[str]] = {"speaker": [], "utterance": [], "number": [], "position": []}
    for key, value in record.items():
        role = roles.get(folded(str(key)).strip(" *_:"))
        if role is None or isinstance(value, bool | float | list | dict) or value is None:
            raise Reject("no_turns", f"an unknown field {key!r}")
        values[role].append(str(value))
    if len(values["speaker"]) != 1 or len(values["utterance"]) != 1:
        raise Reject("mixed_styles", str(dict(record)))
    if not values["number"]:
        raise Reject("missing_label", values["utterance"][0])
    labels = labels_of(form)
    stated = {labels.read(value.strip()) for value in values["number"]}
    if len(stated) != 1:
        raise Reject("two_labels", " ".join(values["number"]))
    text = typed(" ".join(visible(values["utterance"][0]).split()), form.language)
    if TOKEN.search(text):
        raise Reject("control_token", text)
    label = stated.pop()
    name, kind = _name(values["speaker"][0], form, label)
    return None if kind == "narrator" else Turn(name, said(text, labels, label), label)


def _name(raw: str, form: LineFormat, label: str) -> tuple[str, str]:
    speakers = speakers_of(form)
    name, beside = speakers.clean(visible(raw))
    kind = speakers.kind(name)
    if (
        kind in ("heading", "assistant", "label")
        or not any(map(str.isalpha, name))
        or len(name) > 40
        or TOKEN.search(raw)
    ):
        raise Reject("doubtful_speaker", raw)
    if any(labels_of(form).find(piece) not in (None, label) for piece in beside):
        raise Reject("two_labels", raw)
    return name, kind


def table_turns(lines: list[str], form: LineFormat) -> list[Turn] | None:
    """Turns of the first Markdown table, whose header names its columns.

    Raises:
        Reject: There is a table and it is not sure.
    """
    start = next(
        (i for i, line in enumerate(lines[:-1]) if line.startswith("|") and _RULE.fullmatch(lines[i + 1])), None
    )
    if start is None:
        return None
    header = _cells(lines[start])
    turns: list[Turn] = []
    rest = iter(lines[start + 2 :])
    for line in rest:
        if not line.startswith("|"):
            break
        cells = _cells(line)
        if len(cells) != len(header):
            raise Reject("mixed_styles", line)
        turn = _turn(_row(header, cells), form)
        if turn:
            turns.append(turn)
    _check_rest(list(rest), form)
    return turns


def _row(header: list[str], cells: list[str]) -> dict[str, str]:
    if len(set(header)) < len(header):
        raise Reject("mixed_styles", "two columns of one name")
    return dict(zip(header, cells, strict=True))


def _cells(line: str) -> list[str]:
    cells = _CELL.split(line.strip().strip("|") if not line.rstrip().endswith("\\|") else line.strip().lstrip("|"))
    return [
        cell.replace("\\|", "|").strip().strip("*_") if index == 0 else cell.replace("\\|", "|").strip()
        for index, cell in enumerate(cells)
    ]


def _check_rest(lines: list[str], form: LineFormat) -> None:
    """A line of the table behind a break is doubt; another table behind words is another conversation."""
    for line in lines:
        if borders(form.language).begins_another(line):
            return
        if line.startswith("|") and not _RULE.fullmatch(line):
            raise Reject("stray_line", line)
