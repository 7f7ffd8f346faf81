"""Curated files read back: one dialogue a line, with its split.

Input: `curated/<config>.jsonl`, as `erc-synth curate` writes it or a person edited it. Output: `Dialogue` values.
Whatever a later stage could not use is refused here, with file and line. Not covered: writing it, dialogues that
are there twice (`dataset_cards`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import json_lines
from erc_synth.loaders.labels import LabelSet
from erc_synth.loaders.schema import SPLITS, Dialogue, Utterance

AGAIN = "Mend the line, or write the file again with erc-synth curate."


def curated_dialogues(path: Path, labels: LabelSet | None = None) -> Iterator[tuple[str, Dialogue]]:
    """(split, dialogue) of each line, in file order, one at a time.

    Args:
        path: The curated file.
        labels: When given, every emotion must be one of these.

    Raises:
        ErcSynthError: A line is no curated dialogue; names file, line and what is wrong.
    """
    for number, record in json_lines(path, hint=AGAIN):
        try:
            yield _checked(record, labels)
        except ValueError as error:
            raise ErcSynthError(f"{path}, line {number}: {error}.", hint=AGAIN) from error


def read_curated(path: Path, labels: LabelSet | None = None) -> dict[str, list[Dialogue]]:
    """Split -> dialogues of a curated file; as `curated_dialogues`."""
    splits: dict[str, list[Dialogue]] = {}
    for split, dialogue in curated_dialogues(path, labels):
        splits.setdefault(split, []).append(dialogue)
    return splits


def _checked(record: Mapping[str, object], labels: LabelSet | None) -> tuple[str, Dialogue]:
    split = record.get("split")
    if split not in SPLITS:
        raise ValueError(f"the split is {split!r}, expected one of {', '.join(SPLITS)}")
    turns = record.get("utterances")
    if not isinstance(turns, list) or not turns:
        raise ValueError("utterances must be a list of one turn or more")
    utterances = tuple(_turn(turn, position, labels) for position, turn in enumerate(turns))
    seed, target = record.get("seed"), _text(record, "target_emotion", optional=True)
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63):
        raise ValueError(f"seed must be a whole number from 0 or null, found {seed!r}")
    if labels is not None and target is not None and target not in labels.labels:
        raise ValueError(f"unknown target_emotion {target!r}; expected one of {', '.join(labels.labels)}")
    recipe, generator = (_text(record, key, optional=True) for key in ("recipe", "generator"))
    return str(split), Dialogue(str(_text(record, "dialogue_id")), utterances, seed, target, recipe, generator)


def _turn(turn: object, position: int, labels: LabelSet | None) -> Utterance:
    try:
        if not isinstance(turn, dict):
            raise ValueError("expected {...}")
        speaker, text, emotion = (str(_text(turn, key)) for key in ("speaker", "text", "emotion"))
        if labels is not None and emotion not in labels.labels:
            raise ValueError(f"unknown emotion {emotion!r}; expected one of {', '.join(labels.labels)}")
    except ValueError as error:
        raise ValueError(f"turn {position + 1}: {error}") from error
    return Utterance(speaker, text, emotion)


def _text(record: Mapping[str, object], key: str, *, optional: bool = False) -> str | None:
    value = record.get(key)
    if value is None and optional:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} must be a text, found {value!r}" if key in record else f"{key} is missing")
    return value
