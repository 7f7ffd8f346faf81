"""What of a completion is the answer: its lines without control tokens, thoughts and template remains.

Rules: a text with invisible control characters (NUL, bidirectional controls, zero-width blanks) is rejected; joiners
of emoji and of Arabic and Indic letters stay. Thoughts before the answer are left out. Tokens of chat templates at the
begin of the text or the end of its lines are taken out; one within a line rejects; behind an end token stands another
answer, which is cut off.
Input: raw text. Output: lines; whether a line begins another conversation. Not covered: turns.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from erc_synth.generation.language import is_spaced
from erc_synth.generation.reading.said import emphasis_off
from erc_synth.generation.reading.turns import Reject
from erc_synth.generation.reading.vocabulary import vocabulary

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufffd-\uffff\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff]"
)
_THOUGHT = r"(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis)"
_THOUGHT_END = re.compile(rf"<\s*/\s*{_THOUGHT}\s*>|\[/THINK\]|<\|channel\|>final<\|message\|>|◁/think▷", re.IGNORECASE)
_THOUGHT_BEGIN = re.compile(rf"(?:<\s*{_THOUGHT}\s*>|\[THINK\]|<\|channel\|>|◁think▷)", re.IGNORECASE)
_NAMES = (
    "s|pad|unk|eos|bos|mask|cls|sep|eot|eop|eod|end|sys|endoftext|end_of_text|begin_of_text|end_of_turn|start_of_turn"
    "|end_of_utterance|extra_id_\\d+|unused\\d+|0x[0-9a-f]{2}"
)
TOKEN = re.compile(
    rf"<\|[^<>\n]{{0,40}}?\|>|<\|\w*|\w*\|>|<｜[^<>\n]{{0,40}}?｜>|<{{1,2}}/?(?:{_NAMES})>{{1,2}}"
    r"|\[/?(?:INST|SYS|PAD|UNK|CLS|SEP|MASK|BOS|EOS|EOT|AVAILABLE_TOOLS|TOOL_CALLS)\]|▁",
    re.IGNORECASE,
)
_TOKEN_SIGNS = re.compile(r"<[|｜/<]|<\w+>|\|>|\[/?[A-Z_]{3,}\]|▁", re.IGNORECASE)
_ROLE = re.compile(r"(?:[#\s]*(?:user|assistant|human|system|model|bot|instruction|response)\b)", re.IGNORECASE)
_LEADING_ROLE = re.compile(r"(?:assistant|model|ASSISTANT)\s*:?\s*(?=\n|$)|(?:ASSISTANT|Assistant|### Response)\s*:\s*")
_INLINE_ROLE = re.compile(r"(?<=[\w)\]}.])[ \t]*(?=\b(?:USER|ASSISTANT|HUMAN|SYSTEM)\s?:)")
_RULE = re.compile(r"\W*(?:-{3,}|={3,}|\*{3,}|_{3,}|~{3,}|—{2,}|(?:\* ){2,}\*|(?:- ){2,}-)\W*|`{3,}.*")
_SMART = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'"})


def answer(text: str, language: str) -> list[str]:
    """Lines of the answer, white space folded; an empty line is kept as "".

    Raises:
        Reject: Control characters, thoughts without an end, a token within a line.
    """
    text = visible(text)
    if not text.isascii():
        text = typed(text, language)
    text = _without_thoughts(text)
    if _TOKEN_SIGNS.search(text):
        text = _without_tokens(text)
    text = _INLINE_ROLE.sub("\n", text) if ":" in text else text
    lead = _LEADING_ROLE.match(text.lstrip())
    if lead:
        text = text.lstrip()[lead.end() :]
    return [emphasis_off(" ".join(line.split())) for line in text.split("\n")]


def typed(text: str, language: str) -> str:
    """Text in one form of its letters; English with plain quotes, as models mix both freely."""
    text = unicodedata.normalize("NFC", text)
    return text.translate(_SMART) if language == "en" else text


def visible(text: str) -> str:
    """Text with one kind of line end and no control characters.

    Raises:
        Reject: It has some.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found = _INVISIBLE.search(text)
    if found:
        raise Reject("control_characters", f"U+{ord(found.group()):04X}")
    return text


def _without_thoughts(text: str) -> str:
    """What follows the thoughts. They are closed by a tag; the opening one may have been in the prompt."""
    ends = list(_THOUGHT_END.finditer(text))
    begin = _THOUGHT_BEGIN.search(text)
    if not ends:
        if begin and (not text[: begin.start()].strip() or text[: begin.start()].rsplit("\n", 1)[-1].strip() == ""):
            raise Reject("reasoning", text[begin.start() : begin.start() + 40])
        return text
    if begin and begin.start() < ends[-1].start() and text[: begin.start()].strip():
        raise Reject("reasoning", "thoughts in the middle")
    return text[ends[-1].end() :]


def _without_tokens(text: str) -> str:
    text = text.strip()
    while found := TOKEN.match(text):  # what the template opened the answer with
        text = text[found.end() :].lstrip()
        role = _LEADING_ROLE.match(text)
        text = text[role.end() :].lstrip() if role else text
    lines = text.split("\n")
    ended = [_end_cut(line) for line in lines]
    filled = [i for i, line in enumerate(lines) if line.strip()]
    marked = [i for i in filled if ended[i] != lines[i].rstrip()]
    if not marked:
        return _refuse_tokens(text)
    if len(marked) > 1 and len(marked) == len(filled):  # every line ends with one: decoration
        return _refuse_tokens("\n".join(ended))
    return _refuse_tokens("\n".join([*lines[: marked[0]], ended[marked[0]]]))


def _end_cut(line: str) -> str:
    """A line up to the tokens at its end, or up to the one behind which another role speaks."""
    for found in TOKEN.finditer(line):
        rest = TOKEN.sub("", line[found.start() :]).strip()
        opens = line[: found.start()].strip() == "" and rest
        if not rest or (_ROLE.match(rest) and not opens) or (opens and _ROLE.match(rest)):
            return line[: found.start()].rstrip()
    return line.rstrip()


def _refuse_tokens(text: str) -> str:
    found = TOKEN.search(text)
    if found:
        raise Reject("control_token", found.group())
    return text


class Borders:
    """Tells lines that end a conversation: a rule, a heading, another role, words for "another dialogue"."""

    def __init__(self, language: str) -> None:
        words = vocabulary(language)
        kinds = "|".join(map(re.escape, words.conversations))
        numbers = "|".join([r"\d{1,3}", "[a-d]", "two|three|four|five|zwei|drei", *map(re.escape, "二三四五")])
        another = "|".join(map(re.escape, words.another))
        roles = "|".join(map(re.escape, words.assistants))
        self._numbered = re.compile(rf"\W{{0,4}}(?:{kinds})\W{{0,3}}(?:{numbers})\b.{{0,60}}", re.IGNORECASE)
        # Where no blanks part words, a word may begin and end anywhere.
        before, after = (r"\W", r"\b") if is_spaced(language) else ("", "")
        self._another = re.compile(
            rf"\W{{0,4}}(?:[^:：]{{0,60}}{before})?(?:{another})\W{{0,2}}(?:\w+ ){{0,2}}(?:{kinds}|one){after}"
            r"[^:：]{0,60}[:：.!。]?\W{0,3}",
            re.IGNORECASE,
        )
        self._role = re.compile(rf"[#\s]*(?:{roles})\s?[:：].*", re.IGNORECASE | re.DOTALL)

    def begins_another(self, line: str) -> bool:
        """True when what follows is no part of the conversation before."""
        if len(line) > 200:
            return bool(self._role.match(line))
        return bool(
            line.startswith("#")
            or _RULE.fullmatch(line)
            or self._numbered.fullmatch(line)
            or self._another.fullmatch(line)
            or self._role.fullmatch(line)
        )


@cache
def borders(language: str) -> Borders:
    """The borders of a language."""
    return Borders(language)
