"""Words of a language by which turns are told from headings, comments and reasons.

Input: `data/words.toml`. Output: `Vocabulary` of a language, English included. Not covered: a recipe's own words.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from erc_synth.generation.language import base


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Lower-case words by what they do; see the file for each."""

    numbers: tuple[tuple[str, int], ...]
    families: tuple[tuple[str, ...], ...]
    markers: tuple[str, ...]
    fillers: tuple[str, ...]
    reasons: tuple[str, ...]
    hedges: tuple[str, ...]
    speaker_keys: tuple[str, ...]
    text_keys: tuple[str, ...]
    position_keys: tuple[str, ...]
    speech: tuple[str, ...]
    narrators: tuple[str, ...]
    assistants: tuple[str, ...]
    headings: tuple[str, ...]
    sentence: tuple[str, ...]
    another: tuple[str, ...]
    conversations: tuple[str, ...]


@cache
def vocabulary(language: str) -> Vocabulary:
    """Words of a language and of English."""
    content = tomllib.loads(files("erc_synth.generation").joinpath("data", "words.toml").read_text("utf-8"))
    tables = [content[code] for code in dict.fromkeys((base(language), "en")) if code in content]
    lists = {
        name: tuple(word for table in tables for word in table.get(name, ()))
        for name in Vocabulary.__slots__
        if name not in ("numbers", "families")
    }
    return Vocabulary(
        numbers=tuple((word, value) for table in tables for value, word in enumerate(table.get("numbers", ()))),
        families=tuple(tuple(family) for table in tables for family in table.get("families", ())),
        **lists,
    )
