"""The style of the prompt: ``Speaker: Ross Utterance: Hi. Number: 0``, on one line or on several.

Each turn has the same fields in the same order. An order that does not begin with the speaker must show where a turn
begins: one turn a line, or blank lines between. Words for the number's marker ("Emotion:") are read beside it.
Input: lines. Output: turns, or `None` when the text has no markers. Not covered: names as markers (`plain`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from erc_synth.generation.language import ENGLISH_MARKERS, markers_of
from erc_synth.generation.lines import LineFormat
from erc_synth.generation.reading.cleaning import borders
from erc_synth.generation.reading.labels import labels_of
from erc_synth.generation.reading.said import STAGE_LINE, ends_sentence, said
from erc_synth.generation.reading.speakers import LIST, speakers_of
from erc_synth.generation.reading.turns import Reject, Turn
from erc_synth.generation.reading.vocabulary import vocabulary

_TURNLIKE = re.compile(r"\W{0,4}([^:：]{1,60}?)\s?[:：]")
_SEPARATOR = re.compile(r"(?:[,;，；、]|\s[-–—|/,;])$")
_GREEK_SEPARATOR = re.compile(r"(?:[,，]|\s[-–—|/,])$")  # a Greek question ends with ;


@dataclass(slots=True)
class Field:
    """A marker and what follows it."""

    kind: str
    head: str  # what stands before the marker on its line
    first: bool  # the first marker of its line
    gap: bool  # a blank line is before it
    word: str
    lines: list[str] = field(default_factory=list)

    @property
    def value(self) -> str:
        """All lines of the field as one."""
        return " ".join(filter(None, self.lines))


@cache
def _marks(form: LineFormat) -> tuple[re.Pattern[str], dict[str, str]]:
    """Pattern of a marker with its colon, and what each marker's word stands for."""
    kinds: dict[str, str] = dict.fromkeys(vocabulary(form.language).markers, "number")
    # A model may translate the markers, or fall back to English ones; the recipe's own win.
    own = (ENGLISH_MARKERS, markers_of(form.language), (form.speaker, form.utterance, form.number))
    for markers in own:
        for kind, word in zip(("speaker", "utterance", "number"), markers, strict=True):
            kinds |= {word.casefold(): kind, word.upper().casefold(): kind}
    given = {word for markers in own for word in markers}
    words = sorted({*kinds, *given, *map(str.upper, given)}, key=len, reverse=True)
    cased = "".join(
        f"(?<![^\\W_])(?:{re.escape(word)})|" if word.upper() != word.lower() else f"{re.escape(word)}|"
        for word in words
    )
    return re.compile(
        rf"[*_]{{0,3}}({cased[:-1]})(?: ?#?(\d{{1,2}}))?[*_]{{0,3}} ?[:：][*_]{{0,3}}", re.IGNORECASE
    ), kinds


def marked_turns(lines: list[str], form: LineFormat, *, cut: bool) -> list[Turn] | None:
    """Turns of a text with markers; see `parsing.parse` for `cut`.

    Raises:
        Reject: It has markers and is not sure.
    """
    fields = _Reader(form).read(lines)
    if fields is None:
        return None
    return _Assembler(form, cut).turns(fields)


class _Reader:
    """Lines to fields. Lines before the first turn and behind the last are comments, if they are no turns."""

    def __init__(self, form: LineFormat) -> None:
        self.form = form
        self.pattern, self.kinds = _marks(form)
        self.speakers = speakers_of(form)
        self.labels = labels_of(form)
        self.borders = borders(form.language)
        self.fields: list[Field] = []
        self.loose: list[str] = []  # comments since the last field
        self.gap = False

    def read(self, lines: list[str]) -> list[Field] | None:
        """Fields of the first conversation; `None` when no line begins with a marker."""
        start = self._start(lines)
        if start is None:
            return None
        self._check_before(lines[:start])
        for line in lines[start:]:
            if not line:
                self.gap = True
            elif self._closed() and self.borders.begins_another(line) and not self._begins(line):
                break
            elif not self._marked(line):
                self._continued(line)
        for line in self.loose:
            self._check_comment(line)
        return self.fields

    def _start(self, lines: list[str]) -> int | None:
        speaker = next((i for i, line in enumerate(lines) if self._begins(line, "speaker")), None)
        if speaker is None:  # `Number: 0 Speaker: Ross Utterance: Hi.`
            speaker = next((i for i, line in enumerate(lines) if self._holds_turn(line)), None)
        if speaker is None:  # `Ross Utterance: Hi. Number: 0`, or no markers at all
            return next((i for i, line in enumerate(lines) if self._named(line)), None)
        first = speaker
        while first > 0 and self._begins(lines[first - 1], "number", "utterance"):
            first -= 1
        return first

    def _holds_turn(self, line: str) -> bool:
        """True of a line that begins with a number's marker and has one of each kind."""
        if not self._begins(line, "number"):
            return False
        return sorted(self.kinds[mark[1].casefold()] for mark in self.pattern.finditer(line)) == sorted(
            self.form.fields
        )

    def _begins(self, line: str, *kinds: str) -> str | None:
        """Kind of the marker that a line begins with."""
        prefix = LIST.match(line)
        mark = self.pattern.match(line, prefix.end() if prefix else 0)
        kind = self.kinds[mark[1].casefold()] if mark else None
        return kind if kind and (not kinds or kind in kinds) else None

    def _named(self, line: str) -> bool:
        mark = self.pattern.search(line)
        if mark is None or self.kinds[mark[1].casefold()] != "utterance":
            return False
        return self.speakers.kind(self.speakers.clean(line[: mark.start()])[0]) in ("cast", "name")

    def _check_before(self, lines: list[str]) -> None:
        for line in lines:
            found = [
                m for m in self.pattern.finditer(line) if line[m.end() : m.end() + 1] not in ("'", '"', "”", "’", "`")
            ]
            if len({self.kinds[m[1].casefold()] for m in found}) > 1 and not self.labels.is_legend(line):
                raise Reject("stray_line", line)
            self._check_comment(line)

    def _check_comment(self, line: str) -> None:
        """A comment is no turn: no person and colon, no label of its own."""
        like = _TURNLIKE.match(line)
        kind = self.speakers.kind(self.speakers.clean(like[1])[0]) if like else "heading"
        if (
            kind in ("cast", "name", "label")
            and not self.labels.is_legend(line)
            and (like and line[like.end() :].strip())
        ):
            raise Reject("stray_line", line)
        if self._begins(line, "speaker", "utterance"):
            raise Reject("mixed_styles", line)

    def _closed(self) -> bool:
        """True when the last field is a number that was given, so that a turn may be at its end."""
        if not self.fields:
            return True
        last = self.fields[-1]
        return bool(last.lines) and (last.kind == "number" or self._text_last()) and len(self.fields) >= 2

    def _text_last(self) -> bool:
        """True when the utterance is the last field of a turn, behind the number."""
        kinds = [one.kind for one in self.fields]
        if len(kinds) < 3 or kinds[0] == "utterance" or kinds[-1] != "utterance" or kinds[-2] == "utterance":
            return False
        return any(pair in (("number", "utterance"), ("number", "speaker")) for pair in pairwise(kinds[:3]))

    def _marked(self, line: str) -> bool:
        """Fields of a line that has markers; False when it has none."""
        prefix = LIST.match(line)
        begin = prefix.end() if prefix else 0
        marks = list(self.pattern.finditer(line, begin))
        if not marks:
            return False
        head = line[begin : marks[0].start()].strip(" ([{*_")
        if head and self._comment_with_mark(head, marks[0]):
            return False
        for index, mark in enumerate(marks):
            end = marks[index + 1].start() if index + 1 < len(marks) else len(line)
            value = line[mark.end() : end].strip()
            self.fields.append(
                Field(
                    self.kinds[mark[1].casefold()],
                    head if index == 0 else "",
                    index == 0,
                    self.gap and index == 0,
                    mark[1].casefold(),
                    [value] if value else [],
                )
            )
        for comment in self.loose:
            self._narrated(comment)
        self.loose, self.gap = [], False
        return True

    def _comment_with_mark(self, head: str, mark: re.Match[str]) -> bool:
        """True of a line that only mentions a marker; the words before it go to the utterance they continue."""
        kind = self.kinds[mark[1].casefold()]
        last = self.fields[-1] if self.fields else None
        if kind == "number" and last is not None and last.kind == "utterance":
            if self._turnlike(head):
                raise Reject("stray_line", head)
            last.lines.append(head)
            return False
        if kind == "utterance" and not any(f.kind == "speaker" for f in self.fields):
            return False  # a name stands before it
        if kind == "speaker" and last is not None and last.kind == "number":
            raise Reject("stray_line", head)
        return True

    def _turnlike(self, line: str) -> bool:
        like = _TURNLIKE.match(line)
        return like is not None and self.speakers.kind(self.speakers.clean(like[1])[0]) != "sentence"

    def _continued(self, line: str) -> None:
        """A line without markers: more of the field before, a stage direction, or a comment."""
        last = self.fields[-1]
        if STAGE_LINE.fullmatch(line) and self.labels.find(line) is None:
            return
        if not last.lines:
            last.lines.append(line)
        elif last.kind == "utterance" and not self._text_last():
            if self._turnlike(line):
                raise Reject("stray_line", line)
            last.lines.append(line)
        elif last.kind == "utterance" and not self.gap:
            raise Reject("stray_line", line)  # more words, or a comment: not to be told
        elif last.kind == "speaker":
            raise Reject("stray_line", line)
        else:
            self.loose.append(line)

    def _narrated(self, comment: str) -> None:
        """Between turns only a narrator may speak, who is left out."""
        like = _TURNLIKE.match(comment)
        if not like or self.speakers.kind(self.speakers.clean(like[1])[0]) != "narrator":
            raise Reject("stray_line", comment)


class _Assembler:
    """Fields to turns: every turn has the same fields."""

    def __init__(self, form: LineFormat, cut: bool) -> None:
        self.form = form
        self.cut = cut
        self.labels = labels_of(form)
        self.speakers = speakers_of(form)

    def turns(self, fields: list[Field]) -> list[Turn]:
        """All turns; an unfinished last one is left out.

        Raises:
            Reject: The fields are not one order throughout, or a field is not sure.
        """
        fields = self._merged(fields)
        order = self._order(fields)
        groups = self._groups(fields, order)
        if groups and self._unfinished(groups[-1], order):
            groups.pop()
        if order[0] != "speaker" and not self._apart(groups):
            raise Reject("mixed_styles", "where a turn begins is not to be seen")
        raw = [self._raw(group) for group in groups]
        separator = _GREEK_SEPARATOR if self.form.language == "el" else _SEPARATOR
        separated = len(raw) > 0 and all(separator.search(text) for _, text, _ in raw)
        ends = {text[-1] for _, text, _ in raw if text} if separated else set()
        turns = []
        for name, text, value in raw:
            words = separator.sub("", text).rstrip() if len(ends) == 1 else text
            turn = self._turn(name, words, value)
            if turn:
                turns.append(turn)
        return turns

    def _merged(self, fields: list[Field]) -> list[Field]:
        """Two words for one label (`Emotion: sadness Number: 3`) are one field of two values, which must agree."""
        merged: list[Field] = []
        for one in fields:
            last = merged[-1] if merged else None
            if last and last.kind == one.kind == "number" and not one.head and last.lines and one.lines:
                if last.word == one.word:
                    raise Reject("two_labels", one.value)
                last.lines += one.lines
                last.word = one.word
            else:
                merged.append(one)
        return merged

    def _order(self, fields: list[Field]) -> tuple[str, ...]:
        kinds = [one.kind for one in fields]
        if "speaker" not in kinds:
            return ("utterance", "number")
        size = 3 if "utterance" in kinds[:3] else 2
        order = tuple(kinds[:size])
        if size == 3 and len(set(order)) < 3:
            raise Reject("missing_label" if "number" not in order else "mixed_styles", " ".join(kinds[:6]))
        if size == 2 and order != ("speaker", "number"):
            raise Reject("no_turns", " ".join(kinds[:6]))
        return order

    def _groups(self, fields: list[Field], order: tuple[str, ...]) -> list[list[Field]]:
        groups: list[list[Field]] = []
        for one in fields:
            if not groups or len(groups[-1]) == len(order):
                groups.append([])
            wanted = order[len(groups[-1])]
            if one.kind != wanted:
                raise Reject("missing_label" if wanted == "number" else "mixed_styles", f"{one.word}: {one.value}")
            groups[-1].append(one)
        return groups

    def _unfinished(self, group: list[Field], order: tuple[str, ...]) -> bool:
        """True of a last turn that was cut off; one that only lacks its label is not."""
        if len(group) == len(order) and group[-1].lines:
            last = group[-1]
            if not all(one.lines for one in group):
                raise Reject("empty_text", last.value)
            if not self.cut:
                return False
            if last.kind != "number":
                return not ends_sentence(last.value)
            digits = last.value.isdigit() and any(
                n != last.value and n.startswith(last.value) for n in self.labels.digits
            )
            return digits or self.labels.find(last.value) is None
        if self.cut or not group[-1].lines or group[-1].kind == "speaker":
            return True
        if group[-1].kind == "utterance" and ends_sentence(group[-1].value):
            raise Reject("missing_label", group[-1].value)
        return True

    def _apart(self, groups: list[list[Field]]) -> bool:
        one_line = all(group[0].first and not any(f.first for f in group[1:]) for group in groups)
        blocks = all(group[0].gap or i == 0 for i, group in enumerate(groups)) and not any(
            f.gap for g in groups for f in g[1:]
        )
        return one_line or (blocks and len(groups) > 1)

    def _raw(self, group: list[Field]) -> tuple[str, str, list[str]]:
        found = {one.kind: one for one in group}
        name = found["speaker"].value if "speaker" in found else found["utterance"].head
        if "utterance" in found:
            text = found["utterance"].value
        else:  # `Speaker: Ross: Hi. Number: 0`
            name, colon, text = name.partition(":")
            if not colon:
                raise Reject("empty_text", name)
        values = list(found["number"].lines)
        text = text.strip()
        if text[-1:] in ("(", "[") and values and values[-1][-1:] in (")", "]"):
            text, values[-1] = text[:-1].rstrip(), values[-1][:-1]
        return name, text, values

    def _turn(self, raw_name: str, text: str, values: list[str]) -> Turn | None:
        stated = {self.labels.read(value) for value in values}
        if len(stated) != 1:
            raise Reject("two_labels", " ".join(values))
        label = stated.pop()
        name, beside = self.speakers.clean(raw_name)
        kind = self.speakers.kind(name)
        if kind == "narrator":
            return None
        if (
            kind in ("heading", "assistant", "label")
            or not any(map(str.isalpha, name))
            or len(name) > 40
            or ":" in name
        ):
            raise Reject("doubtful_speaker", raw_name)
        for piece in beside:
            if self.labels.find(piece) not in (None, label):
                raise Reject("two_labels", piece)
        return Turn(name, said(self._without_name(text, name), self.labels, label), label)

    def _without_name(self, text: str, name: str) -> str:
        """The text without its own speaker's name again; another's name and a colon is another turn."""
        again = re.match(rf"[*'“]{{0,3}}(\"?){re.escape(name)}[*]{{0,2}}\s?[:：]\s*(?=\S)", text, re.IGNORECASE)
        if again is None:
            return text
        quoted = again[1] and text.endswith(again[1]) and text.count(again[1]) % 2 == 0
        return text[again.end() : -1 if quoted else None]
