"""Sets that do not fit into memory: the same figures as from memory, read from disk dialogue by dialogue."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_synth.generation.curation import leak_check
from erc_synth.generation.quality import likeness, subjects
from erc_synth.generation.quality.measure import measure_quality
from erc_synth.generation.quality.sheet import draw_items
from erc_synth.generation.quality.subject import Joined, Subject
from erc_synth.loaders import curated
from erc_synth.loaders.curated import read_curated
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogues, label_set, to_utterances
from fakes.dialogues import invented

MELD = label_set("meld")
SPLITS = {"train": invented(40), "validation": invented(12, start=100), "test": invented(12, start=200)}


def write(path):
    rows = [{**dialogue.to_json(), "split": split} for split, ds in SPLITS.items() for dialogue in ds]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def on_disk(form, path, monkeypatch):
    if form == "curated file":
        monkeypatch.setattr(curated, "HELD_DIALOGUES", 0)
        return read_curated(write(path))
    return {split: Dialogues(to_utterances(ds, MELD, provenance=True)) for split, ds in SPLITS.items()}


@pytest.mark.parametrize("form", ["curated file", "rows"])
def test_a_set_on_disk_has_the_figures_of_the_same_set_in_memory(form, tmp_path, monkeypatch):
    splits = on_disk(form, tmp_path / "x.jsonl", monkeypatch)
    assert not any(isinstance(ds, list) for ds in splits.values())
    encode = lambda texts: np.array([[len(t), t.count("e"), t.count("a"), 1.0] for t in texts], np.float32)  # noqa: E731
    real = Subject("real", {"train": invented(30, start=500), "test": invented(20, start=900)}, MELD)
    benchmarks = {"real/test": [*invented(20, start=900), SPLITS["train"][3]]}
    one, two = (
        measure_quality(Subject("own", held, MELD), real, benchmarks=benchmarks, encode=encode)
        for held in (SPLITS, splits)
    )
    assert one == two
    assert draw_items(Subject("own", SPLITS, MELD).dialogues, 9, 0) == draw_items(
        Subject("own", splits, MELD).dialogues, 9, 0
    )


@given(st.lists(st.integers(0, 4), max_size=4), st.slices(10))
def test_joined_parts_are_one_sequence(sizes, part):
    parts = [invented(size, start=10 * number) for number, size in enumerate(sizes)]
    whole = [dialogue for ds in parts for dialogue in ds]
    joined = Joined(parts)
    assert len(joined) == len(whole)
    assert list(joined) == whole
    assert [joined[at] for at in range(len(whole))] == whole
    assert list(joined[part]) == whole[part]
    assert list(joined[part][::2]) == whole[part][::2]


@given(st.slices(12))
def test_lines_of_a_curated_file_are_a_sequence(tmp_path_factory, part):
    path = write(tmp_path_factory.mktemp("c") / "x.jsonl")
    path.write_text("\ufeff" + path.read_text().replace("\n", "\n\n", 5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curated, "HELD_DIALOGUES", 0)
        test = read_curated(path)["test"]
    assert list(test) == SPLITS["test"]
    assert list(test[part]) == SPLITS["test"][part]
    assert [test[0], test[-1]] == [SPLITS["test"][0], SPLITS["test"][-1]]
    with pytest.raises(IndexError):
        test[12]


def test_a_file_that_is_changed_while_it_is_measured_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.jsonl"
    train = on_disk("curated file", path, monkeypatch)["train"]
    assert train[0] == SPLITS["train"][0]
    os.utime(path, ns=(1, 1))
    with pytest.raises(ErcSynthError, match=r"x.jsonl was changed while it was read"):
        train[0]


def test_small_files_and_splits_are_held(tmp_path):
    found = subjects.find_subject(str(write(tmp_path / "x.jsonl")))
    assert all(isinstance(ds, list) for ds in found.splits.values())


def test_of_a_large_held_out_split_some_dialogues_are_looked_for_and_it_is_said(monkeypatch):
    monkeypatch.setattr(leak_check, "OWN_DIALOGUES", 6)
    monkeypatch.setattr("erc_synth.generation.quality.measure.OWN_DIALOGUES", 6)
    again = [replace(dialogue, dialogue_id=f"{dialogue.dialogue_id}-again") for dialogue in SPLITS["test"]]
    own = Subject("own", {"train": [*SPLITS["train"], *again], "test": SPLITS["test"]}, MELD)
    content = measure_quality(own)
    assert content["leaks"]["itself/test"]["exact"] == 6
    assert any("6 of 12 dialogues of test were looked for" in note for note in content["notes"])


def test_the_encoder_remembers_so_many_texts_and_no_more(monkeypatch):
    monkeypatch.setattr(likeness, "REMEMBERED", 3)
    asked = []
    encode = likeness.remembered(lambda texts: asked.extend(texts) or np.array([[ord(t)] for t in texts], np.float32))
    for texts in ("ab", "bcd", "dab", "e"):
        assert encode(list(texts)).ravel().tolist() == list(map(ord, texts))
    assert "".join(asked) == "abcdde"
