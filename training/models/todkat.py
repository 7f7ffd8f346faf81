"""TODKAT: utterance vectors and one transformer layer over the dialogue (Zhu et al., ACL 2021).

Purpose: three modes. ``released`` computes what the official code computes (attention runs across the BATCH at
the same position); ``fixed`` attends over the dialogue; ``paper`` adds the topic layer and a knowledge slot.
Input: `Batch` of whole dialogues. Output: logits of its targets.
Not covered: the pointer network and the decoder of the paper, which were never released.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Batch


class Todkat(nn.Module):
    """The classifier.

    Args:
        encoder: Encoder of single utterances; in ``paper`` mode a `topics.TopicEncoder`.
        classes: Number of emotions.
        mode: See the module.
        heads: Attention heads of the dialogue layer. The official code trains with 8, but reloads with
            as many as the hidden size.
        causal: The dialogue layer sees the past only.
        topic_width: Width of the topic vector, 0 without.
        knowledge: Whether utterances carry commonsense phrases.
        max_turns: Cut of dialogues in training.
    """

    unit = "dialogue"

    def __init__(
        self,
        encoder: Encoder,
        classes: int,
        *,
        mode: Literal["released", "fixed", "paper"] = "fixed",
        heads: int = 8,
        causal: bool = False,
        topic_width: int = 0,
        knowledge: bool = False,
        max_turns: int | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.TransformerEncoderLayer(
            encoder.hidden, heads, dim_feedforward=2048, dropout=0.1, activation="gelu", batch_first=mode != "released"
        )
        self.classifier = nn.Linear(encoder.hidden, classes)
        self.mode, self.causal, self.uses_knowledge = mode, causal, knowledge
        self.max_turns = max_turns
        extra = topic_width + (encoder.hidden if knowledge else 0)
        self.fuse = nn.Linear(encoder.hidden + extra, encoder.hidden) if extra else None
        if self.fuse is not None:
            with torch.no_grad():  # starts as the plain utterance vector: extra knowledge can only be learnt
                self.fuse.weight.copy_(torch.eye(*self.fuse.weight.shape))
                self.fuse.bias.zero_()

    def forward(self, batch: Batch) -> Tensor:
        """Logits ``[targets, classes]``."""
        dialogues = batch.dialogues()
        turns = [self._turns(batch, d) for d in dialogues]
        flat = [(d, t) for d, n in zip(dialogues, turns, strict=True) for t in range(n)]
        vectors = self._utterances(batch, flat)
        padded = pad_sequence(list(torch.split(vectors, turns)), batch_first=True)  # missing turns are zeros
        states = self._attend(padded, turns)
        place = {d: i for i, d in enumerate(dialogues)}
        rows = [place[d] for d, _ in batch.targets]
        return self.classifier(states[rows, [t for _, t in batch.targets]])  # type: ignore[no-any-return]

    def _turns(self, batch: Batch, dialogue: int) -> int:
        """Turns that are encoded; training may cut long dialogues (official: 25)."""
        turns = batch.encoded.turns(dialogue)
        return min(turns, self.max_turns) if self.training and self.max_turns else turns

    def _utterances(self, batch: Batch, flat: list[tuple[int, int]]) -> Tensor:
        sequences: list[np.ndarray] = [batch.encoded.text(*turn, end=True) for turn in flat]
        vectors = self.encoder(sequences)  # with a topic layer: [n, hidden + topic]
        if self.uses_knowledge:
            known = batch.encoded.knowledge
            assert known is not None
            phrases = [known[batch.encoded.starts[d] + t] for d, t in flat]
            vectors = torch.cat([vectors, self.encoder(phrases)[:, : self.encoder.hidden]], dim=1)
        return vectors if self.fuse is None else self.fuse(vectors)  # type: ignore[no-any-return]

    def _attend(self, padded: Tensor, turns: list[int]) -> Tensor:
        if self.mode == "released":
            # The official layer expects [turns, batch, d] and gets [batch, turns, d].
            return self.head(padded)  # type: ignore[no-any-return]
        longest = padded.shape[1]
        missing = torch.arange(longest) >= torch.tensor(turns)[:, None]
        future = nn.Transformer.generate_square_subsequent_mask(longest, padded.device) if self.causal else None
        if future is not None:
            future = future.isinf()
        mask = missing.to(padded.device) if bool(missing.any()) else None
        return self.head(padded, src_mask=future, src_key_padding_mask=mask)  # type: ignore[no-any-return]
