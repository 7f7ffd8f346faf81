"""Predictions as a table for people, JSON lines or CSV for programs.

Input: dialogues, and the probabilities of a `predict.Classifier`. Output: lines of text.
JSON lines hold one conversation a line; CSV one utterance a line with a column for each emotion. Gold labels are
kept beside the predictions. Not covered: scores (`scoring`).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import TypedDict

import numpy as np

from erc_synth.loaders.schema import Dialogue
from erc_synth.training.predict import Classifier

FORMS = ("table", "jsonl", "csv")
SUFFIXES = {".jsonl": "jsonl", ".json": "jsonl", ".csv": "csv"}


class Line(TypedDict):
    """One turn of a predicted conversation."""

    speaker: str
    text: str
    gold: str | None
    emotion: str
    probability: float
    probabilities: dict[str, float]


class Record(TypedDict):
    """One predicted conversation."""

    dialogue_id: str
    utterances: list[Line]


def record(classifier: Classifier, dialogue: Dialogue, chances: np.ndarray) -> Record:
    """A conversation for JSON; probabilities with six digits."""
    return {
        "dialogue_id": dialogue.dialogue_id,
        "utterances": [
            {
                "speaker": said.speaker,
                "text": said.text,
                "gold": turn.emotion,
                "emotion": said.emotion,
                "probability": round(said.probability, 6),
                "probabilities": {label: round(p, 6) for label, p in said.probabilities.items()},
            }
            for turn, said in zip(dialogue.utterances, classifier.read(dialogue, chances), strict=True)
        ],
    }


def lines(form: str, found: Record, labels: tuple[str, ...], *, first: bool) -> Iterator[str]:
    """The lines of one conversation in a form of `FORMS`; `first` writes the heading before it."""
    if form == "jsonl":
        yield json.dumps(found, ensure_ascii=False) + "\n"
    elif form == "csv":
        yield from _csv(found, labels, first)
    else:
        yield from _table(found)


def _csv(found: Record, labels: tuple[str, ...], first: bool) -> Iterator[str]:
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\n")
    if first:
        writer.writerow(["dialogue_id", "utterance_id", "speaker", "text", "gold", "emotion", "probability", *labels])
    for number, turn in enumerate(found["utterances"]):
        chances = [f"{turn['probabilities'][label]:.6f}" for label in labels]
        head = [found["dialogue_id"], number, turn["speaker"], turn["text"], turn["gold"] or "", turn["emotion"]]
        writer.writerow([*head, f"{turn['probability']:.6f}", *chances])
    yield sink.getvalue()


def _table(found: Record) -> Iterator[str]:
    """Emotion, probability and gold before the line; control characters cannot move the reader's cursor."""
    turns = found["utterances"]
    width = max((len(turn["emotion"]) for turn in turns), default=0)
    speaker = max((len(_shown(turn["speaker"])) for turn in turns), default=0)
    told = any(turn["gold"] for turn in turns)
    gold_width = max((len(turn["gold"] or "-") for turn in turns), default=0)
    yield f"{_shown(found['dialogue_id'])}\n"
    for turn in turns:
        gold = f"gold {turn['gold'] or '-':<{gold_width}}  " if told else ""
        chance = f"{turn['emotion']:<{width}} {turn['probability']:4.0%}"
        yield f"  {chance}  {gold}{_shown(turn['speaker']):<{speaker}}  {_shown(turn['text'])}\n"
    yield "\n"


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
