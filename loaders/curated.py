"""Curated files read back: one dialogue a line, with its split.

Input: `curated/<config>.jsonl`, as `erc-synth curate` writes it or a person edited it. Output: `Dialogue` values.
Whatever a later stage could not use is refused here, with file and line. Not covered: writing it, dialogues that
are there twice (`dataset_cards`).
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import json_lines
from erc_synth.loaders.labels import LabelSet
from erc_synth.loaders.schema import SPLITS, Dialogue, Utterance

HELD_DIALOGUES = 20_000
"""Files of no more dialogues are held in memory (some 5 KB a dialogue), where reading them again costs nothing."""
_BOM = b"\xef\xbb\xbf"
_SAME_FILE = ("st_dev", "st_ino", "st_size", "st_mtime_ns")
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


def read_curated(path: Path, labels: LabelSet | None = None) -> dict[str, Sequence[Dialogue]]:
    """Split -> dialogues of a curated file; as `curated_dialogues`.

    Every line is checked at once. Those of a large file stay on disk and are read when they are asked for.
    """
    starts: dict[str, array[int]] = {}
    state = path.stat() if path.is_file() else None
    for (split, _), start in zip(curated_dialogues(path, labels), _starts(path), strict=True):
        starts.setdefault(split, array("q")).append(start)
    splits = {split: CuratedLines(path, found, state) for split, found in starts.items()}
    small = sum(map(len, splits.values())) <= HELD_DIALOGUES
    return {split: list(found) if small else found for split, found in splits.items()}


def _starts(path: Path) -> Iterator[int]:
    """Where each line that is not blank starts, in bytes."""
    start = 0
    with path.open("rb") as file:
        for raw in file:
            if raw.removeprefix(_BOM if start == 0 else b"").strip():
                yield start
            start += len(raw)


class CuratedLines(Sequence[Dialogue]):
    """Dialogues of a curated file that has been checked, each read when it is asked for.

    Args:
        path: The file.
        starts: Where the line of each dialogue starts, in bytes.
        state: Of the file when it was checked.

    Raises:
        ErcSynthError: The file was changed meanwhile.
    """

    def __init__(self, path: Path, starts: array[int], state: os.stat_result | None) -> None:
        self._path, self._starts, self._state = path, starts, state

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, at: int) -> Dialogue: ...
    @overload
    def __getitem__(self, at: slice) -> CuratedLines: ...
    def __getitem__(self, at: int | slice) -> Dialogue | CuratedLines:
        """One dialogue, or a part that is read as lazily."""
        if isinstance(at, slice):
            return CuratedLines(self._path, self._starts[at], self._state)
        return next(self._read([self._starts[at]]))

    def __iter__(self) -> Iterator[Dialogue]:
        return self._read(self._starts)

    def _read(self, starts: Iterable[int]) -> Iterator[Dialogue]:
        with self._path.open("rb") as file:
            now = os.fstat(file.fileno())
            if self._state is None or any(getattr(now, key) != getattr(self._state, key) for key in _SAME_FILE):
                raise ErcSynthError(f"{self._path} was changed while it was read.", hint="Start again.")
            for start in starts:
                file.seek(start)
                yield _checked(json.loads(file.readline().removeprefix(_BOM)), None)[1]


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
