"""Traces of the model in a line: what no person says in a conversation.

Purpose: refusals, template tokens, markup, addresses and the like are named, each with a reason of its own.
Input: a line, or the name of a speaker. Output: (reason, detail) of `reasons.REASONS`.
Not covered: what needs the whole dialogue (`faults`); whether a fact is true.

Patterns of speech stand in `data/traces.toml`, one list a reason, and words of profanity in `data/profanity.txt`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_PLAIN_QUOTES = str.maketrans("’‘“”", "''\"\"")

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(
    r"(?<![\w.])(?:\+\d{1,3}[\s.-]?)?(?:\(\d{2,5}\)[\s.-]?|\d{2,5}[\s.-])?\d{3}[\s.-]\d{4}(?![\w-])"
    r"|(?<!\w)\+\d{1,3}(?:[\s().-]{0,2}\d{2,5}){2,5}(?!\w)|(?<![\w.])0\d{2,4}[\s/-]\d{5,9}(?!\w)|(?<!\d)1[3-9]\d{9}(?!\d)"
)
_SOCIAL = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_IP = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])")
_BROKEN = re.compile(
    "[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
    "|â€[™œ\x9d˜“”¦]|Ã[©¨¤¶¼Ÿ±³¡ª§]|\\\\[nt](?![a-z])|\\\\u[0-9a-fA-F]{4}"
)
_ROLES = frozenset(
    [
        "user",
        "human",
        "ai",
        "a.i.",
        "bot",
        "chatbot",
        "chat bot",
        "chatgpt",
        "gpt",
        "model",
        "language model",
        "system",
        "instruction",
        "response",
        "input",
        "output",
        "ai assistant",
        "virtual assistant",
        "narrator",
        "moderator",
        "prompt",
        "speaker",
        "utterance",
        "number",
        "emotion",
        "label",
        "note",
        "title",
        "scene",
        "setting",
        "dialogue",
        "conversation",
        "unknown",
        "name",
        "none",
        "n/a",
        "benutzer",
        "nutzer",
        "erzähler",
        "erzählerin",
        "narrateur",
        "narratrice",
        "usuario",
        "narrador",
        "narratore",
        "旁白",
        "用户",
        "助手",
        "系统",
        "模型",
        "ナレーター",
        "ユーザー",
        "アシスタント",
    ]
)
_NUMBERED = re.compile(
    r"(?:speaker|person|character|voice|participant|user|sprecher|personne|locuteur|说话人|人物|角色)"
    r"[ _]?(?:\d{1,2}|[a-d])|[\W\d_]+",
    re.IGNORECASE,
)
_CHAT_ROLES = ("ASSISTANT", "USER", "SYSTEM", "HUMAN", "AI")
_AND = re.compile(r"&|,| and ")
MOST_NAME_WORDS = 5


def traces(text: str) -> Iterator[tuple[str, str]]:
    """(reason, what was seen) of everything in a line that a person would not say."""
    plain = text.translate(_PLAIN_QUOTES)
    folded = plain.lower()
    for trace in _traces():
        if any(sign in folded for sign in trace.needs) and (match := trace.pattern.search(plain)):
            yield trace.reason, match[0].strip()[:60]
    if seen := _personal(plain):
        yield "personal_data", seen
    if match := _BROKEN.search(plain):
        yield "broken_text", repr(match[0])


@dataclass(frozen=True, slots=True)
class _Trace:
    """One entry of `data/traces.toml`; lines without any of `needs` are not searched (40 to 6 microseconds a line)."""

    reason: str
    needs: tuple[str, ...]
    pattern: re.Pattern[str]


@cache
def _traces() -> tuple[_Trace, ...]:
    content = tomllib.loads(_data("traces.toml"))
    ai = f"(?:{'|'.join(content.pop('ai'))})"
    return tuple(
        _Trace(
            reason,
            tuple(entry["needs"]),
            re.compile(
                "|".join(entry["patterns"]).replace("{ai}", ai),
                re.MULTILINE if entry.get("case") else re.MULTILINE | re.IGNORECASE,
            ),
        )
        for reason, entry in content.items()
    )


def _data(name: str) -> str:
    return files("erc_synth.generation").joinpath("data", name).read_text("utf-8")


def _personal(text: str) -> str:
    if "@" in text and (match := _EMAIL.search(text)):
        return f"e-mail {match[0]}"
    if sum(map(str.isdigit, text)) < 7:
        return ""
    for kind, pattern, valid in (
        ("account", _IBAN, _iban),
        ("card", _CARD, _luhn),
        ("social security", _SOCIAL, bool),
        ("phone", _PHONE, bool),
        ("IP address", _IP, bool),
    ):
        for match in pattern.finditer(text):
            if valid(match[0]):
                return f"{kind} {match[0]}"
    return ""


def _luhn(number: str) -> bool:
    """Check digit of payment cards (ISO/IEC 7812-1)."""
    digits = [int(sign) for sign in reversed(number) if sign.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _iban(number: str) -> bool:
    """Check digits of bank accounts (ISO 13616)."""
    plain = number.replace(" ", "")
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


def is_role(speaker: str, cast: Sequence[str]) -> bool:
    """True for a speaker who is no person; the names of the recipe are always persons.

    "Assistant" may be somebody's; ASSISTANT in capitals is a role of a chat.
    """
    name = speaker.strip()
    if name in cast:
        return False
    # Scripts name several speakers at once: "Monica & Ross".
    if any(len(part.split()) > MOST_NAME_WORDS for part in _AND.split(name)):
        return True
    plain = name.casefold().removeprefix("the ").rstrip("s:：")
    chat = plain in _ROLES or name in _CHAT_ROLES
    return chat or _NUMBERED.fullmatch(name) is not None or any(True for _ in traces(name))


@cache
def _shipped() -> frozenset[str]:
    lines = _data("profanity.txt").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def profane(spoken: Sequence[str], more: Sequence[str] = ()) -> str:
    """The first offensive word of a line given as `wording.words`; empty when there is none."""
    known = _shipped() | frozenset(more) if more else _shipped()
    return next((word for word in spoken if word in known), "")
