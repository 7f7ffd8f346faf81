"""Paired bootstrap of the difference of two models' weighted F1, resampled by dialogue.

Input: gold and predicted labels of the same utterances by two models, and each utterance's dialogue.
Output: the difference and its percentile interval. Utterances of one dialogue are not independent, so
whole dialogues are drawn (Efron and Tibshirani 1993, chapter 6). Not covered: seeds (`friedman`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from erc_synth.stats.exact import StatsError


@dataclass(frozen=True, slots=True)
class Difference:
    """Weighted F1 of b minus that of a (fractions), with its interval and the share of draws below 0."""

    value: float
    low: float
    high: float
    below_zero: float
    dialogues: int


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Weighted F1 of confusion matrices ``[..., gold, predicted]``."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    gold, predicted = confusion.sum(-1), confusion.sum(-2)
    f1 = 2 * hits / np.maximum(gold + predicted, 1)
    weighted: np.ndarray = (f1 * gold).sum(-1) / np.maximum(gold.sum(-1), 1)
    return weighted


def _confusions(gold: np.ndarray, predicted: np.ndarray, dialogue: np.ndarray, k: int) -> np.ndarray:
    """One confusion matrix per dialogue, ``[dialogues, k, k]``."""
    counts = np.zeros((int(dialogue.max()) + 1, k, k), dtype=np.int64)
    np.add.at(counts, (dialogue, gold, predicted), 1)
    return counts


def paired_bootstrap(
    gold: Sequence[str],
    a: Sequence[str],
    b: Sequence[str],
    dialogues: Sequence[str],
    *,
    draws: int = 2_000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Difference of weighted F1 (b minus a) with a percentile interval over resampled dialogues.

    Raises:
        StatsError: Nothing to compare, or sequences of different lengths.
    """
    if not gold or len({len(gold), len(a), len(b), len(dialogues)}) != 1:
        raise StatsError("A paired comparison needs the same utterances for both models.")
    labels = {label: i for i, label in enumerate(sorted({*gold, *a, *b}))}
    rows = {name: i for i, name in enumerate(dict.fromkeys(dialogues))}
    index = np.array([rows[name] for name in dialogues])
    coded = [np.array([labels[label] for label in some]) for some in (gold, a, b)]
    first, second = (_confusions(coded[0], some, index, len(labels)) for some in coded[1:])
    draw = np.random.default_rng(seed)
    weights = draw.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=draws)
    spread = weighted_f1(np.tensordot(weights, second, 1)) - weighted_f1(np.tensordot(weights, first, 1))
    tail = (1 - level) / 2
    low, high = np.quantile(spread, [tail, 1 - tail])
    value = float(weighted_f1(second.sum(0)) - weighted_f1(first.sum(0)))
    return Difference(value, float(low), float(high), float((spread < 0).mean()), len(rows))


def compare_files(a: Path, b: Path, *, draws: int = 2_000, seed: int = 0) -> Difference:
    """The same for two predictions files of `train` (columns dialogue_id, utterance_id, gold, predicted)."""
    import pyarrow.parquet as pq

    columns = ["dialogue_id", "utterance_id", "gold", "predicted"]
    tables = [pq.read_table(path, columns=columns).to_pydict() for path in (a, b)]
    if any(tables[0][name] != tables[1][name] for name in columns[:3]):
        raise StatsError(f"{a} and {b} score different utterances.", hint="Evaluate both on the same test set.")
    return paired_bootstrap(
        tables[0]["gold"], tables[0]["predicted"], tables[1]["predicted"], tables[0]["dialogue_id"],
        draws=draws, seed=seed,
    )  # fmt: skip
