"""F1 of emotion classes as one `evaluate.Metric`, computed by scikit-learn.

Purpose: the one place where this project turns gold and predicted classes into scores. `scoring` uses `values`;
anyone can load the metric by path, without this package: ``evaluate.load("training/erc_f1.py").compute(
predictions=[...], references=[...])``. Input: class indices. Output: fractions.
Not covered: the confusion matrix (`scoring`), significance (`stats`, which draws thousands of matrices at once).
"""

from collections.abc import Sequence
from typing import TypedDict

import datasets
import evaluate
import numpy as np
from sklearn.metrics import accuracy_score, f1_score

_DESCRIPTION = "Weighted, macro and micro F1 and accuracy of emotion classes; micro F1 without the neutral class."
_INPUTS = """
Args:
    predictions: predicted class indices.
    references: gold class indices.
    neutral: index of the neutral class; without it `micro_f1_no_neutral` is None.
    sample_weight: a weight for each pair.
"""


class F1(TypedDict):
    """The scores; `micro_f1_no_neutral` is None where no neutral class is named."""

    weighted_f1: float
    macro_f1: float
    micro_f1: float
    accuracy: float
    micro_f1_no_neutral: float | None


def values(
    references: Sequence[int] | np.ndarray,
    predictions: Sequence[int] | np.ndarray,
    *,
    neutral: int | None = None,
    sample_weight: Sequence[float] | np.ndarray | None = None,
) -> F1:
    """All scores of gold and predicted indices; 0 where a class or everything is absent.

    `micro_f1_no_neutral` counts the hits on all other classes: the usual score of DailyDialog, where "no emotion" is
    83 % of the lines and accuracy (equal to micro F1) says little.
    """
    gold, guess = np.asarray(references, dtype=np.int64), np.asarray(predictions, dtype=np.int64)

    def f1(average: str, labels: list[int] | None = None) -> float:
        if not len(gold):
            return 0.0
        return float(
            f1_score(gold, guess, labels=labels, average=average, zero_division=0, sample_weight=sample_weight)
        )

    others = sorted({*gold.tolist(), *guess.tolist()} - {neutral})
    return {
        "weighted_f1": f1("weighted"),
        "macro_f1": f1("macro"),
        "micro_f1": f1("micro"),
        "accuracy": float(accuracy_score(gold, guess, sample_weight=sample_weight)) if len(gold) else 0.0,
        "micro_f1_no_neutral": None if neutral is None else f1("micro", others) if others else 0.0,
    }


class ErcF1(evaluate.Metric):  # type: ignore[misc]
    """The metric; see `values`."""

    def _info(self) -> evaluate.MetricInfo:
        columns = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(
            description=_DESCRIPTION, citation="", inputs_description=_INPUTS, features=columns, format="numpy"
        )

    def _compute(
        self,
        predictions: np.ndarray,
        references: np.ndarray,
        neutral: int | None = None,
        sample_weight: Sequence[float] | None = None,
    ) -> F1:
        return values(references, predictions, neutral=neutral, sample_weight=sample_weight)
