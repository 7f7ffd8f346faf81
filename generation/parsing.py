"""Completion text to a dialogue, or to a rejection with one of a fixed list of reasons.

A text has one style, found once: JSON, a Markdown table, marked lines (what the prompt asks for), or lines with names.
Each style has a small strict grammar of its own in `reading/`. All or nothing: each line is a turn, a part of one, a
stage direction, a narrator's, or a comment before or behind the dialogue; contradictions reject; a second conversation
is cut off. In doubt the text is rejected: a wrong label costs more than a lost dialogue.
Input: raw text, the recipe's `LineFormat`. Output: `Parsed` or `Rejection`. Linear time; the text is never interpreted.
Not covered: whether a speaker belongs to the cast, copies and duplicates (`curation`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from erc_synth.generation.lines import LineFormat
from erc_synth.generation.reading import turns as reading
from erc_synth.generation.reading.cleaning import answer
from erc_synth.generation.reading.labels import folded, labels_of
from erc_synth.generation.reading.marked import marked_turns
from erc_synth.generation.reading.plain import plain_turns
from erc_synth.generation.reading.said import names_at_end
from erc_synth.generation.reading.speakers import speakers_of
from erc_synth.generation.reading.structured import json_turns, table_turns
from erc_synth.generation.reading.turns import Reject, Turn
from erc_synth.loaders.schema import Utterance

REASONS = tuple(reading.REASONS)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The turns of a well-formed dialogue; labels are names."""

    utterances: tuple[Utterance, ...]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a text is not a dialogue: one of `REASONS`, and the offending piece (at most 80 characters)."""

    reason: str
    detail: str = ""


def parse(text: str, form: LineFormat, *, cut: bool = False) -> Parsed | Rejection:
    """Parse one completion.

    Args:
        text: What the model wrote.
        form: Markers and numbers of the recipe.
        cut: The answer ended at the token limit: an incomplete last turn is dropped, not rejected.
    """
    if not text.strip():
        return Rejection("empty")
    try:
        turns = None if cut else _as_asked(text, form)
        return Parsed(_dialogue(turns or _read(text, form, cut=cut), form))
    except Reject as error:
        return Rejection(error.reason, error.detail)


def _read(text: str, form: LineFormat, *, cut: bool) -> list[Turn]:
    """Turns of a text in whichever style it has."""
    lines = answer(text, form.language)
    for style in (json_turns, table_turns):
        turns = style(lines, form)
        if turns is not None:
            return turns
    turns = marked_turns(lines, form, cut=cut)
    return plain_turns(lines, form, cut=cut) if turns is None else turns


# What the short way takes for an utterance; in other scripts only letters and the marks of sentences.
_ASCII_TEXT = r"([A-Za-z0-9][^:()\[\]{}<>*_\"`|\\;/\x00-\x1f\x7f]*[A-Za-z0-9.!?])"
_TEXT = r"(\w[\w ,.!?'…，。！？、～·-]*[\w.!?…。！？])"


@cache
def _asked_line(form: LineFormat, *, ascii_only: bool) -> re.Pattern[str]:
    """A line exactly as the prompt asks for it, with nothing in it that a style would have to look at.

    Most answers are of such lines, which are read many times faster; a test holds that both ways agree.
    """
    values = {
        "speaker": r"([^\W\d_][\w'-]{0,30}(?: [^\W\d_][\w'-]{0,30})?)",
        "utterance": _ASCII_TEXT if ascii_only else _TEXT,
        "number": r"(\d{1,3} \([^()]{1,40}\))" if form.label_words else r"(\d{1,3})",
    }
    return re.compile(" ".join(f"{re.escape(form.marker(field))}: {values[field]}" for field in form.fields))


@cache
def _asked_labels(form: LineFormat) -> dict[str, str]:
    return {form.label(label): label for label, _ in form.numbers}


def _as_asked(text: str, form: LineFormat) -> list[Turn] | None:
    """Turns of a text that is as asked, line by line; `None` when a line is any different."""
    plain = text.isascii()
    if not plain and ("_" in text or not unicodedata.is_normalized("NFC", text)):
        return None
    match = _asked_line(form, ascii_only=plain).fullmatch
    digits, words, judge = _asked_labels(form), labels_of(form).names, speakers_of(form)
    last = form.fields[-1] == "number"
    turns, names = [], set()
    for line in text.strip().split("\n"):
        found = match(line)
        if found is None:
            return None
        name, said, number = found.groups() if last else (found[1], found[3], found[2])
        label = digits.get(number)
        if label is None or "  " in said or "--" in said or said.rsplit(" ", 1)[-1].strip(".!?,").casefold() in words:
            return None
        if not plain and names_at_end(said, labels_of(form)):
            return None
        names.add(name)
        turns.append(Turn(name, said, label))
    return turns if all(judge.kind(name) in ("cast", "name") for name in names) else None


def _dialogue(turns: list[Turn], form: LineFormat) -> tuple[Utterance, ...]:
    """Utterances of turns that make a dialogue.

    Raises:
        Reject: Fewer than two turns or speakers, the same again, or another's turn within a text.
    """
    if not turns:
        raise Reject("no_turns")
    if len(turns) < 2:
        raise Reject("too_few_turns")
    spelling = speakers_of(form).one_spelling(turn.speaker for turn in turns)
    if len({folded(name) for name in spelling.values()}) < 2:
        raise Reject("one_speaker", turns[0].speaker)
    _refuse_another(turns, form)
    size = len(turns)
    for period in range(2, size // 2 + 1):
        if size % period == 0 and turns[period:] == turns[:-period]:
            raise Reject("repeated", turns[0].text)
    return tuple(Utterance(spelling[speaker], text, label) for speaker, text, label in turns)


def _refuse_another(turns: list[Turn], form: LineFormat) -> None:
    """A name of the cast or of the dialogue and a colon within a text is another turn that was swallowed."""
    names = "|".join(re.escape(name) for name in {turn.speaker for turn in turns})
    calls = (speakers_of(form).calls, re.compile(rf"(?<!\w)(?:{names})\s?[:：]"))
    for turn in turns:
        if (":" in turn.text or "：" in turn.text) and any(call.search(turn.text) for call in calls):
            raise Reject("stray_line", turn.text)
