"""The shapes of the files between stages that statistics read or write (schemas in `docs/contracts/`).

Input: nothing. Output: types; `stats.json` is an `Analysis`. Not covered: checks at run time (`inputs`, `cells`).
"""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict  # pydantic reads the one of `typing` from Python 3.12 on only


class Permutation(TypedDict):
    """Permutation p of the omnibus test."""

    kind: Literal["exact", "monte-carlo"]
    p: float
    permutations: int


class Omnibus(TypedDict):
    """Friedman's test; the F of Iman and Davenport is `None` (infinite) when all blocks agree."""

    chi_square: float
    df: int
    p: float
    kendall_w: float
    iman_davenport_f: float | None
    iman_davenport_df: list[int]
    iman_davenport_p: float
    permutation: Permutation | None


class Bayes(TypedDict):
    """Posterior probabilities of the Bayesian signed-rank test."""

    worse: float
    rope: float
    better: float


Correction = Literal["bonferroni", "holm", "hochberg", "bh"]
Adjusted = dict[Correction, float]  # one p-value after each correction of its family


class Comparison(TypedDict):
    """Model b against model a; a positive difference, gain or effect speaks for b."""

    a: str
    b: str
    difference: float
    p: float
    mid_p: float | None
    normal_p: float
    adjusted: Adjusted
    without: dict[str, float]
    wilcoxon_p: float
    wilcoxon_kind: Literal["exact", "normal"]
    rank_biserial: float
    nemenyi_differs: bool
    mean_gain: float
    gain_interval: list[float] | None
    wins: int
    losses: int
    bayes: Bayes


class Family(TypedDict):
    """Which pairs are compared, and how many p-values a correction counts."""

    name: str
    control: str | None
    size: int


class Analysis(TypedDict):
    """`stats.json`, schema_version 1."""

    schema_version: int
    models: list[str]
    blocks: list[str]
    scores: list[list[float]]
    scale: Literal["fraction", "points"]
    lower_is_better: bool
    ranks: list[list[float]]
    rank_sums: list[float]
    mean_ranks: list[float]
    omnibus: Omnibus
    ties: bool
    family: Family
    rope: float
    comparisons: list[Comparison]
    nemenyi_critical_difference: float
    sensitivity: dict[str, list[float]]
    sources: dict[str, str]
    seeds: dict[str, list[float]]
    examples: dict[str, int]
    notes: list[str]


class Cell(TypedDict):
    """`results/<cell>.json` of `erc-synth grid`; `file` is added by the reader."""

    model: str
    variant: str
    benchmark: str
    test_set: str
    seed: int
    score: float | None
    status: str
    reason: NotRequired[str | None]
    metrics: str
    examples: NotRequired[int | None]
    options: NotRequired[list[str]]
    model_name: NotRequired[str]
    benchmark_name: NotRequired[str]
    file: str


class ClassScore(TypedDict):
    """Scores of one label."""

    precision: float
    recall: float
    f1: float
    support: int


class Evaluation(TypedDict):
    """One test set of a run, in `metrics.json`; fractions."""

    dataset: str
    config: str | None
    split: str
    labels: list[str]
    examples: int
    weighted_f1: float
    macro_f1: float
    micro_f1: float
    micro_f1_no_neutral: NotRequired[float | None]
    per_class: dict[str, ClassScore]
    confusion: list[list[int]]
    fingerprint: str
    predictions: str


class Epoch(TypedDict):
    """One pass over the train split."""

    epoch: int
    dev_weighted_f1: float


# Functional form: `from` is a word of Python.
Stage = TypedDict(
    "Stage",
    {
        "name": str,
        "dataset": str,
        "config": str | None,
        "fingerprint": str,
        "epochs": list[Epoch],
        "best_epoch": int,
        "from": NotRequired[str],
    },
)


class RunInfo(TypedDict):
    """What a training was asked for."""

    name: str
    model: str
    backbone: str
    recipe: str
    seed: int
    command: list[str]
    config: dict[str, object]


class Cost(TypedDict):
    """What a training took."""

    seconds: float
    tokens: int
    peak_memory_bytes: int


class Metrics(TypedDict):
    """`metrics.json` of `erc-synth train`."""

    run: RunInfo
    stages: list[Stage]
    evaluations: list[Evaluation]
    cost: Cost
    versions: dict[str, str]


class Size(TypedDict):
    """Dialogues, and utterances where they were counted."""

    dialogues: int
    utterances: NotRequired[int]


class Leak(TypedDict):
    """Dialogues of a set that share lines with one split of a benchmark."""

    checked: bool
    dropped: NotRequired[int]


class Curation(TypedDict):
    """`<config>.curation.json` of `erc-synth curate`."""

    config: str
    recipe: str
    generator: str | None
    kept: Size
    dropped: dict[str, int]
    splits: dict[str, Size]
    label_counts: dict[str, dict[str, int]]
    leaks: dict[str, Leak]


class Counts(TypedDict, total=False):
    """What became of the answers of a generation run."""

    jobs: int
    accepted: int
    rejected: dict[str, int]


class RecipeInfo(TypedDict, total=False):
    """The recipe in a manifest."""

    label_set: str
    labels: dict[str, int]


class ModelInfo(TypedDict, total=False):
    """The LLM in a manifest."""

    id: str
    revision: str


class Manifest(TypedDict, total=False):
    """`manifest.json` of `erc-synth generate`."""

    recipe: RecipeInfo
    model: ModelInfo
    counts: Counts


class Reference(TypedDict):
    """The same measure of the reference set."""

    value: float


class Measure(TypedDict):
    """One measure of quality with its interval."""

    value: float
    low: float | None
    high: float | None
    reference: Reference | None
    reading: NotRequired[str]


class Quality(TypedDict):
    """`<config>.quality.json` of `erc-synth quality`."""

    dataset: str
    reference: NotRequired[str | None]
    measures: dict[str, Measure]
    notes: NotRequired[list[str]]
