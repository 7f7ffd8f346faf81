"""Invented mini releases in exactly the official layouts of MELD, EmoryNLP, IEMOCAP and DailyDialog."""

import csv
import json
from pathlib import Path

MELD_COLUMNS = ["Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"]
MELD_COLUMNS += ["Season", "Episode", "StartTime", "EndTime"]
EMORYNLP_COLUMNS = ["Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode"]
EMORYNLP_COLUMNS += ["Start_Time", "End_Time"]
MELD_ROWS = [  # (text, speaker, emotion, dialogue, utterance): ids have gaps, as in the real files
    ("Who’s got the ladder?", "Ada", "neutral", 0, 0),
    ("Not me, I swear…", "Ben", "fear", 0, 2),
    ("A ladder, a ladder!", "Ada", "joy", 2, 1),
]
C1 = {"’": "\u0092", "…": "\u0085"}


def write_meld(folder: Path, *, old_encoding: bool = False, rows=None) -> Path:
    """Three `*_sent_emo.csv`; `old_encoding` writes cp1252 bytes as C1 code points with LF line ends."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev", "test"):
        with (folder / f"{split}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n" if old_encoding else "\r\n")
            writer.writerow(MELD_COLUMNS)
            for number, (text, speaker, emotion, dialogue, utterance) in enumerate(rows or MELD_ROWS, start=1):
                if old_encoding:
                    text = "".join(C1.get(character, character) for character in text)
                cells = [number, text, speaker, emotion, "neutral", dialogue, utterance, 1, 1, "0:00:01,000"]
                writer.writerow([*cells, "0:00:02,000"])
    return folder


EMORYNLP_SCENES = {
    (1, 2, 3): [("Ada Stone", "Where is my hat?", "Mad", 2), (["Ben Wood", "Ada Stone"], "On your head!", "Joyful", 5)],
    (1, 2, 4): [("Ben Wood", "Goodbye then.", "Sad", 1)],
}


def write_emorynlp(folder: Path) -> Path:
    """Official JSON and the smaller CSV form of the same scenes."""
    folder.mkdir(parents=True, exist_ok=True)
    for short, csv_name in (("trn", "train"), ("dev", "dev"), ("tst", "test")):
        scenes = []
        with (folder / f"emorynlp_{csv_name}_final.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(EMORYNLP_COLUMNS)
            for (season, episode, scene), turns in EMORYNLP_SCENES.items():
                key = f"s{season:02d}_e{episode:02d}_c{scene:02d}"
                utterances = []
                for speakers, text, emotion, number in turns:
                    names = speakers if isinstance(speakers, list) else [speakers]
                    table.writerow([text, str(names), emotion, scene, number, season, episode, "0", "1"])
                    utterances.append(
                        {"utterance_id": f"{key}_u{number:03d}", "speakers": names, "transcript": text,
                         "tokens": [text.split()], "emotion": emotion}
                    )  # fmt: skip
                scenes.append({"scene_id": key, "utterances": utterances})
        content = {"season_id": short, "episodes": [{"episode_id": "s01_e02", "scenes": scenes}]}
        (folder / f"emotion-detection-{short}.json").write_text(json.dumps(content, indent=2))
    return folder


IEMOCAP_DIALOGUES = {
    # dialogue: [(turn, text, official label, categorical votes)]
    "Ses01M_impro01": [  # one of the twelve validation dialogues
        ("F000", "Excuse me.", "neu", ["Neutral;"]),
        ("M000", "Do you have your forms? [LAUGHTER]", "fru", ["Frustration;", "Anger;"]),
    ],
    "Ses01M_impro02": [
        ("M000", "I won a bicycle.", "xxx", ["Happiness;", "Excited;", "C-F1 Happiness;"]),  # self vote: happy
        ("F000", "What colour is it?", "xxx", ["Neutral;", "Surprise;", "Anger;"]),  # stays unlabelled
        ("F001", "Blue.", "sur", ["Surprise;"]),
        ("M001", "I am glad.", "xxx", ["Happiness; Excited;", "Happiness;", "Sadness;"]),  # one pure vote only
        ("FXX0", "Mhm.", None, []),  # no evaluation
    ],
    "Ses03M_impro05a": [("F000", "It is late.", "sad", ["Sadness;"]), ("M000", "Go away!", "ang", ["Anger;"])],
    "Ses05F_script01_1": [
        ("F000", "We fly tomorrow!", "exc", ["Excited;"]),
        ("M000", "So soon.", "hap", ["Happiness;"]),
    ],
}


def write_iemocap(root: Path) -> Path:
    """An invented `IEMOCAP_full_release` with the irregular pieces of the real layout."""
    for dialogue, turns in IEMOCAP_DIALOGUES.items():
        base = root / f"Session{dialogue[4]}" / "dialog"
        (base / "transcriptions").mkdir(parents=True, exist_ok=True)
        (base / "EmoEvaluation").mkdir(exist_ok=True)
        lines = [f"{dialogue}_{turn} [006.2901-008.2357]: {text}" for turn, text, _, _ in turns]
        (base / "transcriptions" / f"{dialogue}.txt").write_text("\n".join([*lines, "F: a bare line"]) + "\n")
        blocks = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"]
        for turn, _, label, votes in reversed(turns):  # not in transcription order
            if label is None:
                continue
            block = [f"[6.2901 - 8.2357]\t{dialogue}_{turn}\t{label}\t[2.5, 2.5, 2.5]"]
            for rater, vote in enumerate(votes, start=1):
                name, words = vote.split(" ", 1) if vote.startswith("C-") else (f"C-E{rater}", vote)
                block.append(f"{name}:\t{words}\t(comment)")
            block.append("A-E3:\tval 3; act 2; dom  2;\t()")
            blocks.append("\n".join(block) + "\n")
        (base / "EmoEvaluation" / f"{dialogue}.txt").write_text("\n".join(blocks))
        (base / "EmoEvaluation" / f"._{dialogue}.txt").write_bytes(b"\x00\x05\x16\x07")
    return root


def write_dailydialog(folder: Path) -> Path:
    for split in ("train", "validation", "test"):
        place = folder / split
        place.mkdir(parents=True, exist_ok=True)
        (place / f"dialogues_{split}.txt").write_text(
            "Hello . __eou__ Go away ! __eou__\nNice day . __eou__ Yes . __eou__\n"
        )
        (place / f"dialogues_emotion_{split}.txt").write_text("0 1 \n4 0 \n")
    return folder


def write_emotionlines(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    turns = [
        {"speaker": "Ada", "utterance": "A kite!", "emotion": "joy", "annotation": "5000000"},
        {"speaker": "Ben", "utterance": "Where?", "emotion": "non-neutral", "annotation": "1111100"},
    ]
    for split in ("train", "dev", "test"):
        (folder / f"friends_{split}.json").write_text(json.dumps([turns]))
    return folder
