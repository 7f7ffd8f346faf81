"""The one specification of a dialogue line, from which prompt, examples, grammar and parser follow.

Input: a recipe's markers, numbers and cast. Output: `LineFormat`, which writes a line and names its fields in order.
Not covered: what a model makes of it (`parsing`), how an engine is held to it (`grammar`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Order = Literal["label-last", "label-first"]
Field = Literal["speaker", "utterance", "number"]
FIELDS: dict[str, tuple[Field, Field, Field]] = {
    "label-last": ("speaker", "utterance", "number"),  # the paper's
    "label-first": ("speaker", "number", "utterance"),  # the text is then written for the label
}


@dataclass(frozen=True, slots=True)
class LineFormat:
    """Markers, numbers and cast of a recipe, and the form of its lines.

    Attributes:
        numbers: (label, number), in the order of the file.
        language: ISO 639-1 code; decides the letters of an utterance.
        order: Whether the number stands behind the utterance or before it.
        label_words: Write the label beside its number: ``3 (sadness)``.
    """

    speaker: str
    utterance: str
    number: str
    names: tuple[str, ...]
    numbers: tuple[tuple[str, int], ...]
    min_turns: int = 2
    max_turns: int = 12
    language: str = "en"
    order: str = "label-last"
    label_words: bool = False

    @property
    def fields(self) -> tuple[Field, Field, Field]:
        """The fields of a line, first to last."""
        return FIELDS[self.order]

    def marker(self, field: Field) -> str:
        """The word before a field."""
        return {"speaker": self.speaker, "utterance": self.utterance, "number": self.number}[field]

    def label(self, label: str) -> str:
        """A label as a line states it: its number, with the word beside it when the recipe wants that."""
        number = dict(self.numbers).get(label)
        if number is None:  # the form of a line, not a line
            return label
        return f"{number} ({label})" if self.label_words else str(number)

    def line(self, speaker: str, text: str, label: str) -> str:
        """One line as the prompt asks for it."""
        values = {"speaker": speaker, "utterance": text, "number": self.label(label)}
        return " ".join(f"{self.marker(field)}: {values[field]}" for field in self.fields)
