"""The topic layer of TODKAT's paper: a variational auto-encoder at half depth of the encoder.

Purpose: the lower half's states are pooled by attention, coded as a Gaussian latent and decoded to one topic vector,
which the upper layers read as an extra token. It is trained with masked-LM + KL + reconstruction on the train
dialogues, then the classifier reads it. Input: token lists. Output: ``[n, hidden + hidden]`` (CLS state, topic).
Not covered: backbones whose layers are not `encoder.layer` (ModernBERT). The official modules were never
released; this is built from their described shape with the known faults mended (Zhu et al., ACL 2021, section 3).
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from tqdm import tqdm

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training import checkpoints
from erc_synth.training.backbones import Encoder
from erc_synth.training.models.registry import Start

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MASKED = 0.15  # share of tokens, as in BERT


class TopicEncoder(Encoder):
    """An encoder with the topic layer between its halves."""

    def __init__(self, backbone: nn.Module, pad_id: int, *, inner: int = 512, latent: int = 1024) -> None:
        super().__init__(backbone, pad_id)
        if getattr(backbone.config, "model_type", "") not in ("roberta", "bert", "xlm-roberta"):
            raise ErcSynthError(
                "The topic layer needs a BERT or RoBERTa backbone.", hint="Use --mode fixed, or --backbone minilm."
            )
        self.packs = False  # the topic is one more token of the upper layers
        width = self.hidden
        self.pool = nn.Linear(width, 1)
        self.inner = nn.Sequential(nn.Linear(width, inner), nn.GELU())
        self.mean, self.spread = nn.Linear(inner, latent), nn.Linear(inner, latent)
        self.decode = nn.Sequential(nn.Linear(latent, inner), nn.GELU(), nn.Linear(inner, width))
        self.penalty: Tensor | None = None

    def states(self, ids: Tensor, mask: Tensor | None, words: Tensor | None = None) -> Tensor:
        """States and topic, ``[n, length, 2 * hidden]``; sets `penalty` (KL + reconstruction, mean)."""
        given, mask = self.inputs(ids, mask, words)
        layers: Any = self.backbone.encoder.layer  # type: ignore[union-attr]
        half = len(layers) // 2
        states = self._through(layers[:half], self.backbone.embeddings(**given), mask)  # type: ignore[operator]
        topic = self._topic(states, mask)
        joined = torch.cat([states, topic[:, None]], dim=1)
        seen = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)  # officially 0: nobody saw the topic
        upper = self._through(layers[half:], joined, seen)[:, :-1]
        return torch.cat([upper, topic[:, None].expand_as(upper)], dim=2)

    def _through(self, layers: Any, states: Tensor, mask: Tensor) -> Tensor:
        hidden = (1.0 - mask[:, None, None].to(states.dtype)) * torch.finfo(states.dtype).min
        for layer in layers:
            found = layer(states, attention_mask=hidden)
            states = found[0] if isinstance(found, tuple) else found
        return states

    def _topic(self, states: Tensor, mask: Tensor) -> Tensor:
        weight = self.pool(states).squeeze(2).masked_fill(mask == 0, float("-inf")).softmax(1)
        pooled = (weight[:, :, None] * states).sum(1)
        inner = self.inner(pooled)
        mean, log_variance = self.mean(inner), self.spread(inner).clamp(-8, 8)
        noise = torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else 0.0
        topic: Tensor = self.decode(mean + noise)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()
        self.penalty = kl + functional.mse_loss(topic, pooled.detach())
        return topic


class _MaskedLM(nn.Module):
    """The encoder and the bias of its tied output layer."""

    def __init__(self, encoder: TopicEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.bias = nn.Parameter(torch.zeros(encoder.backbone.config.vocab_size))  # type: ignore[union-attr, arg-type]

    def forward(
        self, rows: list[np.ndarray], tokenizer: PreTrainedTokenizerBase, random: np.random.Generator
    ) -> Tensor | None:
        """Masked-LM loss plus the topic layer's penalty; ``None`` when no token was masked."""
        encoder = self.encoder
        ids, mask = encoder.pad(rows)
        hidden = torch.from_numpy(random.random(tuple(ids.shape)) < MASKED).to(ids.device) & (mask == 1)
        for special in (tokenizer.cls_token_id, tokenizer.sep_token_id):
            hidden &= ids != special
        if not bool(hidden.any()):
            return None
        states = encoder.states(ids.masked_fill(hidden, tokenizer.mask_token_id), mask)[hidden][:, : encoder.hidden]
        words = encoder.backbone.embeddings.word_embeddings.weight  # type: ignore[union-attr]
        assert encoder.penalty is not None
        return functional.cross_entropy(states @ words.T + self.bias, ids[hidden]) + encoder.penalty  # type: ignore[operator]


class _State(TypedDict):
    """What a checkpoint knows besides weights."""

    epochs: int
    seconds: float


def pretrain(encoder: TopicEncoder, start: Start, epochs: int) -> float:
    """Masked-LM on the train utterances with the topic layer; a checkpoint per epoch; returns seconds.

    Every process trains the same on the same data (one seed), so no gradients need to be exchanged.
    """
    begun = time.monotonic()
    encoded = start.encoded
    rows = [encoded.text(d, t, end=True) for d in range(len(encoded)) for t in range(encoded.turns(d))]
    language = _MaskedLM(encoder).to(next(encoder.parameters()).device)
    optim = torch.optim.AdamW(language.parameters(), lr=start.optimisation.learning_rate)
    kept = checkpoints.load_checkpoint(start.folder, language, optim)
    state = cast(_State, kept) if kept else _State(epochs=0, seconds=0.0)
    language.train()
    for epoch in range(state["epochs"], epochs):
        loss = _epoch(language, optim, rows, start, epoch)
        print(f"topics epoch {epoch + 1}/{epochs}: loss {loss:.4f}", file=sys.stderr)
        state = _State(epochs=epoch + 1, seconds=state["seconds"] + time.monotonic() - begun)
        begun = time.monotonic()
        if PartialState().is_main_process:
            checkpoints.save_checkpoint(start.folder, language, optim, dict(state))
    return state["seconds"]


def _epoch(language: _MaskedLM, optim: Optimizer, rows: list[np.ndarray], start: Start, epoch: int) -> float:
    """One pass over the utterances; the mean loss."""
    random = np.random.default_rng([start.seed, 4242, epoch])  # an epoch done twice is the same epoch
    torch.manual_seed(int(random.integers(2**62)))
    losses, order = [], random.permutation(len(rows))
    firsts = range(0, len(order), 32)
    for first in tqdm(firsts, unit="batch", desc=f"topics {epoch + 1}", disable=None, leave=False):
        loss = language([rows[i] for i in order[first : first + 32]], start.tokenizer, random)
        if loss is None:
            continue
        optim.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(language.parameters(), start.optimisation.clip)
        optim.step()
        losses.append(float(loss.detach()))
    return sum(losses) / max(len(losses), 1)
