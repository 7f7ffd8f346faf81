"""Counts of one split: dialogues, turns, speakers, words, label shares and label transitions.

Input: utterance rows in the schema. Output: a `Description`. Not covered: quality measures (`generation.quality`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypedDict

from erc_synth.loaders.labels import UNLABELLED, label_set_of

if TYPE_CHECKING:
    from datasets import Dataset


class TurnsPerDialogue(TypedDict):
    """Mean and largest number of turns."""

    mean: float
    max: int


class Description(TypedDict):
    """What one split holds; `labels` in the order of the label set, `transitions` as ``"joy > fear"``."""

    dialogues: int
    utterances: int
    speakers: int
    words: int
    turns_per_dialogue: TurnsPerDialogue
    words_per_utterance: float
    labels: dict[str, int]
    unlabelled: int
    transitions: dict[str, int]


def describe(dataset: Dataset) -> Description:
    """Counts of one split: dialogues, turns, speakers, words, label shares and label transitions."""
    labels = label_set_of(dataset)
    table = dataset.with_format(None)[:]
    turns = Counter(table["dialogue_id"])
    words = [len(text.split()) for text in table["text"]]
    counted = Counter(table["emotion"])
    moves: Counter[tuple[str, str]] = Counter()
    for i in range(1, len(words)):
        pair = (labels.name_of(table["emotion"][i - 1]), labels.name_of(table["emotion"][i]))
        if table["dialogue_id"][i] == table["dialogue_id"][i - 1] and None not in pair:
            moves[pair] += 1  # type: ignore[index]
    lengths = sorted(turns.values())
    return {
        "dialogues": len(turns),
        "utterances": len(words),
        "speakers": len(set(table["speaker"])),
        "words": sum(words),
        "turns_per_dialogue": {"mean": sum(lengths) / max(len(lengths), 1), "max": max(lengths, default=0)},
        "words_per_utterance": sum(words) / max(len(words), 1),
        "labels": {label: counted[index] for index, label in enumerate(labels.labels)},
        "unlabelled": counted[UNLABELLED] + counted[None],
        "transitions": {f"{a} > {b}": n for (a, b), n in sorted(moves.items())},
    }
