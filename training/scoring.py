"""Scores of a classifier: one confusion matrix, and all values from it.

Purpose: predictions are gathered per example over processes before anything is averaged, so the number of
processes never changes a score. The F1 values are those of the metric in `erc_f1`.
Input: gold and predicted indices. Output: plain dicts as in the contract of metrics.json.
Not covered: significance (`stats`). scikit-learn and `evaluate` take over a second to import (the latter loads all
pipelines of transformers), so that is done at the first score and not before the first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from erc_synth.training.contracts import ClassScore, Scores

if TYPE_CHECKING:
    from erc_synth.training import erc_f1

NEUTRAL = ("neutral", "no emotion")  # names of the class that says "nothing to see"


def confusion(gold: Sequence[int] | np.ndarray, predicted: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
    """Counts ``[classes, classes]``, rows gold, columns predicted."""
    pairs = np.asarray(gold, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def scores(matrix: np.ndarray, labels: Sequence[str]) -> Scores:
    """Values of a confusion matrix.

    Each filled cell of the matrix is one weighted pair for scikit-learn, so nothing is counted again. Macro F1 is the
    mean over classes that occur in gold or predictions (scikit-learn's default labels).
    """
    gold, guess = np.nonzero(matrix)
    weights = matrix[gold, guess]
    neutral = next((i for i, label in enumerate(labels) if label in NEUTRAL), None)
    found = _f1(gold, guess, weights, neutral)
    return {
        "examples": int(matrix.sum()),
        "weighted_f1": found["weighted_f1"],
        "macro_f1": found["macro_f1"],
        "micro_f1": found["micro_f1"],
        "accuracy": found["accuracy"],
        "micro_f1_no_neutral": found["micro_f1_no_neutral"],
        "per_class": _per_class(matrix, labels),
        "confusion": matrix.tolist(),
    }


@cache
def _metric() -> erc_f1.ErcF1:
    from erc_synth.training import erc_f1

    return erc_f1.ErcF1(keep_in_memory=True)


def _f1(gold: np.ndarray, guess: np.ndarray, weights: np.ndarray, neutral: int | None) -> erc_f1.F1:
    if not len(gold):  # `evaluate` refuses to compute over nothing
        from erc_synth.training import erc_f1

        return erc_f1.values(gold, guess, neutral=neutral)
    found: erc_f1.F1 = _metric().compute(references=gold, predictions=guess, neutral=neutral, sample_weight=weights)
    return found


def _per_class(matrix: np.ndarray, labels: Sequence[str]) -> dict[str, ClassScore]:
    from sklearn.metrics import precision_recall_fscore_support

    gold, guess = np.nonzero(matrix)
    columns = np.zeros((3, len(matrix)))
    if len(gold):
        *columns, _ = precision_recall_fscore_support(
            gold, guess, labels=range(len(matrix)), zero_division=0, sample_weight=matrix[gold, guess]
        )
    support = matrix.sum(1)
    return {
        label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for label, p, r, f, n in zip(labels, *columns, support, strict=True)
    }
