"""Files that are there whole or not at all: written under a temporary name, fsynced, renamed.

Input: text or a JSON value. Output: the file. Not covered: files that grow (`journal`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_whole(path: Path, parts: Iterable[str]) -> None:
    """Write the parts one after the other; an older file stays until all of them are on disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write an indented JSON file."""
    write_whole(path, [json.dumps(content, indent=1, ensure_ascii=False), "\n"])
