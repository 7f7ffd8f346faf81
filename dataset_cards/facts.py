"""Everything that the card says, collected from files; nothing is typed by hand.

Input: `runs/<recipe>/manifest.json`, `curated/<config>.curation.json`, optional `.quality.json`, the
written data. Output: `Facts`. A missing optional key reads "not recorded". Not covered: words (`card`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from erc_synth.loaders import registry
from erc_synth.loaders.curated import curated_dialogues
from erc_synth.loaders.describe import describe
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json
from erc_synth.loaders.names import find_data_dir, table_benchmarks
from erc_synth.loaders.schema import Dialogue, LabelSet, label_set, label_set_names

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """One config: counts of its data, its manifest and curation, three sample dialogues."""

    name: str
    labels: LabelSet
    manifest: Mapping[str, Any]
    curation: Mapping[str, Any]
    quality: Mapping[str, Any] | None
    dialogues: int
    utterances: int
    speakers: int
    words: int
    label_counts: Mapping[str, int]
    transitions: Mapping[tuple[str, str], int]
    samples: tuple[Dialogue, ...]

    @property
    def parse_yield(self) -> float | None:
        """Accepted share of all answers; `None` when the manifest does not say."""
        counts = self.manifest.get("counts") or {}
        answers = counts.get("accepted", 0) + sum((counts.get("rejected") or {}).values())
        return counts.get("accepted", 0) / answers if answers else None


@dataclass(frozen=True, slots=True)
class Facts:
    """All configs in card order, and label counts of the reference sets (train split) where known."""

    configs: tuple[ConfigFacts, ...]
    references: Mapping[str, Mapping[str, int]]
    missing_references: tuple[str, ...]


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
    """Configs of a curated folder: the six first, in the paper's order, then others by name."""
    names = [path.stem for path in sorted(curated.glob("*.jsonl")) if not path.name.endswith(".dropped.jsonl")]
    if not names:
        raise ErcSynthError(f"{curated} holds no curated *.jsonl files.", hint="Run `erc-synth curate` first.")
    order = [f"{benchmark}_{kind}" for benchmark in table_benchmarks() for kind in ("natural", "balanced")]
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))


def config_facts(curated: Path, runs: Path, name: str) -> ConfigFacts:
    """Count one curated file and read what is said about it."""
    curation = read_json(curated / f"{name}.curation.json")
    manifest = read_json(runs / str(curation.get("recipe", name)) / "manifest.json")
    labels: Counter[str] = Counter()
    moves: Counter[tuple[str, str]] = Counter()
    speakers: set[str] = set()
    words = dialogues = utterances = 0
    samples: list[Dialogue] = []
    label_names = labels_of(manifest, curation)
    for _, dialogue in curated_dialogues(curated / f"{name}.jsonl", label_names):
        dialogues += 1
        utterances += len(dialogue)
        if len(samples) < 3:
            samples.append(dialogue)
        emotions = [str(turn.emotion) for turn in dialogue.utterances]
        labels.update(emotions)
        moves.update(pairwise(emotions))
        speakers.update(turn.speaker for turn in dialogue.utterances)
        words += sum(len(turn.text.split()) for turn in dialogue.utterances)
    return ConfigFacts(
        name, label_names, manifest, curation,
        read_json(curated / f"{name}.quality.json", optional=True) or None,
        dialogues, utterances, len(speakers), words, dict(labels), dict(moves), tuple(samples),
    )  # fmt: skip


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
