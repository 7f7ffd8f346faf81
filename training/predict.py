"""A trained classifier in use: conversations in, an emotion and its probability for each turn out.

Purpose: the same encoder calls as in training, in batches, without labels and on a GPU where there is one.
Input: a folder or Hub id of `saved.save_model`; conversations. Output: `Prediction`s, or probabilities per dialogue.
A `Classifier` is also an annotator of data sets (`generation.quality.labels`): it has `name`, `labels` and
`probabilities`. Not covered: files (`conversations`), training.

>>> load_classifier("org/name").predict([("Ann", "Hi!"), ("Ben", "Go away.")])  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, LabelSet
from erc_synth.training import inputs, loop, saved
from erc_synth.training.backbones import encoder_of
from erc_synth.training.batching import Encoded
from erc_synth.training.config import RunConfig
from erc_synth.training.conversations import of_turns
from erc_synth.training.models import factory

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHUNK = 512  # dialogues in memory as tokens; even, because the released TODKAT attends over pairs of dialogues


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of one turn.

    Attributes:
        speaker: As given.
        text: As given.
        emotion: The most probable label.
        probability: Of that label.
        probabilities: Of each label, in the classifier's order.
    """

    speaker: str
    text: str
    emotion: str
    probability: float
    probabilities: dict[str, float]


class Classifier:
    """A trained classifier; made by `load_classifier`.

    Attributes:
        name: As it was asked for.
        labels: Emotions in fixed order; columns of `probabilities`.
    """

    def __init__(
        self, name: str, parts: tuple[nn.Module, PreTrainedTokenizerBase, RunConfig, list[str]], weights: Path
    ) -> None:
        self.name = name
        self._model, self._tokenizer, self._config, labels = parts
        self.labels = tuple(labels)
        self._weights = weights

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the weights: which classifier it really is."""
        with self._weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    def predict(self, turns: Iterable[tuple[str, str]]) -> list[Prediction]:
        """The turns ``(speaker, text)`` of one conversation, in order, each with its emotion."""
        dialogue = of_turns(turns)
        return self.read(dialogue, self.probabilities([dialogue])[0]) if len(dialogue) else []

    def probabilities(self, dialogues: Sequence[Dialogue]) -> list[np.ndarray]:
        """One array ``[turns, classes]`` per dialogue; labels in the dialogues are not looked at."""
        return [chances for _, chances in self.stream(dialogues)]

    def stream(self, dialogues: Iterable[Dialogue]) -> Iterator[tuple[Dialogue, np.ndarray]]:
        """The same one by one, for as many dialogues as come."""
        left = iter(dialogues)
        while chunk := list(islice(left, CHUNK)):
            encoded = self._encode(chunk)
            chances = torch.softmax(torch.from_numpy(loop.predict(None, self._model, encoded)), dim=1).numpy()
            yield from zip(chunk, np.split(chances, encoded.starts[1:-1]), strict=True)

    def read(self, dialogue: Dialogue, chances: np.ndarray) -> list[Prediction]:
        """Probabilities of a dialogue as one `Prediction` per turn."""
        return [
            Prediction(
                turn.speaker,
                turn.text,
                self.labels[int(row.argmax())],
                float(row.max()),
                dict(zip(self.labels, map(float, row), strict=True)),
            )
            for turn, row in zip(dialogue.utterances, chances, strict=True)
        ]

    def _encode(self, dialogues: list[Dialogue]) -> Encoded:
        bare = [replace(d, utterances=tuple(replace(u, emotion=None) for u in d.utterances)) for d in dialogues]
        config, labels = self._config, LabelSet("custom", self.labels)
        special = factory.special_of(self._tokenizer, encoder_of(self._model), config.max_tokens)
        encoded = inputs.encode(config, bare, labels, self._tokenizer, special)
        return replace(encoded, all_turns=True)


def load_classifier(
    name: str | Path, *, device: str | None = None, revision: str | None = None, knowledge: str | None = None
) -> Classifier:
    """A classifier of a run's folder or of a Hub repo.

    Args:
        name: Folder of a run, its folder `model`, or a Hub id.
        device: For example ``cuda`` or ``cpu``; a GPU when there is one.
        revision: Tag or commit of a Hub repo.
        knowledge: Source of commonsense phrases, for a TODKAT that was trained with them.

    Raises:
        ErcSynthError: No classifier there, no such device, or a classifier that needs `knowledge`.
    """
    folder = saved.local_folder(name, revision)
    model, tokenizer, config, labels = saved.load_model(folder)
    # The source in the file is its author's: texts are sent to no server that the user did not name.
    if getattr(config.options, "knowledge", None) is not None:
        if knowledge is None:
            raise ErcSynthError(
                f"{name} was trained with commonsense phrases.", hint="Name their source: --knowledge FILE or URL."
            )
        config = replace(config, options=replace(config.options, knowledge=knowledge))
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        model.to(torch.device(chosen))
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        raise ErcSynthError(f"The device {chosen!r} cannot be used.", hint="Use --device cpu.") from error
    return Classifier(str(name), (model, tokenizer, config, labels), folder / saved.WEIGHTS)
