"""The forward pass of BERT-type encoders without padding, read at one token per sequence.

Purpose: the same numbers as the backbone's own `forward`, for less. Linear layers see the tokens of all sequences
joined, so padding exists only inside attention, and not even there where torch's variable-length kernel runs (a GPU
in half precision without dropout); the last layer computes the tokens that are read and no others; dropout on a CPU
takes 16 bits per element instead of a draw per element.
Input: a backbone, token lists. Output: one state per sequence. Not covered: backbones whose attention is not BERT's
(mpnet, ModernBERT), the topic layer: they run padded (`backbones.Encoder`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

BERT_TYPE = ("bert", "roberta", "xlm-roberta", "camembert")
HALF = (torch.bfloat16, torch.float16)
BLOCK = 2**20  # attention weights at a time without gradients: 4 MB stay in the cache
DRAWS = 2**16  # values of the 16 random bits of an element


@cache
def joined_kernel() -> Callable[..., Any] | None:
    """Torch's attention over joined tokens (2.10 and later); imported when wanted: its compiler comes along, 1.5 s."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn


def fits(backbone: nn.Module) -> bool:
    """Whether this module knows the backbone's layers."""
    config: Any = backbone.config
    plain = getattr(config, "position_embedding_type", "absolute") in ("absolute", None)
    return config.model_type in BERT_TYPE and plain and not config.is_decoder


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the joined tokens of some sequences lie in a padded block ``[sequences, longest]``.

    Attributes:
        count: Number of sequences.
        longest: Tokens of the longest.
        places: Place of every token in the flattened block, ``[tokens]``; ``None`` when nothing is padded.
        bias: 0 for tokens and -inf for padding, ``[sequences, 1, 1, longest]``; ``None`` likewise.
        starts: First token of each sequence and the end of the last, ``[sequences + 1]``, int32, where the
            variable-length kernel takes joined tokens as they are; ``None`` where it does not run.
        extra: Rows of zeros behind the joined tokens (`rounded`).
    """

    count: int
    longest: int
    places: Tensor | None = None
    bias: Tensor | None = None
    starts: Tensor | None = None
    extra: int = 0

    @classmethod
    def of(cls, lengths: np.ndarray, device: torch.device, path: str = "blocks") -> Rows:
        """For sequences of these lengths, by a path of `path_of`."""
        longest = int(lengths.max())
        if path == "joined":
            starts = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
            return cls(len(lengths), longest, starts=starts.to(device))
        extra = rounded(int(lengths.sum())) - int(lengths.sum()) if path == "rounded" else 0
        if (lengths == longest).all():
            return cls(len(lengths), longest, extra=extra)
        real = np.arange(longest) < lengths[:, None]
        bias = torch.zeros(real.shape).masked_fill_(torch.from_numpy(~real), float("-inf"))
        places = torch.from_numpy(np.flatnonzero(real))
        return cls(len(lengths), longest, places.to(device), bias[:, None, None].to(device), extra=extra)

    def single(self) -> Rows:
        """One token of each sequence."""
        if self.starts is None:
            return Rows(self.count, 1, extra=rounded(self.count) - self.count if self.extra else 0)
        return Rows(self.count, 1, starts=torch.arange(self.count + 1, dtype=torch.int32, device=self.starts.device))

    def block(self, tokens: Tensor, heads: int) -> Tensor:
        """Joined tokens ``[tokens, width]`` as ``[sequences, heads, longest, width / heads]``."""
        tokens = tokens[: len(tokens) - self.extra]
        if self.places is not None:
            padded = tokens.new_zeros(self.count * self.longest, tokens.shape[1])
            tokens = padded.index_copy(0, self.places, tokens)
        return tokens.view(self.count, self.longest, heads, -1).transpose(1, 2)

    def join(self, block: Tensor) -> Tensor:
        """The inverse."""
        flat = block.transpose(1, 2).reshape(self.count * self.longest, -1)
        return self.fill(flat if self.places is None else flat.index_select(0, self.places))

    def fill(self, tokens: Tensor) -> Tensor:
        """With the rows of zeros behind them."""
        return functional.pad(tokens, (0, 0, 0, self.extra)) if self.extra else tokens


def rounded(tokens: int) -> int:
    """The next number of few: at most 1/16 more, and 16 to an octave."""
    unit = max(8, 1 << max(0, tokens.bit_length() - 5))
    return -(-tokens // unit) * unit


def path_of(backbone: Any) -> str:
    """How joined tokens go through the layers.

    ``joined``: torch's variable-length attention takes them as they are (a GPU in half precision, nothing dropped).
    ``rounded``: oneDNN compiles each product anew for each number of rows, which costs as much as the product itself;
    zeros are added up to one of few numbers (a CPU in half precision). ``blocks``: padding inside attention alone.
    """
    place = next(backbone.parameters())
    kind = place.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else place.dtype
    if dtype not in HALF:
        return "blocks"
    drops = backbone.training and backbone.config.attention_probs_dropout_prob > 0
    if kind == "cuda" and not drops and joined_kernel() is not None:
        return "joined"
    return "rounded" if kind == "cpu" else "blocks"


def encode(backbone: Any, sequences: Sequence[np.ndarray], readout: Sequence[int], groups: list[np.ndarray]) -> Tensor:
    """State of the token at `readout` of each sequence, in the order of `groups`, ``[n, hidden]``.

    `groups` are runs of sequences that share a call.
    """
    path = path_of(backbone)
    device = next(backbone.parameters()).device
    order = np.concatenate(groups)
    lengths = np.fromiter((len(sequences[i]) for i in order), dtype=np.int64, count=len(order))
    starts = np.cumsum(lengths) - lengths
    ids = torch.from_numpy(np.concatenate([sequences[i] for i in order])).to(device)
    places = torch.from_numpy(np.arange(len(ids)) - np.repeat(starts, lengths)).to(device)
    # All at once: the gradient of the embedding table is dense, and one of table size for each group is dear.
    tokens = _embed(backbone, ids, places, np.repeat(starts, lengths))
    parts, first = [], 0
    for group in groups:
        own = lengths[first : first + len(group)]
        start, stop = int(starts[first]), int(starts[first + len(group) - 1] + own[-1])
        at = torch.from_numpy(np.cumsum(own) - own + [readout[i] for i in group]).to(device)
        parts.append(_through(backbone.encoder.layer, tokens[start:stop], Rows.of(own, device, path), at))
        first += len(group)
    return torch.cat(parts)


def _embed(backbone: Any, ids: Tensor, places: Tensor, starts: np.ndarray) -> Tensor:
    """Embeddings of joined tokens ``[tokens, hidden]``.

    `places` counts from 0 in each sequence, and `starts` is the first row of each token's sequence.
    """
    embeddings = backbone.embeddings
    if backbone.config.model_type != "bert":
        # RoBERTa's positions start behind the padding index, which padding has and which does not count on.
        real = (ids != embeddings.padding_idx).long()
        count = real.cumsum(0)
        first = torch.from_numpy(starts).to(ids.device)
        places = (count - (count - real)[first]) * real + embeddings.padding_idx
    zeros = torch.zeros_like(ids)
    return embeddings(input_ids=ids[None], token_type_ids=zeros[None], position_ids=places[None])[0]  # type: ignore[no-any-return]


def _through(layers: Any, tokens: Tensor, rows: Rows, at: Tensor) -> Tensor:
    """All layers; the last one for the tokens `at` alone."""
    tokens = rows.fill(tokens)
    for layer in layers[:-1]:
        tokens = _layer(layer, tokens, rows)
    return _layer(layers[-1], tokens, rows, functional.pad(at, (0, rows.single().extra)))[: len(at)]


def _layer(layer: Any, tokens: Tensor, rows: Rows, at: Tensor | None = None) -> Tensor:
    attention = layer.attention.self
    heads = attention.num_attention_heads
    asking, asked = (tokens, rows) if at is None else (tokens.index_select(0, at), rows.single())
    low = _lowered(tokens)
    query, key, value = attention.query(low if at is None else asking), attention.key(low), attention.value(low)
    if rows.starts is not None:
        heard = _joined(query, key, value, heads, asked, rows)
    else:
        parts = asked.block(query, heads), rows.block(key, heads), rows.block(value, heads)
        heard = asked.join(attend(*parts, rows.bias, attention.dropout))
    mixed = layer.attention.output(heard, asking)
    return layer.output(layer.intermediate(mixed), mixed)  # type: ignore[no-any-return]


def _joined(query: Tensor, key: Tensor, value: Tensor, heads: int, asked: Rows, rows: Rows) -> Tensor:
    """Attention of joined tokens ``[tokens, width]`` without padding."""
    q, k, v = (part.view(len(part), heads, -1) for part in (query, key, value))
    attend = joined_kernel()
    assert attend is not None  # `path_of` has looked
    heard: Tensor = attend(q, k, v, asked.starts, rows.starts, asked.longest, rows.longest)
    return heard.flatten(1)


def _lowered(tokens: Tensor) -> Tensor:
    """In the type that autocast gives to products: cast once here, not once for each of three layers."""
    kind = tokens.device.type
    return tokens.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else tokens


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, dropout: Dropout) -> Tensor:
    """Attention ``[n, heads, length, d]``; the softmax is in fp32 also when the products are not.

    On a CPU torch's own kernel takes twice as long with bf16, and draws dropout element by element.
    """
    if query.device.type != "cpu" or (not dropout.active and query.dtype not in HALF):
        rate = dropout.p if dropout.active else 0.0
        mask = None if bias is None else bias.to(query.dtype)
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=rate)
    if query.requires_grad:
        return _attend(query, key, value, bias, dropout)
    n = max(1, BLOCK // (query.shape[1] * query.shape[2] * key.shape[2]))
    parts = [slice(i, i + n) for i in range(0, len(query), n)]
    biases = [None if bias is None else bias[part] for part in parts]
    return torch.cat([_attend(query[p], key[p], value[p], b, dropout) for p, b in zip(parts, biases, strict=True)])


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, dropout: Dropout) -> Tensor:
    scores = torch.matmul(query * query.shape[3] ** -0.5, key.transpose(2, 3))
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if bias is not None:
        scores = scores.add_(bias)
    weights = torch.softmax(scores, 3, out=None if scores.requires_grad else scores).to(value.dtype)
    if not dropout.active:
        return torch.matmul(weights, value)
    return torch.matmul(weights * dropout.kept(weights), value) * dropout.scale


class Dropout(nn.Module):
    """`nn.Dropout` whose CPU draws cost a sixth: an element is kept when its 16 random bits say so.

    The rate is a multiple of 1 / 65536 and the scale fits it exactly, so the mean is unchanged.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.dropped = round(p * DRAWS)
        self.scale = DRAWS / (DRAWS - self.dropped)

    @property
    def active(self) -> bool:
        """Whether anything is dropped now."""
        return self.training and self.dropped > 0

    def forward(self, states: Tensor) -> Tensor:
        """Same shape; unchanged in eval mode."""
        if not self.active:
            return states
        if states.device.type != "cpu":
            return functional.dropout(states, self.p)
        return states * self.kept(states) * self.scale

    def kept(self, states: Tensor) -> Tensor:
        """1 for the elements that stay and 0 for the others, in the shape and type of `states` (on a CPU)."""
        mask = torch.empty_like(states, requires_grad=False)
        bits = torch.empty(-(-mask.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        return torch.ge(bits[: mask.numel()].view(mask.shape), self.dropped - DRAWS // 2, out=mask)

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"p={self.p}"


def replace_dropout(module: nn.Module) -> nn.Module:
    """Every `nn.Dropout` in `module` becomes a `Dropout`; it has no weights, so nothing else changes."""
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, Dropout(child.p))
        else:
            replace_dropout(child)
    return module
