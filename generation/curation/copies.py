"""Copies among the dialogues themselves: the same, or nearly the same, as one that was kept before.

Purpose: a copy adds nothing, and one in train of one in test would show the answer.
Input: dialogues as `wording.lines`, one after the other. Output: `Match` values, the most alike first.
What is known stands in a temporary database of SQLite, which is gone with the object: memory does not grow with it.
Not covered: copies of a benchmark (`leaks`), what a copy means for the set (`curate`).
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from erc_synth.generation.curation.leaks import SHARED_WORDS
from erc_synth.loaders.schema import Dialogue
from erc_synth.loaders.wording import SHINGLE, lines, ngrams

if TYPE_CHECKING:
    from datasketch import MinHash
    from numpy.typing import NDArray

NEAR = 0.7
"""Least Jaccard similarity of two sets of word 3-grams to be nearly the same."""
BANDS, ROWS = 36, 6
"""MinHash: two dialogues of similarity 0.7 share one of 36 bands of 6 rows with probability 0.989; of 0.15, 0.0004.

Bands of 4 rows let every 250th dialogue of one style through to the exact comparison: too many of a million.
"""
CACHE_MB = 256

SCHEMA = """
    CREATE TABLE kept (
        number INTEGER PRIMARY KEY, config TEXT, dialogue_id TEXT, split TEXT, whole BLOB, shingles BLOB
    );
    CREATE UNIQUE INDEX kept_by_id ON kept (config, dialogue_id);
    CREATE TABLE bands (band INTEGER, number INTEGER, PRIMARY KEY (band, number)) WITHOUT ROWID;
"""
_SHARING = f"""
    SELECT DISTINCT number, config, dialogue_id, split, whole, shingles
    FROM bands JOIN kept USING (number) WHERE band IN ({", ".join("?" * BANDS)})
"""


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
    """What a dialogue is compared by; the same in every process.

    Attributes:
        whole: Digest of all its words in order.
        shingles: Sorted distinct 32-bit hashes of its 3-grams of words (shape ``[n]``).
        bands: One number for each MinHash band.
    """

    whole: bytes
    shingles: NDArray[np.uint32]
    bands: tuple[int, ...]

    @classmethod
    def of(cls, turns: Sequence[list[str]]) -> Wording:
        """The wording of a dialogue given as `lines`; a turn of fewer than three words is one shingle."""
        text = "\n".join(" ".join(turn) for turn in turns)
        grams = {" ".join(gram) for turn in turns for gram in (ngrams(turn, SHINGLE) or [tuple(turn)])}
        shingles = np.array(sorted({zlib.crc32(gram.encode()) for gram in grams}), dtype=np.uint32)
        return cls(hashlib.blake2b(text.encode(), digest_size=16).digest(), shingles, _bands(shingles))

    def jaccard(self, shingles: NDArray[np.uint32]) -> float:
        """Exact Jaccard similarity of two sets of shingles, 0..1."""
        shared = np.intersect1d(self.shingles, shingles, assume_unique=True).size
        return float(shared / max(1, self.shingles.size + shingles.size - shared))


@cache
def _empty() -> MinHash:
    from datasketch import MinHash

    return MinHash(num_perm=BANDS * ROWS, seed=1, scheme="affine32", hashfunc=int)


def _bands(shingles: NDArray[np.uint32]) -> tuple[int, ...]:
    minhash = _empty().copy()  # drawing its permutations anew would cost as much as all the rest
    minhash.update_batch(shingles)
    rows = minhash.hashvalues.astype("<u4").reshape(BANDS, ROWS)
    digests = (hashlib.blake2b(bytes([number]) + row.tobytes(), digest_size=8) for number, row in enumerate(rows))
    return tuple(int.from_bytes(digest.digest(), "little", signed=True) for digest in digests)


class Seen:
    """Dialogues kept so far, of all configs that are curated together."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("")  # a file without a name: on disk as soon as it outgrows the cache
        self._table.execute(f"PRAGMA cache_size = {-1024 * CACHE_MB}")
        self._table.executescript(SCHEMA)

    def find(self, said: Wording) -> list[Match]:
        """Every earlier dialogue with the same or nearly the same words: same ones first, then by similarity."""
        near = []
        for number, config, dialogue_id, split, whole, shingles in self._table.execute(_SHARING, said.bands):
            alike = said.jaccard(np.frombuffer(shingles, dtype=np.uint32))
            if whole == said.whole or alike >= NEAR:
                kind = "duplicate" if whole == said.whole else "near_duplicate"
                near.append(((kind != "duplicate", -alike, number), Match(kind, config, dialogue_id, split)))
        return [match for _, match in sorted(near, key=lambda one: one[0])]

    def add(self, config: str, dialogue_id: str, said: Wording, split: str = "") -> None:
        """Remember a kept dialogue."""
        row = (config, dialogue_id, split, said.whole, said.shingles.tobytes())
        number = self._table.execute("INSERT INTO kept VALUES (NULL, ?, ?, ?, ?, ?)", row).lastrowid
        self._table.executemany("INSERT OR IGNORE INTO bands VALUES (?, ?)", ((band, number) for band in said.bands))

    def place(self, config: str, split_of: Mapping[str, str]) -> None:
        """Say where the dialogues of a config went; those that went nowhere are forgotten."""
        rows = ((split, config, dialogue_id) for dialogue_id, split in split_of.items())
        self._table.executemany("UPDATE kept SET split = ? WHERE config = ? AND dialogue_id = ?", rows)
        self._table.execute("DELETE FROM kept WHERE config = ? AND split = ''", (config,))


def repeated(dialogues: Iterable[Dialogue]) -> list[bool]:
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
