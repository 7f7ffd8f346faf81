"""Grayscale labels of EmoOne (Lee, Interspeech 2022): soft targets and their loss.

Purpose: target distributions by method; the loss is w1 * CE(one-hot) + w2 * soft CE(grayscale), mean over targets.
Input: gold indices, teacher probabilities, sentiment groups or word vectors. Output: arrays ``[n, classes]``.
Not covered: training the teacher (`loop`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import LabelSet


@dataclass(frozen=True, slots=True)
class Soft:
    """Soft targets of a train split.

    Attributes:
        targets: Distributions ``[train utterances, classes]``.
        hard_weight: Weight of the one-hot cross-entropy.
        soft_weight: Weight of the cross-entropy with the soft targets.
    """

    targets: np.ndarray
    hard_weight: float = 1.0
    soft_weight: float = 1.0


def category(gold: np.ndarray, labels: LabelSet) -> np.ndarray:
    """C ("heuristic" officially): 1 for gold, 0.5 for the others of its sentiment group, divided by the sum.

    The official MELD script takes the group of the sample's sentiment column; the schema has one group per label.
    """
    if not labels.sentiment:
        raise ErcSynthError(f"The label set {labels.name!r} has no sentiment groups.", hint="Use --method self-adjust.")
    groups = np.array([labels.sentiment[label] for label in labels.labels])
    table = 0.5 * (groups[:, None] == groups[None, :]) + 0.5 * np.eye(len(labels))
    return (table / table.sum(1, keepdims=True))[gold]  # type: ignore[no-any-return]


def word(gold: np.ndarray, labels: LabelSet, vectors: Path) -> np.ndarray:
    """W: cosines of label-word vectors, negatives to 0, divided by the sum (rungjoo/Emotion_not_One).

    Args:
        gold: Label indices.
        labels: Their names are the words.
        vectors: Text file, ``word x1 x2 ...`` a line (fastText ``.vec``; a header line is skipped).
    """
    table = _vectors(vectors, labels.labels)
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    cosines = np.clip(table @ table.T, 0, None)
    return (cosines / cosines.sum(1, keepdims=True))[gold]  # type: ignore[no-any-return]


def _vectors(path: Path, words: tuple[str, ...]) -> np.ndarray:
    found: dict[str, np.ndarray] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            name, _, numbers = line.partition(" ")
            if name in words:
                found[name] = np.array(numbers.split(), dtype=float)
    if missing := [name for name in words if name not in found]:
        raise ErcSynthError(f"{path} lacks vectors of: {', '.join(missing)}.", hint="Use fastText crawl-300d-2M.vec.")
    return np.stack([found[name] for name in words])


def self_adjust(teacher: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """SA: the teacher, but gold never below one half; the rest is rescaled to sum to one half."""
    rows = np.arange(len(gold))
    given = teacher[rows, gold]
    weak = given < 0.5
    target = teacher.copy()
    rest = np.maximum(1.0 - given[weak], 1e-12)
    target[weak] *= (0.5 / rest)[:, None]
    target[rows[weak], gold[weak]] = 0.5
    return target


def loss(
    logits: Tensor, gold: Tensor, soft: Tensor | None, *, hard_weight: float = 1.0, soft_weight: float = 1.0
) -> Tensor:
    """SUM over targets of the loss (the caller divides by the size of the whole step).

    Log-softmax instead of the official log(softmax): equal to 5e-7, but finite at extreme logits.
    """
    logits = logits.float()
    hard = functional.cross_entropy(logits, gold, reduction="sum")
    if soft is None:
        return hard
    graded = -(soft * torch.log_softmax(logits, dim=-1)).sum()
    return hard_weight * hard + soft_weight * graded
