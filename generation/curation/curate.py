"""Curation: which accepted dialogues become the data set, and in which split.

Purpose: every dialogue that is left out has one reason, is counted, is kept on disk beside the set, and
comes back with ``--keep REASON`` (all of that reason) or ``--restore ID`` (this one). One seed decides
everything that is drawn.
Input: dialogues of one run (or of several, which are then compared with each other as well).
Output: `Curated`; `curated/<config>.jsonl`, `.curation.json`, `.dropped.jsonl`.
Not covered: parsing (`parsing`), the meaning of a leak (`leaks`), figures on quality (`quality`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tqdm import tqdm

from erc_synth.generation.curation import splitting
from erc_synth.generation.curation.faults import Asked, example_lines, faults, prompt_grams, reported
from erc_synth.generation.curation.leaks import SHARED_WORDS, Found, Hit, LeakIndex, LeakTable, leak_table
from erc_synth.generation.curation.reasons import DEFAULT, REASONS, REPORTED, Limits
from erc_synth.loaders.contracts import Curation, Size
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import SPLITS, Dialogue, LabelSet
from erc_synth.loaders.wording import NearIndex, Signature, lines, signature


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

    dialogue: Dialogue
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Match:
    """An earlier dialogue with the same (``duplicate``) or nearly the same (``near_duplicate``) words.

    `split` is where it was placed, when that is known already.
    """

    kind: str
    config: str
    dialogue_id: str
    split: str = ""


@dataclass(frozen=True, slots=True)
class Wording:
    """What a dialogue is compared by: all of its words as one text, and its signature."""

    whole: str
    signed: Signature

    @classmethod
    def of(cls, turns: Sequence[list[str]]) -> Wording:
        """The wording of a dialogue given as `lines`."""
        return cls("\n".join(" ".join(turn) for turn in turns), signature(list(turns)))


@dataclass(slots=True)
class Seen:
    """Dialogues kept so far: of one config, or of all configs that are curated together."""

    exact: dict[str, Match] = field(default_factory=dict)  # words -> where they stand
    near: NearIndex = field(default_factory=lambda: NearIndex(threshold=0.7, bands=16))
    names: dict[str, Match] = field(default_factory=dict)

    def find(self, said: Wording) -> list[Match]:
        """Every earlier dialogue with the same or nearly the same words, the most alike first."""
        same = [self.exact[said.whole]] if said.whole in self.exact else []
        near = [self.names[key] for key, _ in self.near.find(said.signed)]
        return same + [match for match in near if not same or match.dialogue_id != same[0].dialogue_id]

    def add(self, config: str, dialogue_id: str, said: Wording, split: str = "") -> None:
        """Remember a kept dialogue."""
        self.exact.setdefault(said.whole, Match("duplicate", config, dialogue_id, split))
        self.names[f"{config}/{dialogue_id}"] = Match("near_duplicate", config, dialogue_id, split)
        self.near.add(f"{config}/{dialogue_id}", said.signed)


def repeated(dialogues: Sequence[Dialogue]) -> list[bool]:
    """Which dialogues have the same or nearly the same words as an earlier one; short ones are not judged."""
    seen = Seen()
    again = []
    for number, dialogue in enumerate(dialogues):
        turns = lines(dialogue)
        if sum(map(len, turns)) < SHARED_WORDS:
            again.append(False)
            continue
        said = Wording.of(turns)
        again.append(bool(seen.find(said)))
        seen.add("", str(number), said)
    return again


@dataclass(frozen=True, slots=True)
class Curated:
    """The result for one config.

    Attributes:
        config: Its name.
        given: Number of dialogues and of utterances before curation.
        kept: Dialogues in order of split, then id.
        split_of: Dialogue id -> split.
        dropped: Everything left out, with the reason.
        reported: `REPORTED` -> kept dialogues and turns that show it.
        leaks: See `leaks.leak_table`.
    """

    config: str
    given: tuple[int, int]
    kept: tuple[Dialogue, ...]
    split_of: dict[str, str]
    dropped: tuple[Dropped, ...]
    reported: dict[str, Size]
    leaks: LeakTable
    options: Options

    def report(self, recipe: str | None) -> Curation:
        """The content of ``<config>.curation.json`` (schema_version 1)."""
        sizes = {name: _size([d for d in self.kept if self.split_of[d.dialogue_id] == name]) for name in SPLITS}
        labels: dict[str, Counter[str]] = {name: Counter() for name in SPLITS}
        for dialogue in self.kept:
            turns = (turn.emotion for turn in dialogue.utterances if turn.emotion is not None)
            labels[self.split_of[dialogue.dialogue_id]].update(turns)
        dropped = Counter(drop.reason for drop in self.dropped)
        generators = Counter(d.generator for d in self.kept if d.generator is not None)
        known = self.options.labels
        return {
            "schema_version": 1,
            "config": self.config,
            "recipe": recipe,
            "generator": ", ".join(sorted(generators)) or None,
            "generators": dict(sorted(generators.items())),
            "label_set": {"name": known.name, "labels": list(known.labels)} if known else None,
            "seed": self.options.seed,
            "input": {"dialogues": self.given[0], "utterances": self.given[1]},
            "kept": _size(self.kept),
            "dropped": {reason: dropped[reason] for reason in REASONS if dropped[reason]},
            "reported": self.reported,
            "splits": sizes,
            "label_counts": {name: dict(sorted(count.items())) for name, count in labels.items()},
            "leaks": self.leaks,
            "options": self.options.to_json(),
        }


def _size(dialogues: Sequence[Dialogue]) -> Size:
    return {"dialogues": len(dialogues), "utterances": sum(map(len, dialogues))}


def curate(
    config: str,
    dialogues: Sequence[Dialogue],
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
    ordered = sorted(dialogues, key=lambda dialogue: dialogue.dialogue_id)
    _check_ids(config, ordered)
    judge = _Judge(config, options, leaks, seen or Seen(), examples)
    passed: list[Dialogue] = []
    dropped: list[Dropped] = []
    for dialogue in tqdm(ordered, desc=config, unit=" dialogues", leave=False, disable=None):
        drop = judge.drop(dialogue)
        if drop is None:
            passed.append(dialogue)
        else:
            dropped.append(drop)
    kept, surplus = _trimmed(passed, options)
    dropped += [Dropped(dialogue, "surplus", f"size {options.size}") for dialogue in surplus]
    if not kept:
        raise ErcSynthError(
            f"No dialogue of {config} is left after curation ({_counted(dropped)}).",
            hint="Generate more, or keep a reason with --keep REASON.",
        )
    split_of = splitting.split(kept, options.splits, options.seed, judge.same_split, judge.pinned)
    judge.remember(split_of)
    kept.sort(key=lambda dialogue: (SPLITS.index(split_of[dialogue.dialogue_id]), dialogue.dialogue_id))
    found = (Found(hits, dropped, name in split_of) for name, (hits, dropped) in judge.leak_hits.items())
    table = leak_table(found, leaks.sources if leaks else ())
    said = _reported(kept, judge.asked)
    return Curated(config, _pair(ordered), tuple(kept), split_of, tuple(dropped), said, table, options)


def _pair(dialogues: Sequence[Dialogue]) -> tuple[int, int]:
    return len(dialogues), sum(map(len, dialogues))


def _reported(kept: Iterable[Dialogue], asked: Asked) -> dict[str, Size]:
    counts: dict[str, Size] = {name: {"dialogues": 0, "utterances": 0} for name in REPORTED}
    for dialogue in kept:
        for name, turns in reported(lines(dialogue), asked).items():
            counts[name]["dialogues"] += turns > 0
            counts[name]["utterances"] += turns
    return counts


def _trimmed(passed: list[Dialogue], options: Options) -> tuple[list[Dialogue], list[Dialogue]]:
    """Kept and surplus dialogues; restored ones are kept first."""
    if options.size is None or "surplus" in options.kept_reasons:
        return passed, []
    restored = [dialogue for dialogue in passed if dialogue.dialogue_id in options.restore]
    others = [dialogue for dialogue in passed if dialogue.dialogue_id not in options.restore]
    kept, surplus = splitting.trim(others, max(0, options.size - len(restored)), options.seed, options.level)
    return restored + kept, surplus


class _Judge:
    """Finds the first reason to drop a dialogue; remembers those it lets pass.

    Dialogues of this config are remembered at once, for the other configs only when they were kept (`remember`):
    what was trimmed here as surplus may be used there.
    """

    def __init__(
        self, config: str, options: Options, leaks: LeakIndex | None, seen: Seen, examples: frozenset[str]
    ) -> None:
        self.config = config
        self.options = options
        self.leaks = leaks
        self.others = seen
        self.own = Seen()
        self.passed: dict[str, Wording] = {}
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
                return Dropped(dialogue, reason, detail)
        said = Wording.of(turns)
        hits = self.leaks.hits(dialogue) if self.leaks else []
        serious = [hit for hit in hits if self.options.drop_leaks == "any" or hit.source.endswith("/test")]
        leaking = bool(serious) and "leak" not in keep
        if hits:
            self.leak_hits[dialogue.dialogue_id] = (hits, leaking)
        if leaking:
            hit = serious[0]
            return Dropped(dialogue, "leak", f"{hit.kind} of {hit.source} {hit.dialogue_id}")
        return self._duplicate(dialogue, said, keep)

    def _duplicate(self, dialogue: Dialogue, said: Wording, keep: frozenset[str]) -> Dropped | None:
        own, others = self.own.find(said), self.others.find(said)
        for match, reason in (
            *((match, match.kind) for match in own[:1]),
            *((match, "duplicate_across") for match in others[:1]),
        ):
            if reason not in keep:
                return Dropped(dialogue, reason, f"{match.kind} of {match.config} {match.dialogue_id}")
        # Copies that are kept go into one split, with everything that either of them is a copy of; a copy of
        # another config's dialogue into the split of that one: training on both must not show the test lines.
        for match in own:
            first, second = self._head(dialogue.dialogue_id), self._head(match.dialogue_id)
            if first != second:
                self.same_split[first] = second
        if others:
            self.pinned[dialogue.dialogue_id] = others[0].split
        self.own.add(self.config, dialogue.dialogue_id, said)
        self.passed[dialogue.dialogue_id] = said
        return None

    def _head(self, dialogue_id: str) -> str:
        while dialogue_id in self.same_split:
            dialogue_id = self.same_split[dialogue_id]
        return dialogue_id

    def remember(self, split_of: Mapping[str, str]) -> None:
        """Make the kept dialogues known to the configs that come later."""
        for dialogue_id, split in split_of.items():
            self.others.add(self.config, dialogue_id, self.passed[dialogue_id], split)


def _check_ids(config: str, ordered: Sequence[Dialogue]) -> None:
    for first, second in pairwise(ordered):
        if first.dialogue_id == second.dialogue_id:
            raise ErcSynthError(
                f"Two dialogues of {config} have the id {first.dialogue_id!r}.",
                hint="Curate each run folder once.",
            )


def _counted(dropped: Sequence[Dropped]) -> str:
    counts = Counter(drop.reason for drop in dropped)
    return ", ".join(f"{reason} {count}" for reason, count in counts.most_common()) or "the run is empty"
