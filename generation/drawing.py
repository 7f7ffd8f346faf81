"""What is drawn for each job beside its examples: a topic, some of the cast, and a sequence of labels.

Small models write the same dialogue again and again, and their labels follow no conversation; these options vary the
task and plan the labels. All are off for the paper's setting. Input: `Drawing` (part of a recipe), an attempt's seed.
Output: `Drawn`. The same seed draws the same, on every machine. Not covered: the words of the prompt (`prompts`),
how an engine is held to a plan (`grammar`).
"""

from __future__ import annotations

import random
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from erc_synth.generation.lines import LineFormat
from erc_synth.loaders.schema import Dialogue

Plan = Literal["free", "transitions"]
Row = tuple[tuple[str, float], ...]  # (label, weight)
Table = tuple[tuple[str, Row], ...]  # label -> what follows it; `START` -> what a dialogue begins with
START = "start"
TRIES = 200  # drawings of a sequence until it has the label that is asked for


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn per job; the default draws nothing.

    Attributes:
        topics: One of them is asked for.
        cast: Least and most speakers, drawn from the recipe's names; all names are offered when `None`.
        table: Weights of a label by the one before it; without a table labels are the model's choice.
    """

    topics: tuple[str, ...] = ()
    cast: tuple[int, int] | None = None
    table: Table = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """The drawing of one attempt; what was not drawn is empty."""

    names: tuple[str, ...] = ()
    topic: str = ""
    labels: tuple[str, ...] = ()


def drawn(drawing: Drawing, form: LineFormat, *, seed: int, turns: int, emotion: str | None) -> Drawn:
    """What one attempt is to be about, of whom, with which labels.

    Args:
        drawing: What is drawn.
        form: Cast and labels of the recipe.
        seed: The attempt's. The stream is its own: turning an option on moves no other draw.
        turns: Number of labels in a plan.
        emotion: Must be in the plan.
    """
    draw = random.Random(f"drawing|{seed}")
    names = draw.sample(form.names, draw.randint(*drawing.cast)) if drawing.cast else ()
    topic = draw.choice(drawing.topics) if drawing.topics else ""
    labels = _sequence(drawing.table, turns, emotion, draw) if drawing.table else ()
    return Drawn(tuple(names), topic, labels)


def _sequence(table: Table, turns: int, emotion: str | None, draw: random.Random) -> tuple[str, ...]:
    """A walk through the table that holds the emotion: the first such walk, or else one in which it is put."""
    rows = dict(table)
    for _ in range(TRIES):
        labels: list[str] = []
        for _ in range(turns):
            row = rows[labels[-1] if labels else START]
            labels += draw.choices([label for label, _ in row], [weight for _, weight in row])
        if emotion is None or emotion in labels:
            return tuple(labels)
    labels[draw.randrange(turns)] = str(emotion)
    return tuple(labels)


def transitions(dialogues: Iterable[Dialogue], labels: Sequence[str]) -> Table:
    """How often a label follows another in dialogues, and how often one begins with it.

    A label that is never followed by another goes on as a dialogue begins; unlabelled turns are passed over.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in (START, *labels)}
    for dialogue in dialogues:
        before = START
        for turn in dialogue.utterances:
            if turn.emotion is not None:
                counts[before][turn.emotion] += 1
                before = turn.emotion
    return tuple(
        (name, tuple((label, float((row or counts[START])[label])) for label in labels)) for name, row in counts.items()
    )


@cache
def benchmark_table(label_set: str) -> Table | None:
    """The table of a benchmark's train split (`data/transitions.toml`); `None` when it has none."""
    content = tomllib.loads(files("erc_synth.generation").joinpath("data", "transitions.toml").read_text("utf-8"))
    found = content.get(label_set)
    if found is None:
        return None
    labels = found["labels"]
    return tuple(
        (name, tuple((label, float(weight)) for label, weight in zip(labels, found["rows"][name], strict=True)))
        for name in (START, *labels)
    )
