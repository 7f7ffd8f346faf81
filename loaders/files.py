"""Files that are there whole or not at all, and JSON read with a sentence for what is wrong.

Input: text, JSON values, a path. Output: the file; a kill leaves the old content or the new.
Not covered: files that grow (the journal), weights, and `stats`, which imports nothing of ours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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


def write_json(path: Path, content: Any) -> None:
    """Write an indented JSON file."""
    write_whole(path, [json.dumps(content, indent=1, ensure_ascii=False), "\n"])


def read_json(path: Path, *, optional: bool = False, hint: str = "") -> dict[str, Any]:
    """The object of a JSON file; with `optional`, an absent file is an empty one.

    Raises:
        ErcSynthError: The file is absent, unreadable, no JSON or no object; names it.
    """
    if optional and not path.exists():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ErcSynthError(f"{path} is missing.", hint=hint or "Run the stage before this one first.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ErcSynthError(f"{path} is not readable JSON: {error}.", hint=hint or "Write it again.") from error
    if not isinstance(content, dict):
        raise ErcSynthError(f"{path} does not hold a JSON object.", hint=hint or "Write it again.")
    return content
