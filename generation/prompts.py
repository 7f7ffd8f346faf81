"""Prompts, seeds and templates of jobs.

Input: recipe, job index. Output: chat messages, raw prompts, seeds, a `Constraint`.
A job is (recipe, index); its seed is a stable hash of (run seed, recipe fingerprint, index, attempt).
Not covered: what is drawn (`drawing`), grammars (`grammar`), sending (`serving`), reading the answer (`parsing`).
"""

from __future__ import annotations

import hashlib
import random
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from erc_synth.generation.drawing import Drawn, drawn
from erc_synth.generation.grammar import Constraint, constraint
from erc_synth.generation.language import base
from erc_synth.generation.recipe import Example, Recipe
from erc_synth.loaders.errors import ErcSynthError

Message = dict[str, str]
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


def sentences(recipe: Recipe, emotion: str | None, names: tuple[str, ...] = ()) -> tuple[str, str, str]:
    """The three sentences of the prompt (paper section 3.2): task, labelling, structure; of some of the cast."""
    words, form = recipe.prompt, recipe.format
    ending = words["natural_ending"]
    if emotion is not None:
        ending = words["balanced_ending"].format(emotion=emotion)
    between, numbered = recipe.words.between, recipe.words.numbered
    labels = between.join(numbered.format(number=number, label=label) for label, number in form.numbers)
    return (
        words["task"].format(cast=between.join(names or form.names), ending=ending),
        words["labelling"].format(labels=labels),
        words["structure"].format(
            speaker=form.speaker, utterance=form.utterance, number=form.number, line=form.line("...", "...", "...")
        ),
    )


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
    job = drawn(recipe.drawing, recipe.format, seed=seed, turns=count, emotion=emotion)
    form = replace(recipe.format, names=job.names or recipe.format.names)
    fixed = constrain or bool(job.labels)
    messages: list[Message] = []
    for lines in _examples(recipe, few_shot, draw):
        # Same words first (the server's prefix cache), what varies last.
        labels = tuple(label for _, _, label in lines)
        asked = draw.choice(sorted(set(labels))) if recipe.balanced else None
        names = tuple(dict.fromkeys(name for name, _, _ in lines))
        own = Drawn(names if job.names else (), "", labels if job.labels else ())
        messages.append({"role": "user", "content": _ask(recipe, asked, len(lines) if fixed else None, own)})
        answer = "\n".join(recipe.format.line(*line) for line in lines)
        messages.append({"role": "assistant", "content": answer})
    messages.append({"role": "user", "content": _ask(recipe, emotion, count if fixed else None, job)})
    held = constraint(form, recipe.words, count, draw, job.labels) if constrain else None
    return Prompt(tuple(messages), seed, emotion, held)


def _ask(recipe: Recipe, emotion: str | None, lines: int | None, job: Drawn) -> str:
    """The prompt: the paper's three sentences, then what was drawn for this attempt."""
    parts = list(sentences(recipe, emotion, job.names))
    if job.topic:
        parts.append(recipe.prompt["topic"].format(topic=job.topic))
    if lines is not None:
        parts.append(recipe.words.lines.format(lines=lines))
    if job.labels:
        plan = recipe.words.between.join(recipe.format.label(label) for label in job.labels)
        parts.append(recipe.prompt["plan"].format(plan=plan))
    return recipe.words.gap.join(parts)


@cache
def _example_file() -> dict[str, Any]:
    return tomllib.loads(files("erc_synth.generation").joinpath("data", "examples.toml").read_text("utf-8"))


def shown_examples(recipe: Recipe) -> tuple[Example, ...]:
    """The few-shot dialogues that are drawn from: the recipe's own, or the shipped English ones."""
    return recipe.examples or _shipped_examples(recipe)


def _examples(recipe: Recipe, count: int, draw: random.Random) -> list[list[tuple[str, str, str]]]:
    """Few-shot dialogues: the recipe's own, or the shipped English ones, with speakers of the cast."""
    if count == 0:
        return []
    dialogues = shown_examples(recipe)
    if count > len(dialogues):  # the manifest would say a number that no prompt showed
        raise ErcSynthError(f"{recipe.name} has {len(dialogues)} examples to show.", hint="Lower --few-shot.")
    examples = []
    for dialogue in draw.sample(dialogues, count):
        names = draw.sample(recipe.format.names, len(recipe.format.names))
        examples.append([(names[place], text, label) for place, text, label in dialogue])
    return examples


def _shipped_examples(recipe: Recipe) -> tuple[Example, ...]:
    content = _example_file()
    if recipe.label_set not in content["label_sets"] or base(recipe.language) != "en":
        raise ErcSynthError(
            f"{recipe.name}: there are no few-shot examples of the label set {recipe.label_set!r} in the language "
            f"{recipe.language!r}.",
            hint="Give the recipe its own [[examples]], or use --few-shot 0.",
        )
    column = 2 + content["label_sets"].index(recipe.label_set)
    return tuple(tuple((line[0], line[1], line[column]) for line in one["lines"]) for one in content["dialogue"])


def example_texts(recipe: Recipe | None = None) -> frozenset[str]:
    """All utterances of the few-shot examples, a recipe's own included, to find copies of them."""
    shipped = frozenset(line[1] for dialogue in _example_file()["dialogue"] for line in dialogue["lines"])
    return shipped | {text for dialogue in (recipe.examples if recipe else ()) for _, text, _ in dialogue}


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
