"""Diversity of wording: how much a set says, at an equal number of words.

Purpose: every measure of diversity depends on length, so all are taken on samples of the same number of
words, drawn by dialogue from a seed; the interval is the spread of the draws.
Input: dialogues as lists of word lists (`wording.lines`). Output: `Estimate`s by name.
Not covered: meaning (`likeness`).
"""

from __future__ import annotations

import math
import random
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from erc_synth.loaders.contracts import Interval
from erc_synth.loaders.wording import ngrams

Lines = list[list[str]]
DRAWS = 20
MOST_WORDS = 20_000
SELF_BLEU_WORDS = 4000
SELF_BLEU_ORDER = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; `low` and `high` are ``None`` where none can be given."""

    value: float
    low: float | None = None
    high: float | None = None

    def to_json(self) -> Interval:
        """As it stands in `quality.json`."""
        return {"value": self.value, "low": self.low, "high": self.high}


def interval(draws: Sequence[float], value: float | None = None) -> Estimate:
    """Mean (or a given value) of repeated draws, with their 2.5 and 97.5 percentiles."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return Estimate(float(np.mean(draws)) if value is None else value, float(low), float(high))


def equal_words(*sizes: int) -> int:
    """Words to draw so that sets of so many words can be compared: half of the smallest, at most `MOST_WORDS`.

    Half, because draws of everything would all be the same and show no spread.
    """
    return max(1, min(MOST_WORDS, min(sizes) // 2))


def diversity(dialogues: Sequence[Lines], budget: int, seed: int) -> dict[str, Estimate]:
    """Every measure of `MEASURES` on `DRAWS` samples of exactly `budget` words.

    Raises:
        ValueError: The set has fewer words than the budget.
    """
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    for number in range(DRAWS):
        sample = draw(dialogues, budget, random.Random(f"diversity {seed} {number}"))
        for name, measure in MEASURES.items():
            found[name].append(measure(sample))
    return {name: interval(values) for name, values in found.items()}


def draw(dialogues: Sequence[Lines], budget: int, chance: random.Random) -> Lines:
    """Lines of randomly ordered dialogues, exactly `budget` words (the last line is cut)."""
    order = list(range(len(dialogues)))
    chance.shuffle(order)
    taken: Lines = []
    left = budget
    for number in order:
        for line in dialogues[number]:
            if left == 0:
                return taken
            if line:
                taken.append(line[:left])
                left -= len(taken[-1])
    if left:
        raise ValueError(f"{budget} words were asked for, {budget - left} are there")
    return taken


def distinct(size: int) -> Callable[[Lines], float]:
    """Distinct-n (Li et al. 2016): different n-grams of the lines, divided by all of them."""

    def measure(sample: Lines) -> float:
        grams = [gram for line in sample for gram in ngrams(line, size)]
        return len(set(grams)) / len(grams) if grams else 0.0

    return measure


def compression(sample: Lines) -> float:
    """Plain size by zlib size; higher is more repetitive (Shaib et al. 2024)."""
    plain = "\n".join(" ".join(line) for line in sample).encode()
    return len(plain) / len(zlib.compress(plain, 9))


def vocabulary(sample: Lines) -> float:
    """Number of different words."""
    return float(len({word for line in sample for word in line}))


def heaps(sample: Lines) -> float:
    """Exponent of vocabulary growth (Heaps: V = k N^b), fitted on a log-log grid; 0 when too short."""
    seen: set[str] = set()
    growth: list[int] = []
    for line in sample:
        for word in line:
            seen.add(word)
            growth.append(len(seen))
    if len(growth) < 20:
        return 0.0
    counts = np.unique(np.geomspace(10, len(growth), 30).astype(int))
    return float(np.polyfit(np.log(counts), np.log(np.array(growth)[counts - 1]), 1)[0])


def self_bleu(sample: Lines) -> float:
    """Mean BLEU-4 of each line against all others (Zhu et al. 2018), on the first lines of `SELF_BLEU_WORDS` words.

    Counts are clipped by the greatest count in any other line; an order without a match counts
    half a match, so that the logarithm exists. The two greatest counts of each n-gram are kept, so the cost
    is linear in the lines instead of quadratic.
    """
    long = [line for line in sample if len(line) >= SELF_BLEU_ORDER]
    until = np.searchsorted(np.cumsum([len(line) for line in long]), SELF_BLEU_WORDS) + 1
    texts = long[:until]
    if len(texts) < 2:
        return 0.0
    logs = np.zeros(len(texts))
    for size in range(1, SELF_BLEU_ORDER + 1):
        counts = [Counter(ngrams(line, size)) for line in texts]
        best = _two_greatest(counts)
        for number, own in enumerate(counts):
            matched = sum(min(count, _other(best[gram], number)) for gram, count in own.items())
            logs[number] += math.log(max(matched, 0.5) / sum(own.values()))
    lengths = Counter(len(line) for line in texts)
    brevity = np.array([_brevity(len(line), lengths) for line in texts])
    return float(np.mean(np.exp(brevity + logs / SELF_BLEU_ORDER)))


def self_repetition(sample: Lines) -> float:
    """Mean over lines of ln(1 + how often its 4-grams stand in other lines) (after Salkar et al. 2022)."""
    counts = [Counter(ngrams(line, 4)) for line in sample]
    total: Counter[tuple[str, ...]] = Counter()
    for own in counts:
        total.update(own)
    again = [sum(own[gram] * (total[gram] - own[gram]) for gram in own) for own in counts if own]
    return float(np.mean(np.log1p(again))) if again else 0.0


def template_rate(sample: Lines) -> float:
    """Share of lines of four and more words that open with the same three words as three others or more."""
    openings = Counter(tuple(line[:3]) for line in sample if len(line) >= 4)
    return sum(n for n in openings.values() if n > 3) / openings.total() if openings else 0.0


Greatest = tuple[int, int, int]  # (greatest count, the line it is in, greatest count in any other line)


def _two_greatest(counts: list[Counter[tuple[str, ...]]]) -> dict[tuple[str, ...], Greatest]:
    best: dict[tuple[str, ...], Greatest] = {}
    for number, own in enumerate(counts):
        for gram, count in own.items():
            first, owner, second = best.get(gram, (0, -1, 0))
            best[gram] = (count, number, first) if count > first else (first, owner, max(second, count))
    return best


def _other(greatest: Greatest, number: int) -> int:
    first, owner, second = greatest
    return second if owner == number else first


def _brevity(length: int, lengths: Counter[int]) -> float:
    """Log of the brevity penalty towards the closest length of another line (the shorter on a tie)."""
    others = (other for other, count in lengths.items() if count > (other == length))
    closest = min(others, key=lambda other: (abs(other - length), other))
    return min(0.0, 1 - closest / length)


MEASURES: dict[str, Callable[[Lines], float]] = {
    "distinct-1": distinct(1),
    "distinct-2": distinct(2),
    "distinct-3": distinct(3),
    "compression ratio": compression,
    "self-BLEU": self_bleu,
    "self-repetition": self_repetition,
    "template rate": template_rate,
    "vocabulary": vocabulary,
    "Heaps exponent": heaps,
}
