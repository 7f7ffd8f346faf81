"""Readers of the official benchmark files: one function per format, a path in, dialogues out.

Input: an official file or folder as released (layouts in the docstrings). Output: `Dialogue` values
in file order, with positions 0..n-1 as utterance ids (official ids have gaps in MELD and EmoryNLP).
Errors name file and line and what was expected. Not covered: finding, downloading and counting
(`benchmarks`, `registry`).
"""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, LabelSet, Utterance

Reader = Callable[[Path, str, LabelSet, Mapping[str, str]], Iterator[Dialogue]]

JOINT = " & "  # joint speakers: ["Chandler Bing", "Ross Geller"] -> "Chandler Bing & Ross Geller"

# Old MELD files hold cp1252 bytes as C1 code points (U+0092 for an apostrophe).
C1_REPAIR = {code: bytes([code]).decode("cp1252", errors="ignore") or chr(code) for code in range(0x80, 0xA0)} | {
    0xA0: " "
}

# Twelve dialogues that COSMIC, CoMPM, EmoOne and InstructERC hold out; session 5 is the test set.
IEMOCAP_VALIDATION = frozenset(
    [
        "Ses01M_impro01",
        "Ses01M_script03_1",
        "Ses02F_impro02",
        "Ses02F_impro07",
        "Ses02M_script01_2",
        "Ses03F_impro01",
        "Ses03M_impro02",
        "Ses03M_impro08a",
        "Ses03M_script02_2",
        "Ses03M_script03_2",
        "Ses04F_impro07",
        "Ses04F_script02_1",
    ]
)
IEMOCAP_CODES = {
    "ang": "angry", "dis": "disgusted", "exc": "excited", "fea": "fearful", "fru": "frustrated",
    "hap": "happy", "neu": "neutral", "oth": "other", "sad": "sad", "sur": "surprised",
}  # fmt: skip
_TURN = re.compile(r"^(Ses\d\d[FM]_\w+?_([FM])\d{3}) \[[^\]]*\]: ?(.*)$")
_RATER = re.compile(r"^C-[EFM]\d+:")


def _error(path: Path, line: int, message: str, hint: str = "") -> ErcSynthError:
    where = f"{path}, line {line}" if line else f"{path}"
    return ErcSynthError(f"{where}: {message}", hint=hint)


def _text(path: Path, encoding: str = "utf-8-sig") -> str:
    """Content of a file; broken encoding is an error with its line."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise _error(path, 0, "the file is missing.", "Check --data-dir.") from error
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _error(path, line, "the text is not UTF-8.", "Download the file again.") from error


def _csv_rows(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with their line number; refuses a file without the wanted columns."""
    table = csv.DictReader(io.StringIO(_text(path), newline=""))
    missing = [name for name in columns if name not in (table.fieldnames or [])]
    if missing:
        raise _error(path, 1, f"the columns {missing} are missing; found {table.fieldnames}.")
    for row in table:
        if None in row.values() or None in row:
            raise _error(path, table.line_num, f"expected {len(table.fieldnames or [])} columns.")
        yield table.line_num, row


def _labelled(path: Path, line: int, label: str, labels: LabelSet) -> str:
    if label not in labels.labels:
        raise _error(path, line, f"unknown emotion {label!r}; expected one of {list(labels.labels)}.")
    return label


def _grouped(path: Path, prefix: str, turns: Iterable[tuple[int, str, str, Utterance]]) -> Iterator[Dialogue]:
    """Dialogues of (line, dialogue key, utterance key, utterance) in file order; keys occur once."""
    seen: set[str] = set()
    for key, group in groupby(turns, key=lambda turn: turn[1]):
        members = list(group)
        if key in seen:
            raise _error(path, members[0][0], f"dialogue {key!r} occurs twice.")
        seen.add(key)
        ids: set[str] = set()
        for line, _, utterance_key, _ in members:
            if utterance_key in ids:
                raise _error(path, line, f"utterance {utterance_key!r} of dialogue {key!r} occurs twice.")
            ids.add(utterance_key)
        yield Dialogue(f"{prefix}_{key}", tuple(turn[3] for turn in members))


def meld_csv(path: Path, split: str, labels: LabelSet, _: Mapping[str, str]) -> Iterator[Dialogue]:
    """MELD `*_sent_emo.csv` (declare-lab/MELD), the clean UTF-8 files and the older ones with C1 codes."""

    def turns() -> Iterator[tuple[int, str, str, Utterance]]:
        wanted = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
        for line, row in _csv_rows(path, wanted):
            emotion = _labelled(path, line, row["Emotion"], labels)
            text, speaker = (row[name].translate(C1_REPAIR) for name in ("Utterance", "Speaker"))
            yield line, row["Dialogue_ID"], row["Utterance_ID"], Utterance(speaker, text, emotion)

    return _grouped(path, f"meld_{split}", turns())


def emorynlp_json(path: Path, split: str, labels: LabelSet, _: Mapping[str, str]) -> Iterator[Dialogue]:
    """EmoryNLP `emotion-detection-*.json` (release 1.0): episodes > scenes > utterances."""

    def turns() -> Iterator[tuple[int, str, str, Utterance]]:
        content = _json(path, dict)
        for scene in (scene for episode in content["episodes"] for scene in episode["scenes"]):
            for turn in scene["utterances"]:
                key = turn["utterance_id"]
                with _layout(path, f'"{key}"', f"utterance {key}"):
                    emotion = str(turn["emotion"]).lower()
                    line = 0 if emotion in labels.labels else _line_of(path, f'"{key}"')
                    utterance = Utterance(
                        JOINT.join(turn["speakers"]), str(turn["transcript"]), _labelled(path, line, emotion, labels)
                    )
                yield 0, scene["scene_id"], key, utterance

    return _keyed(path, _grouped(path, f"emorynlp_{split}", turns()))


def emorynlp_csv(path: Path, split: str, labels: LabelSet, _: Mapping[str, str]) -> Iterator[Dialogue]:
    """The smaller EmoryNLP form in the MELD repository (`emorynlp_*_final.csv`)."""

    def turns() -> Iterator[tuple[int, str, str, Utterance]]:
        wanted = ("Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode")
        for line, row in _csv_rows(path, wanted):
            emotion = _labelled(path, line, row["Emotion"].lower(), labels)
            try:
                speakers = ast.literal_eval(row["Speaker"])
                season, episode, scene = (int(row[k]) for k in ("Season", "Episode", "Scene_ID"))
            except (ValueError, SyntaxError) as error:
                raise _error(path, line, "expected a list of speakers and whole-number ids.") from error
            key = f"s{season:02d}_e{episode:02d}_c{scene:02d}"
            yield line, key, row["Utterance_ID"], Utterance(JOINT.join(speakers), row["Utterance"], emotion)

    return _grouped(path, f"emorynlp_{split}", turns())


def dailydialog(path: Path, split: str, labels: LabelSet, _: Mapping[str, str]) -> Iterator[Dialogue]:
    """DailyDialog: parallel files of turns (`__eou__`) and emotion numbers; speakers A and B in turn."""
    emotions = path.with_name(path.name.replace("dialogues_", "dialogues_emotion_"))
    texts, numbers = (_text(file).splitlines() for file in (path, emotions))
    if len(texts) != len(numbers):
        raise _error(emotions, 0, f"expected {len(texts)} lines, found {len(numbers)}.")
    for line, (text, row) in enumerate(zip(texts, numbers, strict=True), start=1):
        turns = [turn.strip() for turn in text.split("__eou__") if turn.strip()]
        indices = row.split()
        if len(turns) != len(indices) or not set(indices) <= set("0123456"):
            raise _error(emotions, line, f"expected {len(turns)} numbers from 0 to 6, found {row!r}.")
        names = [labels.labels[int(index)] for index in indices]
        speakers = ["A" if position % 2 == 0 else "B" for position in range(len(turns))]
        yield Dialogue(
            f"dailydialog_{split}_{line - 1}",
            tuple(map(Utterance, speakers, turns, names)),
        )


def emotionlines(path: Path, split: str, labels: LabelSet, _: Mapping[str, str]) -> Iterator[Dialogue]:
    """EmotionLines / EmotionX Friends JSON: a list of dialogues of {speaker, utterance, emotion}."""

    def dialogues() -> Iterator[Dialogue]:
        for number, turns in enumerate(_json(path, list)):
            utterances = []
            for position, turn in enumerate(turns):
                where = f"dialogue {number}, utterance {position} (from 0)"
                with _layout(path, "", where):
                    emotion = turn["emotion"]
                    if emotion not in labels.labels:
                        raise _error(path, 0, f"{where}: unknown emotion {emotion!r}; expected {list(labels.labels)}.")
                    utterances.append(Utterance(turn["speaker"], turn["utterance"], emotion))
            yield Dialogue(f"emotionlines_{split}_{number}", tuple(utterances))

    return _keyed(path, dialogues())


def _json(path: Path, kind: type) -> Any:
    try:
        content = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise _error(path, error.lineno, f"not valid JSON ({error.msg}).") from error
    if not isinstance(content, kind):
        raise _error(path, 1, f"expected a JSON {kind.__name__}.")
    return content


def _line_of(path: Path, piece: str) -> int:
    """Line of the first place of a piece of JSON text; 0 when it is nowhere. For errors only: it reads the file."""
    before, found, _ = _text(path).partition(piece) if piece else ("", "", "")
    return before.count("\n") + 1 if found else 0


@contextmanager
def _layout(path: Path, piece: str, where: str) -> Iterator[None]:
    """A missing key or a wrong type becomes an error with its place in the file."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        message = f"{where} is not in the official layout ({type(error).__name__}: {error})."
        raise _error(path, _line_of(path, piece), message) from error


def _keyed(path: Path, dialogues: Iterator[Dialogue]) -> Iterator[Dialogue]:
    """Dialogues of a JSON file; a missing key or wrong type is an error that names the file."""
    try:
        yield from dialogues
    except (KeyError, TypeError, AttributeError) as error:
        raise _error(path, 0, f"not in the official layout ({type(error).__name__}: {error}).") from error


def iemocap(root: Path, split: str, labels: LabelSet, options: Mapping[str, str]) -> Iterator[Dialogue]:
    """IEMOCAP full release: `SessionN/dialog/{transcriptions,EmoEvaluation}/<dialogue>.txt`.

    Options: `label_rule` self-majority (default; 5163/647/1623 utterances) or official; `context`
    labelled (default: other utterances are deleted, as the DialogueRNN family does) or all (they stay,
    unlabelled). Reads only the transcription and evaluation text. Order = transcription order.
    """
    transcripts = sorted(root.glob("Session[1-5]/dialog/transcriptions/Ses*.txt"))
    if not transcripts:
        raise _error(root, 0, "no SessionN/dialog/transcriptions/Ses*.txt found.", "Give the release folder.")
    for path in transcripts:
        if _iemocap_split(path.stem) != split:
            continue
        evaluation = path.parent.parent / "EmoEvaluation" / path.name
        emotions = _iemocap_emotions(evaluation, options.get("label_rule", "self-majority"))
        turns = _iemocap_turns(path, emotions, labels, keep=options.get("context") == "all")
        if turns:
            yield Dialogue(f"iemocap_{split}_{path.stem}", turns)


def _iemocap_split(dialogue: str) -> str:
    if dialogue.startswith("Ses05"):
        return "test"
    return "validation" if dialogue in IEMOCAP_VALIDATION else "train"


def _iemocap_turns(path: Path, emotions: Mapping[str, str], labels: LabelSet, *, keep: bool) -> tuple[Utterance, ...]:
    turns = []
    seen: set[str] = set()
    for number, line in enumerate(_text(path).splitlines(), start=1):
        match = _TURN.match(line.strip())
        # "XX" ids and bare "F:" lines have no evaluation: every public set leaves them out.
        if match is None or "XX" in line.split(" ", 1)[0] or match[1] not in emotions:
            continue
        if match[1] in seen:
            raise _error(path, number, f"utterance {match[1]!r} occurs twice.")
        seen.add(match[1])
        emotion = IEMOCAP_CODES.get(emotions[match[1]])
        if emotion not in labels.labels:
            if not keep:
                continue
            emotion = None
        turns.append(Utterance(f"{path.stem[:5]}_{match[2]}", match[3], emotion))
    return tuple(turns)


def _iemocap_emotions(path: Path, rule: str) -> dict[str, str]:
    """Utterance id -> code.

    Rule `self-majority`: an official xxx becomes hap when at least two categorical votes,
    self-evaluations included, are Happiness alone (53 utterances; reference/erc-data.md 4.4).
    """
    codes: dict[str, str] = {}
    happy_votes: dict[str, int] = {}
    current = ""
    for number, line in enumerate(_text(path).splitlines(), start=1):
        cells = line.split("\t")
        if line.startswith("["):
            if len(cells) < 3:
                raise _error(path, number, "expected [times], id, label, [v, a, d] separated by tabs.")
            current = cells[1].strip()
            codes[current] = cells[2].strip()
        elif _RATER.match(line) and len(cells) > 1:
            votes = [vote.strip() for vote in cells[1].split(";") if vote.strip()]
            if votes == ["Happiness"]:
                happy_votes[current] = happy_votes.get(current, 0) + 1
    if rule == "self-majority":
        for utterance, votes_for in happy_votes.items():
            if codes.get(utterance) == "xxx" and votes_for >= 2:
                codes[utterance] = "hap"
    return codes


READERS: dict[str, Reader] = {
    "meld_csv": meld_csv,
    "emorynlp_json": emorynlp_json,
    "emorynlp_csv": emorynlp_csv,
    "iemocap": iemocap,
    "dailydialog": dailydialog,
    "emotionlines": emotionlines,
}
