"""Label check: do the generated emotions agree with a judge who learnt from real data?

Purpose: the generator wrote text and label together, so agreement with itself proves nothing. A plain
classifier trained on a real train split gives kappa, overall and per label, beside its own kappa on the
real test split (its ceiling); cross-validated confidence gives lines whose label is doubtful.
Input: embeddings and labels. Output: kappas, doubtful lines. Not covered: people (`sheet`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np
from threadpoolctl import threadpool_limits

from erc_synth.generation.quality.diversity import Estimate, interval
from erc_synth.loaders.schema import Dialogue
from erc_synth.loaders.seeds import numpy_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.linear_model import LogisticRegression

LEAST_PER_LABEL = 5
REPLICATES = 200
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Annotator(Protocol):
    """A judge that reads whole dialogues: a trained classifier, a language model, or anything with the same face."""

    @property
    def name(self) -> str:
        """Whose opinion it is."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Emotions in fixed order; the columns of `probabilities`."""
        ...

    def probabilities(self, dialogues: Sequence[Dialogue]) -> Sequence[np.ndarray | None]:
        """One array ``[turns, labels]`` a dialogue; ``None`` for one that it could not judge."""
        ...


def one_thread(function: _Function) -> _Function:
    """Run small regressions on one BLAS thread: several wait for each other (8.1 s to 0.2 s on two busy cores)."""
    return cast(_Function, threadpool_limits.wrap(limits=1)(function))


def kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Cohen's kappa: 1 agrees always, 0 as by chance; two constant, equal lists agree (1)."""
    if not first:
        return 0.0
    agree = float(np.mean([a == b for a, b in zip(first, second, strict=True)]))
    one, two, total = Counter(first), Counter(second), len(first)
    chance = sum(one[label] * two[label] for label in one) / total**2
    return 1.0 if chance == 1 else (agree - chance) / (1 - chance)


def kappa_by_label(first: Sequence[str], second: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """Kappa of each label against all others; labels that neither list has are left out."""
    present = set(first) | set(second)
    return {
        label: kappa([str(a == label) for a in first], [str(b == label) for b in second])
        for label in labels
        if label in present
    }


def kappas(
    first: Sequence[str], second: Sequence[str], owners: Sequence[int], labels: Sequence[str], seed: int
) -> tuple[Estimate, dict[str, Estimate]]:
    """Kappa overall and of each label against all others; intervals resample whole dialogues.

    Args:
        first: Labels ``[n]`` of one judge.
        second: Labels ``[n]`` of the other.
        owners: Number of the dialogue of each line.
        labels: Labels to list; those that neither judge used are left out.
        seed: Of resampling.
    """
    names = list(dict.fromkeys([*labels, *first, *second]))
    one, two = (np.array([names.index(label) for label in said]) for said in (first, second))
    _, member = np.unique(np.asarray(owners), return_inverse=True)
    table = np.zeros((member.max() + 1, len(names), len(names)))  # dialogue, first label, second label
    np.add.at(table, (member, one, two), 1)
    picks = np.random.default_rng([numpy_seed(seed), 3]).integers(0, len(table), (REPLICATES, len(table)))
    weights = np.stack([np.bincount(pick, minlength=len(table)) for pick in picks])
    draws = np.concatenate([table.sum(0)[None], np.tensordot(weights, table, 1)])  # first the whole, then the draws

    def estimate(tables: NDArray[np.float64]) -> Estimate:
        value, *drawn = _kappa_of(tables).tolist()
        return interval(drawn, value)

    present = set(first) | set(second)
    by_label = {label: estimate(_one_against_all(draws, names.index(label))) for label in labels if label in present}
    return estimate(draws), by_label


def _one_against_all(tables: NDArray[np.float64], at: int) -> NDArray[np.float64]:
    """Tables ``[r, k, k]`` of one label and the rest, ``[r, 2, 2]``."""
    both, rows, columns = tables[:, at, at], tables[:, at].sum(-1), tables[:, :, at].sum(-1)
    rest = tables.sum((1, 2)) - rows - columns + both
    return np.stack([np.stack([both, rows - both], -1), np.stack([columns - both, rest], -1)], -2)


def _kappa_of(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kappa of each table ``[r, k, k]``; 1 where both judges are constant and equal, as in `kappa`."""
    total = tables.sum((1, 2))
    agree = np.trace(tables, axis1=1, axis2=2) / total
    chance = (tables.sum(1) * tables.sum(2)).sum(1) / total**2
    return np.where(chance == 1, 1.0, (agree - chance) / np.where(chance == 1, 1.0, 1 - chance))


@one_thread
def judge(vectors: NDArray[np.float32], labels: Sequence[str], seed: int) -> LogisticRegression:
    """Logistic regression on embeddings ``[n, d]``, classes weighted to be equal."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000, class_weight="balanced", random_state=numpy_seed(seed)).fit(
        vectors, list(labels)
    )


@dataclass(frozen=True, slots=True)
class Doubt:
    """A line whose label looks wrong: its position in the sample, the label, the likelier one."""

    position: int
    given: str
    likelier: str


@one_thread
def doubtful(
    vectors: NDArray[np.float32], labels: Sequence[str], groups: Sequence[int], seed: int
) -> tuple[list[Doubt], list[int]]:
    """Doubtful labels by confident learning (Northcutt et al. 2021; the library cleanlab).

    Out-of-fold probabilities of `judge`, folds by dialogue; most doubtful first. Labels with fewer than
    `LEAST_PER_LABEL` lines cannot be cross-validated and are left out.

    Args:
        vectors: Embeddings ``[n, d]``.
        labels: Label of each.
        groups: Number of the dialogue of each.
        seed: Of the folds.

    Returns:
        The doubtful lines, and the positions of all lines examined.
    """
    from cleanlab.filter import find_label_issues
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    counts = Counter(labels)
    names = sorted(label for label, count in counts.items() if count >= LEAST_PER_LABEL)
    used = [position for position, label in enumerate(labels) if label in names]
    owners = np.asarray(groups)[used]
    folds = min(5, len(set(owners.tolist())))
    if len(names) < 2 or folds < 2:
        return [], []
    given = np.array([names.index(labels[position]) for position in used])
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=numpy_seed(seed))
    parts = list(splitter.split(vectors[used], given, owners))
    if any(len(set(given[train])) < len(names) for train, _ in parts):
        return [], []  # a label stands in one dialogue only
    chances = cross_val_predict(
        LogisticRegression(max_iter=1000), vectors[used], given, cv=parts, method="predict_proba"
    )
    ranked = find_label_issues(given, chances, return_indices_ranked_by="self_confidence", n_jobs=1)
    likelier = chances.argmax(1)
    return [Doubt(used[i], names[given[i]], names[likelier[i]]) for i in ranked], used
