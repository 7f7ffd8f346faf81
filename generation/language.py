"""What a prompt of a language holds beside the recipe's own sentences, and the letters that language is written in.

Input: `data/words.toml`, a recipe's table ``[words]``. Output: `Words`, the markers of a language.
Not covered: the words by which answers are read (`reading.vocabulary`), which language a text is in (`curation`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

ENGLISH_MARKERS = ("Speaker", "Utterance", "Number")


@dataclass(frozen=True, slots=True)
class Words:
    """Words and letters of one recipe.

    Attributes:
        numbered: A label in the list of labels, with `{number}` and `{label}`.
        lines: The sentence that sets the number of lines, with `{lines}`.
        between: Stands between names and between labels.
        gap: Stands between sentences.
        letters: Letters of an utterance, as the inside of a character class; empty when they are not known.
        opening: Signs that may stand before the first letter.
        signs: Further characters of an utterance.
        characters: Least and greatest length of a constrained utterance.
    """

    numbered: str
    lines: str
    between: str = ", "
    gap: str = " "
    letters: str = ""
    opening: str = ""
    signs: str = " ,.'!?0-9-"
    characters: tuple[int, int] = (8, 140)


@cache
def _tables() -> dict[str, Any]:
    """Language -> its table `asked`."""
    content = tomllib.loads(files("erc_synth.generation").joinpath("data", "words.toml").read_text("utf-8"))
    return {code: table["asked"] for code, table in content.items() if "asked" in table}


def languages() -> tuple[str, ...]:
    """Codes of the languages that have words here."""
    return tuple(_tables())


def base(language: str) -> str:
    """The language of a code with a script or country: ``de-AT`` -> ``de``."""
    return language.split("-")[0].lower()


def is_spaced(language: str) -> bool:
    """True when blanks part the words of a language."""
    return base(language) not in ("zh", "ja", "th", "lo", "km", "my")


def words_of(language: str, override: Mapping[str, object]) -> Words | None:
    """Words of a language with those that a recipe gives itself; `None` when no prompt can be written of them."""
    table = {key: value for key, value in _tables().get(base(language), {}).items() if key != "markers"} | {**override}
    if "numbered" not in table or "lines" not in table:
        return None
    if "characters" in table:
        table["characters"] = tuple(table["characters"])
    return Words(**table)


def markers_of(language: str) -> tuple[str, str, str]:
    """Markers of speaker, utterance and number where a recipe has none of its own."""
    speaker, utterance, number = _tables().get(base(language), {}).get("markers", ENGLISH_MARKERS)
    return speaker, utterance, number
