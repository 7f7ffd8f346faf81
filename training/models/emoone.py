"""EmoOne: the context model with soft "grayscale" labels (Lee, Interspeech 2022).

Purpose: CoMPM without the memory; the soft labels come from sentiment groups, word vectors, or a teacher of the
same shape that is trained first. Input: options. Output: the network and its soft targets.
Not covered: the network (`context`), the formulas of the soft labels (`grayscale`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from torch import nn

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training import grayscale
from erc_synth.training.backbones import Encoder
from erc_synth.training.grayscale import Soft
from erc_synth.training.models.context import ContextClassifier
from erc_synth.training.models.registry import Lesson, Spec
from erc_synth.training.options import Optimisation, opt


@dataclass(frozen=True, slots=True)
class EmooneOptions:
    """Options of EmoOne."""

    method: Literal["none", "category", "word", "self", "self-adjust", "future-self", "future-self-adjust"] = opt(
        "self-adjust", "grayscale labels"
    )
    hard_weight: float = opt(1.0, "weight of the one-hot cross-entropy", least=0)
    soft_weight: float = opt(1.0, "weight of the grayscale cross-entropy", least=0)
    word_vectors: str | None = opt(None, "text file of word vectors (fastText .vec) for method=word", file=True)


class EmooneSpec(Spec[EmooneOptions]):
    """EmoOne for the registry."""

    name = "emoone"
    options = EmooneOptions
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
        # As CoMPM's official code; same author (rungjoo/Emotion_not_One).
        "paper": {
            "epochs": 10,
            "batch_size": 1,
            "order": "utterance",
            "learning_rate": 1e-6,
            "weight_decay": 0.01,
            "decay_all": True,
            "warmup": 0.1,
            "clip": 10.0,
        },
    }

    def check(self, options: EmooneOptions, optimisation: Optimisation) -> None:
        """Word vectors for the method that reads them."""
        if options.method != "word":
            return
        if options.word_vectors is None:
            raise ErcSynthError("--method word needs --word-vectors.", hint="For example crawl-300d-2M.vec.")
        if not Path(options.word_vectors).expanduser().is_file():
            raise ErcSynthError(f"--word-vectors {options.word_vectors} is no file.", hint="Check the path.")

    def build(self, options: EmooneOptions, encoder: Callable[[], Encoder], classes: int) -> nn.Module:
        """The context model; student and teacher are the same network."""
        return ContextClassifier(encoder(), classes)

    def soft_targets(self, options: EmooneOptions, network: nn.Module, lesson: Lesson) -> Soft | None:
        """By method; a teacher is trained for the last four."""
        if options.method == "none":
            return None
        gold = np.maximum(lesson.encoded.labels, 0)  # unlabelled rows are never read
        if options.method == "category":
            targets = grayscale.category(gold, lesson.labels)
        elif options.method == "word":
            assert options.word_vectors is not None
            targets = grayscale.word(gold, lesson.labels, Path(options.word_vectors).expanduser())
        else:
            assert isinstance(network, ContextClassifier)
            network.view = "future" if options.method.startswith("future") else "past"
            targets = lesson.teach()
            network.view = "past"
            if options.method.endswith("adjust"):
                targets = grayscale.self_adjust(targets, gold)
        return Soft(targets, options.hard_weight, options.soft_weight)


SPEC = EmooneSpec()
