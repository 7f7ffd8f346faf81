"""What the readers of all formats share: files to text, rows and turns, with errors that name file and line.

Input: a file of a corpus. Output: its text, lines, table rows or JSON; `Utterance` values in one spelling.
Only a line feed (or CR LF) ends a line of a text file: U+2028, U+0085, vertical tabs and lone CRs are text.
Not covered: what a format means (`readers`, `iemocap`).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import LabelSet
from erc_synth.loaders.schema import Dialogue, Utterance

Reader = Callable[[Path, str, LabelSet, Mapping[str, str]], Iterator[Dialogue]]
"""(path, split, label set, options) -> dialogues; the option `name` is the corpus, with which ids begin."""

Turn = tuple[int, str, str, Utterance]
"""(line, dialogue key, utterance key, utterance)."""

JOINT = " & "  # joint speakers: ["Chandler Bing", "Ross Geller"] -> "Chandler Bing & Ross Geller"

# Corpora of the 2010s hold cp1252 bytes as C1 code points (U+0092 for an apostrophe); five codes mean nothing there.
_C1 = re.compile("[\x80-\x9f]")
_C1_REPAIR = {code: bytes([code]).decode("cp1252", errors="ignore") for code in range(0x80, 0xA0)} | {0xA0: " "}
_UTF8_AS_LATIN1 = re.compile("[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_SURROGATE = re.compile("[\ud800-\udfff]")


def fault(path: Path, line: int, message: str, hint: str = "") -> ErcSynthError:
    """The error for something wrong in a file; line 0 means the whole file."""
    where = f"{path}, line {line}" if line else f"{path}"
    return ErcSynthError(f"{where}: {message}", hint=hint)


def text_of(path: Path) -> str:
    """Content of a UTF-8 file, with or without a byte order mark; broken encoding is an error with its line."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise fault(path, 0, "the file is missing.", "Check --data-dir.") from error
    except OSError as error:
        raise fault(path, 0, f"not readable ({error.strerror}).", "Check --data-dir.") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise fault(path, line, "the text is not UTF-8.", "Download the file again.") from error


def lines_of(path: Path) -> list[str]:
    """Lines of a text file without their ends; blank lines at its end are left out."""
    lines = [line.removesuffix("\r") for line in text_of(path).split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def csv_rows(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with their line number; refuses a file without the wanted columns."""
    table = csv.DictReader(io.StringIO(text_of(path), newline=""))
    line = 1
    try:
        missing = [name for name in columns if name not in (table.fieldnames or [])]
        if missing:
            raise fault(path, 1, f"the columns {missing} are missing; found {table.fieldnames}.")
        for row in table:
            line = table.line_num
            if None in row.values() or None in row:
                raise fault(path, line, f"expected {len(table.fieldnames or [])} columns.")
            yield line, row
    except csv.Error as error:  # a quote that is never closed makes one long field of all that follows
        raise fault(path, line + 1, f"not valid CSV ({error}).", "Look for a quote that is not closed.") from error


def json_of(path: Path, kind: type) -> Any:
    """The list or object that a JSON file holds."""
    try:
        content = json.loads(text_of(path))
    except json.JSONDecodeError as error:
        raise fault(path, error.lineno, f"not valid JSON ({error.msg}).") from error
    except (ValueError, RecursionError) as error:
        raise fault(path, 0, f"not readable JSON ({error}).") from error
    if not isinstance(content, kind):
        raise fault(path, 1, f"expected a JSON {kind.__name__}.")
    return content


def line_of(path: Path, piece: str, occurrence: int = 1) -> int:
    """Line where a piece of JSON text stands for the n-th time; 0 when nowhere. For errors only: it reads the file."""
    text, place = text_of(path), -1
    for _ in range(occurrence):
        place = text.find(piece, place + 1)
        if place < 0:
            return 0
    return text.count("\n", 0, place) + 1


@contextmanager
def layout(path: Path, where: str = "", piece: str = "") -> Iterator[None]:
    """A missing key or a wrong type becomes an error with its place in the file."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        said = f"{where} is not" if where else "not"
        message = f"{said} in the official layout ({type(error).__name__}: {error})."
        raise fault(path, line_of(path, piece) if piece else 0, message) from error


def repaired(text: str) -> str:
    """Text without the traces of an old encoding: C1 codes are what cp1252 means by them (U+0092: an apostrophe).

    UTF-8 that was read as Latin-1 is read as UTF-8.
    """
    if _C1.search(text):
        text = _UTF8_AS_LATIN1.sub(lambda found: found[0].encode("latin-1").decode("utf-8", "ignore") or found[0], text)
    return text.translate(_C1_REPAIR)


def utterance(speaker: object, text: object, emotion: str | None) -> Utterance:
    """One turn in our spelling: old encodings repaired, the speaker's name on one line.

    Raises:
        TypeError: Speaker or text is no text, or holds half of a surrogate pair.
    """
    return Utterance(" ".join(_text("speaker", speaker).split()), _text("text", text), emotion)


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the {what} must be a text, found {value!r}")
    if _SURROGATE.search(value):
        raise TypeError(f"the {what} holds half of a surrogate pair")
    return repaired(value)


def joint(speakers: object) -> str:
    """One name for the speakers of a turn.

    Raises:
        TypeError: They are no list of names.
    """
    if not isinstance(speakers, list) or not all(isinstance(name, str) for name in speakers):
        raise TypeError(f"expected a list of speakers, found {speakers!r}")
    return JOINT.join(speakers)


def labelled(path: Path, line: int, label: object, labels: LabelSet, where: str = "") -> str:
    """A label of the set; any other is an error with its line and place."""
    if not isinstance(label, str) or label not in labels.labels:
        raise fault(
            path, line, f"{where and where + ': '}unknown emotion {label!r}; expected one of {list(labels.labels)}."
        )
    return label


def grouped(path: Path, prefix: str, turns: Iterable[Turn]) -> Iterator[Dialogue]:
    """Dialogues of turns in file order; keys occur once."""
    seen: set[str] = set()
    for key, group in groupby(turns, key=lambda turn: turn[1]):
        members = list(group)
        if key in seen:
            raise fault(path, members[0][0], f"dialogue {key!r} occurs twice.")
        seen.add(key)
        _check_keys(path, key, members)
        yield Dialogue(f"{prefix}_{key}", tuple(turn[3] for turn in members))


def _check_keys(path: Path, dialogue: str, turns: Sequence[Turn]) -> None:
    seen: set[str] = set()
    for line, _, key, _ in turns:
        if key in seen:
            raise fault(path, line, f"utterance {key!r} of dialogue {dialogue!r} occurs twice.")
        seen.add(key)
