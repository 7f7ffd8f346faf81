"""Where the report's numbers stand: folders as the stages leave them, and links to them.

Input: paths. Output: `Inputs`. Not covered: what the files say (`data`, `results`, `runs`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where things are; `None` or an absent folder is left out of the report.

    `references` maps a label set to its benchmark's train counts, `texts` a dialogue of a benchmark to its lines
    (speaker, text); both are the caller's, as `stats` reads no benchmark.
    """

    results: Path | None = None
    outputs: Path | None = None
    curated: Path | None = None
    runs: Path | None = None
    stats: Path | None = None
    references: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    texts: Mapping[str, list[tuple[str, str]]] = field(default_factory=dict)


def relative(path: Path, out: Path) -> str:
    """A path as a link of the report in the folder `out`."""
    return os.path.relpath(path.resolve(), out.resolve())
