"""From a configuration to a network.

Purpose: the classifier of the registry is built on its backbone and checked. Input: `RunConfig`, or the folder of a
saved encoder configuration. Output: a module with ``forward(Batch) -> logits [targets, classes]`` and ``unit``.
Not covered: what each classifier is (`registry` and the modules beside it), folders of trained ones (`saved`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training import backbones
from erc_synth.training.backbones import Encoder, encoder_of
from erc_synth.training.batching import Special
from erc_synth.training.config import RunConfig
from erc_synth.training.models import registry

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def special_of(tokenizer: PreTrainedTokenizerBase, encoder: Encoder, max_tokens: int) -> Special:
    """Special ids and the longest input that the backbone and `max_tokens` allow."""
    return Special.of(tokenizer, encoder.longest or max_tokens, max_tokens)


def create(
    config: RunConfig, classes: int, tokenizer: PreTrainedTokenizerBase, *, folder: Path | None = None
) -> nn.Module:
    """A classifier with pre-trained encoders (or, with `folder`, the bare form to load weights into).

    Raises:
        ErcSynthError: The backbone is no encoder of text, or the network of a classifier lacks something.
    """
    backbones.check_tokenizer(tokenizer, config.backbone)

    def encoder() -> Encoder:
        if folder is not None:
            return Encoder(backbones.backbone_from_config(folder), tokenizer.pad_token_id)
        made = Encoder(backbones.load_backbone(config.backbone), tokenizer.pad_token_id)
        backbones.check_reads_text(made, tokenizer, config.backbone)
        return made

    model = registry.find(config.model).build(config.options, encoder, classes)
    if getattr(model, "unit", None) not in registry.UNITS:
        raise ErcSynthError(
            f"The network of {config.model!r} does not say its `unit`.", hint=f"One of {', '.join(registry.UNITS)}."
        )
    encoder_of(model)  # a run counts its tokens, and a saved classifier carries its backbone's config
    model.classes = classes  # type: ignore[assignment]  # the width of logits, also where a process has no batch
    return model
