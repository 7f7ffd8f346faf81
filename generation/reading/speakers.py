"""Names: which word before a colon is a speaker, and one spelling for each person.

Input: what stands where a speaker should. Output: the name and what stood in brackets beside it.
Not covered: whether a speaker belongs to a closed cast (`curation`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal

from erc_synth.generation.lines import LineFormat
from erc_synth.generation.reading.labels import folded, labels_of
from erc_synth.generation.reading.vocabulary import vocabulary

MAX_SPEAKER = 40  # characters; longer is no name but a sentence with a colon
MAX_WORDS = 5
Kind = Literal["cast", "name", "heading", "narrator", "assistant", "label", "sentence"]
LIST = re.compile(r"(\d{1,3})(?:[.)、．）]\s*(?=[^\W\d_*\"“‘「])|[.)、．）]\s+)|(?:[-•>]{1,3}|\*(?=\s))\s+")
_BRACKETS = re.compile(r"[(\[{（【]([^()\[\]{}（）【】]{1,60})[)\]}）】]")
_EDGE = " .,;:-–—*_`\"'“”‘’「」#>|，、"
_POSITION = re.compile(r"[\s#]*\d{1,3}$")


class Speakers:
    """Judges names for one recipe; made once per recipe (see `speakers_of`)."""

    def __init__(self, form: LineFormat) -> None:
        words = vocabulary(form.language)
        self.cast = {folded(name): name for name in form.names}
        self._headings = frozenset(map(folded, words.headings)) | {folded(form.utterance), folded(form.number)}
        self._speaker_words = frozenset(map(folded, words.speaker_keys)) | {folded(form.speaker)}
        self._narrators = frozenset(map(folded, words.narrators))
        self._assistants = frozenset(map(folded, words.assistants))
        self._sentence = frozenset(map(folded, words.sentence))
        self._speech = tuple(map(folded, words.speech))
        self._labels = labels_of(form).names
        names = "|".join(sorted(map(re.escape, form.names), key=len, reverse=True))
        self.calls = re.compile(rf"(?<!\w)(?:{names})\s?[:：]", re.IGNORECASE)

    def clean(self, raw: str) -> tuple[str, list[str]]:
        """A name without list number, marks and brackets, and what the brackets held."""
        start = LIST.match(raw)
        text = raw[start.end() :] if start else raw
        beside = _BRACKETS.findall(text)
        if beside:
            text = _BRACKETS.sub(" ", text)
        return " ".join(text.split()).strip(_EDGE), beside

    def kind(self, name: str) -> Kind:
        """What the word before a colon is."""
        key = folded(name)
        if key in self.cast:
            return "cast"
        base = _POSITION.sub("", key)
        words = key.replace("’", "'").split()
        if key in self._narrators or base in self._narrators:
            return "narrator"
        if key in self._assistants:
            return "assistant"
        if base in self._headings or base in self._speaker_words:
            return "heading"
        if key in self._labels:
            return "label"
        if len(name) > MAX_SPEAKER or len(words) > MAX_WORDS or re.search(r"[!?;:…,\"/\\=|<>，。！？；]", name):
            return "sentence"
        first = name[:1]
        if not first.isalpha() or (first.islower() and len(name) > 1) or self._sentence.intersection(words):
            return "sentence"
        return "sentence" if self._says(name) else "name"

    def _says(self, name: str) -> bool:
        """True of a person and more: "Hélène dit", "小明笑着说", "他说"; not of "Ross Geller", "Rosso"."""
        key = folded(name)
        if self._speech and key.endswith(self._speech):
            return True
        return any(key.startswith(person) and _goes_on(name[len(person) :]) for person in self.cast)

    def one_spelling(self, names: Iterable[str]) -> dict[str, str]:
        """Name as written -> name of the person: the cast's spelling, or the first that was written."""
        first: dict[str, str] = {}
        return {name: self.cast.get(folded(name)) or first.setdefault(folded(name), name) for name in names}


def _goes_on(rest: str) -> bool:
    """True when words follow a name: small ones behind a blank, or any in a script without capitals."""
    first = rest.lstrip()[:1]
    capital = first.isupper() or not first.isalpha()
    return not capital and (rest[:1].isspace() or not first.islower())


@cache
def speakers_of(form: LineFormat) -> Speakers:
    """The judge of names of a recipe."""
    return Speakers(form)
