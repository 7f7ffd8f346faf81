"""JSON of the trainer and the grid: written aside and renamed, so a kill leaves the old or the new.

Input: JSON values. Output: files. Without torch: planning a grid is quick. Not covered: weights (`checkpoints`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from erc_synth.loaders.errors import ErcSynthError


def write_json(path: Path, value: Any) -> None:
    """Write JSON to a temporary name, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_json(path: Path) -> Any:
    """Read JSON; a broken file is said by name."""
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ErcSynthError(f"{path} is not valid JSON.", hint="Remove it, or use --overwrite.") from error
