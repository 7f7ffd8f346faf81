"""Lines with names: ``Ross: Hi. (neutral)`` and its kin. One style for a whole text.

Where the label stands (each turn must show it in the same place):
    tail   ``Ross: text (label)``, ``[label]``, ``Ross: text Emotion: label``, ``text - label``, ``text. 3``
    name   ``Ross (label): text``
    head   ``Ross: [label] text``
    start  ``[label] Ross: text``
    own    a line of its own below the turn
A label seen in another place as well must agree. Numbers count only where no sentence could hold them.
Input: lines. Output: turns. Not covered: markers (`marked`), tables and JSON (`structured`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from erc_synth.generation.language import markers_of
from erc_synth.generation.lines import LineFormat
from erc_synth.generation.reading.cleaning import borders
from erc_synth.generation.reading.labels import folded, labels_of
from erc_synth.generation.reading.said import STAGE_LINE, ends_sentence, said
from erc_synth.generation.reading.speakers import LIST, speakers_of
from erc_synth.generation.reading.turns import Reject, Turn
from erc_synth.generation.reading.vocabulary import vocabulary

_TURN = re.compile(r"([^:：]{1,120}?)\s?[*_]{0,3}[:：][*_]{0,3}\s*(.*)")
_START = re.compile(r"[\[(【（]([^\[\]()【】（）:：]{1,30})[\])】）]\s*(?=\S)")
_COUNTED = re.compile(r"^\s*[\[(【（]\s*#?\d{1,3}\s*[\])】）]\s*")
_HEAD = re.compile(r"[*_\"]{0,3}[\[({（【]([^\[\](){}（）【】]{1,30})[\])}）】][*_]{0,3}\s*(?=\S)")
_BRACKET = re.compile(r"\s*[*_]{0,3}[(\[{（【<]([^()\[\]{}（）【】<>]{1,160})[)\]}）】>][*_]{0,3}[.。]?[\W_]{0,6}$")
_DASH = re.compile(r"\s[-–—|/=→>]+\s?[*_]{0,3}(\w[\w ()]{0,30}?)[*_]{0,3}\.?$")
_BARE = re.compile(r"\s[*_]{0,3}(\d{1,3})[*_]{0,3}$")
_REACH = 200  # characters at the end of a line that are searched for a label: linear on any line
STYLES = ("tail", "name", "head", "start", "own")


@dataclass(slots=True)
class Raw:
    """A turn as it stands: its name, its lines, and the labels by where they stand."""

    name: str
    lines: list[str]
    found: dict[str, str] = field(default_factory=dict)  # style -> label
    kind: str = ""  # of the tail: bracket, marker, dash or bare
    loose: list[str] = field(default_factory=list)  # lines behind its end
    number: int | None = None  # its position in a list, when that is written
    listed: bool = False  # it stands behind a bullet or a list number


@cache
def _marker_tail(form: LineFormat) -> re.Pattern[str]:
    known = {*vocabulary(form.language).markers, markers_of(form.language)[2], form.number}
    words = "|".join(sorted(map(re.escape, known), key=len, reverse=True))
    border = r"(?<![^\W_])" if form.number.upper() != form.number.lower() else ""
    return re.compile(
        rf"(?P<before>.*?){border}[*_(\[]{{0,3}}(?P<word>{words})[*_]{{0,3}}\s?[:：=][*_]{{0,3}}\s*(?P<label>[^:：]{{1,160}})$",
        re.IGNORECASE,
    )


def plain_turns(lines: list[str], form: LineFormat, *, cut: bool) -> list[Turn]:
    """Turns of lines that begin with names; see `parsing.parse` for `cut`.

    Raises:
        Reject: No turns, or they are not sure.
    """
    gathered = _Gatherer(form, cut)
    return _chosen(gathered.gather(lines), gathered)


class _Gatherer:
    """Lines to raw turns."""

    def __init__(self, form: LineFormat, cut: bool) -> None:
        self.form = form
        self.cut = cut
        self.labels = labels_of(form)
        self.speakers = speakers_of(form)
        self.borders = borders(form.language)
        self.marker = _marker_tail(form)
        cast = "|".join(sorted(map(re.escape, form.names), key=len, reverse=True))
        self.next_turn = re.compile(rf"[\])）】]\s*(?=[*_]{{0,3}}(?:{cast})[*_]{{0,3}}\s?[:：])")
        self.before: list[str] = []  # lines that look like a label, before the first turn
        self.closing = False
        self.gap = False

    def gather(self, lines: list[str]) -> list[Raw]:
        """Raw turns of the first conversation."""
        turns: list[Raw] = []
        for line in lines:
            for part in self._parts(line):
                if not part:
                    self.gap = True
                    continue
                if turns and turns[-1].found and self.borders.begins_another(part):
                    return turns
                if self._take(part, turns) == "stop":
                    return turns
                self.gap = False
        return turns

    def _parts(self, line: str) -> list[str]:
        """A line, parted where a label closes a turn and the next name follows on the same line."""
        parts = []
        while found := self.next_turn.search(line):
            inner = _BRACKET.search(line[: found.start() + 1], max(found.start() - _REACH, 0))
            if inner is None or self.labels.find(inner[1]) is None or not _TURN.match(line[: inner.start()]):
                break
            parts.append(line[: found.start() + 1])
            line = line[found.end() :]
        return [*parts, line]

    def _take(self, line: str, turns: list[Raw]) -> str | None:
        if turns and self._label_line(line) is not None:
            self._own_label(line, turns)
            return None
        if STAGE_LINE.fullmatch(line):
            if not turns and not self.labels.is_legend(line) and self.labels.find(line) is not None:
                self.before.append(line)
            return None
        raw, kind = self._turn(line)
        if raw is None or kind in ("heading", "narrator", "sentence", "assistant", "label"):
            return self._other(line, raw, kind, turns)
        if self.closing:
            if raw.found:
                raise Reject("stray_line", line)
            return "stop"
        turns.append(raw)
        return None

    def _label_line(self, line: str) -> str | None:
        """Label of a line that holds nothing else; a bare number is none."""
        if len(line) > 160 or line.strip("*_ .").isdigit():
            return None
        marked = self.marker.fullmatch(line)
        if marked and not marked["before"].strip(" *_([-"):
            return self._needed(marked["label"])
        return self.labels.find(line)

    def _needed(self, text: str) -> str:
        label = self.labels.find(text)
        if label is None:
            raise Reject("unknown_label", text)
        return label

    def _own_label(self, line: str, turns: list[Raw]) -> None:
        label = self._label_line(line) or ""
        last = turns[-1]
        if "own" in last.found:
            raise Reject("two_labels", line)
        if last.loose:
            raise Reject("stray_line", line)
        last.found["own"] = label

    def _other(self, line: str, raw: Raw | None, kind: str, turns: list[Raw]) -> str | None:
        """A line that is no turn: comment before or behind, or more of an open turn."""
        labelled = raw is not None and bool(raw.found)
        if not turns:
            if kind in ("sentence", "assistant") and labelled and not self._list_of_labels(line):
                raise Reject("doubtful_speaker", line)
            single = len(re.findall(r"\d+", line)) == 1
            if single if self.labels.is_legend(line) else self._label_line(line):
                self.before.append(line)  # a label, or one line of a legend
            return None
        last = turns[-1]
        if kind == "narrator" and last.found:
            return None
        if kind in ("narrator", "assistant", "label") or (kind == "heading" and not last.found):
            raise Reject("stray_line", line)
        if last.found or kind == "heading":
            if kind == "sentence" and labelled:
                raise Reject("doubtful_speaker", line)
            last.loose.append(line)
            self.closing = self.closing or kind == "heading"
        else:
            last.lines.append(line)
            tail = self._tail(line)
            if tail:
                last.found["tail"], last.kind, last.lines[-1] = tail
        return None

    def _list_of_labels(self, line: str) -> bool:
        """True of the prompt's own sentence: "0 for neutral, 1 for joy" has several numbers and names."""
        return len(re.findall(r"\d+", line)) > 2

    def _turn(self, line: str) -> tuple[Raw | None, str]:
        """A turn line with the labels that it shows, and what its name is."""
        prefix = LIST.match(line)
        body = line[prefix.end() :] if prefix else line
        start = _START.match(body)
        start_label = self.labels.find(start[1]) if start and not start[1].strip().isdigit() else None
        found = _TURN.match(body[start.end() :] if start and start_label else body)
        if not found or found[2].startswith("//") or (found[2][:1].isdigit() and found[1][-1:].isdigit()):
            return None, ""
        # "[3] Ross": a number before the name counts the turns; only one behind it may be a label.
        name, beside = self.speakers.clean(_COUNTED.sub("", found[1]))
        raw = Raw(
            name,
            [found[2]] if found[2] else [],
            number=int(prefix[1]) if prefix and prefix[1] else None,
            listed=prefix is not None,
        )
        if start_label:
            raw.found["start"] = start_label
        labels = [label for piece in beside if (label := self.labels.find(piece))]
        if len(set(labels)) > 1:
            raise Reject("two_labels", line)
        if labels:
            raw.found["name"] = labels[0]
        self._text_labels(raw)
        return raw, self.speakers.kind(name)

    def _text_labels(self, raw: Raw) -> None:
        if not raw.lines:
            return
        tail = self._tail(raw.lines[0])
        if tail:
            raw.found["tail"], raw.kind, raw.lines[0] = tail
        head = _HEAD.match(raw.lines[0])
        label = self.labels.find(head[1]) if head else None
        if head and label:
            raw.found["head"] = label
            raw.lines[0] = raw.lines[0][head.end() :]

    def _tail(self, line: str) -> tuple[str, str, str] | None:
        """Label at the end of a line, how it stands there, and the line without it."""
        begin = max(len(line) - _REACH, 0)
        end = line[begin:]
        for kind, pattern in (("bracket", _BRACKET), ("marker", self.marker), ("dash", _DASH), ("bare", _BARE)):
            found = pattern.search(end) if kind != "marker" else pattern.match(end)
            if not found:
                continue
            piece, start = (found["label"], found.start("word")) if kind == "marker" else (found[1], found.start())
            if kind == "marker":
                start = len(found["before"])
                piece = piece.rstrip(")] ")
            rest = (line[:begin] + end[:start]).rstrip(" *_")
            label = self._stated(piece, kind, rest)
            if label is None:
                continue
            rest = rest.rstrip(" -–—|/;,，([") if kind == "marker" else rest
            return label, kind, rest
        return None

    def _stated(self, piece: str, kind: str, rest: str) -> str | None:
        marked = self.marker.fullmatch(piece) if kind == "bracket" else None
        value = marked["label"] if marked and not marked["before"].strip() else piece
        label = self.labels.find(value)
        if label is None:
            if kind == "marker" and ends_sentence(rest):
                raise Reject("unknown_label", piece)
            return None
        number = value.strip(" *_#").isdigit()
        if kind in ("dash", "bare") or (kind == "bracket" and number and not marked):
            # "option (2)", "We are only 3": a number is a label only behind the end of a sentence.
            return (
                label
                if (ends_sentence(rest) and not rest.endswith(("-", "–", "—", ")", "]")))
                or (kind == "bracket" and ends_sentence(rest))
                else None
            )
        return label


def _chosen(turns: list[Raw], gathered: _Gatherer) -> list[Turn]:
    """Turns of the one style that all share."""
    if not turns or not any(raw.found for raw in turns):
        raise Reject(
            "no_turns" if len(turns) < 2 or not _any_known(turns, gathered) else "missing_label",
            turns[0].name if turns else "",
        )
    if len(turns) > 2 and not turns[-1].found and _unfinished(turns[-1], gathered):
        turns = turns[:-1]
    shared = [style for style in STYLES if all(style in raw.found for raw in turns)]
    if not shared:
        bare = next((raw for raw in turns if not raw.found), None)
        raise Reject(
            "missing_label" if bare else "mixed_styles", f"{bare.name}: {' '.join(bare.lines)}" if bare else ""
        )
    if shared == ["own"] and gathered.before:
        raise Reject("mixed_styles", gathered.before[0])
    if "tail" in shared and len({raw.kind in ("bracket", "marker") for raw in turns}) > 1:
        raise Reject("mixed_styles", "labels stand in different ways")
    if shared == ["head"] and all(_ends_in_number(raw, gathered) for raw in turns):
        raise Reject("two_labels", f"{turns[0].name}: {' '.join(turns[0].lines)}")  # "Ann: (3) 0": which is it?
    _check_list(turns)
    text_last = not {"tail", "own"}.intersection(shared)
    if text_last and gathered.cut and not ends_sentence(turns[-1].lines[-1] if turns[-1].lines else ""):
        turns = turns[:-1]
    for index, raw in enumerate(turns):
        _check_loose(raw, last=index == len(turns) - 1, gathered=gathered)
    return [turn for raw in turns if (turn := _turn(raw, gathered))]


def _ends_in_number(raw: Raw, gathered: _Gatherer) -> bool:
    """True when the last word is a number that stands for a label."""
    last = raw.lines[-1].split()[-1:] if raw.lines else []
    return bool(last) and last[0].isdigit() and gathered.labels.find(last[0]) is not None


def _any_known(turns: list[Raw], gathered: _Gatherer) -> bool:
    return any(gathered.speakers.kind(raw.name) == "cast" for raw in turns)


def _unfinished(raw: Raw, gathered: _Gatherer) -> bool:
    """True of a turn that was cut off; one that ends in what may be its label is not."""
    if gathered.cut or not raw.lines:
        return True
    last = raw.lines[-1].rsplit(None, 1)[-1]
    return not ends_sentence(last) and not last.isdigit() and folded(last) not in gathered.labels.names


def _check_list(turns: list[Raw]) -> None:
    """All turns are items of one list or none is; its numbers count upwards: others may be labels."""
    if len({raw.listed for raw in turns}) > 1:  # a summary in bullets behind the dialogue
        raise Reject("mixed_styles", "a list in a part of the lines")
    numbers = [raw.number for raw in turns if raw.number is not None]
    steps = {after - before for before, after in pairwise(numbers)}
    if numbers and (len(numbers) < len(turns) or numbers[0] > 1 or not steps <= {1}):
        raise Reject("mixed_styles", f"list numbers {numbers[:8]}")


def _check_loose(raw: Raw, *, last: bool, gathered: _Gatherer) -> None:
    if raw.loose and not last:
        raise Reject("stray_line", raw.loose[0])
    if len(raw.lines) > 1 and not {"tail", "own"}.intersection(raw.found):
        raise Reject("stray_line", raw.lines[1])


def _turn(raw: Raw, gathered: _Gatherer) -> Turn:
    labels = set(raw.found.values())
    if len(labels) != 1:
        raise Reject("two_labels", f"{raw.name}: {' '.join(raw.lines)}")
    label = labels.pop()
    text = " ".join(filter(None, raw.lines))
    return Turn(raw.name, said(text, gathered.labels, label), label)
