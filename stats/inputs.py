"""Where the report's numbers stand: folders as the stages leave them, and how their files are read.

Input: paths. Output: parsed JSON. Not covered: what the numbers say (`tables`, `content`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erc_synth.stats.exact import StatsError


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where things are; `None` or an absent folder is left out of the report."""

    results: Path | None = None
    outputs: Path | None = None
    curated: Path | None = None
    runs: Path | None = None
    stats: Path | None = None
    references: Path | None = None  # JSON: label set -> {label: count}


def read_json(path: Path) -> Any:
    """Content of a JSON file; a broken one is named."""
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise StatsError(f"{path} is not JSON: {error}.", hint="Run the stage that wrote it again.") from error


def link(results: Path, cell: Mapping[str, Any], out: Path) -> str:
    """Path of the run's metrics.json, relative to the report."""
    return relative(results / cell["metrics"], out)


def relative(path: Path, out: Path) -> str:
    """A path as a link of the report in the folder `out`."""
    return os.path.relpath(path.resolve(), out.resolve())
