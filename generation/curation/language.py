"""Which language a line is in, as far as a line can tell.

Purpose: a dialogue in another language, and one foreign line in it, are seen; a quoted foreign word is not.
Input: a text, the recipe's language. Output: the ISO 639-1 code of another language, or of a script.
Not covered: dialects, transliteration ("Ni hao"); languages that the identifier does not know are judged by script.

Script comes first: it is sure from two letters on and needs no model. Within a script decides py3langid.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import regex

from erc_synth.generation.curation.reasons import Limits

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_SCRIPTS = {
    "Han": ("zh", "ja", "ko"), "Hiragana": ("ja",), "Katakana": ("ja",), "Hangul": ("ko",), "Thai": ("th",),
    "Lao": ("lo",), "Khmer": ("km",), "Myanmar": ("my",), "Arabic": ("ar", "fa", "ur", "ps", "ug", "sd", "ku"),
    "Hebrew": ("he", "yi"), "Greek": ("el",), "Armenian": ("hy",), "Georgian": ("ka",), "Ethiopic": ("am", "ti"),
    "Cyrillic": ("ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "mn", "tg", "tt", "uz"),
    "Devanagari": ("hi", "mr", "ne", "sa"), "Bengali": ("bn", "as"), "Tamil": ("ta",), "Telugu": ("te",),
    "Kannada": ("kn",), "Malayalam": ("ml",), "Gujarati": ("gu",), "Gurmukhi": ("pa",), "Sinhala": ("si",),
}  # fmt: skip
"""Script -> languages that are written in it; all others are taken to be written in Latin letters."""

_OWN_SCRIPT = frozenset(code for codes in _SCRIPTS.values() for code in codes)
_LETTER = regex.compile(r"\p{L}")
_LATIN = regex.compile(r"\p{Latin}")
_OTHER = regex.compile("|".join(rf"(?P<{name}>\p{{{name}}})" for name in _SCRIPTS))
_JAPANESE = ("Han", "Hiragana", "Katakana")
FOREIGN_SHARE = 0.5
"""A line is in another script when at least half of its letters are: a name or a quoted word is less."""


def other_script(text: str, expected: str) -> str:
    """The script that a line is mostly written in when the expected language is not; empty otherwise."""
    if text.isascii():  # the usual line of an English recipe: nothing to count
        letters = sum(map(str.isalpha, text)) if expected in _OWN_SCRIPT else 0
        return "Latin" if letters >= 8 else ""
    counts: dict[str, int] = {}
    for match in _OTHER.finditer(text):
        if match.lastgroup:
            counts[match.lastgroup] = counts.get(match.lastgroup, 0) + 1
    counts["Latin"] = len(_LATIN.findall(text))
    letters = len(_LETTER.findall(text))
    foreign = {name: n for name, n in counts.items() if n and not _writes(expected, name)}
    most = max(foreign, key=foreign.__getitem__, default="")
    least = 8 if most == "Latin" else 2  # "OK", "DVD" and names in Latin letters stand in any language
    enough = sum(foreign.values()) >= max(least, FOREIGN_SHARE * letters)
    return most if most and enough else ""


def _writes(language: str, script: str) -> bool:
    if script == "Latin":
        return language not in _OWN_SCRIPT or language in ("sr", "uz", "ku", "az")
    return language in _SCRIPTS[script]


def other_language(text: str, count: int, expected: str, limits: Limits) -> str:
    """The other language or script that a text of `count` different words is surely in; empty otherwise."""
    if script := other_script(text, expected):
        return script
    if count < limits.language_words or expected not in _languages():
        return ""
    language, certainty = _identifier().classify(text)
    if language == expected or certainty < 0.5:
        return ""
    doubt = dict(_identifier().rank(text))[expected]
    return str(language) if doubt <= limits.language_doubt else ""


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _languages() -> frozenset[str]:
    return frozenset(language for language, _ in _identifier().rank(""))
