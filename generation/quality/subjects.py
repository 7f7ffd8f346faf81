"""Find what shall be measured: a curated config, a `.jsonl` file, or anything `registry.load` knows.

Input: a name as typed by the user. Output: `quality.Subject`. Not covered: measuring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from erc_synth.generation.quality.subject import Subject
from erc_synth.generation.recipe import load_recipe
from erc_synth.loaders import registry
from erc_synth.loaders.contracts import Curation
from erc_synth.loaders.curated import HELD_DIALOGUES, read_curated
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json
from erc_synth.loaders.names import benchmark_names, find_data_dir, parse_name, table_benchmarks
from erc_synth.loaders.schema import (
    Dialogue,
    Dialogues,
    LabelSet,
    label_set,
    label_set_names,
    label_set_of,
)


def find_subject(
    name: str, curated: Path = Path("curated"), data_dir: Path | None = None, split: str | None = None
) -> Subject:
    """The data set of that name, which means the same in every verb, and besides a curated config.

    A benchmark's name is the benchmark; ``folder:config`` and ``org/repo:config`` are that config of a repo or of a
    curated folder; a path to a ``.jsonl`` is that file; any other word is a config of the folder `curated`.

    Raises:
        ErcSynthError: It is not found, or has not that split.
    """
    path = _curated_path(name, curated)
    if path is not None:
        splits: Mapping[str, Sequence[Dialogue]] = read_curated(path)
        subject = Subject(path.stem, splits, _labels_of(path, splits), curated=True)
    else:
        subject = _loaded(name, data_dir, curated)
    if split is None:
        return subject
    if split not in subject.splits:
        raise ErcSynthError(f"{name} has no split {split!r}.", hint=f"It has: {', '.join(subject.splits)}.")
    return Subject(subject.name, {split: subject.splits[split]}, subject.labels, subject.curated)


def default_reference(subject: Subject, data_dir: Path | None = None) -> Subject | None:
    """The benchmark on this machine that has the subject's labels; ``None`` when there is no other."""
    for name in table_benchmarks():
        if name in label_set_names() and label_set(name).labels == subject.labels.labels:
            if name == subject.name or find_data_dir(name, data_dir) is None:
                return None
            return find_subject(name, Path("."), data_dir)
    return None


def _curated_path(name: str, curated: Path) -> Path | None:
    """The curated file of that name; ``None`` when it names something else."""
    if name in benchmark_names():
        return None
    folder, config = parse_name(name)
    tried = [Path(name)] if name.endswith(".jsonl") else [Path(folder) / f"{config}.jsonl"] if config else []
    return next((path for path in [*tried, curated / f"{name}.jsonl"] if path.is_file()), None)


def _loaded(name: str, data_dir: Path | None, curated: Path) -> Subject:
    if name.endswith(".jsonl"):
        raise ErcSynthError(f"{name} is missing.", hint="Write it with erc-synth curate.")
    local = name in benchmark_names() or "/" in name or ":" in name or Path(name).is_dir()
    if not local:  # a bare word can be no Hub repo: do not ask the network
        known = ", ".join([*benchmark_names(), *sorted(path.stem for path in curated.glob("[!.]*.jsonl"))])
        raise ErcSynthError(f"Unknown data set {name!r}.", hint=f"Known here: {known}.")
    folder = find_data_dir(name, data_dir) if name in benchmark_names() else None
    loaded = registry.load(name, data_dir=folder)
    labels = label_set_of(next(iter(loaded.values())))
    return Subject(name, {split: _held(Dialogues(rows)) for split, rows in loaded.items()}, labels)


def _held(dialogues: Sequence[Dialogue]) -> Sequence[Dialogue]:
    """A small split in memory, where it is read faster; a large one as it is."""
    return list(dialogues) if len(dialogues) <= HELD_DIALOGUES else dialogues


def _labels_of(path: Path, splits: Mapping[str, Sequence[Dialogue]]) -> LabelSet:
    """The label set of a curated file: what `curation.json` says, else that of its recipe, else the labels used.

    A known set is taken only when all of it is meant: {anger, joy, neutral} are not MELD's seven.
    """
    curation = cast(Curation, read_json(path.with_name(f"{path.stem}.curation.json"), optional=True))
    said = curation.get("label_set")
    if said:
        return _known(LabelSet(str(said["name"]), tuple(said["labels"])))
    with suppress(ErcSynthError):  # a recipe of the user's own that is not here
        return load_recipe(next((d.recipe for ds in splits.values() for d in ds if d.recipe), "")).labels
    used = sorted({label for ds in splits.values() for d in ds for label in d.emotions if label is not None})
    return _known(LabelSet("custom", tuple(used)))


def _known(labels: LabelSet) -> LabelSet:
    """The shipped set with exactly these labels, which knows their sentiments; else as given."""
    same = (name for name in label_set_names() if label_set(name).labels == labels.labels)
    found = next(same, None)
    return labels if found is None else label_set(found)
