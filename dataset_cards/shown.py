"""Dialogues to look at: from curated files, repos and benchmarks, with what curation and classifiers said of them.

Purpose: people read what was generated before they trust it: kept and dropped dialogues, the lines that a benchmark
has too, a classifier's labels. Input: names of places; the folder of a training, or a file of `erc-synth predict`.
Output: `Shown` values. Not covered: the page (`browse`), answers that were never parsed (`erc-synth parse`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, cast

from erc_synth.loaders import registry, wording
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import json_lines, read_json
from erc_synth.loaders.names import benchmark_names, parse_name
from erc_synth.loaders.schema import SPLITS, Dialogue, to_dialogues

DROPPED = "dropped"
LEAK_WORDS = 5  # shorter lines are shared by everybody
Guess = tuple[str, float]  # label and probability
Place = tuple[str | None, str]  # config, or None for any, and dialogue_id


@dataclass(frozen=True, slots=True)
class Shown:
    """One dialogue of the page.

    Attributes:
        config: Curated config, repo config or benchmark.
        split: train, validation, test; ``dropped`` for what curation left out.
        dialogue: The dialogue.
        reason: Why curation dropped it, or ``None``.
        detail: What the reason was found by.
        leaks: Whether a line of it is a line of a benchmark.
        guesses: A classifier's label and probability for each turn, ``None`` where it gave none.
    """

    config: str
    split: str
    dialogue: Dialogue
    reason: str | None = None
    detail: str = ""
    leaks: bool = False
    guesses: tuple[Guess | None, ...] = ()


def find(place: str, data_dir: Path | None = None) -> list[Shown]:
    """All dialogues of a curated folder or file, a repo (folder or Hub id), or a benchmark.

    Raises:
        ErcSynthError: No dialogues there.
    """
    path = Path(place).expanduser()
    if path.is_file():
        found = list(_curated(path))
    elif path.is_dir() and not (path / "README.md").exists():
        files = sorted(path.glob("*.jsonl"), key=lambda file: (file.name.endswith(".dropped.jsonl"), file.name))
        found = [shown for file in files for shown in _curated(file)]
    else:
        found = list(_data_set(place, data_dir))
    if not found:
        raise ErcSynthError(f"{place} holds no dialogues.", hint="Give a curated folder, a repo or a benchmark.")
    return found


def _curated(path: Path) -> Iterator[Shown]:
    """Dialogues of a curated file, or of the file of those that were dropped."""
    config = path.name.removesuffix(".jsonl").removesuffix(".dropped")
    for number, record in json_lines(path):
        try:
            yield _shown(config, record)
        except (KeyError, TypeError) as error:
            raise ErcSynthError(
                f"{path}, line {number} is no curated dialogue.",
                hint="Curated files are written by erc-synth curate; a journal is not one.",
            ) from error


def _shown(config: str, record: Mapping[str, object]) -> Shown:
    dialogue = Dialogue.from_json(record)
    reason, detail = record.get("reason"), record.get("detail")
    split = DROPPED if reason else record.get("split")
    words = [dialogue.dialogue_id, split, *(w for turn in dialogue.utterances for w in (turn.speaker, turn.text))]
    optional = [reason, detail, dialogue.target_emotion, *(turn.emotion for turn in dialogue.utterances)]
    if not all(isinstance(word, str) for word in (*words, *(word for word in optional if word is not None))):
        raise TypeError("a text is missing")
    if split not in (*SPLITS, DROPPED):
        raise KeyError(split)
    return Shown(config, str(split), dialogue, str(reason) if reason else None, str(detail or ""), reason == "leak")


def _data_set(place: str, data_dir: Path | None) -> Iterator[Shown]:
    name, config = parse_name(place)
    is_benchmark = name in benchmark_names()
    for one in [config] if config or is_benchmark else _configs(name):
        splits = registry.load(name, one, data_dir=data_dir if is_benchmark else None)
        for split, rows in splits.items():
            yield from (Shown(one or name, str(split), dialogue) for dialogue in to_dialogues(rows))


def _configs(name: str) -> list[str | None]:
    """Configs of a repo; what is none is left to `registry.load`, which says so."""
    from datasets import get_dataset_config_names

    if not Path(name).expanduser().is_dir() and name.count("/") != 1:
        return [None]
    try:
        return list(get_dataset_config_names(str(Path(name).expanduser())))
    except Exception:  # broken in any way, or out of reach
        return [None]


# --- leaks -----------------------------------------------------------------------------------------


def with_leaks(shown: Sequence[Shown], benchmark: Iterable[Shown]) -> list[Shown]:
    """The dialogues, marked where a line of five words or more is a line of the benchmark."""
    known = {line for one in benchmark for line in _long_lines(one.dialogue)}
    return [replace(one, leaks=one.leaks or not known.isdisjoint(_long_lines(one.dialogue))) for one in shown]


def _long_lines(dialogue: Dialogue) -> list[str]:
    return [" ".join(line) for line in wording.lines(dialogue) if len(line) >= LEAK_WORDS]


# --- predictions -----------------------------------------------------------------------------------


def with_guesses(shown: Sequence[Shown], source: Path) -> list[Shown]:
    """The dialogues with what a classifier predicted for them.

    Args:
        shown: Dialogues.
        source: Folder of a finished training that was tested on them, or JSON lines of `erc-synth predict`.

    Raises:
        ErcSynthError: No predictions there, or none of these dialogues.
    """
    guesses = _of_run(source) if source.is_dir() else _of_file(source)
    told = [_with(one, guesses, source) for one in shown]
    if not any(one.guesses for one in told):
        tested = ", ".join(sorted({config for config, _ in guesses if config})) or "others"
        raise ErcSynthError(f"{source} predicted none of these dialogues.", hint=f"It has predictions for: {tested}.")
    return told


def _with(one: Shown, guesses: Mapping[Place, Mapping[int, Guess]], source: Path) -> Shown:
    key = one.dialogue.dialogue_id
    found = guesses.get((one.config, key)) or guesses.get((None, key))
    if not found:
        return one
    if max(found) >= len(one.dialogue):
        raise ErcSynthError(
            f"{source} has predictions for another dialogue {key!r}, of {max(found) + 1} turns.",
            hint="Give the predictions of these very dialogues.",
        )
    return replace(one, guesses=tuple(found.get(turn) for turn in range(len(one.dialogue))))


class Scored(TypedDict):
    """What is read of an evaluation in metrics.json (docs/contracts)."""

    dataset: str
    config: str | None
    predictions: str


class PredictedTurn(TypedDict):
    """One turn of a line of predictions."""

    emotion: str
    probability: float


class Predicted(TypedDict):
    """One conversation as `erc-synth predict` writes it."""

    dialogue_id: str
    utterances: list[PredictedTurn]


def _of_run(run: Path) -> dict[Place, dict[int, Guess]]:
    """Predictions of all tests of a training, by config (or benchmark) and dialogue."""
    import pyarrow.parquet as pq

    guesses: dict[Place, dict[int, Guess]] = {}
    columns = ["dialogue_id", "utterance_id", "predicted", "probabilities"]
    try:
        metrics = read_json(run / "metrics.json", hint="Give the folder of a finished training.")
        for entry in cast("Sequence[Scored]", metrics["evaluations"]):
            config = str(entry.get("config") or entry["dataset"])
            rows = pq.read_table(run / entry["predictions"], columns=columns).to_pydict()
            for key, turn, label, chances in zip(*rows.values(), strict=True):
                guesses.setdefault((config, key), {})[turn] = (label, max(chances))
    except (KeyError, TypeError, ValueError, OSError) as error:  # pyarrow.ArrowInvalid is a ValueError
        raise ErcSynthError(f"The predictions in {run} cannot be read: {error}.", hint="Train it again.") from error
    return guesses


def _of_file(path: Path) -> dict[Place, dict[int, Guess]]:
    """Predictions as `erc-synth predict --to jsonl` or `--json` writes them; they name no config."""
    guesses: dict[Place, dict[int, Guess]] = {}
    hint = "Give a file of erc-synth predict --to jsonl, or the folder of a training."
    for number, record in json_lines(path, hint=hint):
        try:
            for one in cast("Sequence[Predicted]", record.get("dialogues", [record])):
                turns = [(str(turn["emotion"]), float(turn["probability"])) for turn in one["utterances"]]
                guesses[None, str(one["dialogue_id"])] = dict(enumerate(turns))
        except (KeyError, TypeError, ValueError) as error:
            raise ErcSynthError(f"{path}, line {number} is no prediction.", hint=hint) from error
    return guesses
