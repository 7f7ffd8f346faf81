"""Curation: which accepted dialogues become the data set, and in which split.

Purpose: every dialogue that is left out has one reason, is counted, is kept on disk beside the set, and
comes back with ``--keep REASON`` (all of that reason) or ``--restore ID`` (this one). One seed decides
everything that is drawn.
Input: dialogues of one run (or of several, which are then compared with each other as well).
Output: `Curated`; `curated/<config>.jsonl`, `.curation.json`, `.dropped.jsonl`.
All texts stay on disk meanwhile (`shelf`, `copies`): a million dialogues fit into little memory.
Not covered: parsing (`parsing`), the meaning of a leak (`leaks`), figures on quality (`quality`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from sys import intern

from tqdm import tqdm

from erc_synth.generation.curation import splitting
from erc_synth.generation.curation.copies import Seen, Wording
from erc_synth.generation.curation.faults import Asked, example_lines, faults, prompt_grams, reported
from erc_synth.generation.curation.leaks import Found, Hit, LeakIndex, LeakTable, leak_table
from erc_synth.generation.curation.reasons import DEFAULT, REASONS, REPORTED, Limits
from erc_synth.generation.curation.shelf import Shelf
from erc_synth.loaders.contracts import Curation, Size
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import SPLITS, Dialogue, LabelSet
from erc_synth.loaders.wording import lines


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a curated set.

    Attributes:
        seed: Decides trimming and splitting.
        size: Wanted dialogues; ``None`` keeps all.
        level: Trim so that the labels come out even (see `splitting.trim`).
        splits: Ratios of train, validation, test.
        keep: Reasons that do not drop (`REASONS`), besides those of the limits.
        restore: Ids of dialogues that no reason drops.
        drop_leaks: ``test`` drops dialogues that hit a test split, ``any`` those that hit any split.
        limits: Thresholds, the recipe's ``[curation]`` table.
        language: ISO 639-1 code; empty leaves the check out.
        cast: Allowed speakers; empty allows all.
        names: Speakers that the recipe proposes.
        labels: The recipe's label set, when it is known.
        prompt: Sentences of the prompt, which no dialogue should repeat.
    """

    seed: int = 0
    size: int | None = None
    level: bool = False
    splits: splitting.Ratios = (0.8, 0.1, 0.1)
    keep: frozenset[str] = frozenset()
    restore: frozenset[str] = frozenset()
    drop_leaks: str = "test"
    limits: Limits = DEFAULT
    language: str = "en"
    cast: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: LabelSet | None = None
    prompt: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(self.keep - REASONS.keys())
        if unknown:
            raise ErcSynthError(f"Unknown reason {unknown[0]!r}.", hint=f"Known: {', '.join(REASONS)}.")
        if self.drop_leaks not in ("test", "any"):
            raise ErcSynthError(f"drop_leaks={self.drop_leaks!r} is unknown.", hint="Use test or any.")
        if self.size is not None and self.size < 1:
            raise ErcSynthError(f"The size {self.size} is not positive.", hint="Leave --size out to keep all.")
        object.__setattr__(self, "splits", splitting.check_ratios(self.splits))

    @property
    def kept_reasons(self) -> frozenset[str]:
        """Reasons that do not drop, by the command line or the recipe."""
        return self.keep | frozenset(self.limits.keep)

    def to_json(self) -> dict[str, object]:
        """Plain values for ``curation.json``."""
        return {
            "seed": self.seed,
            "size": self.size,
            "level": self.level,
            "splits": list(self.splits),
            "keep": sorted(self.kept_reasons),
            "restore": sorted(self.restore),
            "drop_leaks": self.drop_leaks,
            **self.limits.model_dump(mode="json", exclude={"keep"}),
            "language": self.language,
            "cast": list(self.cast),
        }


@dataclass(frozen=True, slots=True)
class Dropped:
    """A dialogue that was left out; `detail` says where the reason was seen."""

    dialogue_id: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Outline:
    """What is left in memory of a dialogue that passed: what trimming and splitting look at (`splitting.Labelled`)."""

    dialogue_id: str
    target_emotion: str | None
    emotions: tuple[str | None, ...]

    @classmethod
    def of(cls, dialogue: Dialogue) -> Outline:
        """Equal names of emotions are one object: there are millions of them."""
        emotions = tuple(emotion and intern(emotion) for emotion in dialogue.emotions)
        return cls(dialogue.dialogue_id, dialogue.target_emotion, emotions)


@dataclass(frozen=True, slots=True)
class Curated:
    """The result for one config.

    Attributes:
        config: Its name.
        given: All dialogues, in order of their ids.
        kept: Those that are left, in order of split, then id.
        split_of: Dialogue id -> split.
        dropped: Everything left out, with the reason.
        reported: `REPORTED` -> kept dialogues and turns that show it.
        leaks: See `leaks.leak_table`.
    """

    config: str
    given: Shelf
    kept: Shelf
    split_of: dict[str, str]
    dropped: tuple[Dropped, ...]
    reported: dict[str, Size]
    leaks: LeakTable
    options: Options

    def report(self, recipe: str | None) -> Curation:
        """The content of ``<config>.curation.json`` (schema_version 1)."""
        sizes: dict[str, Size] = {name: {"dialogues": 0, "utterances": 0} for name in SPLITS}
        labels: dict[str, Counter[str]] = {name: Counter() for name in SPLITS}
        generators: Counter[str] = Counter()
        for dialogue in self.kept:
            split = self.split_of[dialogue.dialogue_id]
            sizes[split]["dialogues"] += 1
            sizes[split]["utterances"] += len(dialogue)
            labels[split].update(emotion for emotion in dialogue.emotions if emotion is not None)
            generators.update([dialogue.generator] if dialogue.generator is not None else [])
        dropped = Counter(drop.reason for drop in self.dropped)
        known = self.options.labels
        return {
            "schema_version": 1,
            "config": self.config,
            "recipe": recipe,
            "generator": ", ".join(sorted(generators)) or None,
            "generators": dict(sorted(generators.items())),
            "label_set": {"name": known.name, "labels": list(known.labels)} if known else None,
            "seed": self.options.seed,
            "input": {"dialogues": len(self.given), "utterances": sum(map(len, self.given))},
            "kept": {
                "dialogues": sum(size["dialogues"] for size in sizes.values()),
                "utterances": sum(size["utterances"] for size in sizes.values()),
            },
            "dropped": {reason: dropped[reason] for reason in REASONS if dropped[reason]},
            "reported": self.reported,
            "splits": sizes,
            "label_counts": {name: dict(sorted(count.items())) for name, count in labels.items()},
            "leaks": self.leaks,
            "options": self.options.to_json(),
        }


def curate(
    config: str,
    dialogues: Iterable[Dialogue],
    options: Options,
    *,
    leaks: LeakIndex | None = None,
    seen: Seen | None = None,
    examples: frozenset[str] = frozenset(),
) -> Curated:
    """Judge, trim and split the dialogues of one config.

    Args:
        config: Name of the config.
        dialogues: In any order; the result does not depend on it.
        options: What is wanted.
        leaks: The benchmarks to compare with; ``None`` checks none.
        seen: Dialogues of other configs; pass one object through all of them. What is kept here is added.
        examples: Few-shot example utterances.

    Raises:
        ErcSynthError: Two dialogues have the same id, or none is left.
    """
    given = Shelf(tqdm(dialogues, desc=f"{config}: read", unit=" dialogues", leave=False, disable=None), config)
    judge = _Judge(config, options, leaks, seen or Seen(), examples)
    passed: list[Outline] = []
    dropped: list[Dropped] = []
    for dialogue in tqdm(given, desc=config, unit=" dialogues", leave=False, disable=None):
        drop = judge.drop(dialogue)
        if drop is None:
            passed.append(Outline.of(dialogue))
        else:
            dropped.append(drop)
    kept, surplus = _trimmed(passed, options)
    dropped += [Dropped(outline.dialogue_id, "surplus", f"size {options.size}") for outline in surplus]
    split_of = splitting.split(kept, options.splits, options.seed, judge.same_split, judge.pinned)
    judge.seen.place(config, split_of)
    if not kept:
        raise ErcSynthError(
            f"No dialogue of {config} is left after curation ({_counted(dropped)}).",
            hint="Generate more, or keep a reason with --keep REASON.",
        )
    shown = given.part(sorted(split_of, key=lambda name: (SPLITS.index(split_of[name]), name)))
    found = (Found(hits, dropped, name in split_of) for name, (hits, dropped) in judge.leak_hits.items())
    table = leak_table(found, leaks.sources if leaks else ())
    said = _reported(shown, judge.asked)
    return Curated(config, given, shown, split_of, tuple(dropped), said, table, options)


def _reported(kept: Iterable[Dialogue], asked: Asked) -> dict[str, Size]:
    counts: dict[str, Size] = {name: {"dialogues": 0, "utterances": 0} for name in REPORTED}
    for dialogue in kept:
        for name, turns in reported(lines(dialogue), asked).items():
            counts[name]["dialogues"] += turns > 0
            counts[name]["utterances"] += turns
    return counts


def _trimmed(passed: list[Outline], options: Options) -> tuple[list[Outline], list[Outline]]:
    """Kept and surplus dialogues; restored ones are kept first."""
    if options.size is None or "surplus" in options.kept_reasons:
        return passed, []
    restored = [dialogue for dialogue in passed if dialogue.dialogue_id in options.restore]
    others = [dialogue for dialogue in passed if dialogue.dialogue_id not in options.restore]
    kept, surplus = splitting.trim(others, max(0, options.size - len(restored)), options.seed, options.level)
    return restored + kept, surplus


class _Judge:
    """Finds the first reason to drop a dialogue; remembers those it lets pass.

    Dialogues that pass are remembered at once; what is trimmed as surplus is forgotten again (`Seen.place`), since
    another config may use it.
    """

    def __init__(
        self, config: str, options: Options, leaks: LeakIndex | None, seen: Seen, examples: frozenset[str]
    ) -> None:
        self.config = config
        self.options = options
        self.leaks = leaks
        self.seen = seen
        self.asked = Asked(
            options.limits,
            options.language,
            options.cast,
            options.names,
            options.labels.labels if options.labels else (),
            example_lines(examples, options.language),
            prompt_grams(options.prompt, options.language),
        )
        self.leak_hits: dict[str, tuple[list[Hit], bool]] = {}  # dialogue id -> hits, whether dropped for them
        self.same_split: dict[str, str] = {}
        self.pinned: dict[str, str] = {}

    def drop(self, dialogue: Dialogue) -> Dropped | None:
        restored = dialogue.dialogue_id in self.options.restore
        keep = frozenset(REASONS) if restored else self.options.kept_reasons
        turns = lines(dialogue)
        for reason, detail in faults(dialogue, turns, self.asked):
            if reason not in keep:
                return Dropped(dialogue.dialogue_id, reason, detail)
        hits = self.leaks.hits(dialogue) if self.leaks else []
        serious = [hit for hit in hits if self.options.drop_leaks == "any" or hit.source.endswith("/test")]
        leaking = bool(serious) and "leak" not in keep
        if hits:
            self.leak_hits[dialogue.dialogue_id] = (hits, leaking)
        if leaking:
            hit = serious[0]
            return Dropped(dialogue.dialogue_id, "leak", f"{hit.kind} of {hit.source} {hit.dialogue_id}")
        return self._duplicate(dialogue.dialogue_id, Wording.of(turns), keep)

    def _duplicate(self, dialogue_id: str, said: Wording, keep: frozenset[str]) -> Dropped | None:
        found = self.seen.find(said)
        own, others = ([m for m in found if (m.config == self.config) is here] for here in (True, False))
        for match, reason in (
            *((match, match.kind) for match in own[:1]),
            *((match, "duplicate_across") for match in others[:1]),
        ):
            if reason not in keep:
                return Dropped(dialogue_id, reason, f"{match.kind} of {match.config} {match.dialogue_id}")
        # Copies that are kept go into one split, with everything that either of them is a copy of; a copy of
        # another config's dialogue into the split of that one: training on both must not show the test lines.
        for match in own:
            first, second = self._head(dialogue_id), self._head(match.dialogue_id)
            if first != second:
                self.same_split[first] = second
        if others:
            self.pinned[dialogue_id] = others[0].split
        self.seen.add(self.config, dialogue_id, said)
        return None

    def _head(self, dialogue_id: str) -> str:
        while dialogue_id in self.same_split:
            dialogue_id = self.same_split[dialogue_id]
        return dialogue_id


def _counted(dropped: Sequence[Dropped]) -> str:
    counts = Counter(drop.reason for drop in dropped)
    return ", ".join(f"{reason} {count}" for reason, count in counts.most_common()) or "the run is empty"
