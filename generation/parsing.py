"""Completion text to a dialogue, or to a rejection with one of a fixed list of reasons.

Input: raw text, the recipe's `LineFormat`. Output: `Parsed` or `Rejection`. Tolerant of what LLMs
write (lists, bold, quotes, missing markers, numbers in brackets or words, label words, preamble and
chatter, a second dialogue), strict in what it returns. Linear time; the text is never interpreted.
Not covered: whether a speaker belongs to the cast, copies and duplicates (`curation`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from erc_synth.generation.recipe import LineFormat
from erc_synth.loaders.schema import Utterance

REASONS = (
    "empty",  # no text at all
    "no_turns",  # nothing that looks like a turn
    "too_few_turns",  # fewer than two
    "one_speaker",  # fewer than two speakers
    "unknown_label",  # a label or number that the recipe does not have
    "missing_label",  # a turn without a label
    "empty_text",  # a turn without words
)
MAX_SPEAKER = 40  # characters; longer is no name but a sentence with a colon
NUMBER_WORDS = {
    word: index
    for index, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
}
# Typography that models mix freely; emphasis marks are dropped.
PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "*": None, "`": None, "：": ":", "\u00a0": " "})
_SECOND = re.compile(r"^\W{0,4}(?:dialogue|conversation|scene|example|option)\W{0,2}(?:2|two)\b", re.IGNORECASE)
_LIST = re.compile(r"^(?:\d{1,3}[.)]|[-•>#]{1,4}) ?")
# A label at the end of a line: in brackets, after a word for it, after a dash, or a bare number.
_TAIL = re.compile(
    r"(?:[(\[{<] ?(?P<bracket>[^()\[\]{}<>]{1,30})[)\]}>]"
    r"|(?<![a-z])(?:emotion|number|label) ?[:=#]? ?(?P<marked>[a-z]{1,20}|\d{1,3})"
    r"|[-|/=] ?(?P<dashed>[a-z]{3,20})"
    r"|[ ,;|/=-](?P<bare>\d{1,3}))[ .!,;]{0,3}$",
    re.IGNORECASE,
)
_PIECES = re.compile(r"[a-z]+(?: [a-z]+)?|\d+")
_LETTER = re.compile(r"[^\W_]")  # a letter or a digit of any script


@dataclass(frozen=True, slots=True)
class Parsed:
    """The turns of a well-formed dialogue; labels are names."""

    utterances: tuple[Utterance, ...]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a text is not a dialogue: one of `REASONS`, and the offending piece (at most 80 characters)."""

    reason: str
    detail: str = ""


class _Reject(Exception):
    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.rejection = Rejection(reason, detail[:80])


Turn = tuple[str, str, str]  # speaker, text, label as written ("" when there is none)


def parse(text: str, form: LineFormat, *, cut: bool = False) -> Parsed | Rejection:
    """Parse one completion.

    Args:
        text: What the model wrote.
        form: Markers and numbers of the recipe.
        cut: The answer ended at the token limit: an incomplete last turn is dropped, not rejected.
    """
    if not text.strip():
        return Rejection("empty")
    lines = list(_lines(text))
    turns = list(_marked_turns(lines, form)) or list(_plain_turns(lines, form))
    if cut and turns and not turns[-1][2]:
        turns.pop()
    try:
        return Parsed(_checked(turns, form))
    except _Reject as error:
        return error.rejection


def _lines(text: str) -> Iterator[str]:
    """Lines of the first dialogue, typography plain and white space folded."""
    for raw in text.translate(PLAIN).splitlines():
        line = " ".join(raw.split())
        if _SECOND.match(line):
            return
        if line:
            yield line


Mark = tuple[str, int, int]  # "speaker", "utterance" or "number", begin of the marker, end of its colon


@cache
def _marker_pattern(form: LineFormat) -> tuple[re.Pattern[str], list[str]]:
    """Pattern of `Speaker:` and the like in any case, at the begin of a word, and the marker of each of its groups.

    It begins with the colon and looks back: `re` skips to the next colon many times faster than it tries three
    words at each character.
    """
    words = {key: getattr(form, key) for key in ("speaker", "utterance", "number")}
    longest_first = sorted(words, key=lambda key: -len(words[key]))
    back = [
        f"(?<=({word}){colon})(?<![A-Za-z]{word}{colon})"
        for word in (re.escape(words[key]) for key in longest_first)
        for colon in (":", " :")
    ]
    return re.compile(f":(?:{'|'.join(back)})", re.IGNORECASE), [key for key in longest_first for _ in (":", " :")]


def _marks(text: str, form: LineFormat) -> list[Mark]:
    pattern, keys = _marker_pattern(form)
    return [(keys[group - 1], m.start(group), m.end()) for m in pattern.finditer(text) if (group := m.lastindex)]


def _marked_turns(lines: list[str], form: LineFormat) -> Iterator[Turn]:
    """Turns of a text that has the speaker marker: from each one to the next.

    The number is the last marker of its turn, so an utterance may hold the word itself.
    """
    text = "\n".join(lines)
    marks = _marks(text, form)
    starts = [i for i, (key, _, _) in enumerate(marks) if key == "speaker"]
    for start, end in pairwise([*starts, len(marks)]):
        stop = marks[end][1] if end < len(marks) else len(text)
        speech = next((i for i in range(start + 1, end) if marks[i][0] == "utterance"), None)
        if speech is None:
            continue
        name = text[marks[start][2] : marks[speech][1]]
        said = marks[speech][2]
        number = next((i for i in range(end - 1, speech, -1) if marks[i][0] == "number"), None)
        if number is None:
            yield _name(name), _said(text[said:stop].split("\n", 1)[0]), ""
        else:
            _, begin, after = marks[number]
            yield _name(name), _said(text[said:begin]), _first_label(text[after:stop])


def _first_label(text: str) -> str:
    return text.strip().split("\n", 1)[0].strip(" ()[]{}<>.,;#\"'").lower()


def _name(text: str) -> str:
    return text.strip(" \n-,;.()[]\"'")


def _said(text: str) -> str:
    said = (" ".join(text.split()) if "\n" in text else text).strip(" -,;|([")  # lines are folded already
    if len(said) > 1 and said[0] == said[-1] == '"':
        said = said[1:-1].strip()
    return said


def _plain_turns(lines: list[str], form: LineFormat) -> Iterator[Turn]:
    """Turns of lines like `1. Ross: text (fear)` or `Ross: text Number: 6`; other lines are chatter."""
    known = _label_words(form)
    for line in lines:
        name, colon, rest = _LIST.sub("", line).partition(":")
        if not colon or not name.strip() or len(name) > MAX_SPEAKER or len(name.split()) > 5:
            continue
        head = max(len(rest) - 60, 0)  # only the end is searched: linear on a line of any length
        tail = _TAIL.search(rest, head)
        label = tail[tail.lastgroup or 0].lower().strip() if tail else ""
        if tail and not (label.isdigit() or any(word in known for word in [label, *label.split()])):
            tail, label = None, ""  # "(laughs)" is no label
        said = rest[: tail.start()] if tail else rest
        twice = _TAIL.search(said, max(len(said) - 60, 0)) if tail else None  # "Number: 6 (fear)"
        if twice and twice["marked"]:
            said = said[: twice.start()]
        yield _name(name), _said(said), label


@cache
def _label_words(form: LineFormat) -> dict[str, str]:
    """Everything that names a label, lower case: numbers, number words, label names."""
    words = {label.lower(): label for label, _ in form.numbers}
    by_number = {number: label for label, number in form.numbers}
    words |= {str(number): label for number, label in by_number.items()}
    words |= {word: by_number[n] for word, n in NUMBER_WORDS.items() if n in by_number}
    return words


def _named_in(label: str, known: dict[str, str]) -> str:
    """The label of `3 (anger)`, `anger (3)`, `3 = anger`: the first word that names one decides."""
    pieces: list[str] = _PIECES.findall(label[:60])
    name = next((known[piece] for piece in pieces if piece in known), None)
    if name is None or (pieces[0].isdigit() and pieces[0] not in known):
        raise _Reject("unknown_label", label)
    return name


def _checked(turns: list[Turn], form: LineFormat) -> tuple[Utterance, ...]:
    known = _label_words(form)
    # Lines without any label before or after the dialogue are preamble and closing chatter.
    labelled = [i for i, turn in enumerate(turns) if turn[2]]
    turns = turns[labelled[0] : labelled[-1] + 1] if labelled else []
    if not turns:
        raise _Reject("no_turns")
    utterances = []
    for speaker, text, label in turns:
        if not label:
            raise _Reject("missing_label", f"{speaker}: {text}")
        name = known.get(label) or _named_in(label, known)
        if not speaker or not _LETTER.search(text):
            raise _Reject("empty_text", f"{speaker}: {text}")
        utterances.append(Utterance(speaker, text, name))
    if len(utterances) < 2:
        raise _Reject("too_few_turns")
    if len({turn.speaker.lower() for turn in utterances}) < 2:
        raise _Reject("one_speaker", utterances[0].speaker)
    return tuple(utterances)
