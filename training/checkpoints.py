"""Weights on disk: safetensors and JSON, written aside and renamed, so a kill leaves the old or the new.

Purpose: a stage's progress (`Progress`) can be resumed at any step; a finished model is a folder that
`load_model` opens again. Input: modules, optimisers. Output: folders. No pickle anywhere.
Not covered: random states - dropout is seeded from (seed, stage, step), so there is none to keep.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json, write_json


def save_weights(module: nn.Module, path: Path) -> None:
    """All weights of a module as safetensors."""
    save_tensors(module.state_dict(), path)


def save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Named tensors as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    # The metadata is what transformers asks for before it loads a file.
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    save_file(plain, str(draft), metadata={"format": "pt"})
    _sync(draft)
    draft.replace(path)


def load_weights(module: nn.Module, path: Path) -> None:
    """Load weights of `save_weights`; names and shapes must agree."""
    try:
        module.load_state_dict(load_file(str(path)))
    except (OSError, RuntimeError, ValueError) as error:
        raise ErcSynthError(
            f"{path} does not fit this model: {str(error).splitlines()[0]}", hint="Use --overwrite to start afresh."
        ) from error
    except Exception as error:  # SafetensorError has no public base class
        raise ErcSynthError(f"{path} is damaged: {error}", hint="Use --overwrite to start afresh.") from error


def save_checkpoint(folder: Path, module: nn.Module, optimiser: Optimizer, state: dict[str, object]) -> None:
    """Everything that the next step needs, as `folder`; replaces an older one only when complete."""
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_weights(module, draft / "model.safetensors")
    save_file(_optimiser_tensors(optimiser), str(draft / "optimiser.safetensors"))
    _sync(draft / "optimiser.safetensors")
    write_json(draft / "state.json", state)
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(folder: Path, module: nn.Module, optimiser: Optimizer) -> dict[str, object] | None:
    """Load the newest complete checkpoint into module and optimiser; its state, or ``None`` without any."""
    for place in (folder, folder.with_name(folder.name + ".old")):
        if (place / "state.json").exists():
            load_weights(module, place / "model.safetensors")
            _restore(optimiser, load_file(str(place / "optimiser.safetensors")))
            return read_json(place / "state.json")
    return None


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _parameters(optimiser: Optimizer) -> list[torch.Tensor]:
    return [p for group in optimiser.param_groups for p in group["params"]]


def _optimiser_tensors(optimiser: Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{i}.{key}": value.detach().cpu().contiguous()
        for i, p in enumerate(_parameters(optimiser))
        for key, value in optimiser.state.get(p, {}).items()
    }


def _restore(optimiser: Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    parameters = _parameters(optimiser)
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        parameter = parameters[int(index)]
        place = "cpu" if key == "step" else parameter.device  # torch keeps `step` on the CPU
        optimiser.state[parameter][key] = value.to(place)
