"""IEMOCAP as released: `SessionN/dialog/{transcriptions,EmoEvaluation}/<dialogue>.txt`.

Input: the folder IEMOCAP_full_release; only its transcription and evaluation text is read. Output: dialogues in
transcription order. Not covered: audio and motion capture; labels other than the categorical ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from erc_synth.loaders.benchmarks.reading import fault, lines_of, utterance
from erc_synth.loaders.labels import LabelSet
from erc_synth.loaders.schema import Dialogue, Utterance

# Twelve dialogues that COSMIC, CoMPM, EmoOne and InstructERC hold out; session 5 is the test set.
VALIDATION = frozenset(
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
CODES = {
    "ang": "angry",
    "dis": "disgusted",
    "exc": "excited",
    "fea": "fearful",
    "fru": "frustrated",
    "hap": "happy",
    "neu": "neutral",
    "oth": "other",
    "sad": "sad",
    "sur": "surprised",
}
_TURN = re.compile(r"^(Ses\d\d[FM]_\w+?_([FM])\d{3}) \[[^\]]*\]: ?(.*)$", re.DOTALL)
_RATER = re.compile(r"^C-[EFM]\d+:")


def iemocap(root: Path, split: str, labels: LabelSet, options: Mapping[str, str]) -> Iterator[Dialogue]:
    """Dialogues of one split of the full release.

    Options: `label_rule` self-majority (default; 5163/647/1623 utterances) or official; `context`
    labelled (default: other utterances are deleted, as the DialogueRNN family does) or all (they stay,
    unlabelled).
    """
    transcripts = _transcripts(root)
    if not transcripts:
        raise fault(root, 0, "no SessionN/dialog/transcriptions/Ses*.txt found.", "Give the release folder.")
    for path in transcripts:
        if _split(path.stem) != split:
            continue
        emotions = _emotions(_evaluation(path), options.get("label_rule", "self-majority"))
        turns = _turns(path, emotions, labels, keep=options.get("context") == "all")
        if turns:
            yield Dialogue(f"{options.get('name', 'iemocap')}_{split}_{path.stem}", turns)


def iemocap_files(root: Path) -> list[Path]:
    """The files that `iemocap` reads."""
    transcripts = _transcripts(root)
    return [*transcripts, *(found for path in transcripts if (found := _evaluation(path)).exists())]


def _transcripts(root: Path) -> list[Path]:
    return sorted(root.glob("Session[1-5]/dialog/transcriptions/Ses*.txt"))


def _evaluation(transcript: Path) -> Path:
    return transcript.parent.parent / "EmoEvaluation" / transcript.name


def _split(dialogue: str) -> str:
    if dialogue.startswith("Ses05"):
        return "test"
    return "validation" if dialogue in VALIDATION else "train"


def _turns(path: Path, emotions: Mapping[str, str], labels: LabelSet, *, keep: bool) -> tuple[Utterance, ...]:
    turns = []
    seen: set[str] = set()
    for number, line in enumerate(lines_of(path), start=1):
        match = _TURN.match(line.strip())
        # "XX" ids and bare "F:" lines have no evaluation: every public set leaves them out.
        if match is None or "XX" in line.split(" ", 1)[0] or match[1] not in emotions:
            continue
        if match[1] in seen:
            raise fault(path, number, f"utterance {match[1]!r} occurs twice.")
        seen.add(match[1])
        emotion = CODES.get(emotions[match[1]])
        if emotion not in labels.labels:
            if not keep:
                continue
            emotion = None
        turns.append(utterance(f"{path.stem[:5]}_{match[2]}", match[3], emotion))
    return tuple(turns)


def _emotions(path: Path, rule: str) -> dict[str, str]:
    """Utterance id -> code.

    Rule `self-majority`: an official xxx becomes hap when at least two categorical votes, self-evaluations
    included, are Happiness alone (53 utterances of the release). It gives the published 5163/647/1623.
    """
    codes: dict[str, str] = {}
    happy_votes: dict[str, int] = {}
    current = ""
    for number, line in enumerate(lines_of(path), start=1):
        cells = line.split("\t")
        if line.startswith("["):
            if len(cells) < 3:
                raise fault(path, number, "expected [times], id, label, [v, a, d] separated by tabs.")
            current = cells[1].strip()
            codes[current] = cells[2].strip()
        elif _RATER.match(line) and len(cells) > 1:
            votes = [vote.strip() for vote in cells[1].split(";") if vote.strip()]
            if votes == ["Happiness"]:
                happy_votes[current] = happy_votes.get(current, 0) + 1
    if rule == "self-majority":
        for key, votes_for in happy_votes.items():
            if codes.get(key) == "xxx" and votes_for >= 2:
                codes[key] = "hap"
    return codes
