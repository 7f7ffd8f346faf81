"""Trim a curated set to its size and split it by dialogue, with every emotion in every split.

Purpose: paper section 4.1 splits after generation; a rare emotion must not end up in one split only.
Input: dialogues, ratios, a seed. Output: a split name for each dialogue, the same for the same seed.
Not covered: which dialogues are good (`curation`).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import SPLITS
from erc_synth.loaders.seeds import numpy_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ratios = tuple[float, float, float]


class Labelled(Protocol):
    """What decides where a dialogue goes; a `Dialogue` has it."""

    @property
    def dialogue_id(self) -> str:
        """Unique in the set."""

    @property
    def target_emotion(self) -> str | None:
        """The emotion that was asked for."""

    @property
    def emotions(self) -> tuple[str | None, ...]:
        """The emotion of each turn."""


Some = TypeVar("Some", bound=Labelled)


def check_ratios(ratios: Sequence[float]) -> Ratios:
    """Three positive ratios (train, validation, test), scaled to sum to 1.

    Raises:
        ErcSynthError: Not three, or one is not positive and finite.
    """
    if len(ratios) != len(SPLITS) or not all(0 < ratio < float("inf") for ratio in ratios):
        raise ErcSynthError(
            f"The split ratios {list(ratios)} are not three positive numbers.",
            hint="For example 0.8 0.1 0.1.",
        )
    train, validation, test = (ratio / sum(ratios) for ratio in ratios)
    return train, validation, test


def trim(dialogues: Sequence[Some], size: int | None, seed: int, level: bool = False) -> tuple[list[Some], list[Some]]:
    """Keep `size` dialogues, drawn by seed.

    Args:
        dialogues: In the order that decides together with the seed.
        size: Wanted dialogues; ``None`` keeps all.
        seed: Of the draw.
        level: Drop what makes the labels uneven. For adaptive recipes: they ask for rare emotions more
            often, and taking these equally often would undo it. Else the asked-for emotions are kept as
            equally often as the stock allows.

    Returns:
        Kept and surplus dialogues, both in the given order.
    """
    if size is None or len(dialogues) <= size:
        return list(dialogues), []
    kept = _levelled(dialogues, size, seed) if level else _in_turn(dialogues, size, seed)
    return (
        [dialogue for position, dialogue in enumerate(dialogues) if position in kept],
        [dialogue for position, dialogue in enumerate(dialogues) if position not in kept],
    )


def _in_turn(dialogues: Sequence[Labelled], size: int, seed: int) -> set[int]:
    """Positions of `size` dialogues, one of each asked-for emotion in turn."""
    strata: dict[str, list[int]] = defaultdict(list)
    for position, dialogue in enumerate(dialogues):
        strata[dialogue.target_emotion or ""].append(position)
    draw = random.Random(f"trim {seed}")
    for positions in strata.values():
        draw.shuffle(positions)
    rounds = zip_longest(*(strata[key] for key in sorted(strata)))
    return set([position for round_ in rounds for position in round_ if position is not None][:size])


def _levelled(dialogues: Sequence[Labelled], size: int, seed: int) -> set[int]:
    """Positions of `size` dialogues whose labels are even: drops, step by step, those that raise entropy most."""
    names = sorted({emotion for d in dialogues for emotion in d.emotions if emotion is not None})
    counts = np.array([[d.emotions.count(name) for name in names] for d in dialogues])
    alive = np.random.default_rng([numpy_seed(seed), 4]).permutation(len(dialogues))  # the seed breaks ties
    while (surplus := len(alive) - size) > 0:
        left = counts[alive].sum(0) - counts[alive]
        alive = alive[np.argsort(entropies(left), kind="stable")[: -max(1, surplus // 100)]]
    return set(alive.tolist())


def entropies(counts: np.ndarray) -> NDArray[np.float64]:
    """Entropy in nats of each row of counts ``[..., labels]``; 0 for a row of zeros."""
    shares = counts / np.maximum(counts.sum(-1, keepdims=True), 1)
    return np.asarray(-np.sum(shares * np.log(np.where(shares > 0, shares, 1)), axis=-1), dtype=np.float64)


def split(
    dialogues: Sequence[Labelled],
    ratios: Ratios,
    seed: int,
    same_split: Mapping[str, str] | None = None,
    pinned: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Dialogue id -> split, stratified by utterance labels (after Sechidis et al. 2011, by dialogue).

    Dialogues with rare emotions are placed first, each where its emotions are missing most. Every split is
    non-empty when there are three dialogues (or groups) or more.

    Args:
        dialogues: Any order; the result does not depend on it.
        ratios: See `check_ratios`.
        seed: Breaks ties.
        same_split: Dialogue id -> id of a dialogue it must stay with (kept duplicates), chains allowed.
        pinned: Dialogue id -> the split it must go to, with all that stay with it.
    """
    groups = _groups(dialogues, same_split or {})
    total = Counter(emotion for dialogue in dialogues for emotion in dialogue.emotions)
    order = list(range(len(groups)))
    random.Random(f"split {seed}").shuffle(order)
    order.sort(key=lambda number: min((total[label] for d in groups[number] for label in d.emotions), default=0))
    need = {name: {label: ratio * total[label] for label in total} for name, ratio in _named(ratios)}
    room = quotas(len(dialogues), ratios)
    target = {name: dict(wanted) for name, wanted in need.items()}
    quota = dict(room)

    fixed = _fixed(groups, pinned or {})
    placed: dict[int, str] = {}
    for number in sorted(order, key=lambda number: number not in fixed):
        labels = Counter(emotion for dialogue in groups[number] for emotion in dialogue.emotions)
        name = fixed.get(number) or max(
            (name for name in SPLITS if room[name] > 0),
            key=lambda name: _pull(labels, total, need[name], target[name]) + room[name] / max(quota[name], 1),
            default="train",
        )
        placed[number] = name
        room[name] -= len(groups[number])
        for label, count in labels.items():
            need[name][label] -= count
    _fill_empty(placed, [len(group) for group in groups])
    return {d.dialogue_id: placed[number] for number, group in enumerate(groups) for d in group}


def _fixed(groups: Sequence[Sequence[Labelled]], pinned: Mapping[str, str]) -> dict[int, str]:
    """Number of a group -> the split of its first pinned dialogue."""
    found = ((n, pinned[d.dialogue_id]) for n, group in enumerate(groups) for d in group if d.dialogue_id in pinned)
    first: dict[int, str] = {}
    for number, name in found:
        first.setdefault(number, name)
    return first


def _named(ratios: Ratios) -> list[tuple[str, float]]:
    return list(zip(SPLITS, ratios, strict=True))


def _pull(
    labels: Counter[str | None],
    total: Counter[str | None],
    need: Mapping[str | None, float],
    target: Mapping[str | None, float],
) -> float:
    """How much a split lacks these labels; rare ones weigh more."""
    weight = sum(count / total[label] for label, count in labels.items()) or 1.0
    return sum(c / total[label] * need[label] / target[label] for label, c in labels.items()) / weight


def quotas(count: int, ratios: Ratios) -> dict[str, int]:
    """Dialogues per split by largest remainder; at least one each from three dialogues on."""
    exact = {name: ratio * count for name, ratio in _named(ratios)}
    quota = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(SPLITS, key=lambda name: quota[name] - exact[name])
    for name in by_remainder[: count - sum(quota.values())]:
        quota[name] += 1
    for name in ("test", "validation", "train")[: count if count < len(SPLITS) else None]:
        if quota[name] == 0 and max(quota.values()) > 1:
            quota[max(SPLITS, key=lambda other: quota[other])] -= 1
            quota[name] = 1
    return quota


def _groups(dialogues: Sequence[Labelled], same_split: Mapping[str, str]) -> list[list[Labelled]]:
    def head(dialogue_id: str) -> str:  # it may have been trimmed: what hangs on it still hangs together
        while dialogue_id in same_split:
            dialogue_id = same_split[dialogue_id]
        return dialogue_id

    groups: dict[str, list[Labelled]] = defaultdict(list)
    for dialogue in sorted(dialogues, key=lambda dialogue: dialogue.dialogue_id):
        groups[head(dialogue.dialogue_id)].append(dialogue)
    return list(groups.values())


def _fill_empty(placed: dict[int, str], sizes: list[int]) -> None:
    """Large groups may use up the room of a split: give it the smallest group of the fullest one."""
    while len(placed) >= len(SPLITS) and (empty := set(SPLITS) - set(placed.values())):
        groups_of = Counter(placed.values())
        fullest = max(SPLITS, key=lambda name: groups_of[name])
        smallest = min((n for n, name in placed.items() if name == fullest), key=lambda n: (sizes[n], n))
        placed[smallest] = sorted(empty)[0]
