"""Pre-trained encoders by name, and one `Encoder` that turns token lists into vectors.

Purpose: every classifier reads the state of one token per sequence; sequences are sorted by length and
run in groups, without padding where the backbone is of BERT's type (`packed`) and with little of it elsewhere,
which changes nothing but the time (attention is masked).
Input: a backbone name, a folder or a Hub id. Output: `Encoder`, tokenizer. Not covered: heads (`models`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.weights import ENCODER
from erc_synth.training import packed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KNOWN = {
    "roberta-large": "FacebookAI/roberta-large",
    "roberta-base": "FacebookAI/roberta-base",
    "mpnet": "microsoft/mpnet-base",
    "modernbert": "answerdotai/ModernBERT-base",
}
# cuDNN's attention makes a plan for each new shape, and nearly every batch has one: training took 9 times as long on an
# H100 (docs/gpu.md). torch's other kernels need none.
torch.backends.cuda.enable_cudnn_sdp(False)

WASTE = 0.03  # share of padding that a group may hold (packed: inside attention); below it, calls cost more
GROUP_TOKENS = {"cpu": 2_048, "cuda": 65_536}  # CPU: smaller groups use less memory
CALL_TOKENS = {"cpu": 96, "cuda": 8_192}  # what one more call costs, in tokens: on a GPU, 600 launches and more


def resolve(backbone: str) -> str:
    """Folder or Hub id of a backbone name.

    Raises:
        ErcSynthError: `minilm` without its wheel, or a folder without `config.json`.
    """
    if backbone == "minilm":
        found = ENCODER.path()
        if found is None:
            raise ErcSynthError("The backbone 'minilm' is not installed.", hint=f"Run: {ENCODER.install}")
        return str(found)
    folder = Path(backbone).expanduser()
    if folder.is_dir() and not (folder / "config.json").exists():
        raise ErcSynthError(f"{folder} holds no config.json.", hint="Give a folder saved by save_pretrained.")
    return str(folder) if folder.is_dir() else KNOWN.get(backbone.lower(), backbone)


def load_tokenizer(backbone: str) -> PreTrainedTokenizerBase:
    """Fast tokenizer of a backbone."""
    from transformers import AutoTokenizer

    return _foreign(AutoTokenizer.from_pretrained, backbone)


def load_backbone(backbone: str) -> nn.Module:
    """Pre-trained weights of a backbone, from safetensors only."""
    from transformers import AutoModel

    return _without_pooler(_foreign(AutoModel.from_pretrained, backbone, use_safetensors=True))


def commit_of(backbone: str) -> str:
    """Commit of a Hub backbone, as far as the Hub's client says it."""
    from transformers import AutoConfig

    return str(getattr(_foreign(AutoConfig.from_pretrained, backbone), "_commit_hash", None))


def backbone_from_config(folder: Path) -> nn.Module:
    """The backbone of a saved classifier, with random weights (they are loaded afterwards)."""
    from transformers import AutoConfig, AutoModel

    return _without_pooler(AutoModel.from_config(AutoConfig.from_pretrained(str(folder))))


def _foreign(load: Callable[..., Any], backbone: str, **options: object) -> Any:
    """The one place where errors of transformers and the Hub become ours."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()  # it warns of the pooler, which is dropped anyway
    try:
        return load(resolve(backbone), **options)
    except (OSError, ValueError) as error:
        raise ErcSynthError(
            f"The backbone {backbone!r} could not be loaded: {str(error).strip().splitlines()[0]}",
            hint=f"Known names: minilm, {', '.join(KNOWN)}; or a folder with config.json and model.safetensors.",
        ) from error
    finally:
        logging.set_verbosity(before)


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, backbone: str) -> None:
    """Refuse a tokenizer without the tokens that a sequence needs.

    Raises:
        ErcSynthError: It has no padding token, or none to begin with.
    """
    first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    if tokenizer.pad_token_id is None or first is None:
        lacks = "padding token" if tokenizer.pad_token_id is None else "token that begins a sequence"
        raise _no_encoder(backbone, f"its tokenizer has no {lacks}")


def check_reads_text(encoder: Encoder, tokenizer: PreTrainedTokenizerBase, backbone: str) -> None:
    """Run two short inputs: the state of the first token must depend on the words behind it.

    Raises:
        ErcSynthError: A decoder, an encoder-decoder, or no model of text at all.
    """
    config: Any = encoder.backbone.config
    if getattr(config, "is_encoder_decoder", False) or getattr(config, "is_decoder", False):
        raise _no_encoder(backbone, "it has a decoder")
    special = set(tokenizer.all_special_ids)
    words = [i for i in range(min(config.vocab_size, len(tokenizer))) if i not in special]
    first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    training, tokens = encoder.training, encoder.tokens
    encoder.eval()
    try:
        with torch.no_grad():
            states = [encoder([np.array([first, word, word])])[0, : encoder.hidden] for word in (words[0], words[-1])]
    except Exception as error:  # whatever a foreign model raises at inputs that it does not take
        raise _no_encoder(backbone, f"it does not run ({type(error).__name__})") from error
    finally:
        encoder.train(training)
        encoder.tokens = tokens
    if torch.equal(states[0], states[1]):
        raise _no_encoder(backbone, "its first token does not see the text behind it")


def _no_encoder(backbone: str, why: str) -> ErcSynthError:
    return ErcSynthError(
        f"The backbone {backbone!r} is no encoder of text: {why}.", hint=f"Use minilm, {', '.join(KNOWN)} or the like."
    )


def encoder_of(model: nn.Module) -> Encoder:
    """The first `Encoder` of a network.

    Raises:
        ErcSynthError: It has none.
    """
    for module in model.modules():
        if isinstance(module, Encoder):
            return module
    raise ErcSynthError(
        f"{type(model).__name__} holds no Encoder.", hint="Build the network on the encoder it is given."
    )


def _without_pooler(backbone: nn.Module) -> nn.Module:
    """The pooler is never read: dropping it saves its memory and its optimiser state."""
    if getattr(backbone, "pooler", None) is not None:
        backbone.pooler = None  # type: ignore[assignment]
    return backbone


def _groups(lengths: np.ndarray, order: np.ndarray, device: str, *, joined: bool = False) -> list[np.ndarray]:
    """Runs of ascending lengths, cut where padding would cost more than one more call; `joined`: nothing is padded."""
    budget, call = GROUP_TOKENS.get(device, GROUP_TOKENS["cuda"]), CALL_TOKENS.get(device, CALL_TOKENS["cuda"])
    groups, start, real = [], 0, 0
    for stop, position in enumerate(order):
        length = int(lengths[position])
        padded = real + length if joined else length * (stop + 1 - start)
        waste = padded - real - length
        if stop > start and (padded > budget or waste > max(call, WASTE * padded)):
            groups.append(order[start:stop])
            start, real = stop, 0
        real += length
    return [*groups, order[start:]]


class Encoder(nn.Module):
    """A backbone that returns one state per sequence.

    Args:
        backbone: A `transformers` encoder.
        pad_id: Token id of padding.
    """

    def __init__(self, backbone: nn.Module, pad_id: int) -> None:
        super().__init__()
        self.backbone = packed.replace_dropout(backbone)
        self.pad_id = pad_id
        self.packs = packed.fits(backbone)
        self.tokens = 0  # computed so far, padding included

    @property
    def hidden(self) -> int:
        """Width of a state."""
        return int(self.backbone.config.hidden_size)  # type: ignore[union-attr, arg-type]

    @property
    def longest(self) -> int | None:
        """Tokens of the longest input; ``None`` where positions are relative without a limit (XLNet says -1)."""
        stated = getattr(self.backbone.config, "max_position_embeddings", None)
        limits = [int(stated)] if isinstance(stated, int) and stated > 0 else []
        for name, module in self.backbone.named_modules():
            if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
                # RoBERTa and its kin begin behind the padding index.
                taken = 0 if module.padding_idx is None else module.padding_idx + 1
                limits.append(module.num_embeddings - taken)
        return min(limits) if limits else None

    def pad(self, sequences: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Ids and attention mask, both ``[n, longest]``."""
        lengths = np.fromiter((len(s) for s in sequences), dtype=np.int64, count=len(sequences))
        mask = np.arange(int(lengths.max())) < lengths[:, None]
        ids = np.full(mask.shape, self.pad_id, dtype=np.int64)
        ids[mask] = np.concatenate(sequences)
        device = next(self.backbone.parameters()).device
        return torch.from_numpy(ids).to(device), torch.from_numpy(mask.astype(np.int64)).to(device)

    def states(self, ids: Tensor, mask: Tensor | None, words: Tensor | None = None) -> Tensor:
        """Last hidden states ``[n, length, hidden]``; without a mask, padding is attended to.

        `words` are the rows of the embedding table for `ids`, when they are looked up already.
        """
        given, mask = self.inputs(ids, mask, words)
        return self.backbone(**given, attention_mask=mask).last_hidden_state  # type: ignore[no-any-return]

    def inputs(self, ids: Tensor, mask: Tensor | None, words: Tensor | None) -> tuple[dict[str, Tensor], Tensor]:
        """What the backbone's embeddings take, and the mask; counts the tokens."""
        self.tokens += ids.numel()
        given = {"input_ids": ids} if words is None else {"inputs_embeds": words}
        return given, torch.ones_like(ids) if mask is None else mask

    def forward(self, sequences: Sequence[np.ndarray], readout: Sequence[int] | None = None) -> Tensor:
        """State of the token at `readout` (default: the first) of each sequence, ``[n, hidden]``."""
        lengths = np.fromiter((len(s) for s in sequences), dtype=np.int64, count=len(sequences))
        order = np.argsort(lengths, kind="stable")
        joined = self.packs and packed.path_of(self.backbone) == "joined"
        groups = _groups(lengths, order, next(self.backbone.parameters()).device.type, joined=joined)
        at = [0] * len(sequences) if readout is None else readout
        states = self.packed(sequences, at, groups) if self.packs else self.padded(sequences, at, groups)
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.from_numpy(order)] = torch.arange(len(order))
        return states[back.to(states.device)]

    def packed(self, sequences: Sequence[np.ndarray], at: Sequence[int], groups: list[np.ndarray]) -> Tensor:
        """States in the order of `groups`, without padding."""
        self.tokens += sum(map(len, sequences))
        return packed.encode(self.backbone, sequences, at, groups)

    def padded(self, sequences: Sequence[np.ndarray], at: Sequence[int], groups: list[np.ndarray]) -> Tensor:
        """The same through the backbone's own `forward`."""
        inputs = [self.pad([sequences[i] for i in group]) for group in groups]
        # Looked up in one go: the table's gradient is dense, and one of table size for each group is dear.
        table = self.backbone.get_input_embeddings()  # type: ignore[operator]
        looked_up = table(torch.cat([ids.flatten() for ids, _ in inputs])).split([ids.numel() for ids, _ in inputs])
        parts = []
        for group, (ids, mask), words in zip(groups, inputs, looked_up, strict=True):
            # Positions of padding inside a sequence (CoMPM's legacy memory) are told by ids alone.
            odd = bool(((ids == self.pad_id) & (mask == 1)).any())
            states = self.states(ids, mask, None if odd else words.view(*ids.shape, -1))
            parts.append(states[torch.arange(len(group)), torch.tensor([at[i] for i in group])])
        return torch.cat(parts)
