"""How an engine is held to a recipe's lines: GBNF for llama.cpp, a regular expression for TGI, vLLM and SGLang.

Input: the recipe's `LineFormat`, the letters of its language, a number of turns, a plan of labels if there is one.
Output: `Constraint`; whatever it allows the parser accepts. Letters are explicit characters and ranges, which all of
these engines take (no names of classes, no escapes). Not covered: sending it (`serving`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from erc_synth.generation.language import Words
from erc_synth.generation.lines import Field, LineFormat
from erc_synth.loaders.errors import ErcSynthError


@dataclass(frozen=True, slots=True)
class Constraint:
    """A fixed number of lines in the recipe's format, as GBNF (llama.cpp) and as a regex (TGI, vLLM)."""

    turns: int
    gbnf: str
    regex: str


@dataclass(frozen=True, slots=True)
class _Text:
    """An utterance: the class of its first character, that of the others, and how many those may be."""

    letter: str
    sign: str
    times: str


def constraint(form: LineFormat, words: Words, turns: int, draw: random.Random, plan: Sequence[str] = ()) -> Constraint:
    """A grammar for `turns` lines; the second speaker differs from the first, who is drawn.

    Args:
        form: Markers, cast and labels.
        words: Letters of the recipe's language.
        turns: Number of lines.
        draw: Draws the first speaker.
        plan: The label of each line; any label when empty.

    Raises:
        ErcSynthError: The letters of the language are not known.
    """
    if not words.letters:
        raise ErcSynthError(
            f"--constrain does not know the letters of the language {form.language!r}.",
            hint="Give letters in the recipe's table [words], or use --no-constrain.",
        )
    low, high = words.characters
    text = _Text(f"[{words.letters}{words.opening}]", f"[{words.letters}{words.signs}]", f"{{{low - 1},{high - 1}}}")
    first = draw.choice(form.names)
    others = tuple(name for name in form.names if name != first)
    everyone = [(first,), others, *[form.names] * (turns - 2)]
    labels: list[str | None] = list(plan) or [None] * turns
    return Constraint(turns, _gbnf(form, text, everyone, labels), _regex(form, text, everyone, labels))


def _numbers(form: LineFormat, label: str | None) -> list[str]:
    return [form.label(name) for name, _ in form.numbers if label in (None, name)]


def _gbnf(form: LineFormat, text: _Text, everyone: Sequence[Sequence[str]], labels: Sequence[str | None]) -> str:
    """`rest` is a line behind its speaker; a plan has one such rule per label.

    Where the text is last, the last line may end without a line break: a model that wants to end there would otherwise
    be made to talk on to the greatest length.
    """
    text_last = form.fields[-1] == "utterance"
    rules = {label: "rest" if label is None else f"rest{dict(form.numbers)[label]}" for label in labels}
    parts = []
    for number, (names, label) in enumerate(zip(everyone, labels, strict=True)):
        if number > 1 and label is None:
            parts.append("line")
        else:
            parts.append(f"speaker {_any_of(names) if number == 0 else f'({_any_of(names)})'} {rules[label]}")
    between, end = (' "\\n" ', ' "\\n"?') if text_last else (" ", " ")
    lines = [f"root ::= {between.join(parts)}{end}"]
    if None in rules:
        lines.append(f"line ::= speaker ({_any_of(form.names)}) rest")
    lines.append(f"speaker ::= {_quoted(f'{form.speaker}: ')}")
    for label, rule in rules.items():
        values = {"utterance": f"letter sign{text.times}", "number": f"({_any_of(_numbers(form, label))})"}
        fields = [f"{_quoted(f' {form.marker(field)}: ')} {values[field]}" for field in form.fields[1:]]
        lines.append(f"{rule} ::= {' '.join(fields)}" + ("" if text_last else ' "\\n"'))
    lines += [f"letter ::= {text.letter}", f"sign ::= {text.sign}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _any_of(words: Sequence[str]) -> str:
    return " | ".join(map(_quoted, words))


def _regex(form: LineFormat, text: _Text, everyone: Sequence[Sequence[str]], labels: Sequence[str | None]) -> str:
    lines = [_line(form, text, names, label) for names, label in zip(everyone, labels, strict=True)]
    if form.fields[-1] == "utterance":
        return "".join(lines) + "?"  # of the last line break, see `_gbnf`
    if labels[0] is not None:
        return "".join(lines)
    turns = len(lines)
    return lines[0] + lines[1] + (f"({lines[2]}){{{turns - 2}}}" if turns > 2 else "")


def _line(form: LineFormat, text: _Text, names: Sequence[str], label: str | None) -> str:
    values: dict[Field, str] = {
        "speaker": f"({'|'.join(map(_escaped, names))})",
        "utterance": f"{text.letter}{text.sign}{text.times}",
        "number": f"({'|'.join(map(_escaped, _numbers(form, label)))})",
    }
    return " ".join(f"{_escaped(form.marker(field))}: {values[field]}" for field in form.fields) + "\\n"


def _escaped(text: str) -> str:
    """A literal of a regex: only what every engine knows escaped, and letters as they are."""
    return re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\1", text)
