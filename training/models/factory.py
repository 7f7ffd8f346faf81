"""The registry of classifiers: a configuration becomes a model; a model becomes a folder and back.

Purpose: one place that knows how each model is put together. Input: `RunConfig` or a folder of
`save_model`. Output: a module with ``forward(Batch) -> logits [targets, classes]`` and ``unit``.
Not covered: training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json, write_json
from erc_synth.training import backbones, checkpoints
from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Special
from erc_synth.training.config import RunConfig, build
from erc_synth.training.models.compm import CoMPM
from erc_synth.training.models.context import ContextClassifier
from erc_synth.training.models.todkat import Todkat


def special_of(tokenizer: Any, encoder: Encoder, max_tokens: int) -> Special:
    """Special ids and the longest input: RoBERTa-type positions start behind the padding index."""
    config: Any = encoder.backbone.config
    limit = int(config.max_position_embeddings)
    if config.model_type in ("roberta", "xlm-roberta", "mpnet", "camembert"):
        limit -= int(config.pad_token_id) + 1
    return Special.of(tokenizer, limit, max_tokens)


def create(config: RunConfig, classes: int, tokenizer: Any, *, folder: Path | None = None) -> nn.Module:
    """A classifier with pre-trained encoders (or, with `folder`, the bare form to load weights into)."""

    def encoder() -> Encoder:
        backbone = (
            backbones.backbone_from_config(folder) if folder is not None else backbones.load_backbone(config.backbone)
        )
        return Encoder(backbone, tokenizer.pad_token_id)

    shape = config.shape
    if config.model == "compm":
        context = encoder()
        memory = context if shape.shared_encoders else encoder()
        return CoMPM(context, memory, classes, memory=shape.memory, freeze_memory=shape.freeze_memory)
    if config.model == "emoone":
        return ContextClassifier(encoder(), classes)
    if config.model == "baseline":
        return ContextClassifier(encoder(), classes, view=shape.context)
    return _todkat(config, encoder(), classes)


def _todkat(config: RunConfig, encoder: Encoder, classes: int) -> Todkat:
    shape, width = config.shape, 0
    if encoder.hidden % shape.heads:
        raise ErcSynthError(
            f"--heads {shape.heads} does not divide the hidden size {encoder.hidden}.", hint="Use --heads 8 or 4."
        )
    if shape.mode == "paper":
        from erc_synth.training.models.topics import TopicEncoder

        encoder = TopicEncoder(encoder.backbone, encoder.pad_id)
        width = encoder.hidden
    return Todkat(
        encoder,
        classes,
        mode=shape.mode,
        heads=shape.heads,
        causal=shape.causal,
        topic_width=width,
        knowledge=shape.knowledge is not None,
        max_turns=shape.max_turns,
    )


def save_model(folder: Path, model: nn.Module, tokenizer: Any, config: RunConfig, labels: list[str]) -> None:
    """Weights (safetensors), encoder config, tokenizer, and `erc.json` with the run's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints.save_weights(model, folder / "model.safetensors")
    encoder = next(module for module in model.modules() if isinstance(module, Encoder))
    encoder.backbone.config.save_pretrained(str(folder))  # type: ignore[union-attr, operator]
    tokenizer.save_pretrained(str(folder))
    told = {k: v for k, v in config.to_dict().items() if k not in ("out", "data_dir", "push_to_hub")}
    write_json(folder / "erc.json", {"config": told, "labels": labels})


def load_model(folder: Path | str) -> tuple[nn.Module, Any, RunConfig, list[str]]:
    """Model in eval mode, tokenizer, configuration and labels of a folder written by `save_model`."""
    folder = Path(folder)
    if not (folder / "erc.json").exists():
        raise ErcSynthError(f"{folder} holds no trained classifier.", hint="Give the folder `model` of a run.")
    stored = read_json(folder / "erc.json")
    config = build({**stored["config"], "out": str(folder)})
    tokenizer = backbones.load_tokenizer(str(folder))
    with torch.random.fork_rng(devices=[]):
        model = create(config, len(stored["labels"]), tokenizer, folder=folder)
    checkpoints.load_weights(model, folder / "model.safetensors")
    return model.eval(), tokenizer, config, list(stored["labels"])
