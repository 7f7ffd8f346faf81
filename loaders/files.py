"""Files that are there whole or not at all, and JSON and JSON Lines read with a sentence for what is wrong.

Input: text, JSON values, a path. Output: the file; a kill leaves the old content or the new. Objects of a file.
Not covered: files that grow (the journal), weights, and `stats`, which imports nothing of ours.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from erc_synth.loaders.errors import ErcSynthError


def write_whole(path: Path, parts: Iterable[str]) -> None:
    """Write the parts one after the other; an older file stays until all of them are on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, content: object) -> None:
    """Write an indented JSON file."""
    write_whole(path, [json.dumps(content, indent=1, ensure_ascii=False), "\n"])


def read_json(path: Path, *, optional: bool = False, hint: str = "") -> dict[str, object]:
    """The object of a JSON file; with `optional`, an absent file is an empty one.

    Raises:
        ErcSynthError: The file is absent, unreadable, no JSON or no object; names it.
    """
    if optional and not path.exists():
        return {}
    _check_no_pipe(path, hint)
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ErcSynthError(f"{path} is missing.", hint=hint or "Run the stage before this one first.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ErcSynthError(f"{path} is not readable JSON: {error}.", hint=hint or "Write it again.") from error
    if not isinstance(content, dict):
        raise ErcSynthError(f"{path} does not hold a JSON object.", hint=hint or "Write it again.")
    return content


def _check_no_pipe(path: Path, hint: str) -> None:
    """Refuse a named pipe, which nobody may ever write to; those of a shell (``/dev/fd/63``) end by themselves."""
    if path.is_fifo() and path.parts[:2] not in (("/", "dev"), ("/", "proc")):
        raise ErcSynthError(f"{path} is a pipe, not a file.", hint=hint or "Give a file.")


_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(rb"\\[uU][dD][89a-fA-F]")


def json_lines(path: Path, *, hint: str = "") -> Iterator[tuple[int, dict[str, object]]]:
    """Line number and object of each line of a JSON Lines file; blank lines and a byte order mark are passed over.

    Only a line feed ends a line: U+2028, U+0085 and their like are text.

    Raises:
        ErcSynthError: Unreadable file, or a line that is no JSON object in UTF-8; names file and line.
    """
    hint = hint or "Write it again."
    _check_no_pipe(path, hint)
    number = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                content = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
                if content.strip():
                    yield number, _object(content)
    except FileNotFoundError as error:
        raise ErcSynthError(f"{path} is missing.", hint=hint) from error
    except OSError as error:
        raise ErcSynthError(f"{path} is not readable: {error.strerror}.", hint=hint) from error
    except UnicodeError as error:
        raise ErcSynthError(f"{path}, line {number}: the text is not UTF-8.", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise ErcSynthError(f"{path}, line {number}: not a JSON object ({error}).", hint=hint) from error


def _object(content: bytes) -> dict[str, object]:
    value = json.loads(content.decode("utf-8"))
    if not isinstance(value, dict):
        raise ValueError("expected {...}")
    if _ESCAPED_SURROGATE.search(content) and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("half of a surrogate pair is no character")
    return value
