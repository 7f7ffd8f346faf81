"""How an engine is held to a recipe's lines: GBNF for llama.cpp, a regular expression for TGI and vLLM.

Input: the recipe's `LineFormat`, a number of turns, a plan of labels if there is one. Output: `Constraint`; whatever
it allows the parser accepts. Not covered: sending it (`serving`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from erc_synth.generation.lines import Field, LineFormat

UTTERANCE_CHARACTERS = (8, 140)  # of a constrained utterance
LETTER, SIGN = "[A-Za-z]", "[A-Za-z0-9 ,.'!?-]"  # the first character of an utterance, and the others


@dataclass(frozen=True, slots=True)
class Constraint:
    """A fixed number of lines in the recipe's format, as GBNF (llama.cpp) and as a regex (TGI, vLLM)."""

    turns: int
    gbnf: str
    regex: str


def constraint(form: LineFormat, turns: int, draw: random.Random, plan: Sequence[str] = ()) -> Constraint:
    """A grammar for `turns` lines; the second speaker differs from the first, who is drawn.

    Args:
        form: Markers, cast and labels.
        turns: Number of lines.
        draw: Draws the first speaker.
        plan: The label of each line; any label when empty.
    """
    first = draw.choice(form.names)
    others = tuple(name for name in form.names if name != first)
    everyone = [(first,), others, *[form.names] * (turns - 2)]
    labels: list[str | None] = list(plan) or [None] * turns
    return Constraint(turns, _gbnf(form, everyone, labels), _regex(form, everyone, labels))


def _numbers(form: LineFormat, label: str | None) -> list[str]:
    return [form.label(name) for name, _ in form.numbers if label in (None, name)]


def _gbnf(form: LineFormat, everyone: Sequence[Sequence[str]], labels: Sequence[str | None]) -> str:
    """`rest` is a line behind its speaker; a plan has one such rule per label."""
    rules = {label: "rest" if label is None else f"rest{dict(form.numbers)[label]}" for label in labels}
    root = []
    for number, (names, label) in enumerate(zip(everyone, labels, strict=True)):
        if number > 1 and label is None:
            root.append("line")
        else:
            who = _any_of(names) if len(names) == 1 and number == 0 else f"({_any_of(names)})"
            root.append(f"speaker {who} {rules[label]}")
    lines = [f"root ::= {' '.join(root)}", f"speaker ::= {_quoted(f'{form.speaker}: ')}"]
    if None in rules:
        lines.append(f"line ::= speaker ({_any_of(form.names)}) rest")
    for label, rule in rules.items():
        values = {"utterance": "text", "number": f"({_any_of(_numbers(form, label))})"}
        fields = [f"{_quoted(f' {form.marker(field)}: ')} {values[field]}" for field in form.fields[1:]]
        lines.append(f'{rule} ::= {" ".join(fields)} "\\n"')
    low, high = UTTERANCE_CHARACTERS
    lines += [f"text ::= letter sign{{{low - 1},{high - 1}}}", f"letter ::= {LETTER}", f"sign ::= {SIGN}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _any_of(words: Sequence[str]) -> str:
    return " | ".join(map(_quoted, words))


def _regex(form: LineFormat, everyone: Sequence[Sequence[str]], labels: Sequence[str | None]) -> str:
    lines = [_line(form, names, label) for names, label in zip(everyone, labels, strict=True)]
    if labels[0] is not None:
        return "".join(lines)
    turns = len(lines)
    return lines[0] + lines[1] + (f"({lines[2]}){{{turns - 2}}}" if turns > 2 else "")


def _line(form: LineFormat, names: Sequence[str], label: str | None) -> str:
    low, high = UTTERANCE_CHARACTERS
    values: dict[Field, str] = {
        "speaker": f"({'|'.join(map(re.escape, names))})",
        "utterance": f"{LETTER}{SIGN}{{{low - 1},{high - 1}}}",
        "number": f"({'|'.join(map(re.escape, _numbers(form, label)))})",
    }
    # A blank needs no escape, and not every engine knows it escaped.
    text = " ".join(f"{re.escape(form.marker(field))}: {values[field]}" for field in form.fields)
    return text.replace("\\ ", " ") + "\\n"
