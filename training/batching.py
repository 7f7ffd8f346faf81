"""Dialogues to token lists, and token lists to batches.

Purpose: every utterance is tokenised once and kept in Arrow; a batch names dialogues and target turns,
and the models ask it for the inputs they need. The order of an epoch is a pure function of seed and
epoch, so a resumed run needs no state of it. Input: `Dialogue`s, a tokenizer.
Output: `Encoded`, `Batch`, lists of batches. Not covered: padding (`backbones.Encoder`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import pyarrow as pa

from erc_synth.loaders.schema import Dialogue, LabelSet
from erc_synth.training.options import Marker

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Target = tuple[int, int]  # (dialogue, turn)
ENCODED_AT_ONCE = 2_000  # dialogues


@dataclass(frozen=True, slots=True)
class Special:
    """Ids around a sequence, and the longest sequence."""

    cls: int
    sep: int
    pad: int
    max_tokens: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, limit: int, max_tokens: int) -> Special:
        """From a tokenizer; `limit` is the number of positions of the backbone."""
        first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
        last = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
        return cls(first, last, tokenizer.pad_token_id, min(limit, max_tokens))


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokenised dialogues of one split.

    Attributes:
        special: Ids around a sequence.
        starts: First row of each dialogue, and one past the last, ``[dialogues + 1]``.
        speakers: Order of first appearance in the dialogue, ``[utterances]``.
        labels: Label index or -1, ``[utterances]``.
        texts: Arrow list array: tokens of each utterance alone.
        pieces: Arrow list array: the same behind its speaker marker; joined, they are the context.
        knowledge: Tokens of commonsense phrases of each utterance (TODKAT), or nothing.
        all_turns: Every turn is a target, labelled or not (prediction).
    """

    special: Special
    starts: np.ndarray
    speakers: np.ndarray
    labels: np.ndarray
    texts: pa.LargeListArray
    pieces: pa.LargeListArray
    knowledge: list[np.ndarray] | None = None
    all_turns: bool = False

    def __len__(self) -> int:
        return len(self.starts) - 1

    def turns(self, dialogue: int) -> int:
        """Number of utterances of a dialogue."""
        return int(self.starts[dialogue + 1] - self.starts[dialogue])

    def rows(self) -> np.ndarray:
        """Row numbers of all labelled turns in order; of all turns with `all_turns`."""
        return np.arange(len(self.labels)) if self.all_turns else np.flatnonzero(self.labels >= 0)

    def owners(self, rows: np.ndarray) -> np.ndarray:
        """The dialogue of each row."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def targets(self, rows: np.ndarray | None = None) -> list[Target]:
        """(dialogue, turn) of some rows; of all `rows` when not given."""
        rows = self.rows() if rows is None else rows
        owners = self.owners(rows)
        return list(zip(owners.tolist(), (rows - self.starts[owners]).tolist(), strict=True))

    def text(self, dialogue: int, turn: int, *, end: bool = False) -> np.ndarray:
        """CLS and the utterance alone; `end` closes it with SEP (TODKAT) and cuts the tail, not the head."""
        tokens = _slice(self.texts, self.starts[dialogue] + turn)
        room = self.special.max_tokens - 1 - end
        kept = tokens[:room] if end else tokens[len(tokens) - min(room, len(tokens)) :]
        return np.concatenate([[self.special.cls], kept, [self.special.sep] if end else []]).astype(np.int64)

    def context(self, dialogue: int, turn: int) -> np.ndarray:
        """CLS and the LAST tokens of all turns up to and including `turn` (as CoMPM and EmoOne do)."""
        start = self.starts[dialogue]
        tokens = _slice(self.pieces, start, start + turn + 1)
        kept = tokens[max(0, len(tokens) - self.special.max_tokens + 1) :]
        return np.concatenate([[self.special.cls], kept]).astype(np.int64)

    def alone(self, dialogue: int, turn: int) -> np.ndarray:
        """CLS and the target behind its marker, without context."""
        start = self.starts[dialogue]
        tokens = _slice(self.pieces, start + turn)[: self.special.max_tokens - 1]
        return np.concatenate([[self.special.cls], tokens]).astype(np.int64)

    def future(self, dialogue: int, turn: int, ahead: int = 2) -> tuple[np.ndarray, int]:
        """Past, CLS, target and up to `ahead` later turns; and the position of that CLS (EmoOne FS)."""
        start, stop = self.starts[dialogue], self.starts[dialogue + 1]
        past = _slice(self.pieces, start, start + turn)
        rest = _slice(self.pieces, start + turn, min(start + turn + 1 + ahead, stop))
        rest = rest[: self.special.max_tokens - 1]
        past = past[max(0, len(past) - (self.special.max_tokens - 1 - len(rest))) :]
        return np.concatenate([past, [self.special.cls], rest]).astype(np.int64), len(past)


def _slice(lists: pa.LargeListArray, start: int, stop: int | None = None) -> np.ndarray:
    """Joined values of rows start..stop-1, without a copy."""
    offsets = lists.offsets
    first, last = offsets[int(start)].as_py(), offsets[int(start + 1 if stop is None else stop)].as_py()
    return lists.values.slice(first, last - first).to_numpy()  # type: ignore[no-any-return]


def encode(
    dialogues: Sequence[Dialogue],
    labels: LabelSet,
    tokenizer: PreTrainedTokenizerBase,
    special: Special,
    marker: Marker = "id",
) -> Encoded:
    """Tokenise dialogues once.

    A piece is ``<sK> text`` (K = speaker + 1) or ``Name: text``; all but the first of a dialogue begin with a
    space. Word boundaries of BPE and WordPiece fall before it, so joined pieces equal the tokenised string.
    """
    texts, pieces, speakers, golds, starts = [_tokens([])], [_tokens([])], [], [], [0]
    several = iter(dialogues)
    while block := list(islice(several, ENCODED_AT_ONCE)):
        said, marked = [], []
        for dialogue in block:
            known: dict[str, int] = {}
            for position, turn in enumerate(dialogue.utterances):
                speaker = known.setdefault(turn.speaker, len(known))
                mark = f"<s{speaker + 1}>" if marker == "id" else f"{turn.speaker}:"
                text = turn.text.strip()
                said.append(text)
                marked.append(f"{' ' if position else ''}{mark} {text}")
                speakers.append(speaker)
                golds.append(labels.index(turn.emotion))
            starts.append(len(golds))
        texts.append(_tokens(tokenise(tokenizer, said)))
        pieces.append(_tokens(tokenise(tokenizer, marked)))
    return Encoded(
        special,
        np.asarray(starts),
        np.asarray(speakers, dtype=np.int64),
        np.asarray(golds, dtype=np.int64),
        pa.concat_arrays(texts),
        pa.concat_arrays(pieces),
    )


def _tokens(found: list[list[int]]) -> pa.LargeListArray:
    return pa.array(found, pa.large_list(pa.int32()))


def tokenise(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """Tokens of each text alone. A text is text: one that spells ``[SEP]`` or ``</s>`` is not that token.

    Where the vocabulary itself holds the spelling (word-level and unigram models), it is read with blanks between.
    """
    if not texts:
        return []
    found = _ids(tokenizer, texts)
    control = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    odd = [i for i, row in enumerate(found) if not control.isdisjoint(row)]
    if odd:
        spelled = [token for token in tokenizer.all_special_tokens if token != tokenizer.unk_token]
        for i, row in zip(odd, _ids(tokenizer, [_apart(texts[i], spelled) for i in odd]), strict=True):
            found[i] = [token for token in row if token not in control]
    return found


def _apart(text: str, spelled: list[str]) -> str:
    for token in spelled:
        text = text.replace(token, " ".join(token))
    return text


def _ids(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    rust = getattr(tokenizer, "backend_tokenizer", None)
    if rust is None:
        found = tokenizer(texts, add_special_tokens=False, verbose=False, split_special_tokens=True)["input_ids"]
        return list(found)
    # Twice as quick as the Python wrapper, and silent about lengths.
    rust.no_truncation()  # a tokenizer file may carry both: MiniLM's pads every text to 128
    rust.no_padding()
    before, rust.encode_special_tokens = rust.encode_special_tokens, True  # special tokens of a text are text
    try:
        return [e.ids for e in rust.encode_batch_fast(texts, add_special_tokens=False)]
    finally:
        rust.encode_special_tokens = before


@dataclass(frozen=True, slots=True)
class Batch:
    """Targets of some dialogues, in the order of the logits that a model returns for it."""

    encoded: Encoded
    targets: tuple[Target, ...]

    @property
    def labels(self) -> np.ndarray:
        """Label index of each target, ``[targets]``."""
        rows = [self.encoded.starts[d] + t for d, t in self.targets]
        return self.encoded.labels[rows]

    def dialogues(self) -> list[int]:
        """Dialogues of the batch, in order of appearance."""
        return list(dict.fromkeys(d for d, _ in self.targets))


def by_dialogue(encoded: Encoded) -> list[list[Target]]:
    """Labelled turns of each dialogue that has any."""
    groups: list[list[Target]] = [[] for _ in range(len(encoded))]
    for dialogue, turn in encoded.targets():
        groups[dialogue].append((dialogue, turn))
    return [group for group in groups if group]


@dataclass(frozen=True, slots=True)
class Shuffle:
    """How the targets of an epoch become optimiser steps.

    Attributes:
        unit: What `size` counts. ``dialogue``: whole dialogues stay together.
        size: Targets or dialogues per step, over all processes; the last step may be smaller.
        order: ``dialogue`` keeps neighbours together, so their utterances are encoded once;
            ``utterance`` shuffles single targets, as the official CoMPM and EmoOne do.
        seed: Seed of the run.
    """

    unit: Literal["utterance", "dialogue"]
    size: int
    order: Literal["dialogue", "utterance"]
    seed: int


@dataclass(frozen=True, slots=True)
class Steps(Sequence[tuple[Target, ...]]):
    """Targets of every optimiser step of an epoch, kept as row numbers.

    Attributes:
        encoded: The split.
        order: Rows of all targets, in the order of the epoch.
        cuts: Where each step begins in it, and where the last ends.
    """

    encoded: Encoded
    order: np.ndarray
    cuts: np.ndarray

    def __len__(self) -> int:
        return len(self.cuts) - 1

    @overload
    def __getitem__(self, at: int) -> tuple[Target, ...]: ...
    @overload
    def __getitem__(self, at: slice) -> list[tuple[Target, ...]]: ...
    def __getitem__(self, at: int | slice) -> tuple[Target, ...] | list[tuple[Target, ...]]:
        """One step, or several of them."""
        if isinstance(at, slice):
            return [self[i] for i in range(len(self))[at]]
        at = range(len(self))[at]
        return tuple(self.encoded.targets(self.order[self.cuts[at] : self.cuts[at + 1]]))


def epoch_batches(encoded: Encoded, shuffle: Shuffle, epoch: int) -> Steps:
    """Targets of every optimiser step of one epoch; `epoch` counts from 0."""
    random = np.random.default_rng([shuffle.seed, epoch])
    rows = encoded.rows()
    first = np.flatnonzero(np.diff(encoded.owners(rows), prepend=-1))  # where the targets of a dialogue begin
    counts = np.diff(first, append=len(rows))
    shuffled = random.permutation(len(first))
    counts = counts[shuffled]
    ends = np.cumsum(counts)
    order = rows[np.arange(len(rows)) + np.repeat(first[shuffled] - (ends - counts), counts)]
    if shuffle.unit == "dialogue":
        inner = ends[shuffle.size - 1 : -1 : shuffle.size]
    else:
        inner = np.arange(shuffle.size, len(rows), shuffle.size)
        if shuffle.order == "utterance":
            order = order[random.permutation(len(order))]
    return Steps(encoded, order, np.unique([0, *inner, len(rows)]))


def cut(steps: Steps, max_turns: int | None) -> Steps:
    """The same steps without the turns from `max_turns` on."""
    if max_turns is None:
        return steps
    encoded = steps.encoded
    kept = steps.order - encoded.starts[encoded.owners(steps.order)] < max_turns
    before = np.concatenate([[0], np.cumsum(kept)])
    return Steps(encoded, steps.order[kept], np.unique(before[steps.cuts]))


def parts(targets: tuple[Target, ...], count: int, unit: str) -> list[tuple[Target, ...]]:
    """A step's targets in `count` parts of nearly equal size; some may be empty."""
    if unit == "utterance":
        cuts = np.linspace(0, len(targets), count + 1).astype(int)
        return [targets[a:b] for a, b in pairwise(cuts)]
    names = list(dict.fromkeys(d for d, _ in targets))
    cuts = np.linspace(0, len(names), count + 1).astype(int)
    chosen = [set(names[a:b]) for a, b in pairwise(cuts)]
    return [tuple(t for t in targets if t[0] in names_of) for names_of in chosen]


def evaluation_batches(encoded: Encoded, *, unit: str, size: int, sort: bool = True) -> Iterator[tuple[Target, ...]]:
    """Whole dialogues, long ones first (their memory need shows at once), about `size` targets each.

    With ``unit="dialogue"`` `size` counts dialogues; ``sort=False`` keeps file order (TODKAT released).
    """
    groups = by_dialogue(encoded)
    if sort:
        groups.sort(key=len, reverse=True)
    batch: list[Target] = []
    held = 0
    for group in groups:
        batch += group
        held += 1 if unit == "dialogue" else len(group)
        if held >= size:
            yield tuple(batch)
            batch, held = [], 0
    if batch:
        yield tuple(batch)
