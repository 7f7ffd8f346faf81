"""Prompts, seeds, templates and grammars of jobs.

Input: recipe, job index. Output: chat messages, raw prompts, seeds, a `Constraint`.
A job is (recipe, index); its seed is a stable hash of (run seed, recipe fingerprint, index, attempt).
Not covered: sending (`transport`), reading the answer (`parsing`).
"""

from __future__ import annotations

import hashlib
import random
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from erc_synth.generation.lines import LineFormat
from erc_synth.generation.recipe import Recipe
from erc_synth.loaders.errors import ErcSynthError

Message = dict[str, str]
UTTERANCE_CHARACTERS = (8, 140)  # of a constrained utterance
VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def seed_of(run_seed: int, fingerprint: str, index: int, attempt: int) -> int:
    """Sampling seed 0..2**31-1 of one attempt at one job."""
    key = f"{run_seed}|{fingerprint}|{index}|{attempt}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:4], "big") >> 1


def wanted_emotion(recipe: Recipe, index: int) -> str | None:
    """Emotion that job `index` asks for: the labels in turn (paper 3.1); `None` when natural."""
    labels = recipe.format.numbers
    return labels[index % len(labels)][0] if recipe.balanced else None


def sentences(recipe: Recipe, emotion: str | None) -> tuple[str, str, str]:
    """The three sentences of the prompt (paper section 3.2): task, labelling, structure."""
    words, form = recipe.prompt, recipe.format
    ending = words["natural_ending"]
    if emotion is not None:
        ending = words["balanced_ending"].format(emotion=emotion)
    numbered = ", ".join(f"{number} for {label}" for label, number in form.numbers)
    return (
        words["task"].format(cast=", ".join(form.names), ending=ending),
        words["labelling"].format(labels=numbered),
        words["structure"].format(speaker=form.speaker, utterance=form.utterance, number=form.number),
    )


@dataclass(frozen=True, slots=True)
class Constraint:
    """A fixed number of lines in the recipe's format, as GBNF (llama.cpp) and as a regex (TGI, vLLM)."""

    turns: int
    gbnf: str
    regex: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One attempt, ready to send: messages in order, seed, optional constraint, hash of the words."""

    messages: tuple[Message, ...]
    seed: int
    emotion: str | None
    constraint: Constraint | None

    @property
    def hash(self) -> str:
        """Hash of the messages and the grammar."""
        text = repr(self.messages) + (self.constraint.regex if self.constraint else "")
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def build(
    recipe: Recipe,
    *,
    seed: int,
    emotion: str | None,
    few_shot: int = 0,
    constrain: bool = False,
    turns: tuple[int, int] | None = None,
) -> Prompt:
    """The prompt of one attempt. Examples, cast and turn count are drawn with the attempt's seed."""
    draw = random.Random(seed)
    low, high = turns or (recipe.format.min_turns, recipe.format.max_turns)
    count = draw.randint(low, high)
    messages: list[Message] = []
    for lines in _examples(recipe, few_shot, draw):
        # Same words first (the server's prefix cache), what varies last.
        present = sorted({label for _, _, label in lines})
        asked = draw.choice(present) if recipe.balanced else None
        messages.append({"role": "user", "content": _ask(recipe, asked, len(lines) if constrain else None)})
        answer = "\n".join(recipe.format.line(*line) for line in lines)
        messages.append({"role": "assistant", "content": answer})
    messages.append({"role": "user", "content": _ask(recipe, emotion, count if constrain else None)})
    return Prompt(tuple(messages), seed, emotion, _constraint(recipe.format, count, draw) if constrain else None)


def _ask(recipe: Recipe, emotion: str | None, lines: int | None) -> str:
    text = " ".join(sentences(recipe, emotion))
    return text if lines is None else f"{text} Write exactly {lines} lines."


@cache
def _example_file() -> dict[str, Any]:
    return tomllib.loads(files("erc_synth.generation").joinpath("data", "examples.toml").read_text("utf-8"))


def _examples(recipe: Recipe, count: int, draw: random.Random) -> list[list[tuple[str, str, str]]]:
    if count == 0:
        return []
    content = _example_file()
    if recipe.label_set not in content["label_sets"]:
        raise ErcSynthError(
            f"There are no few-shot examples for the label set {recipe.label_set!r}.",
            hint="Use --few-shot 0.",
        )
    column = 2 + content["label_sets"].index(recipe.label_set)
    chosen = draw.sample(content["dialogue"], min(count, len(content["dialogue"])))
    examples = []
    for dialogue in chosen:
        names = draw.sample(recipe.format.names, len(recipe.format.names))
        examples.append([(names[line[0]], line[1], line[column]) for line in dialogue["lines"]])
    return examples


def example_texts() -> frozenset[str]:
    """All utterances of the few-shot examples, to find copies of them."""
    return frozenset(line[1] for dialogue in _example_file()["dialogue"] for line in dialogue["lines"])


def _constraint(form: LineFormat, turns: int, draw: random.Random) -> Constraint:
    """A grammar for `turns` lines; the second speaker differs from the first, who is drawn."""
    low, high = UTTERANCE_CHARACTERS
    numbers = [str(number) for _, number in form.numbers]
    first = draw.choice(form.names)
    others = [name for name in form.names if name != first]

    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def any_of(words: list[str] | tuple[str, ...]) -> str:
        return " | ".join(map(quoted, words))

    gbnf = (
        f"root ::= speaker {quoted(first)} rest speaker ({any_of(others)}) rest {'line ' * (turns - 2)}\n"
        f"line ::= speaker ({any_of(form.names)}) rest\n"
        f"speaker ::= {quoted(form.speaker + ': ')}\n"
        f"rest ::= {quoted(f' {form.utterance}: ')} letter sign{{{low - 1},{high - 1}}} "
        f'{quoted(f" {form.number}: ")} ({any_of(numbers)}) "\\n"\n'
        "letter ::= [A-Za-z]\n"
        "sign ::= [A-Za-z0-9 ,.'!?-]\n"
    )

    def line(names: list[str] | tuple[str, ...]) -> str:
        text = (
            f"{re.escape(form.speaker)}: ({'|'.join(map(re.escape, names))}) {re.escape(form.utterance)}: "
            f"[A-Za-z][A-Za-z0-9 ,.'!?-]{{{low - 1},{high - 1}}} {re.escape(form.number)}: ({'|'.join(numbers)})\\n"
        )
        return text.replace("\\ ", " ")

    more = f"({line(form.names)}){{{turns - 2}}}" if turns > 2 else ""
    return Constraint(turns, gbnf, line([first]) + line(others) + more)


def apply_template(template: str, messages: tuple[Message, ...]) -> str:
    """Raw prompt of chat messages, for dialects without a chat route.

    ``vicuna`` is FastChat's ``vicuna_v1.1`` conversation (valid for the v1.5 weights); the tokenizer
    adds ``<s>``. Raises ErcSynthError for an unknown template.
    """
    if template == "vicuna":
        text = VICUNA_SYSTEM
        for message in messages:
            if message["role"] == "user":
                text += ("" if text.endswith("</s>") else " ") + f"USER: {message['content']}"
            else:
                text += f" ASSISTANT: {message['content']}</s>"
        return f"{text} ASSISTANT:"
    if template == "chatml":
        turns = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
        return f"{turns}<|im_start|>assistant\n"
    if template == "llama3":
        turns = "".join(
            f"<|start_header_id|>{m['role']}<|end_header_id|>\n\n{m['content']}<|eot_id|>" for m in messages
        )
        return f"{turns}<|start_header_id|>assistant<|end_header_id|>\n\n"
    raise ErcSynthError(f"Unknown prompt template {template!r}.", hint="Known: vicuna, chatml, llama3.")


# What ends an answer when the server is given raw words and no chat: the end mark, and the next turn's beginning.
STOPS = {
    "vicuna": ("</s>", "USER:"),
    "chatml": ("<|im_end|>", "<|im_start|>"),
    "llama3": ("<|eot_id|>", "<|start_header_id|>"),
}


def stop_strings(template: str) -> tuple[str, ...]:
    """Strings at which a raw answer of this template is over."""
    return STOPS.get(template, ())
