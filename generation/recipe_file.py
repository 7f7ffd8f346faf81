"""The form of a recipe's TOML file: its tables and keys, and what is refused in it.

Input: the parsed TOML. Output: `RecipeFile`; `CHECKS`, which yield the keys of a wrong value and what is wrong.
Not covered: reading files, the values that follow from a recipe (`recipe`).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from erc_synth.generation.curation.reasons import Limits
from erc_synth.generation.drawing import START, Plan, benchmark_table
from erc_synth.generation.language import Words, base, languages, markers_of, words_of
from erc_synth.generation.lines import LineFormat, Order
from erc_synth.generation.parsing import Parsed, parse
from erc_synth.loaders.schema import label_set, label_set_names

PLACEHOLDERS = {
    "task": {"cast", "ending"},
    "natural_ending": set(),
    "balanced_ending": {"emotion"},
    "labelling": {"labels"},
    "structure": {"speaker", "utterance", "number", "line"},
    "topic": {"topic"},
    "plan": {"plan"},
}


class Strict(BaseModel):
    """A table whose unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Prompt(Strict):
    task: str
    natural_ending: str = ""
    balanced_ending: str = ""
    labelling: str
    structure: str
    topic: str = ""
    plan: str = ""


class _Markers(Strict):
    """Absent ones are the language's."""

    speaker: str = Field("", min_length=1)
    utterance: str = Field("", min_length=1)
    number: str = Field("", min_length=1)


class _Words(Strict):
    """A recipe's own words in place of its language's; see `language.Words`."""

    numbered: str = ""
    lines: str = ""
    between: str = ""
    gap: str = ""
    letters: str = ""
    opening: str = ""
    signs: str = ""
    characters: tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2)]] = (8, 140)


class _Example(Strict):
    """A few-shot dialogue: place of the speaker in a drawn cast, text and label of each line."""

    lines: list[tuple[Annotated[int, Field(ge=0)], Annotated[str, Field(min_length=1)], str]] = Field(min_length=2)


class _Speakers(Strict):
    names: list[str] = Field(min_length=2)
    closed: bool = False


class _Turns(Strict):
    min: int = Field(6, ge=2)
    max: int = Field(12, ge=2)


class _Drawn(Strict):
    topics: list[Annotated[str, Field(min_length=1)]] = []
    cast: tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2)]] | None = None


class Sampling(Strict):
    """Sampling parameters within their bounds."""

    temperature: float = Field(0.7, gt=0)
    top_p: float = Field(0.95, gt=0, le=1)
    top_k: int = Field(100, ge=0)
    typical_p: float = Field(0.95, gt=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0)
    max_new_tokens: int = Field(1024, ge=1)


class _Splits(Strict):
    train: float = Field(0.8, gt=0)
    validation: float = Field(0.1, gt=0)
    test: float = Field(0.1, gt=0)


class RecipeFile(Strict):
    """The whole file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    label_set: str
    kind: Literal["natural", "balanced"]
    language: str = Field("en", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    dialogues: int = Field(ge=1)
    balance: Literal["round-robin", "adaptive"] = "round-robin"
    order: Order = "label-last"
    label_words: bool = False
    plan: Plan = "free"
    prompt: _Prompt
    markers: _Markers = _Markers()
    words: _Words = _Words()
    examples: list[_Example] = []
    numbers: dict[str, int]
    speakers: _Speakers
    turns: _Turns = _Turns()
    drawn: _Drawn = _Drawn()
    transitions: dict[str, dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]] = {}
    sampling: Sampling = Sampling()
    splits: _Splits = _Splits()
    curation: Limits = Limits()

    @property
    def form(self) -> LineFormat:
        """The lines that it asks for."""
        own, known = self.markers, markers_of(self.language)
        return LineFormat(
            own.speaker or known[0], own.utterance or known[1], own.number or known[2], tuple(self.speakers.names),
            tuple(self.numbers.items()), self.turns.min, self.turns.max, base(self.language), self.order,
            self.label_words,
        )  # fmt: skip

    @property
    def all_words(self) -> Words | None:
        """Its own words and those of its language; `None` when some are missing."""
        return words_of(self.language, self.words.model_dump(exclude_unset=True))


Refusals = Iterator[tuple[list[str], str]]  # the keys of a value, and what is wrong with it


def _numbers(file: RecipeFile) -> Refusals:
    numbers = list(file.numbers.values())
    folded = [label.lower() for label in file.numbers]
    for label, number in reversed(file.numbers.items()):
        if numbers.count(number) > 1:
            yield ["numbers", label], "its number is given twice"
        if folded.count(label.lower()) > 1:
            yield ["numbers", label], "the label is given twice, but for its case"
    if len(numbers) < 2:
        yield ["numbers"], "at least two labels are needed"
    if file.label_set in label_set_names() and set(file.numbers) != set(label_set(file.label_set).labels):
        odd = set(file.numbers) ^ set(label_set(file.label_set).labels)
        yield ["numbers"], f"labels differ from the set {file.label_set}: {sorted(odd)}"


def _cast(file: RecipeFile) -> Refusals:
    if len(set(file.speakers.names)) != len(file.speakers.names):
        yield ["speakers", "names"], "a name is given twice"
    if file.turns.min > file.turns.max:
        yield ["turns", "min"], "min is above max"


def _drawing(file: RecipeFile) -> Refusals:
    """Options of small models: each has what it needs, and none is given in vain."""
    structure, cast, topics = file.prompt.structure, file.drawn.cast, file.drawn.topics
    number, utterance = (structure.find(f"{{{name}}}") for name in ("number", "utterance"))
    if file.order == "label-first" and "{line}" not in structure and not 0 <= number < utterance:
        yield ["prompt", "structure"], "order = label-first names {number} before {utterance}"
    if len(set(topics)) < len(topics):
        yield ["drawn", "topics"], "a topic is given twice"
    if cast and not cast[0] <= cast[1] <= len(file.speakers.names):
        yield ["drawn", "cast"], f"least and most of the {len(file.speakers.names)} names"
    for wanted, key in ((bool(topics), "topic"), (file.plan == "transitions", "plan")):
        if wanted and f"{{{key}}}" not in getattr(file.prompt, key):
            yield ["prompt", key], f"a sentence with {{{key}}} is missing"
    if file.plan == "free" and file.transitions:
        yield ["transitions"], 'the table is of no use without plan = "transitions"'
    if file.plan == "transitions" and not file.transitions and benchmark_table(file.label_set) is None:
        yield ["plan"], f"there is no table of {file.label_set}: give [transitions.start] ..."


def _transitions(file: RecipeFile) -> Refusals:
    """One row per label and one to begin with, each of known labels and some weight."""
    rows = file.transitions
    if rows and set(rows) != {START, *file.numbers}:
        odd = sorted(set(rows) ^ {START, *file.numbers})
        yield ["transitions"], f"rows differ from {START} and the labels: {odd}"
    for name, row in rows.items():
        if unknown := sorted(set(row) - set(file.numbers)):
            yield ["transitions", name], f"unknown label {unknown[0]}"
        if sum(row.values()) <= 0:
            yield ["transitions", name], "no label has a weight above 0"


def _prompt(file: RecipeFile) -> Refusals:
    for key, allowed in PLACEHOLDERS.items():
        yield from _placeholders(["prompt", key], getattr(file.prompt, key), allowed)
    if file.kind == "balanced" and "{emotion}" not in file.prompt.balanced_ending:
        yield ["prompt", "balanced_ending"], "a balanced recipe names {emotion} there"


def _placeholders(keys: list[str], text: str, allowed: set[str]) -> Refusals:
    try:
        used = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        yield keys, str(error)
        return
    if not used <= allowed:
        yield keys, f"unknown placeholder {', '.join(f'{{{name}}}' for name in sorted(used - allowed))}"


def _words(file: RecipeFile) -> Refusals:
    words = file.all_words
    if words is None:
        known = ", ".join(languages())
        yield (
            ["language"],
            f"there are no words for {file.language!r}: give numbered and lines in [words], or use {known}",
        )
        return
    for key, needed in (("numbered", {"number", "label"}), ("lines", {"lines"})):
        text = getattr(words, key)
        yield from _placeholders(["words", key], text, needed)
        for name in sorted(needed):
            if f"{{{name}}}" not in text:
                yield ["words", key], f"{{{name}}} is missing"
    if words.characters[0] > words.characters[1]:
        yield ["words", "characters"], "the least length is above the greatest"
    for key in ("letters", "opening", "signs"):
        inside = getattr(words, key)
        # What ends a field must not stand in it, and each engine must read the class alike.
        if found := set(inside) & set("\\[](){}<>^:：\n\r\t"):
            yield ["words", key], f"characters and ranges only, without {min(found)!r}"
            continue
        try:
            re.compile(f"[{inside}]" if inside else "")
        except re.error as error:
            yield ["words", key], str(error)


def _examples(file: RecipeFile) -> Refusals:
    form = file.form
    for example in file.examples:
        odd = next((label for _, _, label in example.lines if label not in file.numbers), None)
        if odd is not None:
            yield ["examples"], f"unknown label {odd!r}"
        elif max(place for place, _, _ in example.lines) >= len(form.names):
            yield ["examples"], f"a speaker is a place in the cast of {len(form.names)}, counted from 0"
        else:
            asked = [(form.names[place], text, label) for place, text, label in example.lines]
            found = parse("\n".join(form.line(*line) for line in asked), form)
            turns = [(u.speaker, u.text, u.emotion) for u in found.utterances] if isinstance(found, Parsed) else None
            if turns != asked:
                why = "otherwise" if isinstance(found, Parsed) else f"as no dialogue ({found.reason})"
                yield ["examples"], f"the parser reads the dialogue that begins {asked[0][1]!r} {why}"


CHECKS = (_numbers, _cast, _drawing, _transitions, _prompt, _words, _examples)
