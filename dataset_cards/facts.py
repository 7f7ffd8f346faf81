"""Everything that the card says, collected from files; nothing is typed by hand.

Input: `runs/<recipe>/manifest.json`, `curated/<config>.curation.json`, optional `.quality.json`, the
written data. Output: `Facts`. A missing optional key reads "not recorded". Not covered: sentences (`claims`),
scores of trainings (`proof`), the page (`card`).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from erc_synth.loaders import registry
from erc_synth.loaders.contracts import Curation, LeakRow, Manifest, Quality
from erc_synth.loaders.curated import curated_dialogues
from erc_synth.loaders.describe import describe
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json
from erc_synth.loaders.names import find_data_dir, table_benchmarks
from erc_synth.loaders.schema import Dialogue, LabelSet, label_set, label_set_names
from erc_synth.loaders.wording import words

NOT_RECORDED = "not recorded"
SAMPLES = 3


@dataclass(slots=True)
class Counts:
    """What is counted in one curated file.

    Attributes:
        by_split: Split -> label -> utterances.
        transitions: (label, next label) -> times inside a dialogue.
        asked: Emotion -> dialogues that were asked for it.
        answered: Emotion -> those of them with an utterance labelled so.
        samples: A choice by the dialogues' ids: the same in every build, and no choice of ours.
    """

    dialogues: int = 0
    utterances: int = 0
    words: int = 0
    speakers: set[str] = field(default_factory=set)
    by_split: dict[str, Counter[str]] = field(default_factory=dict)
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    samples: list[Dialogue] = field(default_factory=list)

    @property
    def labels(self) -> Counter[str]:
        """Label -> utterances of all splits."""
        return sum(self.by_split.values(), Counter())

    def add(self, split: str, dialogue: Dialogue) -> None:
        """Count one dialogue."""
        emotions = [str(turn.emotion) for turn in dialogue.utterances]
        self.dialogues += 1
        self.utterances += len(dialogue)
        self.words += sum(len(words(turn.text)) for turn in dialogue.utterances)
        self.speakers.update(turn.speaker for turn in dialogue.utterances)
        self.by_split.setdefault(split, Counter()).update(emotions)
        self.transitions.update(pairwise(emotions))
        if dialogue.target_emotion is not None:
            self.asked[dialogue.target_emotion] += 1
            self.answered[dialogue.target_emotion] += dialogue.target_emotion in emotions
        self.samples = sorted([*self.samples, dialogue], key=_draw)[:SAMPLES]


def _draw(dialogue: Dialogue) -> tuple[int, str]:
    return zlib.crc32(dialogue.dialogue_id.encode()), dialogue.dialogue_id


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """One config: counts of its data, its manifest, curation and quality."""

    name: str
    labels: LabelSet
    manifest: Manifest
    curation: Curation
    quality: Quality | None
    counts: Counts

    @property
    def parse_yield(self) -> float | None:
        """Accepted share of all answers; `None` when the manifest does not say."""
        counts: Mapping[str, Any] = self.manifest.get("counts") or {}
        answers = counts.get("accepted", 0) + sum((counts.get("rejected") or {}).values())
        return counts.get("accepted", 0) / answers if answers else None

    @property
    def generators(self) -> dict[str, int]:
        """Model id -> dialogues of this config; more than one when a run was gone on with by another model."""
        said = {str(name): count for name, count in (self.curation.get("generators") or {}).items()}
        return said or {self.manifest["model"]["id"]: self.counts.dialogues}

    @property
    def language(self) -> str:
        """Language of the recipe, as a code of two letters."""
        return (self.manifest["recipe"].get("language") or "en").split("-")[0]

    @property
    def leaks(self) -> dict[str, dict[str, LeakRow]]:
        """Benchmark -> split -> what the leak check found."""
        found: dict[str, dict[str, LeakRow]] = {}
        for source, row in (self.curation.get("leaks") or {}).items():
            benchmark, _, split = source.partition("/")
            found.setdefault(benchmark, {})[split] = row
        return found


@dataclass(frozen=True, slots=True)
class Facts:
    """All configs in card order, and label counts of the reference sets (train split) where known."""

    configs: tuple[ConfigFacts, ...]
    references: Mapping[str, Mapping[str, int]]
    missing_references: tuple[str, ...]

    @property
    def languages(self) -> list[str]:
        """Codes of all recipes' languages."""
        return sorted({config.language for config in self.configs})


def labels_of(manifest: Mapping[str, Any], curation: Mapping[str, Any]) -> LabelSet:
    """Label set of a config, as curation wrote it; else that of the recipe, its own labels in number order."""
    recipe, said = manifest.get("recipe") or {}, curation.get("label_set") or {}
    name = str(said.get("name") or recipe.get("label_set", ""))
    if said.get("labels"):
        known = label_set(name).labels if name in label_set_names() else ()
        return label_set(name) if known == tuple(said["labels"]) else LabelSet(name, tuple(said["labels"]))
    if name in label_set_names():
        return label_set(name)
    numbers = recipe.get("labels") or {}
    if not numbers:
        raise ErcSynthError(f"The manifest of {recipe.get('name')!r} names no labels.", hint="Generate it again.")
    return LabelSet(name or "custom", tuple(numbers))


def config_names(curated: Path) -> list[str]:
    """Configs of a curated folder: those of the tables first, in the paper's order, then others by name."""
    names = [path.stem for path in sorted(curated.glob("*.jsonl")) if not path.name.endswith(".dropped.jsonl")]
    if not names:
        raise ErcSynthError(f"{curated} holds no curated *.jsonl files.", hint="Run `erc-synth curate` first.")
    order = [f"{benchmark}_{kind}" for benchmark in table_benchmarks() for kind in ("natural", "balanced")]
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))


def config_facts(curated: Path, runs: Path, name: str) -> ConfigFacts:
    """Count one curated file and read what is said about it.

    Raises:
        ErcSynthError: A file is missing or damaged, or the manifest lacks what no card can do without.
    """
    source = curated / f"{name}.curation.json"
    curation = read_json(source)
    if "splits" not in curation:
        raise ErcSynthError(f"{source} says nothing of splits.", hint="Run `erc-synth curate` again.")
    _check_types(source, curation, Curation)
    place = runs / str(curation.get("recipe", name)) / "manifest.json"
    manifest = read_json(place)
    _check_manifest(place, manifest)
    _check_types(place, manifest, Manifest)
    labels = labels_of(manifest, curation)
    counts = Counts()
    for split, dialogue in curated_dialogues(curated / f"{name}.jsonl", labels):
        counts.add(split, dialogue)
    quality = read_json(curated / f"{name}.quality.json", optional=True) or None
    return ConfigFacts(
        name, labels, cast(Manifest, manifest), cast(Curation, curation), cast("Quality | None", quality), counts
    )


def _check_types(path: Path, content: Mapping[str, object], contract: type) -> None:
    """What a record says has the types of its contract; what it lacks is left to those who need it."""
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(contract).validate_python(content)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            if fault["type"] != "missing":  # older releases said less
                where = ".".join(map(str, fault["loc"]))
                raise ErcSynthError(f"{path}: {where}: {fault['msg']}.", hint="Run the stage before again.") from error


def _check_manifest(path: Path, manifest: Mapping[str, object]) -> None:
    """What the card cannot do without."""
    if not isinstance(manifest.get("recipe"), Mapping):
        raise ErcSynthError(f"{path} says nothing of its recipe.", hint="Run the same `erc-synth generate` again.")
    model = manifest.get("model")
    licence = model.get("licence") if isinstance(model, Mapping) else None
    if not isinstance(licence, Mapping) or not all(isinstance(licence.get(key), str) for key in ("id", "name")):
        raise ErcSynthError(
            f"{path} does not say under which licence its model writes.",
            hint="Run the same `erc-synth generate` again.",
        )


def collect(curated: Path, runs: Path, data_dir: str | Path | None = None) -> Facts:
    """Facts of all configs, and of the reference sets that are on this machine."""
    configs = tuple(config_facts(curated, runs, name) for name in config_names(curated))
    references: dict[str, Mapping[str, int]] = {}
    missing = []
    for name in table_benchmarks():
        if name not in {config.labels.name for config in configs}:
            continue
        if find_data_dir(name, data_dir) is None:
            missing.append(name)
            continue
        rows = registry.load(name, data_dir=data_dir, verify="off")["train"]
        references[name] = describe(rows)["labels"]
    return Facts(configs, references, tuple(missing))
