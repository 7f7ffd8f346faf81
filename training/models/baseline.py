"""Baseline: the context model with speaker names, in the manner of EmoBERTa, or on the target utterance alone.

Input: options. Output: the network. Not covered: the network itself (`context`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from erc_synth.training.backbones import Encoder
from erc_synth.training.models.context import ContextClassifier
from erc_synth.training.models.registry import Spec
from erc_synth.training.options import opt


@dataclass(frozen=True, slots=True)
class BaselineOptions:
    """Options of the baseline."""

    context: Literal["past", "none"] = opt("past", "past context with speaker names, or the target alone")


class BaselineSpec(Spec[BaselineOptions]):
    """The baseline for the registry."""

    name = "baseline"
    options = BaselineOptions
    marker = "name"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        # Quick and close: batches of whole dialogues, a learning rate to match. Measured in DEVIATIONS.md.
        "fast": {
            "epochs": 5,
            "batch_size": 16,
            "order": "dialogue",
            "learning_rate": 3e-5,
            "weight_decay": 0.01,
            "warmup": 0.1,
            "clip": 1.0,
        },
        # Like EmoBERTa: CLS + linear on the target with past context and speaker names.
        "paper": {
            "epochs": 5,
            "batch_size": 4,
            "order": "utterance",
            "learning_rate": 1e-5,
            "weight_decay": 0.01,
            "warmup": 0.2,
            "clip": 1.0,
        },
    }

    def build(self, options: BaselineOptions, encoder: Callable[[], Encoder], classes: int) -> nn.Module:
        """The context model."""
        return ContextClassifier(encoder(), classes, view=options.context)


SPEC = BaselineSpec()
