"""What a finished run leaves: metrics.json, the model and its card.

Input: records of stages and evaluations. Output: files of the contract `outputs/<run>/`
(docs/contracts/metrics.schema.json). Not covered: run.json (`identity`), predictions (`evaluation`).
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from erc_synth.loaders.files import write_json
from erc_synth.training import saved
from erc_synth.training.config import RunConfig
from erc_synth.training.contracts import Metrics
from erc_synth.training.identity import METRICS, PROGRESS, RUN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PACKAGES = ("erc-synth", "torch", "transformers", "accelerate", "datasets", "evaluate", "safetensors", "numpy")


def write(
    folder: Path, model: nn.Module, tokenizer: PreTrainedTokenizerBase, config: RunConfig, metrics: Metrics
) -> None:
    """Model and card, then metrics.json, which says that all is there; the progress is no longer needed."""
    from erc_synth.training import model_card

    labels: list[str] = metrics["evaluations"][0]["labels"]
    saved.save_model(folder / "model", model, tokenizer, config, labels)
    example = saved.example_text(config) if saved.loads_in_transformers(model) else None
    card = model_card.render(metrics, example=example)
    (folder / "model" / "README.md").write_text(card, encoding="utf-8")
    write_json(folder / METRICS, metrics)
    shutil.rmtree(folder / PROGRESS, ignore_errors=True)


def clear(folder: Path) -> None:
    """Remove what a run wrote, and nothing else that lies in its folder."""
    if not (folder / RUN).exists():
        return
    for path in [folder / RUN, folder / METRICS, *folder.glob("predictions-*.parquet")]:
        path.unlink(missing_ok=True)
    for name in (PROGRESS, "model"):
        shutil.rmtree(folder / name, ignore_errors=True)


def peak_memory() -> int:
    """Bytes: of the GPU when there is one, else the resident peak of this process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def versions() -> dict[str, str]:
    """Of Python and the packages that decide a result."""
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
