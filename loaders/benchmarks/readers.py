"""Readers of the official benchmark files: one function per format, a path in, dialogues out.

Input: an official file or folder as released (layouts in the docstrings). Output: `Dialogue` values
in file order, with positions 0..n-1 as utterance ids (official ids have gaps in MELD and EmoryNLP).
Errors name file and line and what was expected. A corpus of one's own in one of these formats needs no code:
ids begin with its name, labels are those of its label set.
Not covered: finding, downloading and counting (`builder`, `registry`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from erc_synth.loaders.benchmarks.iemocap import iemocap, iemocap_files
from erc_synth.loaders.benchmarks.reading import (
    Reader,
    Turn,
    csv_rows,
    fault,
    grouped,
    joint,
    json_of,
    labelled,
    layout,
    line_of,
    lines_of,
    utterance,
)
from erc_synth.loaders.labels import LabelSet
from erc_synth.loaders.schema import Dialogue


def meld_csv(path: Path, split: str, labels: LabelSet, options: Mapping[str, str]) -> Iterator[Dialogue]:
    """MELD `*_sent_emo.csv` (declare-lab/MELD), the clean UTF-8 files and the older ones with C1 codes."""

    def turns() -> Iterator[Turn]:
        wanted = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
        for line, row in csv_rows(path, wanted):
            emotion = labelled(path, line, row["Emotion"], labels)
            yield line, row["Dialogue_ID"], row["Utterance_ID"], utterance(row["Speaker"], row["Utterance"], emotion)

    return grouped(path, f"{options.get('name', 'meld')}_{split}", turns())


def emorynlp_json(path: Path, split: str, labels: LabelSet, options: Mapping[str, str]) -> Iterator[Dialogue]:
    """EmoryNLP `emotion-detection-*.json` (release 1.0): episodes > scenes > utterances."""

    def turns() -> Iterator[Turn]:
        with layout(path):
            scenes = [scene for episode in json_of(path, dict)["episodes"] for scene in episode["scenes"]]
            spoken = [(_key(scene["scene_id"]), list(scene["utterances"])) for scene in scenes]
        for scene_id, spoken_turns in spoken:
            for turn in spoken_turns:
                with layout(path, f"a turn of scene {scene_id}", f'"{scene_id}"'):
                    key = _key(turn["utterance_id"])
                with layout(path, f"utterance {key}", f'"{key}"'):
                    emotion = _key(turn["emotion"]).lower()
                    line = 0 if emotion in labels.labels else line_of(path, f'"{key}"')
                    said = utterance(joint(turn["speakers"]), turn["transcript"], labelled(path, line, emotion, labels))
                yield 0, scene_id, key, said

    return grouped(path, f"{options.get('name', 'emorynlp')}_{split}", turns())


def _key(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {value!r}")
    return value


def emorynlp_csv(path: Path, split: str, labels: LabelSet, options: Mapping[str, str]) -> Iterator[Dialogue]:
    """The smaller EmoryNLP form in the MELD repository (`emorynlp_*_final.csv`)."""

    def turns() -> Iterator[Turn]:
        wanted = ("Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode")
        for line, row in csv_rows(path, wanted):
            emotion = labelled(path, line, row["Emotion"].lower(), labels)
            try:
                speaker = joint(ast.literal_eval(row["Speaker"]))
                season, episode, scene = (int(row[k]) for k in ("Season", "Episode", "Scene_ID"))
            except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
                raise fault(path, line, "expected a list of speakers and whole-number ids.") from error
            key = f"s{season:02d}_e{episode:02d}_c{scene:02d}"
            yield line, key, row["Utterance_ID"], utterance(speaker, row["Utterance"], emotion)

    return grouped(path, f"{options.get('name', 'emorynlp')}_{split}", turns())


def dailydialog(path: Path, split: str, labels: LabelSet, options: Mapping[str, str]) -> Iterator[Dialogue]:
    """DailyDialog: parallel files of turns (`__eou__`) and emotion numbers; speakers A and B in turn."""
    emotions = _emotion_file(path)
    texts, numbers = lines_of(path), lines_of(emotions)
    if len(texts) != len(numbers):
        raise fault(emotions, 0, f"expected {len(texts)} lines, found {len(numbers)}.")
    names = {str(index): label for index, label in enumerate(labels.labels)}
    for line, (text, row) in enumerate(zip(texts, numbers, strict=True), start=1):
        turns = [turn.strip() for turn in text.split("__eou__") if turn.strip()]
        indices = row.split()
        if not turns:
            raise fault(path, line, "the dialogue is empty.")
        if len(turns) != len(indices) or not set(indices) <= set(names):
            raise fault(emotions, line, f"expected {len(turns)} numbers from 0 to {len(names) - 1}, found {row!r}.")
        said = (utterance("AB"[place % 2], turn, names[indices[place]]) for place, turn in enumerate(turns))
        yield Dialogue(f"{options.get('name', 'dailydialog')}_{split}_{line - 1}", tuple(said))


def _emotion_file(path: Path) -> Path:
    return path.with_name(path.name.replace("dialogues_", "dialogues_emotion_"))


def emotionlines(path: Path, split: str, labels: LabelSet, options: Mapping[str, str]) -> Iterator[Dialogue]:
    """EmotionLines / EmotionX Friends JSON: a list of dialogues of {speaker, utterance, emotion}."""
    read = 0
    for number, turns in enumerate(json_of(path, list)):
        if not isinstance(turns, list) or not turns:
            raise fault(path, 0, f"dialogue {number} (from 0) must be a list of one turn or more.")
        utterances = []
        for position, turn in enumerate(turns):
            read += 1
            where = f"dialogue {number}, utterance {position} (from 0)"
            with layout(path, where):
                emotion = turn["emotion"]
                line = 0 if emotion in labels.labels else line_of(path, '"emotion"', read)
                emotion = labelled(path, line, emotion, labels, where)
                utterances.append(utterance(turn["speaker"], turn["utterance"], emotion))
        yield Dialogue(f"{options.get('name', 'emotionlines')}_{split}_{number}", tuple(utterances))


READERS: dict[str, Reader] = {
    "meld_csv": meld_csv,
    "emorynlp_json": emorynlp_json,
    "emorynlp_csv": emorynlp_csv,
    "iemocap": iemocap,
    "dailydialog": dailydialog,
    "emotionlines": emotionlines,
}

INPUTS: dict[str, Callable[[Path], list[Path]]] = {
    "iemocap": iemocap_files,
    "dailydialog": lambda path: [path, _emotion_file(path)],
}
"""Files that a reader opens for a path, where they are more than the path itself: all are in the cache key."""
