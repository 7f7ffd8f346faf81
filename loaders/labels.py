"""Label sets in their fixed order, and the named maps that join sets of different benchmarks.

Input: `labels.toml`; label sets that a user's corpus carries (`benchmarks.specs`); ClassLabels of loaded rows.
Output: `LabelSet` values; rows whose labels are mapped. Not covered: what a row holds (`schema`).
`datasets` is imported only inside the functions that return its objects.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from erc_synth.loaders.benchmarks.specs import specs
from erc_synth.loaders.errors import ErcSynthError

if TYPE_CHECKING:
    from datasets import Dataset

UNLABELLED = -1


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Emotions of one annotation scheme, in the fixed order of their ClassLabel indices.

    Attributes:
        name: For example ``meld``.
        labels: Label names; the position is the index. Never derived from a data file.
        sentiment: Label name -> ``positive``, ``negative`` or ``neutral``.
    """

    name: str
    labels: tuple[str, ...]
    sentiment: Mapping[str, str] = field(default_factory=dict)

    def index(self, label: str | None) -> int:
        """Index of a label; ``None`` (unlabelled) is -1.

        Raises:
            ErcSynthError: The label is not in the set.
        """
        if label is None:
            return UNLABELLED
        try:
            return self.labels.index(label)
        except ValueError:
            raise ErcSynthError(
                f"Unknown emotion {label!r} for the label set {self.name!r}.",
                hint=f"It has: {', '.join(self.labels)}.",
            ) from None

    def name_of(self, index: int | None) -> str | None:
        """Label of an index; -1 and ``None`` mean unlabelled."""
        return None if index is None or index == UNLABELLED else self.labels[index]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Common labels of several sets, and for each set its label -> the common one."""

    labels: tuple[str, ...]
    pairs: Mapping[str, Mapping[str, str]]


@cache
def _file() -> tuple[dict[str, LabelSet], dict[str, LabelMap]]:
    """Sets and maps of `labels.toml`."""
    content = tomllib.loads(files("erc_synth.loaders").joinpath("labels.toml").read_text("utf-8"))
    sets = {name: _set(name, entry["labels"], entry.get("sentiment", {})) for name, entry in content["sets"].items()}
    maps = {
        name: LabelMap(tuple(entry["labels"]), {key: pairs for key, pairs in entry.items() if key != "labels"})
        for name, entry in content["maps"].items()
    }
    return sets, maps


_added: dict[str, LabelSet] = {}  # by `benchmarks.builder.register`, in this process


def _known() -> dict[str, LabelSet]:
    """Sets of `labels.toml`, of corpora that carry their own, and added ones."""
    known = dict(_file()[0])
    for spec in specs().values():
        if not spec.labels:
            continue
        own = _set(spec.label_set, spec.labels, spec.sentiment)
        if known.setdefault(own.name, own).labels != own.labels:
            raise ErcSynthError(
                f"The corpus {spec.name!r} gives other labels to the label set {own.name!r}.",
                hint="Name its own set with label_set.",
            )
    return {**known, **_added}


def _set(name: str, labels: Sequence[str], groups: Mapping[str, Sequence[str]]) -> LabelSet:
    return LabelSet(name, tuple(labels), {label: group for group, members in groups.items() for label in members})


def label_set_names() -> tuple[str, ...]:
    """Names of all label sets, those of `labels.toml` first, in file order."""
    return tuple(_known())


def label_set(name: str) -> LabelSet:
    """The label set of that name.

    Raises:
        ErcSynthError: No such set.
    """
    known = _known()
    if name not in known:
        raise ErcSynthError(f"Unknown label set {name!r}.", hint=f"Known: {', '.join(known)}.")
    return known[name]


def add_label_set(labels: LabelSet) -> None:
    """Make a label set known by its name in this process (see `benchmarks.builder.register`)."""
    _added[labels.name] = labels


def remove_label_set(name: str) -> None:
    """Take back what `add_label_set` did."""
    _added.pop(name, None)


def label_set_of(dataset: Dataset) -> LabelSet:
    """The label set of a loaded data set, known by its ClassLabel names (all of them, in their order).

    A known set is returned with its name and sentiment; any other as ``custom``.
    """
    names = tuple(dataset.features["emotion"].names)
    return next((known for known in _known().values() if known.labels == names), LabelSet("custom", names))


def label_map_names() -> tuple[str, ...]:
    """Names of the label maps of `labels.toml`."""
    return tuple(_file()[1])


def map_named(map_name: str) -> LabelMap:
    """A label map.

    Raises:
        ErcSynthError: No such map.
    """
    maps = _file()[1]
    if map_name not in maps:
        raise ErcSynthError(f"Unknown label map {map_name!r}.", hint=f"Known: {', '.join(maps)}.")
    return maps[map_name]


def label_map(map_name: str, labels: LabelSet) -> tuple[LabelSet, dict[str, str]]:
    """Common label set and source label -> common label of a named map, for one label set.

    Raises:
        ErcSynthError: Unknown map, or a label set that it does not cover.
    """
    found = map_named(map_name)
    pairs = dict(labels.sentiment if map_name == "sentiment3" else found.pairs.get(labels.name, {}))
    if not pairs:
        raise ErcSynthError(
            f"The label map {map_name!r} does not cover {labels.name!r}.", hint="Add it to loaders/labels.toml."
        )
    return LabelSet(map_name, found.labels), pairs


def maps_that_join(first: LabelSet, second: LabelSet) -> list[str]:
    """Names of the maps that cover both label sets."""
    names = []
    for name in label_map_names():
        try:
            label_map(name, first), label_map(name, second)
        except ErcSynthError:
            continue
        names.append(name)
    return names


def map_labels(dataset: Dataset, map_name: str) -> tuple[Dataset, dict[str, int]]:
    """A split with the labels of a named map; rows without a partner become unlabelled (-1).

    Returns:
        The split, and how many rows of each source label were left unlabelled.
    """
    labels = label_set_of(dataset)
    common, pairs = label_map(map_name, labels)
    table = [common.index(pairs.get(label)) for label in labels.labels]
    emotions = dataset.with_format(None)["emotion"]
    dropped = Counter(labels.labels[e] for e in emotions if e not in (UNLABELLED, None) and table[e] == UNLABELLED)
    mapped = [UNLABELLED if e in (UNLABELLED, None) else table[e] for e in emotions]
    from datasets import ClassLabel

    keep = [c for c in ("dialogue_id", "utterance_id", "speaker", "text") if c in dataset.column_names]
    rest = dataset.with_format(None).select_columns(keep)
    return rest.add_column("emotion", mapped, feature=ClassLabel(names=list(common.labels))), dict(dropped)


@cache
def _meanings() -> dict[str, str]:
    return tomllib.loads(files("erc_synth.loaders").joinpath("emotions.toml").read_text("utf-8"))


def meanings(labels: Sequence[str]) -> dict[str, str]:
    """Label -> what it means, in a few words; labels that nobody has defined are left out."""
    return {label: _meanings()[label.lower()] for label in labels if label.lower() in _meanings()}
