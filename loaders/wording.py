"""The wording of dialogues: what two texts are compared by.

Purpose: one normal form for leaks, duplicates, diversity and lengths, so that curly quotes, case, punctuation
and spacing never hide a copy. Input: utterances. Output: words, lines, shingles, MinHash signatures.
Not covered: what a match means (`leaks`, `curation`); meaning (`likeness`).

A word is a run of letters and digits: "well-known" is two words, "you're" is one. Scripts that put no blanks
between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) count by character, each with its marks: a
segmenter would need a model for each language, and copies show in characters as well as in words.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import regex

from erc_synth.loaders.schema import Dialogue

if TYPE_CHECKING:
    from datasketch import MinHash
    from numpy.typing import NDArray

SHINGLE = 3
"""Words in a shingle; a shorter turn is one shingle, so that swapped turns keep every shingle."""
NUM_PERM = 128
"""MinHash permutations: 32 bands of 4 find a Jaccard similarity of 0.6 with probability 0.988."""

_APOSTROPHES = re.compile("['’‘`´]")
# One table instead of a search: an ASCII letter or digit is kept, an apostrophe is left out, the rest parts words.
_PLAIN = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)} | {39: None, 96: None}
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# Marks belong to their letter: without them a Hindi or Thai word falls into pieces.
_WORD = regex.compile(rf"[{_UNSPACED}]\p{{M}}*|[\p{{L}}\p{{N}}\p{{M}}--{_UNSPACED}]+", regex.VERSION1)


def words(text: str) -> list[str]:
    """Lower-case words without punctuation; ``"You’re HERE..."`` -> ``["youre", "here"]``, ``"你好"`` -> two."""
    if text.isascii():
        return text.translate(_PLAIN).split()
    plain = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", text))
    if plain.isascii():  # only quotes and the like were not
        return plain.translate(_PLAIN).split()
    found: list[str] = _WORD.findall(plain.casefold())
    return found


def lines(dialogue: Dialogue) -> list[list[str]]:
    """The words of each turn, turn by turn."""
    return [words(turn.text) for turn in dialogue.utterances]


def ngrams(tokens: list[str], size: int) -> list[tuple[str, ...]]:
    """All runs of `size` words, in order; empty when there are fewer words."""
    return list(zip(*(tokens[start:] for start in range(size)), strict=False))


@dataclass(frozen=True, slots=True)
class Signature:
    """What near-duplicate search keeps of a dialogue.

    Attributes:
        shingles: Sorted distinct 32-bit hashes of the shingles (shape ``[n]``).
        minhash: `datasketch.MinHash` of the same.
    """

    shingles: NDArray[np.uint32]
    minhash: MinHash | None

    def jaccard(self, other: Signature) -> float:
        """Exact Jaccard similarity of the two shingle sets, 0..1."""
        shared = np.intersect1d(self.shingles, other.shingles, assume_unique=True).size
        return float(shared / (self.shingles.size + other.shingles.size - shared))


def signature(turns: list[list[str]]) -> Signature:
    """Signature of a dialogue given as `lines`; the same in every process (CRC-32, not `hash`)."""
    from datasketch import MinHash

    texts = {" ".join(gram) for turn in turns for gram in (ngrams(turn, SHINGLE) or [tuple(turn)])}
    hashes = np.array(sorted({zlib.crc32(text.encode()) for text in texts}), dtype=np.uint32)
    minhash = MinHash(num_perm=NUM_PERM, seed=1, scheme="affine32", hashfunc=int)
    minhash.update_batch(hashes)
    return Signature(hashes, minhash)


class NearIndex:
    """Finds dialogues that are nearly the same as one added before (MinHash LSH, then exact Jaccard).

    Args:
        threshold: Least Jaccard similarity of word 3-grams to count.
        bands: LSH bands of 4 rows; 32 misses 1 % at a similarity of 0.6, 16 misses 1 % at 0.7 and needs
            half the memory.
    """

    def __init__(self, threshold: float = 0.6, bands: int = 32) -> None:
        from datasketch import MinHashLSH

        self.threshold = threshold
        self._index = MinHashLSH(num_perm=NUM_PERM, params=(bands, 4))
        self._kept: dict[str, NDArray[np.uint32]] = {}

    def add(self, key: str, signature: Signature) -> None:
        """Remember a dialogue under a key that was not used before."""
        self._index.insert(key, signature.minhash, check_duplication=False)
        self._kept[key] = signature.shingles

    def find(self, signature: Signature) -> list[tuple[str, float]]:
        """Keys and similarities of all that are near, most alike first (ties by key)."""
        near = []
        for key in self._index.query(signature.minhash):
            similarity = signature.jaccard(Signature(self._kept[key], None))
            if similarity >= self.threshold:
                near.append((key, similarity))
        return sorted(near, key=lambda match: (-match[1], match[0]))
