"""Figures of two clouds of sentence embeddings: how wide each is, how far apart, how much of one the other covers.

Purpose: the figures that the literature compares by, beside precision and recall (`likeness`).
Input: embeddings ``[n, d]`` and the dialogue of each line. Output: `diversity.Estimate`s.
Not covered: how lines are drawn and encoded (`measure`, `likeness`). All depend on n: compare at equal n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from erc_synth.generation.quality.diversity import Estimate
from erc_synth.generation.quality.labels import one_thread
from erc_synth.generation.quality.likeness import share_by_dialogue, squared
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.seeds import numpy_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAREST = 5
BLOCKS = 10


def vendi(vectors: np.ndarray) -> float:
    """Vendi score (Friedman and Dieng 2023), cosine kernel: the effective number of different lines, 1..n.

    Exponential of the entropy of the eigenvalues of K / n; those of the smaller Gram matrix are the same.
    """
    unit = vectors.astype(float) / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    gram = unit.T @ unit if unit.shape[1] < len(unit) else unit @ unit.T
    values = np.linalg.eigvalsh(gram / len(unit))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance of two Gaussians fitted to the clouds (Heusel et al. 2017): 0 for the same mean and spread."""
    one, two = first.astype(float), second.astype(float)
    gap = one.mean(0) - two.mean(0)
    spread, other = np.atleast_2d(np.cov(one, rowvar=False)), np.atleast_2d(np.cov(two, rowvar=False))
    values, axes = np.linalg.eigh(spread)
    root = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    # tr sqrt(A B) from the symmetric form sqrt(A) B sqrt(A), whose eigenvalues are real.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    return max(0.0, float(gap @ gap + np.trace(spread) + np.trace(other) - 2 * shared))


def density_coverage(
    made: np.ndarray, real: np.ndarray, owners: Sequence[Sequence[int]], seed: int
) -> tuple[Estimate, Estimate]:
    """Density and coverage (Naeem et al. 2020, k = 5).

    Density: real balls that hold a made line, divided by k, on average; about 1 for the same distribution.
    Coverage: share of real balls that hold a made line.

    Args:
        made: Embeddings ``[n, d]``.
        real: Embeddings ``[m, d]``.
        owners: Number of the dialogue of each line, of made and of real.
        seed: Of resampling.
    """
    nearest = min(NEAREST, len(real) - 1)
    radii = np.partition(squared(real, real), nearest, axis=1)[:, nearest]  # position 0 is the point itself
    inside: np.ndarray = np.less(squared(made, real), radii[None, :])
    density = share_by_dialogue(inside.sum(1) / nearest, np.asarray(owners[0]), seed)
    return density, share_by_dialogue(np.asarray(inside.any(0)), np.asarray(owners[1]), seed)


def need_mauve() -> Any:
    """The library of MAUVE.

    Raises:
        ErcSynthError: The extra is not installed.
    """
    try:
        from mauve import compute_mauve
    except ImportError as error:
        raise ErcSynthError("MAUVE is not installed.", hint="pip install 'erc-synth[mauve]'.") from error
    return compute_mauve


def mauve(made: np.ndarray, real: np.ndarray, seed: int) -> float:
    """MAUVE (Pillutla et al. 2021) by its own library: 1 for the same distribution."""
    found = need_mauve()(p_features=made, q_features=real, seed=numpy_seed(seed) % 2**31, verbose=False)
    return float(found.mauve)


@one_thread
def jackknifed(
    measure: Callable[..., float], clouds: Sequence[np.ndarray], owners: Sequence[Sequence[int]], seed: int
) -> Estimate:
    """A figure of whole clouds with an interval that leaves out a tenth of the dialogues at a time.

    Blocks of dialogues, delete-one-block jackknife (Kunsch 1989): a bootstrap would draw lines twice, which
    these figures take for less variety.
    """
    value = measure(*clouds)
    chance = np.random.default_rng([numpy_seed(seed), 6])
    blocks = [_blocks(np.asarray(owner), chance) for owner in owners]
    count = min(int(block.max()) + 1 for block in blocks)
    if count < 2:
        return Estimate(value)
    left = [measure(*(c[b % count != n] for c, b in zip(clouds, blocks, strict=True))) for n in range(count)]
    error = float(np.sqrt((count - 1) * np.var(left)))
    return Estimate(value, value - 1.96 * error, value + 1.96 * error)


def _blocks(owners: np.ndarray, chance: np.random.Generator) -> NDArray[np.int64]:
    """The block of each line: dialogues dealt out to at most `BLOCKS` blocks."""
    _, member = np.unique(owners, return_inverse=True)
    dealt = chance.permutation(member.max() + 1) % min(BLOCKS, int(member.max()) + 1)
    return np.asarray(dealt[member], dtype=np.int64)
