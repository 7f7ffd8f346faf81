"""Scores of a classifier: one confusion matrix, and all F1 values from it.

Purpose: predictions are gathered per example over processes before anything is averaged, so the number of
processes never changes a score. `ErcF1` is the same as a local `evaluate` metric (no network).
Input: gold and predicted indices. Output: plain dicts as in the contract of metrics.json.
Not covered: significance (`stats`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def confusion(gold: Sequence[int] | np.ndarray, predicted: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
    """Counts ``[classes, classes]``, rows gold, columns predicted."""
    pairs = np.asarray(gold, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def scores(matrix: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """F1 values (fractions) of a confusion matrix; equal to scikit-learn with ``zero_division=0``.

    Macro F1 is the mean over classes that occur in gold or predictions (scikit-learn's default labels).
    """
    hits = np.diag(matrix).astype(float)
    support, chosen = matrix.sum(1), matrix.sum(0)
    precision = _share(hits, chosen)
    recall = _share(hits, support)
    f1 = _share(2 * hits, support + chosen)
    total = int(support.sum())
    seen = (support + chosen) > 0
    return {
        "examples": total,
        "weighted_f1": float((f1 * support).sum() / max(total, 1)),
        "macro_f1": float(f1[seen].mean()) if total else 0.0,
        "micro_f1": float(hits.sum() / max(total, 1)),
        "per_class": {
            label: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, label in enumerate(labels)
        },
        "confusion": matrix.tolist(),
    }


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)  # type: ignore[no-any-return]


def metric(labels: Sequence[str]) -> Any:
    """A local `evaluate.Metric` of fixed classes; ``compute(predictions=..., references=...)``."""
    import datasets
    import evaluate

    class ErcF1(evaluate.Metric):  # type: ignore[misc]
        """Weighted, macro and micro F1 with a fixed class list."""

        def _info(self) -> Any:
            columns = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
            return evaluate.MetricInfo(
                description="F1 of fixed emotion classes", citation="", inputs_description="", features=columns
            )

        def _compute(self, predictions: list[int], references: list[int]) -> dict[str, Any]:
            return scores(confusion(references, predictions, len(labels)), labels)

    return ErcF1(keep_in_memory=True)
