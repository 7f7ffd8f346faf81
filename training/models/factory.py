"""The registry of classifiers: a configuration becomes a model.

Purpose: one place that knows how each model is put together. Input: `RunConfig`, or the folder of a saved encoder
configuration. Output: a module with ``forward(Batch) -> logits [targets, classes]`` and ``unit``.
Not covered: training, folders of trained models (`saved`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training import backbones
from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Special
from erc_synth.training.config import RunConfig
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
