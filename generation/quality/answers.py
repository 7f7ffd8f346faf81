"""Filled sheets: read as people save them, compared with the generated labels and with each other.

Input: CSV files of the form or of a spreadsheet (any delimiter, UTF-8, UTF-16 or cp1252), the key. Output: kappas.
Not covered: writing the sheet (`sheet`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal, TypedDict, cast

import numpy as np

from erc_synth.generation.quality.diversity import interval
from erc_synth.generation.quality.labels import kappa, kappa_by_label
from erc_synth.generation.quality.sheet import UNSURE
from erc_synth.loaders.contracts import Interval
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json
from erc_synth.loaders.seeds import numpy_seed


@dataclass(frozen=True, slots=True)
class Answers:
    """What one reader said.

    Attributes:
        emotions: Item -> emotion; lines without an answer are left out.
        unsure: Items answered "unsure".
        twice: Items that stand there twice with the same answer.
    """

    emotions: dict[str, str]
    unsure: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()


class KeyItem(TypedDict):
    """One line of a sheet; the emotion is the generated label."""

    dialogue_id: str
    utterance_id: int
    emotion: str


class Key(TypedDict):
    """The content of a sheet's .key.json."""

    dataset: str
    labels: list[str]
    items: dict[str, KeyItem]


class ReaderScores(TypedDict):
    """One reader against the generated labels; `twice` are items answered twice, both times alike."""

    file: str
    answered: int
    unsure: int
    twice: list[str]
    agreement: float
    kappa: Interval
    kappa_by_label: dict[str, float]


class Scores(TypedDict):
    """All readers; the kappa between them is the mean over pairs, on lines both answered."""

    schema_version: Literal[1]
    dataset: str
    readers: list[ReaderScores]
    kappa_between_readers: float | None


def read_answers(path: Path, key: Key) -> Answers:
    """The answers of a filled sheet.

    Raises:
        ErcSynthError: A column is missing, an item or emotion is unknown, a line has two answers, or none has one.
    """
    spelled = {label.casefold(): label for label in [*key["labels"], UNSURE]}
    said: dict[str, str] = {}
    twice: list[str] = []
    for number, item, given in _rows(path):
        emotion = spelled.get(given.casefold(), "") if given else ""
        if item not in key["items"] or (given and not emotion):
            wrong = f"the item {item!r}" if item not in key["items"] else f"the emotion {given!r}"
            raise ErcSynthError(
                f"{path}, line {number}: {wrong} is not in the key.",
                hint=f"Emotions: {', '.join([*key['labels'], UNSURE])}.",
            )
        if emotion and item in said:
            if said[item] != emotion:
                raise ErcSynthError(
                    f"{path}, line {number}: item {item} is answered twice, {said[item]!r} and {emotion!r}.",
                    hint="Keep one of the two lines.",
                )
            twice.append(item)
        elif emotion:
            said[item] = emotion
    emotions = {item: emotion for item, emotion in said.items() if emotion != UNSURE}
    if not emotions:
        raise ErcSynthError(f"{path} has no answer.", hint="Fill in the column emotion.")
    return Answers(emotions, tuple(i for i in said if i not in emotions), tuple(dict.fromkeys(twice)))


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, item, emotion) of a CSV, whatever a spreadsheet made of it."""
    text = _decoded(path)
    lines = list(io.StringIO(text, newline=""))  # U+2028 and its like end no line
    if lines and lines[0].lower().startswith("sep="):  # Excel's own first line
        lines = lines[1:]
    head = lines[0] if lines else ""
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(lines, delimiter=delimiter)
    if not {"item", "emotion"} <= set(reader.fieldnames or ()):
        raise ErcSynthError(f"{path} lacks the column item or emotion.", hint="Save the sheet as CSV.")
    for row in reader:
        item, emotion = ((row[name] or "").strip() for name in ("item", "emotion"))
        if item or emotion:  # spreadsheets leave empty lines behind, and turn 001 into 1
            yield reader.line_num, item.zfill(3) if item.isdigit() else item, emotion


def _decoded(path: Path) -> str:
    """The text of a file in UTF-8, UTF-16 with its mark, or else the cp1252 of Western Excel."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ErcSynthError(f"{path} cannot be read: {error.strerror}.", hint="Give the filled CSV.") from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def score_sheets(answers: Sequence[Path], key_path: Path, seed: int = 0) -> Scores:
    """Agreement of each reader with the generated labels, and of the readers with each other.

    Returns:
        ``dataset``, ``readers`` [{file, answered, unsure, twice [items], agreement, kappa {value, low, high},
        kappa_by_label}],
        ``kappa_between_readers`` (mean over pairs, on lines both answered; null for one reader).
    """
    key = cast(Key, read_json(key_path))
    if not {"items", "labels", "dataset"} <= key.keys():
        raise ErcSynthError(f"{key_path} is not the key of a sheet.", hint="Give the .key.json file.")
    said = [read_answers(path, key) for path in answers]
    pairs = []
    for first, second in combinations([one.emotions for one in said], 2):
        shared = sorted(first.keys() & second.keys())
        pairs.append(kappa([first[item] for item in shared], [second[item] for item in shared]))
    return {
        "schema_version": 1,
        "dataset": key["dataset"],
        "readers": [_reader(path, own, key, seed) for path, own in zip(answers, said, strict=True)],
        "kappa_between_readers": sum(pairs) / len(pairs) if pairs else None,
    }


def _reader(path: Path, answers: Answers, key: Key, seed: int) -> ReaderScores:
    own = answers.emotions
    items = sorted(own)
    given = np.array([key["items"][item]["emotion"] for item in items])
    said = np.array([own[item] for item in items])
    picks = np.random.default_rng(numpy_seed(seed)).integers(0, len(items), (1000, len(items)))
    estimate = interval(
        [kappa(given[pick].tolist(), said[pick].tolist()) for pick in picks], kappa(given.tolist(), said.tolist())
    )
    return {
        "file": path.name,
        "answered": len(items),
        "unsure": len(answers.unsure),
        "twice": list(answers.twice),
        "agreement": float((given == said).mean()),
        "kappa": {"value": estimate.value, "low": estimate.low, "high": estimate.high},
        "kappa_by_label": kappa_by_label(given.tolist(), said.tolist(), key["labels"]),
    }
