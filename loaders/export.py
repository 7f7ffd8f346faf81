"""Export of a loaded data set: JSONL (one dialogue a line), CSV, Parquet, ConvoKit corpus folders.

Input: a `DatasetDict` in the schema. Output: files in a folder. ConvoKit's layout is its corpus
format: utterances.jsonl, speakers.json, conversations.json, corpus.json, index.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import to_dialogues

if TYPE_CHECKING:
    from datasets import DatasetDict

FORMATS = ("jsonl", "csv", "parquet", "convokit")


def export(splits: DatasetDict, form: str, folder: Path) -> Path:
    """Write all splits in one of `FORMATS` below a folder; returns the folder."""
    if form not in FORMATS:
        raise ErcSynthError(f"Unknown export format {form!r}.", hint=f"Known: {', '.join(FORMATS)}.")
    folder.mkdir(parents=True, exist_ok=True)
    if form == "convokit":
        _convokit(splits, folder)
        return folder
    for split, rows in splits.items():
        if form == "parquet":
            rows.to_parquet(folder / f"{split}.parquet")
        elif form == "csv":
            names = rows.features["emotion"]
            text = rows.to_pandas()
            text["emotion"] = [None if e < 0 else names.int2str(int(e)) for e in text["emotion"]]
            text.to_csv(folder / f"{split}.csv", index=False)
        else:
            with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as lines:
                for dialogue in to_dialogues(rows):
                    lines.write(json.dumps(dialogue.to_json(), ensure_ascii=False) + "\n")
    return folder


def _convokit(splits: DatasetDict, folder: Path) -> None:
    speakers: dict[str, Any] = {}
    conversations: dict[str, Any] = {}
    with (folder / "utterances.jsonl").open("w", encoding="utf-8") as lines:
        for split, rows in splits.items():
            for dialogue in to_dialogues(rows):
                root = f"{dialogue.dialogue_id}#0"
                conversations[root] = {"meta": {"split": str(split), "dialogue_id": dialogue.dialogue_id}}
                for position, turn in enumerate(dialogue.utterances):
                    speakers.setdefault(turn.speaker, {"meta": {}})
                    record = {
                        "id": f"{dialogue.dialogue_id}#{position}",
                        "conversation_id": root,
                        "text": turn.text,
                        "speaker": turn.speaker,
                        "reply-to": f"{dialogue.dialogue_id}#{position - 1}" if position else None,
                        "timestamp": position,
                        "meta": {"emotion": turn.emotion},
                    }
                    lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    index = {
        "utterances-index": {"emotion": ["<class 'str'>"]},
        "speakers-index": {},
        "conversations-index": {"split": ["<class 'str'>"], "dialogue_id": ["<class 'str'>"]},
        "overall-index": {},
        "version": 1,
    }
    contents = {"speakers": speakers, "conversations": conversations, "corpus": {}, "index": index}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
