"""The wording of dialogues: what two texts are compared by.

Purpose: one normal form for leaks, duplicates, diversity and lengths, so that curly quotes, case, punctuation
and spacing never hide a copy. Input: utterances. Output: words, lines, n-grams.
Not covered: what a match means (`leaks`, `copies`); meaning (`likeness`).

A word is a run of letters and digits: "well-known" is two words, "you're" is one. Scripts that put no blanks
between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) count by character, each with its marks: a
segmenter would need a model for each language, and copies show in characters as well as in words.
"""

from __future__ import annotations

import re
import unicodedata

import regex

from erc_synth.loaders.schema import Dialogue

SHINGLE = 3
"""Words in a shingle; a shorter turn is one shingle, so that swapped turns keep every shingle."""

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
