"""Bootstrap intervals: weighted F1 of one model, its difference between two, means over seeds.

Input: gold and predicted labels of the same utterances, and each utterance's dialogue; or the scores of seeds.
Output: values with percentile intervals of 95 %. Utterances of one dialogue are not independent, so whole dialogues
are drawn (Efron and Tibshirani 1993, chapter 6). Not covered: tests over blocks (`ranks`, `signed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from erc_synth.stats.errors import StatsError
from erc_synth.stats.inputs import Table

ENDS = (0.025, 0.975)  # of every interval here


@dataclass(frozen=True, slots=True)
class Predictions:
    """One model's labels of a test set, utterance by utterance."""

    dialogues: Sequence[str]
    turns: Sequence[int]
    gold: Sequence[str]
    predicted: Sequence[str]

    def same_utterances(self, other: Predictions) -> bool:
        """Whether both label the same utterances with the same gold labels."""
        return (self.dialogues, self.turns, self.gold) == (other.dialogues, other.turns, other.gold)


def read_predictions(path: Path) -> Predictions:
    """A predictions file of `train` (columns dialogue_id, utterance_id, gold, predicted).

    Raises:
        StatsError: No Parquet file, or a column is missing.
    """
    import pyarrow.parquet as pq

    try:
        columns = pq.read_table(path, columns=["dialogue_id", "utterance_id", "gold", "predicted"]).to_pydict()
        return Predictions(*(columns[name] for name in ("dialogue_id", "utterance_id", "gold", "predicted")))
    except (ValueError, KeyError) as error:  # ArrowInvalid is a ValueError
        raise StatsError(f"{path} is no file of predictions: {error}.", hint="Train or evaluate again.") from error


@dataclass(frozen=True, slots=True)
class Difference:
    """Weighted F1 of b minus that of a (fractions), with its interval and the share of draws below 0."""

    value: float
    low: float
    high: float
    below_zero: float
    dialogues: int


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Weighted F1 of confusion matrices ``[..., gold, predicted]``; scikit-learn has none for many at once."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    gold, predicted = confusion.sum(-1), confusion.sum(-2)
    f1 = 2 * hits / np.maximum(gold + predicted, 1)
    weighted: np.ndarray = (f1 * gold).sum(-1) / np.maximum(gold.sum(-1), 1)
    return weighted


def _confusions(some: Sequence[Predictions]) -> list[np.ndarray]:
    """One confusion matrix per dialogue, ``[dialogues, k, k]``, for models that label the same utterances."""
    first = some[0]
    labels = {label: i for i, label in enumerate(sorted({*first.gold}.union(*(one.predicted for one in some))))}
    rows = {name: i for i, name in enumerate(dict.fromkeys(first.dialogues))}
    dialogue, gold = (
        np.array([codes[name] for name in names]) for codes, names in ((rows, first.dialogues), (labels, first.gold))
    )
    found = []
    for one in some:
        counts = np.zeros((len(rows), len(labels), len(labels)), dtype=np.int64)
        np.add.at(counts, (dialogue, gold, np.array([labels[label] for label in one.predicted])), 1)
        found.append(counts)
    return found


def _drawn(dialogues: int, draws: int, random: np.random.Generator) -> np.ndarray:
    """How often each dialogue is in each draw, ``[draws, dialogues]``."""
    return random.multinomial(dialogues, np.full(dialogues, 1 / dialogues), size=draws)


def difference(a: Predictions, b: Predictions, *, draws: int = 2_000, seed: int = 0) -> Difference:
    """Difference of weighted F1 (b minus a) with a percentile interval over resampled dialogues."""
    first, second = _confusions([a, b])
    weights = _drawn(len(first), draws, np.random.default_rng(seed))
    spread = weighted_f1(np.tensordot(weights, second, 1)) - weighted_f1(np.tensordot(weights, first, 1))
    low, high = np.quantile(spread, ENDS)
    value = float(weighted_f1(second.sum(0)) - weighted_f1(first.sum(0)))
    return Difference(value, float(low), float(high), float((spread < 0).mean()), len(first))


def paired_bootstrap(
    gold: Sequence[str], a: Sequence[str], b: Sequence[str], dialogues: Sequence[str], *, draws: int = 2_000
) -> Difference:
    """`difference` of plain columns: gold labels, those of two models, the dialogue of each utterance.

    Raises:
        StatsError: Nothing to compare, or sequences of different lengths.
    """
    if not gold or len({len(gold), len(a), len(b), len(dialogues)}) != 1:
        raise StatsError("A paired comparison needs the same utterances for both models.")
    turns = range(len(gold))
    return difference(Predictions(dialogues, turns, gold, a), Predictions(dialogues, turns, gold, b), draws=draws)


def compare_files(a: Path, b: Path, *, draws: int = 2_000, seed: int = 0) -> Difference:
    """`difference` of two predictions files of `train`.

    Raises:
        StatsError: They score different utterances.
    """
    first, second = read_predictions(a), read_predictions(b)
    if not first.same_utterances(second):
        raise StatsError(f"{a} and {b} score different utterances.", hint="Evaluate both on the same test set.")
    return difference(first, second, draws=draws, seed=seed)


def f1_interval(seeds: Sequence[Predictions], *, draws: int = 1_000) -> tuple[float, float] | None:
    """Interval of the mean weighted F1 (a fraction) of one model's seeds on one test set.

    Whole dialogues are drawn, and seeds anew where there are several; `None` when the seeds were scored on
    different utterances, or on none.
    """
    if not seeds or not seeds[0].gold or not all(seeds[0].same_utterances(other) for other in seeds[1:]):
        return None
    random = np.random.default_rng(0)
    counts = _confusions(seeds)
    weights = _drawn(len(counts[0]), draws, random)
    scores = np.stack([weighted_f1(np.tensordot(weights, one, 1)) for one in counts])  # [seeds, draws]
    chosen = random.integers(len(seeds), size=scores.shape) if len(seeds) > 1 else np.zeros((1, draws), dtype=int)
    low, high = np.quantile(np.take_along_axis(scores, chosen, 0).mean(0), ENDS)
    return float(low), float(high)


def bootstrap_interval(values: Sequence[float], *, draws: int = 5_000, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of the mean of independent values (seeds, or per-dialogue differences).

    Raises:
        StatsError: There are no values.
    """
    if not values:
        raise StatsError("A bootstrap needs at least one value.")
    low, high = np.quantile(_means(values, draws, np.random.default_rng(seed)), ENDS)
    return float(low), float(high)


def _means(values: Sequence[float], draws: int, random: np.random.Generator) -> np.ndarray:
    chosen: np.ndarray = random.choice(np.asarray(values, dtype=float), size=(draws, len(values))).mean(1)
    return chosen


def seed_means(table: Table, *, draws: int = 1_000) -> dict[int, np.ndarray]:
    """Model -> its mean over all blocks in each draw, every cell's seeds drawn anew; models with single seeds are out.

    The interval of a gain is that of the difference of two of these.
    """
    random, found = np.random.default_rng(0), {}
    for j, model in enumerate(table.models):
        cells = [table.replicates.get((block, model), ()) for block in table.blocks]
        if all(len(cell) > 1 for cell in cells):
            found[j] = np.mean([_means(cell, draws, random) for cell in cells], axis=0)
    return found
