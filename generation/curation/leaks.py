"""Leak check: does a dialogue repeat a benchmark?

Purpose: synthetic data that quotes a test split measures memory, not emotion recognition.
Input: dialogues, and the splits of every benchmark that is on this machine.
Output: hits by split and kind (`exact`, `ngram8`, `near_duplicate`); counts for the card.
Not covered: paraphrase and translation; benchmarks that are absent (they are reported as not checked).

What counts as a hit, all on normalised words (`wording`):

- ``exact``: the same dialogue (two turns or three words at least), or lines of four and more words shared
  with one benchmark dialogue that add up to eight words. One short stock sentence is chance, not a copy.
- ``ngram8``: eight words in a row, over turn borders, at least five of them different and two of them
  uncommon; or two 8-grams of everyday words (nine in a row) shared with one benchmark dialogue.
  "Can I talk to you for a second" alone is chance.
- ``near_duplicate``: Jaccard similarity of word 3-grams of at least 0.6; or half of the words of the longer of both
  stand in the other in the same order (words replaced, dropped or misspelt here and there).

Lines and 8-grams said in three or more dialogues of a benchmark are stock phrases and never count. A word is
uncommon unless it stands in 5 % of all benchmark dialogues (and in 20 at least: fewer tell nothing).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rapidfuzz.distance import LCSseq

from erc_synth.loaders.contracts import LeakRow
from erc_synth.loaders.names import find_data_dir, table_benchmarks
from erc_synth.loaders.schema import SPLITS, Dialogue, to_dialogues
from erc_synth.loaders.wording import SHINGLE, lines, ngrams

KINDS = ("exact", "ngram8", "near_duplicate")
GRAM = 8
GRAM_DIFFERENT = 5
LINE_WORDS = 4
SHARED_WORDS = 8
GRAM_UNCOMMON = 2
EVERYDAY_GRAMS = 2
STOCK_DIALOGUES = 3
COMMON_SHARE = 0.05
COMMON_DIALOGUES = 20
ORDER_SHARE = 0.5
ORDER_WORDS = 12
TELLING_DIALOGUES = 20  # a word in more dialogues is no trace of one
TOLD = 12.0  # nats: what shared words must tell before the order of all words is looked at

Gram = tuple[str, ...]
LeakTable = dict[str, LeakRow]


@dataclass(frozen=True, slots=True)
class Hit:
    """A dialogue repeats a benchmark dialogue.

    Attributes:
        source: ``<benchmark>/<split>``.
        kind: One of `KINDS`.
        dialogue_id: The benchmark dialogue (the text itself is not repeated here).
    """

    source: str
    kind: str
    dialogue_id: str


@dataclass(frozen=True, slots=True)
class Found:
    """The hits of one dialogue, whether it was dropped for them, and whether it is in the set in the end."""

    hits: Sequence[Hit]
    dropped: bool = False
    kept: bool = True


class LeakIndex:
    """All benchmark dialogues, searchable by line, 8-gram, 3-gram and uncommon word.

    Args:
        splits: ``<benchmark>/<split>`` -> its dialogues.
        threshold: Jaccard similarity of a near-duplicate.
    """

    def __init__(self, splits: Mapping[str, Sequence[Dialogue]], threshold: float = 0.6) -> None:
        self.sources = tuple(splits)
        self._known: list[tuple[str, str]] = []  # number -> (source, dialogue id)
        self._wholes: dict[str, list[int]] = defaultdict(list)
        self._lines: dict[str, list[int]] = defaultdict(list)
        self._grams: dict[Gram, list[int]] = defaultdict(list)
        self._shingles: dict[Gram, list[int]] = defaultdict(list)
        self._sizes: list[int] = []  # number -> its shingles
        self._running: list[list[str]] = []  # number -> its words
        self._threshold = threshold
        dialogues_with: Counter[str] = Counter()  # by word
        for source, dialogues in splits.items():
            for dialogue in dialogues:
                turns = lines(dialogue)
                self._add(source, dialogue, turns)
                dialogues_with.update({word for turn in turns for word in turn})
        self._drop_stock(self._lines)
        self._drop_stock(self._grams)
        self._known_shingles = set(self._shingles)
        self._everyday = self._everyday_words(dialogues_with)
        self._tellers = self._telling_words(dialogues_with)

    def _add(self, source: str, dialogue: Dialogue, turns: list[list[str]]) -> None:
        number = len(self._known)
        self._known.append((source, dialogue.dialogue_id))
        self._wholes[_whole(turns)].append(number)
        for line in _long_lines(turns):
            self._lines[line].append(number)
        for gram in _telling_grams(turns):
            self._grams[gram].append(number)
        shingles = _shingles(turns)
        for shingle in shingles:
            self._shingles[shingle].append(number)
        self._sizes.append(len(shingles))
        self._running.append([word for turn in turns for word in turn])

    def _drop_stock(self, index: dict[Any, list[int]]) -> None:
        """Forget what is said in many dialogues of one benchmark; two benchmarks may share a script."""
        for text, numbers in list(index.items()):
            if len(numbers) >= STOCK_DIALOGUES:
                by_benchmark = Counter(self._known[number][0].split("/")[0] for number in numbers)
                if max(by_benchmark.values()) >= STOCK_DIALOGUES:
                    del index[text]

    def _everyday_words(self, dialogues_with: Counter[str]) -> frozenset[str]:
        least = max(COMMON_DIALOGUES, COMMON_SHARE * len(self._known))
        return frozenset(word for word, count in dialogues_with.items() if count >= least)

    def _telling_words(self, dialogues_with: Counter[str]) -> dict[str, tuple[float, list[int]]]:
        """What a word in few dialogues tells (in nats), and the numbers of these."""
        total = len(self._known)
        told = {word: math.log(total / count) for word, count in dialogues_with.items() if count <= TELLING_DIALOGUES}
        found: dict[str, tuple[float, list[int]]] = {word: (weight, []) for word, weight in told.items()}
        for number, running in enumerate(self._running):
            for word in told.keys() & set(running):
                found[word][1].append(number)
        return found

    def hits(self, dialogue: Dialogue) -> list[Hit]:
        """Every (source, kind) that the dialogue hits, with one benchmark dialogue as evidence."""
        turns = lines(dialogue)
        found: dict[tuple[str, str], str] = {}
        for kind, numbers in (
            ("exact", self._exact(turns)),
            ("ngram8", self._shared_grams(turns)),
            ("near_duplicate", self._alike(turns)),
        ):
            for number in numbers:
                source, dialogue_id = self._known[number]
                found.setdefault((source, kind), dialogue_id)
        return [Hit(source, kind, dialogue_id) for (source, kind), dialogue_id in found.items()]

    def _exact(self, turns: list[list[str]]) -> list[int]:
        whole = _whole(turns)
        told = len(turns) > 1 or whole.count(" ") >= 2  # "Hi." alone is anybody's
        numbers = list(self._wholes.get(whole, ())) if told and whole.strip() else []
        shared: Counter[int] = Counter()
        for line in _long_lines(turns):
            for number in self._lines.get(line, ()):
                shared[number] += line.count(" ") + 1
        return numbers + [number for number, count in shared.items() if count >= SHARED_WORDS]

    def _shared_grams(self, turns: list[list[str]]) -> list[int]:
        shared: Counter[int] = Counter()
        for gram in {gram for gram in _running_grams(turns) if gram in self._grams}:
            uncommon = len(set(gram) - self._everyday)
            weight = EVERYDAY_GRAMS if uncommon >= GRAM_UNCOMMON else 1
            shared.update(dict.fromkeys(self._grams[gram], weight))
        return [number for number, weight in shared.items() if weight >= EVERYDAY_GRAMS]

    def _alike(self, turns: list[list[str]]) -> list[int]:
        if sum(map(len, turns)) < SHARED_WORDS:
            return []
        return list(dict.fromkeys([*self._same_shingles(turns), *self._same_order(turns)]))

    def _same_shingles(self, turns: list[list[str]]) -> list[int]:
        shingles = _shingles(turns)
        known = shingles & self._known_shingles  # two sets: each shingle is hashed once
        if len(known) < self._threshold * len(shingles):  # no dialogue can share more
            return []
        shared = Counter(number for shingle in known for number in self._shingles[shingle])
        size = len(shingles)
        return [n for n, count in shared.items() if count >= self._threshold * (size + self._sizes[n] - count)]

    def _same_order(self, turns: list[list[str]]) -> list[int]:
        running = [word for turn in turns for word in turn]
        if len(running) < ORDER_WORDS:
            return []
        told: defaultdict[int, float] = defaultdict(float)
        for word in self._tellers.keys() & set(running):
            weight, numbers = self._tellers[word]
            for number in numbers:
                told[number] += weight
        return [
            number
            for number, weight in told.items()
            if weight >= TOLD and self._ordered_share(running, self._running[number]) >= ORDER_SHARE
        ]

    def _ordered_share(self, own: list[str], other: list[str]) -> float:
        longer = max(len(own), len(other))
        if min(len(own), len(other)) < ORDER_SHARE * longer:
            return 0.0
        return float(LCSseq.similarity(own, other)) / longer


def _whole(turns: list[list[str]]) -> str:
    return "\n".join(" ".join(turn) for turn in turns)


def _long_lines(turns: list[list[str]]) -> set[str]:
    return {" ".join(turn) for turn in turns if len(turn) >= LINE_WORDS}


def _running_grams(turns: list[list[str]]) -> list[Gram]:
    return ngrams([word for turn in turns for word in turn], GRAM)


def _telling_grams(turns: list[list[str]]) -> set[Gram]:
    return {gram for gram in _running_grams(turns) if len(set(gram)) >= GRAM_DIFFERENT}


def _shingles(turns: list[list[str]]) -> set[Gram]:
    """As `wording.signature` has them: those of each turn, a short turn being one."""
    return {gram for turn in turns if turn for gram in (ngrams(turn, SHINGLE) or [tuple(turn)])}


def benchmark_splits(
    data_dir: str | Path | None = None, benchmarks: Iterable[str] | None = None
) -> dict[str, list[Dialogue]]:
    """``<benchmark>/<split>`` -> dialogues, for the benchmarks whose files are here (none is downloaded)."""
    from erc_synth.loaders import registry

    splits: dict[str, list[Dialogue]] = {}
    for name in table_benchmarks() if benchmarks is None else benchmarks:
        folder = find_data_dir(name, data_dir)
        if folder is None:
            continue
        loaded = registry.load(name, data_dir=str(folder))
        for split in SPLITS:
            if split in loaded:
                splits[f"{name}/{split}"] = to_dialogues(loaded[split])
    return splits


def leak_table(
    found: Iterable[Found],
    checked: Iterable[str],
    benchmarks: Iterable[str] | None = None,
) -> LeakTable:
    """Dialogues with a hit, by split and kind (the ``leaks`` of ``curation.json``).

    Args:
        found: One entry for each dialogue that was searched; those without a hit may be left out.
        checked: The sources that were searched; the splits of other benchmarks are ``checked: false``.
        benchmarks: Benchmarks to list; those of the tables when not given.
    """
    benchmarks = table_benchmarks() if benchmarks is None else benchmarks
    sources = list(dict.fromkeys([*(f"{name}/{split}" for name in benchmarks for split in SPLITS), *checked]))
    searched = set(checked)
    counts: Counter[tuple[str, str]] = Counter()
    for one in found:
        counts.update((hit.source, hit.kind) for hit in one.hits)
        for source in {hit.source for hit in one.hits}:
            counts.update({(source, "hit"): 1, (source, "dropped"): one.dropped, (source, "kept"): one.kept})
    return {
        source: {
            "checked": source in searched,
            "exact": counts[source, "exact"],
            "ngram8": counts[source, "ngram8"],
            "near_duplicate": counts[source, "near_duplicate"],
            "dropped": counts[source, "dropped"],
            "hit": counts[source, "hit"],
            "kept": counts[source, "kept"],
        }
        for source in sources
    }
