"""TODKAT: utterance vectors and one transformer layer over the dialogue (Zhu et al., ACL 2021).

Purpose: three modes. ``released`` computes what the official code computes (attention runs across the BATCH at
the same position); ``fixed`` attends over the dialogue; ``paper`` adds the topic layer and a knowledge slot.
Input: `Batch` of whole dialogues. Output: logits of its targets.
Not covered: the pointer network and the decoder of the paper, which were never released.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue
from erc_synth.training import knowledge
from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Batch, Encoded
from erc_synth.training.models import topics
from erc_synth.training.models.registry import Spec, Start
from erc_synth.training.options import Optimisation, opt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Mode = Literal["released", "fixed", "paper"]


class Todkat(nn.Module):
    """The classifier.

    Args:
        encoder: Encoder of single utterances; in ``paper`` mode a `topics.TopicEncoder`.
        classes: Number of emotions.
        mode: See the module.
        heads: Attention heads of the dialogue layer. The official code trains with 8, but reloads with
            as many as the hidden size.
        causal: The dialogue layer sees the past only.
        knowledge: Whether utterances carry commonsense phrases.
    """

    unit = "dialogue"

    def __init__(
        self,
        encoder: Encoder,
        classes: int,
        *,
        mode: Mode = "fixed",
        heads: int = 8,
        causal: bool = False,
        knowledge: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.TransformerEncoderLayer(
            encoder.hidden, heads, dim_feedforward=2048, dropout=0.1, activation="gelu", batch_first=mode != "released"
        )
        self.classifier = nn.Linear(encoder.hidden, classes)
        self.mode, self.causal, self.uses_knowledge = mode, causal, knowledge
        self.max_turns: int | None = None  # cut of dialogues in training
        # Released: the output depends on the neighbour in the file, and the official batch is two dialogues.
        self.fixed_batch = 2 if mode == "released" else None
        extra = encoder.hidden * (isinstance(encoder, topics.TopicEncoder) + knowledge)
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


@dataclass(frozen=True, slots=True)
class TodkatOptions:
    """Options of TODKAT."""

    mode: Literal["released", "fixed", "paper"] = opt(
        "fixed", "head over batch (official), over the dialogue, or that + topic layer"
    )
    heads: int = opt(8, "attention heads of the dialogue layer", least=1)
    causal: bool = opt(False, "the dialogue layer sees the past only")
    max_turns: int | None = opt(None, "cut train dialogues to N turns (official: 25, IEMOCAP 36)", least=1)
    topic_epochs: int = opt(3, "paper mode: masked-LM epochs of the topic layer", least=0)
    knowledge: str | None = opt(None, "http(s) URL of an OpenAI-style server, or an ATOMIC csv/tsv file", file=True)
    knowledge_model: str = opt("default", "model name sent to the knowledge server")
    knowledge_cache: str = opt("cache/knowledge", "folder of the phrase cache", identity=False)


class TodkatSpec(Spec[TodkatOptions]):
    """TODKAT for the registry."""

    name = "todkat"
    options = TodkatOptions
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        # Attention over the dialogue; a batch is dialogues.
        "fast": {
            "epochs": 8,
            "batch_size": 4,
            "learning_rate": 3e-5,
            "weight_decay": 0.01,
            "warmup": 0.1,
            "clip": 1.0,
            "mode": "fixed",
        },
        # As released (something678/TodKat): AdamW without bias correction, warm-up over half of all steps,
        # selection by accuracy, dialogues cut to 25 turns.
        "paper": {
            "epochs": 100,
            "batch_size": 2,
            "learning_rate": 2e-5,
            "weight_decay": 0.01,
            "adam_eps": 1e-6,
            "bias_correction": False,
            "warmup": 0.5,
            "clip": 1.0,
            "mode": "released",
            "select_by": "accuracy",
            "max_turns": 25,
        },
    }

    def check(self, options: TodkatOptions, optimisation: Optimisation) -> None:
        """The released head cannot be cut in parts."""
        if optimisation.accumulate > 1 and options.mode == "released":
            raise ErcSynthError(
                "The released TODKAT attends across the batch, so a batch cannot be cut in parts.",
                hint="Use --accumulate 1 or --mode fixed.",
            )

    def build(self, options: TodkatOptions, encoder: Callable[[], Encoder], classes: int) -> nn.Module:
        """With a topic layer in ``paper`` mode."""
        made = encoder()
        if made.hidden % options.heads:
            raise ErcSynthError(
                f"--heads {options.heads} does not divide the hidden size {made.hidden}.", hint="Use --heads 8 or 4."
            )
        network = Todkat(
            topics.TopicEncoder(made.backbone, made.pad_id) if options.mode == "paper" else made,
            classes,
            mode=options.mode,
            heads=options.heads,
            causal=options.causal,
            knowledge=options.knowledge is not None,
        )
        network.max_turns = options.max_turns
        return network

    def prepare(
        self,
        options: TodkatOptions,
        dialogues: Sequence[Dialogue],
        encoded: Encoded,
        tokenizer: PreTrainedTokenizerBase,
    ) -> Encoded:
        """Commonsense phrases, where a source is given."""
        if options.knowledge is None:
            return encoded
        source = knowledge.Source(options.knowledge, options.knowledge_model, options.knowledge_cache)
        phrases = knowledge.phrases(dialogues, source)
        return replace(encoded, knowledge=knowledge.tokens(phrases, tokenizer, encoded.special))

    def pretrain(self, options: TodkatOptions, network: nn.Module, start: Start) -> float:
        """The topic layer, in ``paper`` mode."""
        if options.mode != "paper":
            return 0.0
        assert isinstance(network.encoder, topics.TopicEncoder)
        return topics.pretrain(network.encoder, start, options.topic_epochs)


SPEC = TodkatSpec()
