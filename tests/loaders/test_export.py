"""Exports hold every row and where it came from; what the command line is told wrongly is said before any work."""

import csv
import json

import pytest
from datasets import DatasetDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from erc_synth.cli.main import app
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.export import FORMATS, export
from erc_synth.loaders.schema import Dialogue, Utterance, label_set, to_dialogues, to_utterances
from fakes.benchmarks import write_meld

MELD = label_set("meld")
SYNTHETIC = [
    Dialogue(
        f"d{n}", (Utterance("Ada", f"Kite {n}", "joy"), Utterance("Ben", "Oh", None)), n, "joy", "kites", "a-model"
    )
    for n in range(2)
]


def _splits(dialogues, provenance=True):
    return DatasetDict({"train": to_utterances(dialogues, MELD, provenance=provenance)})


def _cells(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_both_labels_as_names(tmp_path):
    export(_splits(SYNTHETIC), "csv", tmp_path)
    first, second, *_ = _cells(tmp_path / "train.csv")
    assert (first["emotion"], first["target_emotion"], first["seed"]) == ("joy", "joy", "0")
    assert (first["recipe"], first["generator"]) == ("kites", "a-model")
    assert second["emotion"] == ""


def test_convokit_keeps_where_a_dialogue_came_from(tmp_path):
    export(_splits(SYNTHETIC), "convokit", tmp_path)
    conversations = json.loads((tmp_path / "conversations.json").read_text())
    assert conversations["d1#0"]["meta"] == {
        "split": "train", "dialogue_id": "d1", "seed": 1, "target_emotion": "joy", "recipe": "kites",
        "generator": "a-model",
    }  # fmt: skip
    index = json.loads((tmp_path / "index.json").read_text())["conversations-index"]
    assert index["seed"] == ["<class 'int'>"]
    assert set(index) == set(conversations["d0#0"]["meta"])


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_any_text_comes_back_from_every_form(tmp_path, turns):
    said = tuple(Utterance(speaker, text, "joy") for speaker, text in turns)
    splits = _splits([Dialogue("d", said, 0, None, "r", "g")])
    for form in FORMATS:
        export(splits, form, tmp_path / form)
    lines = (tmp_path / "jsonl" / "train.jsonl").read_text("utf-8").split("\n")
    assert Dialogue.from_json(json.loads(lines[0])) == to_dialogues(splits["train"])[0]
    assert [row["text"] for row in _cells(tmp_path / "csv" / "train.csv")] == [text for _, text in turns]
    talk = (tmp_path / "convokit" / "utterances.jsonl").read_text("utf-8").split("\n")[:-1]
    assert [json.loads(line)["text"] for line in talk] == [text for _, text in turns]


def test_a_folder_with_odd_characters_is_written_itself(tmp_path):
    for form in FORMATS:
        folder = tmp_path / "a::b [x]" / form
        export(_splits(SYNTHETIC), form, folder)
        assert any(folder.iterdir()), form


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(ErcSynthError, match="x is a file"):
        export(_splits(SYNTHETIC), "csv", tmp_path / "x" / "y")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "xml"], "Unknown export format 'xml'"),
        (["--label-map", "nope"], "Unknown label map 'nope'"),
        (["--revision", "v1"], "has no revisions"),
        (["--variant", "nope"], "has no variant 'nope'"),
        (["--verify", "some"], "verify='some' is unknown"),
        (["--data-dir", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_mistakes_are_found_before_any_work(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ErcSynthError, match=message):
        CliRunner().invoke(app, ["load", "meld", *words], catch_exceptions=False, standalone_mode=False)
    assert list(tmp_path.iterdir()) == []


def test_json_is_one_object_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    data = write_meld(tmp_path / "meld")
    words = ["load", "meld", "--data-dir", str(data), "--verify", "off", "--label-map", "core4", "--json"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    found = json.loads(done.stdout)
    assert found["splits"]["train"]["utterances"] == 3
    assert found["label_set"]["labels"] == ["anger", "joy", "neutral", "sadness"]
    assert found["unmapped"]["train"] == {"fear": 1}
    assert set(found["fingerprints"]) == {"train", "validation", "test"}
