"""CoMPM: context model plus memory of the speaker's earlier utterances (Lee & Lee, NAACL 2022).

Purpose: logits = W(c + k): c is the first-token state of the dialogue up to the target, k the state of a
2-layer GRU over the vectors of the speaker's earlier utterances. Input: `Batch`. Output: logits.
Not covered: the variant with two different backbones; the CoM-only and PM-only ablations.
`memory="legacy"` gives the official numbers (padding is attended to); `masked` encodes each utterance once.
The presets differ in the training alone: ``paper`` is what the official code does (rungjoo/CoMPM).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Batch, Target
from erc_synth.training.models.registry import Spec
from erc_synth.training.options import opt

Memories = list[list[Target]]  # per target: earlier turns of its speaker


class CoMPM(nn.Module):
    """The classifier.

    Args:
        context: Encoder of the dialogue.
        memory_encoder: Encoder of single utterances; the same object shares the weights.
        classes: Number of emotions.
        memory: Padding of the memory: ``masked`` or ``legacy``.
        freeze_memory: Leave the memory encoder out of training.
    """

    unit = "utterance"

    def __init__(
        self,
        context: Encoder,
        memory_encoder: Encoder,
        classes: int,
        *,
        memory: Literal["masked", "legacy"] = "masked",
        freeze_memory: bool = False,
    ) -> None:
        super().__init__()
        self.context_encoder = context
        if memory_encoder is not context:
            self.memory_encoder = memory_encoder
        self.gru = nn.GRU(context.hidden, context.hidden, num_layers=2, dropout=0.3, batch_first=True)
        self.classifier = nn.Linear(context.hidden, classes)
        self.memory = memory
        self.freeze_memory = freeze_memory
        if freeze_memory:
            memory_encoder.requires_grad_(False)

    def forward(self, batch: Batch) -> Tensor:
        """Logits ``[targets, classes]``."""
        context = self.context_encoder([batch.encoded.context(*target) for target in batch.targets])
        return self.classifier(context + self._memory(batch, context))  # type: ignore[no-any-return]

    def _memory(self, batch: Batch, like: Tensor) -> Tensor:
        """Memory vectors ``[targets, hidden]``; zeros where the speaker has not spoken before."""
        memories = _memories(batch)
        held = [i for i, memory in enumerate(memories) if memory]
        if not held:
            return torch.zeros_like(like)
        found = self._legacy(batch, memories, held) if self.memory == "legacy" else self._once(batch, memories, held)
        zeros = like.new_zeros(like.shape)
        return zeros.index_copy(0, torch.tensor(held, device=like.device), found.to(like.dtype))

    def _encode(self, sequences: list[np.ndarray], *, masked: bool) -> Tensor:
        encoder: Encoder = getattr(self, "memory_encoder", self.context_encoder)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_memory):
            if not masked:  # padding is part of the sequence, so it is attended to
                sequences = list(encoder.pad(sequences)[0].cpu().numpy())
            return encoder(sequences)  # type: ignore[no-any-return]

    def _once(self, batch: Batch, memories: Memories, held: list[int]) -> Tensor:
        """Each utterance once, one GRU pass per speaker.

        The GRU is causal, so its j-th output is the memory after j utterances.
        """
        rows: dict[tuple[int, int], int] = {}
        longest: dict[int, list[Target]] = {}
        for i in held:
            first = rows.setdefault(memories[i][0], len(rows))  # the speaker's first turn names him
            if len(memories[i]) > len(longest.get(first, [])):
                longest[first] = memories[i]
        needed = [turn for row in range(len(rows)) for turn in longest[row]]
        vectors = self._encode([batch.encoded.text(*turn) for turn in needed], masked=True)
        pieces = torch.split(vectors, [len(longest[row]) for row in range(len(rows))])
        outputs, _ = self.gru(pad_sequence(list(pieces), batch_first=True))
        return outputs[[rows[memories[i][0]] for i in held], [len(memories[i]) - 1 for i in held]]  # type: ignore[no-any-return]

    def _legacy(self, batch: Batch, memories: Memories, held: list[int]) -> Tensor:
        """The official numbers: an utterance is padded to the longest of the same history, unmasked.

        Each (utterance, padded length) pair is encoded once.
        """
        texts = {turn: batch.encoded.text(*turn) for i in held for turn in memories[i]}
        widths = {i: max(len(texts[turn]) for turn in memories[i]) for i in held}
        vectors: dict[tuple[Target, int], Tensor] = {}
        for width in sorted(set(widths.values())):
            turns = list(dict.fromkeys(t for i in held if widths[i] == width for t in memories[i]))
            states = self._encode([texts[turn] for turn in turns], masked=False)
            vectors |= {(turn, width): state for turn, state in zip(turns, states, strict=True)}
        histories = [torch.stack([vectors[turn, widths[i]] for turn in memories[i]]) for i in held]
        outputs, _ = self.gru(pad_sequence(histories, batch_first=True))
        return outputs[list(range(len(held))), [len(memories[i]) - 1 for i in held]]  # type: ignore[no-any-return]


def _memories(batch: Batch) -> Memories:
    speakers, starts = batch.encoded.speakers, batch.encoded.starts
    found: Memories = []
    for dialogue, turn in batch.targets:
        said = speakers[starts[dialogue] : starts[dialogue] + turn + 1]
        found.append([(dialogue, int(t)) for t in np.flatnonzero(said[:-1] == said[-1])])
    return found


@dataclass(frozen=True, slots=True)
class CompmOptions:
    """Options of CoMPM."""

    memory: Literal["masked", "legacy"] = opt("masked", "padding of the memory (legacy = official)")
    freeze_memory: bool = opt(False, "leave the memory encoder as it is")
    shared_encoders: bool = opt(False, "one encoder for context and memory")


class CompmSpec(Spec[CompmOptions]):
    """CoMPM for the registry."""

    name = "compm"
    options = CompmOptions
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
        # Batch 1, single utterances shuffled, decay on all parameters, warm-up of one epoch of ten, float32.
        "paper": {
            "epochs": 10,
            "batch_size": 1,
            "order": "utterance",
            "learning_rate": 1e-6,
            "weight_decay": 0.01,
            "decay_all": True,
            "warmup": 0.1,
            "clip": 10.0,
            "memory": "legacy",
        },
    }

    def build(self, options: CompmOptions, encoder: Callable[[], Encoder], classes: int) -> nn.Module:
        """One encoder or two."""
        context = encoder()
        memory = context if options.shared_encoders else encoder()
        return CoMPM(context, memory, classes, memory=options.memory, freeze_memory=options.freeze_memory)


SPEC = CompmSpec()
