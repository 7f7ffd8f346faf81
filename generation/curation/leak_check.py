"""Leaks of a whole set: into benchmarks, and between its own splits.

Purpose: the leak table of anything that has splits; `curate` counts leaks of its own while it judges.
Input: splits of dialogues, read once and one after the other; benchmarks. Output: `LeakTable`.
Not covered: what a leak is (`leaks`), paraphrases (`quality.paraphrases`).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from tqdm import tqdm

from erc_synth.generation.curation.leaks import Found, LeakIndex, LeakTable, leak_table
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import SPLITS, Dialogue
from erc_synth.loaders.wording import lines

OWN_DIALOGUES = 2_000
SHARED_LINE_WORDS = 5


def held_out(splits: Mapping[str, Sequence[Dialogue]]) -> dict[str, Sequence[Dialogue]]:
    """The splits of a set that its other splits should not repeat: all but train, of a set that has several."""
    return {split: dialogues for split, dialogues in splits.items() if split != SPLITS[0] and len(splits) > 1}


def check_set(
    name: str,
    splits: Mapping[str, Sequence[Dialogue]],
    benchmarks: Mapping[str, Sequence[Dialogue]],
    seed: int = 0,
) -> LeakTable:
    """Leak table of a whole set, with ``shared_lines`` (a share 0..1) for each source that was searched.

    Searched are the benchmarks, but for the set itself, and the set's own validation and test splits
    (``itself/<split>``: dialogues of the other splits that hit it). Of these at most `OWN_DIALOGUES` are looked for,
    drawn by the seed: the index of all would not fit into memory for a large set.
    """
    held = {f"itself/{split}": _drawn(ds, OWN_DIALOGUES, seed) for split, ds in held_out(splits).items()}
    others = {source: ds for source, ds in benchmarks.items() if source.split("/")[0] != name}
    index, shared = LeakIndex({**others, **held}), _SharedLines({**others, **held})

    def found() -> Iterator[Found]:
        for split, dialogues in splits.items():
            itself = f"itself/{split}"
            for dialogue in tqdm(dialogues, desc=split, unit=" dialogues", leave=False, disable=None, delay=2):
                shared.count(dialogue, itself)
                yield Found([hit for hit in index.hits(dialogue) if hit.source != itself])

    table = leak_table(found(), index.sources)
    for source in index.sources:
        with suppress(ErcSynthError):  # no line of five words
            table[source]["shared_lines"] = shared.share(source)
    return table


def _drawn(dialogues: Sequence[Dialogue], size: int, seed: int) -> Sequence[Dialogue]:
    """The dialogues, or so many of them in their order."""
    if len(dialogues) <= size:
        return dialogues
    return [dialogues[number] for number in sorted(random.Random(f"own {seed}").sample(range(len(dialogues)), size))]


class _SharedLines:
    """Counts the lines of `SHARED_LINE_WORDS` words and more that sources have as well.

    Args:
        sources: ``<benchmark>/<split>`` -> its dialogues.
    """

    def __init__(self, sources: Mapping[str, Sequence[Dialogue]]) -> None:
        self._having: dict[str, set[str]] = defaultdict(set)  # line -> sources
        for source, dialogues in sources.items():
            for line in (line for dialogue in dialogues for line in _told_lines(dialogue)):
                self._having[line].add(source)
        self._asked: Counter[str] = Counter({"": 0})  # by split, "" all
        self._shared: Counter[str] = Counter()

    def count(self, dialogue: Dialogue, split: str = "") -> None:
        """Look up the lines of a dialogue; those of ``itself/<split>`` are not compared with that source."""
        told = _told_lines(dialogue)
        self._asked.update({"": len(told), split or "-": len(told)})
        for line in told:
            self._shared.update(source for source in self._having.get(line, ()) if source != split)

    def share(self, source: str) -> float:
        """Share (0..1) of the lines counted, but for those of the source itself.

        Raises:
            ErcSynthError: No line is that long.
        """
        asked = self._asked[""] - self._asked[source]
        if not asked:
            raise ErcSynthError(f"No line has {SHARED_LINE_WORDS} words or more.", hint="Use a larger set.")
        return self._shared[source] / asked


def _told_lines(dialogue: Dialogue) -> list[str]:
    return [" ".join(turn) for turn in lines(dialogue) if len(turn) >= SHARED_LINE_WORDS]


def shared_line_share(lines_of: Iterable[Dialogue], others: Sequence[Dialogue]) -> float:
    """Share (0..1) of the lines of `SHARED_LINE_WORDS` and more words that occur in the other dialogues.

    Raises:
        ErcSynthError: No line is that long.
    """
    shared = _SharedLines({"others": others})
    for dialogue in lines_of:
        shared.count(dialogue)
    return shared.share("others")
