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
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

from tqdm import tqdm

from erc_synth.generation.curation import splitting
from erc_synth.generation.curation.leaks import SHARED_WORDS, Hit, LeakIndex, LeakTable, leak_table
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import SPLITS, Dialogue
from erc_synth.loaders.wording import NearIndex, Signature, lines, signature, words

REASONS = {
    "empty_turn": "a turn without a word or without a speaker",
    "long_turn": "a turn of more words than allowed",
    "too_short": "fewer turns than allowed",
    "too_long": "more turns than allowed",
    "one_label": "the same emotion in every turn",
    "repeated_lines": "a line said three times, or more than half of the lines repeated",
    "copied_example": "a line copied from a few-shot example of the prompt",
    "language": "written in another language than the recipe's",
    "cast": "a speaker outside the closed cast of the recipe",
    "leak": "repeats a dialogue of a benchmark (by default of a test split)",
    "duplicate": "the same words as an earlier dialogue of this config",
    "near_duplicate": "nearly the same words as an earlier dialogue of this config",
    "duplicate_across": "the same or nearly the same words as a dialogue of another config",
    "surplus": "more than the wanted size",
}
COPIED_WORDS = 4
REPEATED_WORDS = 3
"""Shorter lines ("Hey!", "Oh no.") are said again and again in real dialogues."""
LANGUAGE_WORDS = 8
LANGUAGE_CERTAINTY = 0.9


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a curated set.

    Attributes:
        seed: Decides trimming and splitting.
        size: Wanted dialogues; ``None`` keeps all.
        level: Trim so that the labels come out even (see `splitting.trim`).
        splits: Ratios of train, validation, test.
        keep: Reasons that do not drop (`REASONS`).
        restore: Ids of dialogues that no reason drops.
        drop_leaks: ``test`` drops dialogues that hit a test split, ``any`` those that hit any split.
        max_words: Most words of a turn (MELD has up to 69, EmoryNLP up to 148).
        min_turns: Fewest turns.
        max_turns: Most turns.
        language: ISO 639-1 code; empty leaves the check out.
        cast: Allowed speakers; empty allows all.
    """

    seed: int = 0
    size: int | None = None
    level: bool = False
    splits: splitting.Ratios = (0.8, 0.1, 0.1)
    keep: frozenset[str] = frozenset()
    restore: frozenset[str] = frozenset()
    drop_leaks: str = "test"
    max_words: int = 100
    min_turns: int = 2
    max_turns: int = 40
    language: str = "en"
    cast: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(self.keep - REASONS.keys())
        if unknown:
            raise ErcSynthError(f"Unknown reason {unknown[0]!r}.", hint=f"Known: {', '.join(REASONS)}.")
        if self.drop_leaks not in ("test", "any"):
            raise ErcSynthError(f"drop_leaks={self.drop_leaks!r} is unknown.", hint="Use test or any.")
        if self.size is not None and self.size < 1:
            raise ErcSynthError(f"The size {self.size} is not positive.", hint="Leave --size out to keep all.")
        object.__setattr__(self, "splits", splitting.check_ratios(self.splits))

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``curation.json``."""
        return {
            **asdict(self),
            "keep": sorted(self.keep),
            "restore": sorted(self.restore),
            "splits": list(self.splits),
            "cast": list(self.cast),
        }


@dataclass(frozen=True, slots=True)
class Dropped:
    """A dialogue that was left out; `detail` says where the reason was seen."""

    dialogue: Dialogue
    reason: str
    detail: str


@dataclass(slots=True)
class Seen:
    """Dialogues kept so far, over all configs that are curated together."""

    exact: dict[str, tuple[str, str]] = field(default_factory=dict)  # words -> (config, dialogue id)
    near: NearIndex = field(default_factory=lambda: NearIndex(threshold=0.7, bands=16))
    names: dict[str, tuple[str, str]] = field(default_factory=dict)

    def find(self, whole: str, signed: Signature) -> tuple[str, str, str] | None:
        """(kind, config, dialogue id) of an earlier dialogue with the same or nearly the same words."""
        if whole in self.exact:
            return ("duplicate", *self.exact[whole])
        for key, _ in self.near.find(signed):
            return ("near_duplicate", *self.names[key])
        return None

    def add(self, config: str, dialogue_id: str, whole: str, signed: Signature) -> None:
        """Remember a kept dialogue."""
        key = f"{config}/{dialogue_id}"
        self.exact.setdefault(whole, (config, dialogue_id))
        self.names[key] = (config, dialogue_id)
        self.near.add(key, signed)


def repeated(dialogues: Sequence[Dialogue]) -> list[bool]:
    """Which dialogues have the same or nearly the same words as an earlier one; short ones are not judged."""
    seen = Seen()
    again = []
    for number, dialogue in enumerate(dialogues):
        turns = lines(dialogue)
        if sum(map(len, turns)) < SHARED_WORDS:
            again.append(False)
            continue
        whole, signed = "\n".join(" ".join(turn) for turn in turns), signature(turns)
        again.append(seen.find(whole, signed) is not None)
        seen.add("", str(number), whole, signed)
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
        leaks: See `leaks.leak_table`.
    """

    config: str
    given: tuple[int, int]
    kept: tuple[Dialogue, ...]
    split_of: dict[str, str]
    dropped: tuple[Dropped, ...]
    leaks: LeakTable
    options: Options

    def report(self, recipe: str | None, generator: str | None) -> dict[str, Any]:
        """The content of ``<config>.curation.json`` (schema_version 1)."""
        sizes = {name: {"dialogues": 0, "utterances": 0} for name in SPLITS}
        labels: dict[str, Counter[str]] = {name: Counter() for name in SPLITS}
        for dialogue in self.kept:
            name = self.split_of[dialogue.dialogue_id]
            sizes[name]["dialogues"] += 1
            sizes[name]["utterances"] += len(dialogue)
            labels[name].update(turn.emotion for turn in dialogue.utterances if turn.emotion is not None)
        dropped = Counter(drop.reason for drop in self.dropped)
        return {
            "schema_version": 1,
            "config": self.config,
            "recipe": recipe,
            "generator": generator,
            "seed": self.options.seed,
            "input": dict(zip(("dialogues", "utterances"), self.given, strict=True)),
            "kept": {"dialogues": len(self.kept), "utterances": sum(map(len, self.kept))},
            "dropped": {reason: dropped[reason] for reason in REASONS if dropped[reason]},
            "splits": sizes,
            "label_counts": {name: dict(sorted(count.items())) for name, count in labels.items()},
            "leaks": self.leaks,
            "options": self.options.to_json(),
        }


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
        seen: Dialogues of other configs; pass one object through all of them.
        examples: Few-shot example utterances.

    Raises:
        ErcSynthError: Two dialogues have the same id, or none is left.
    """
    ordered = sorted(dialogues, key=lambda dialogue: dialogue.dialogue_id)
    _check_ids(config, ordered)
    judge = _Judge(config, options, leaks, seen or Seen(), _copied(examples))
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
    split_of = splitting.split(kept, options.splits, options.seed, judge.same_split)
    kept.sort(key=lambda dialogue: (SPLITS.index(split_of[dialogue.dialogue_id]), dialogue.dialogue_id))
    table = leak_table(judge.leak_hits, leaks.sources if leaks else ())
    size = (len(ordered), sum(map(len, ordered)))
    return Curated(config, size, tuple(kept), split_of, tuple(dropped), table, options)


def _trimmed(passed: list[Dialogue], options: Options) -> tuple[list[Dialogue], list[Dialogue]]:
    """Kept and surplus dialogues; restored ones are kept first."""
    if options.size is None or "surplus" in options.keep:
        return passed, []
    restored = [dialogue for dialogue in passed if dialogue.dialogue_id in options.restore]
    others = [dialogue for dialogue in passed if dialogue.dialogue_id not in options.restore]
    kept, surplus = splitting.trim(others, max(0, options.size - len(restored)), options.seed, options.level)
    return restored + kept, surplus


class _Judge:
    """Finds the first reason to drop a dialogue; remembers those it lets pass."""

    def __init__(
        self, config: str, options: Options, leaks: LeakIndex | None, seen: Seen, examples: frozenset[str]
    ) -> None:
        self.config = config
        self.options = options
        self.leaks = leaks
        self.seen = seen
        self.examples = examples
        self.leak_hits: list[tuple[list[Hit], bool]] = []
        self.same_split: dict[str, str] = {}

    def drop(self, dialogue: Dialogue) -> Dropped | None:
        restored = dialogue.dialogue_id in self.options.restore
        keep = frozenset(REASONS) if restored else self.options.keep
        turns = lines(dialogue)
        for reason, detail in _faults(dialogue, turns, self.options, self.examples):
            if reason not in keep:
                return Dropped(dialogue, reason, detail)
        signed = signature(turns)
        hits = self.leaks.hits(dialogue, signed) if self.leaks else []
        serious = [hit for hit in hits if self.options.drop_leaks == "any" or hit.source.endswith("/test")]
        leaking = bool(serious) and "leak" not in keep
        if hits:
            self.leak_hits.append((hits, leaking))
        if leaking:
            hit = serious[0]
            return Dropped(dialogue, "leak", f"{hit.kind} of {hit.source} {hit.dialogue_id}")
        return self._duplicate(dialogue, "\n".join(" ".join(turn) for turn in turns), signed, keep)

    def _duplicate(self, dialogue: Dialogue, whole: str, signed: Signature, keep: frozenset[str]) -> Dropped | None:
        match = self.seen.find(whole, signed)
        if match is not None:
            kind, config, other = match
            reason = kind if config == self.config else "duplicate_across"
            if reason not in keep:
                return Dropped(dialogue, reason, f"{kind} of {config} {other}")
            if config == self.config:
                self.same_split[dialogue.dialogue_id] = other
        self.seen.add(self.config, dialogue.dialogue_id, whole, signed)
        return None


def _faults(
    dialogue: Dialogue, turns: list[list[str]], options: Options, examples: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """Every fault that a dialogue shows by itself, as (reason, detail), in the order of `REASONS`."""
    for number, (turn, spoken) in enumerate(zip(dialogue.utterances, turns, strict=True)):
        # "?!" and "..." are lines in real scripts as well: a sign is enough, blanks are not.
        if not turn.text.strip() or not turn.speaker.strip():
            yield "empty_turn", f"turn {number}"
        if len(spoken) > options.max_words:
            yield "long_turn", f"turn {number} has {len(spoken)} words"
    if len(dialogue) < options.min_turns:
        yield "too_short", f"{len(dialogue)} turns"
    if len(dialogue) > options.max_turns:
        yield "too_long", f"{len(dialogue)} turns"
    emotions = {turn.emotion for turn in dialogue.utterances}
    if len(emotions) == 1 and len(dialogue) > 1:
        yield "one_label", str(next(iter(emotions)))
    said = Counter(" ".join(turn) for turn in turns if len(turn) >= REPEATED_WORDS)
    if said and (max(said.values()) >= 3 or sum(said.values()) > 2 * len(said)):
        yield "repeated_lines", f"{said.most_common(1)[0][1]} times"
    for number, spoken in enumerate(turns):
        if " ".join(spoken) in examples:
            yield "copied_example", f"turn {number}"
    if options.language and (other := _other_language(turns, options.language)):
        yield "language", other
    strangers = [turn.speaker for turn in dialogue.utterances if turn.speaker not in options.cast]
    if options.cast and strangers:
        yield "cast", strangers[0]


def _copied(examples: frozenset[str]) -> frozenset[str]:
    """Example lines long enough to tell a copy from chance."""
    normal = (words(text) for text in examples)
    return frozenset(" ".join(line) for line in normal if len(line) >= COPIED_WORDS)


def _other_language(turns: list[list[str]], expected: str) -> str:
    """ISO 639-1 code of another language that the whole dialogue is surely in; empty otherwise."""
    spoken = " ".join(word for turn in turns for word in turn)
    if spoken.count(" ") + 1 < LANGUAGE_WORDS:
        return ""
    language, certainty = _language_model().classify(spoken)
    return str(language) if language != expected and certainty >= LANGUAGE_CERTAINTY else ""


@cache
def _language_model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


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
