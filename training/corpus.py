"""Data sets of a run: loaded by name, joined in one label set, cut, cleared of leaks.

Purpose: everything about data that must be right before a model is built is checked here, in seconds.
Input: names in `RunConfig`. Output: `Corpus` per name with dialogues of each split.
Not covered: reading files (`loaders.registry`), tokens (`batching`).
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from erc_synth.loaders import registry
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import map_labels, maps_that_join
from erc_synth.loaders.names import benchmark_names, parse_name
from erc_synth.loaders.schema import Dialogue, Dialogues, LabelSet, label_set_of
from erc_synth.loaders.wording import words
from erc_synth.training.config import RunConfig

LEAK_WORDS = 5  # shorter lines ("Yeah.", "Oh my God!") are shared by everybody


@dataclass(frozen=True, slots=True)
class Corpus:
    """One data set by name.

    Attributes:
        name: As the user gave it.
        labels: The (mapped) label set.
        splits: Dialogues of train, validation, test.
        fingerprints: Of each split before any cut.
        revision: Revision of a Hub repo, or ``None``.
        leaks: Train dialogues dropped, by evaluated data set.
    """

    name: str
    labels: LabelSet
    splits: dict[str, Dialogues]
    fingerprints: dict[str, str]
    revision: str | None = None
    leaks: dict[str, int] | None = None

    @property
    def parts(self) -> tuple[str, str | None]:
        """Data set and config."""
        return parse_name(self.name)

    def split(self, name: str) -> Sequence[Dialogue]:
        """Dialogues of a split.

        Raises:
            ErcSynthError: The split is absent or has no labelled utterance.
        """
        dialogues: Sequence[Dialogue] = self.splits.get(name, ())
        if not any(turn.emotion is not None for d in dialogues for turn in d.utterances):
            raise ErcSynthError(
                f"{self.name} has no labelled utterance in its {name} split.",
                hint="Training needs train and validation, scoring needs test; raise --max-*-dialogues or rebuild it.",
            )
        return dialogues


def load_all(config: RunConfig) -> dict[str, Corpus]:
    """Every data set of a run by name.

    Raises:
        ErcSynthError: Unknown names, or label sets that differ between stages.
    """
    stages = [config.train, *([config.finetune] if config.finetune else [])]
    evaluated = list(config.eval) or [stages[-1]]
    found = {name: _load(name, config) for name in dict.fromkeys([*stages, *evaluated])}
    _check_labels(list(found.values()))
    leaks = _leaking(found, stages, evaluated) if config.data.drop_leaks else {}
    return {name: _limit(corpus, config, name in stages, leaks.get(name)) for name, corpus in found.items()}


def _load(name: str, config: RunConfig) -> Corpus:
    options = config.data
    splits = registry.load(
        name,
        data_dir=options.data_dir,
        variant=options.variant if name in benchmark_names() else None,
        revision=options.revision if name not in benchmark_names() else None,
    )
    dialogues, prints = {}, {}
    labels: LabelSet | None = None
    for split, rows in splits.items():
        prints[str(split)] = registry.fingerprint(rows)
        if options.label_map:
            rows, dropped = map_labels(rows, options.label_map)
            if dropped:
                print(f"{name}/{split}: left unlabelled by {options.label_map}: {dropped}", file=sys.stderr)
        labels = label_set_of(rows)
        if options.label_map:
            labels = LabelSet(options.label_map, labels.labels, labels.sentiment)
        dialogues[str(split)] = Dialogues(rows)
    if labels is None:
        raise ErcSynthError(f"{name} has no splits.", hint="Build the repo folder again.")
    return Corpus(name, labels, dialogues, prints, options.revision if name not in benchmark_names() else None)


def _check_labels(corpora: list[Corpus]) -> None:
    first = corpora[0]
    for other in corpora[1:]:
        if other.labels.labels != first.labels.labels:
            maps = maps_that_join(first.labels, other.labels)
            hint = f"Join them with --label-map {' | '.join(maps)}." if maps else "No label map joins them."
            raise ErcSynthError(
                f"{first.name} is labelled by {first.labels.name!r} ({', '.join(first.labels.labels)}) and "
                f"{other.name} by {other.labels.name!r} ({', '.join(other.labels.labels)}).",
                hint=hint,
            )


def _lines(dialogues: Iterable[Dialogue]) -> set[str]:
    normal = (words(turn.text) for d in dialogues for turn in d.utterances)
    return {" ".join(line) for line in normal if len(line) >= LEAK_WORDS}


def _leaking(found: dict[str, Corpus], stages: list[str], evaluated: list[str]) -> dict[str, dict[str, set[str]]]:
    """Ids of train dialogues that share a line with a test split: stage -> evaluated name -> ids."""
    result: dict[str, dict[str, set[str]]] = {}
    for stage in stages:
        for name in evaluated:
            lines = _lines(found[name].splits.get("test", ()))
            result.setdefault(stage, {})[name] = {
                d.dialogue_id for d in found[stage].splits.get("train", ()) if not lines.isdisjoint(_lines([d]))
            }
    return result


def _limit(corpus: Corpus, config: RunConfig, trained: bool, leaks: dict[str, set[str]] | None) -> Corpus:
    options, splits = config.data, dict(corpus.splits)
    if leaks is not None:
        leaked = set().union(*leaks.values())
        splits["train"] = splits["train"].without(leaked)
    for split, dialogues in splits.items():
        limit = options.max_train_dialogues if split == "train" else options.max_eval_dialogues
        drawn = split == "train" and options.draw_train and limit is not None
        splits[split] = dialogues.drawn(limit or 0, config.seed) if drawn else dialogues[:limit]
    limited = replace(corpus, splits=splits, leaks={k: len(v) for k, v in leaks.items()} if leaks else None)
    if trained:
        _warn_missing_classes(limited)
    return limited


def _warn_missing_classes(corpus: Corpus) -> None:
    counted: Counter[str | None] = Counter(t.emotion for d in corpus.split("train") for t in d.utterances)
    if missing := [label for label in corpus.labels.labels if not counted[label]]:
        warnings.warn(
            f"{corpus.name} has no train example of: {', '.join(missing)}. Indices stay as they are.", stacklevel=2
        )
