"""A trained classifier in use: unlabelled conversations in every form, the card's snippet, the command."""

import contextlib
import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_synth.cli.main import main
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import label_set
from erc_synth.training import conversations, loop, predict
from erc_synth.training.pipeline import run
from erc_synth.training.predict import load_classifier
from fakes.tiny_run import config as run_config
from fakes.tiny_run import save_classifier

pytestmark = pytest.mark.filterwarnings("ignore:.*has no train example of.*")
LABELS = label_set("meld").labels
TALK = [("Ann", "You came back!"), ("Ben", "Go away."), ("Ann", "Why would you do that?")]


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    place = tmp_path_factory.mktemp("classifier")
    save_classifier(place, tiny, ["--model", "baseline"])
    return place


@pytest.fixture(scope="module")
def classifier(folder):
    return load_classifier(folder)


def test_each_turn_has_an_emotion_and_its_probability(classifier):
    found = classifier.predict(TALK)
    assert [(p.speaker, p.text) for p in found] == TALK
    for one in found:
        assert tuple(one.probabilities) == classifier.labels == LABELS
        assert sum(one.probabilities.values()) == pytest.approx(1)
        assert one.probability == max(one.probabilities.values()) == one.probabilities[one.emotion]
    assert classifier.predict([]) == []


@pytest.mark.parametrize("model", ["compm", "emoone", "todkat"])
def test_every_model_predicts_without_labels(tiny, tmp_path, model):
    save_classifier(tmp_path, tiny, ["--model", model])
    assert len(load_classifier(tmp_path).predict(TALK)) == 3


def test_labels_are_not_looked_at_and_chunks_change_nothing(classifier, dialogues, monkeypatch):
    talks = dialogues("x", 9)
    foreign = [replace(d, utterances=tuple(replace(u, emotion="smug") for u in d.utterances)) for d in talks]
    whole = classifier.probabilities(talks)
    monkeypatch.setattr(predict, "CHUNK", 2)
    parts = classifier.probabilities(foreign)
    assert [p.shape for p in parts] == [(len(d), len(LABELS)) for d in talks]
    assert all(np.abs(a - b).max() < 1e-6 for a, b in zip(whole, parts, strict=True))


def test_it_says_what_the_run_scored(tiny, repo_folder, tmp_path, dialogues):
    import pyarrow.parquet as pq

    metrics = run(run_config(tiny, repo_folder, tmp_path / "r", "--model", "baseline", "--epochs", 1))
    rows = pq.read_table(tmp_path / "r" / metrics["evaluations"][0]["predictions"]).to_pydict()
    found = load_classifier(tmp_path / "r").probabilities(dialogues("meld_balanced-test", 4))
    assert np.concatenate(found) == pytest.approx(np.array(rows["probabilities"]), abs=1e-5)


@pytest.mark.parametrize("model", ["baseline", "emoone", "compm"])
def test_the_cards_snippets_run_as_they_stand(tiny, repo_folder, tmp_path, model):
    run(run_config(tiny, repo_folder, tmp_path / "r", "--model", model, "--epochs", 1))
    card = (tmp_path / "r" / "model" / "README.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```", card, flags=re.S)
    assert len(snippets) == (1 if model == "compm" else 2)
    said = []
    for snippet in snippets:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(snippet, {})
        said.append(out.getvalue())
    assert said[0].startswith("Ann ")
    if model != "compm":  # both read the same conversation up to its second turn
        emotion, chance = said[0].splitlines()[1].split()[1:]
        assert f"'label': '{emotion}'" in said[1]
        assert f"{float(re.search('score.: ([0-9.]+)', said[1])[1]):.2f}" == chance


def test_a_models_own_server_is_not_asked(tiny, tmp_path):
    events = tmp_path / "atomic.tsv"
    events.write_text("PersonX leaves\txIntent\tto go\n")
    words = ["--model", "todkat", "--knowledge", "http://127.0.0.1:9/v1"]
    save_classifier(tmp_path / "m", tiny, words)
    with pytest.raises(ErcSynthError, match="was trained with commonsense phrases"):
        load_classifier(tmp_path / "m")
    assert len(load_classifier(tmp_path / "m", knowledge=str(events)).predict(TALK)) == 3


def test_an_unknown_device_is_one_sentence(folder):
    with pytest.raises(ErcSynthError, match="The device 'abacus' cannot be used"):
        load_classifier(folder, device="abacus")


TEXT = "Ann: You came back!\nBen: Go away.\n\nAnn: So: what now?\n"
OBJECTS = [{"speaker": s, "text": t} for s, t in TALK]
FORMS = {
    "text": TEXT.encode(),
    "text-crlf-bom": b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode(),
    "dialogue-a-line": "\n".join(json.dumps({"dialogue_id": i, "utterances": OBJECTS[:2]}) for i in "ab").encode(),
    "list-a-line": (json.dumps(OBJECTS) + "\n" + json.dumps(TALK)).encode(),
    "utterance-a-line": "\n".join(json.dumps({"dialogue_id": i % 2, **u}) for i, u in enumerate(OBJECTS)).encode(),
    "one-json-list": json.dumps([{"utterances": OBJECTS}, {"utterances": OBJECTS}], indent=1).encode(),
    "csv": b'dialogue_id,speaker,text\n1,Ann,"Hello, you"\n2,Ben,"two\nlines"\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_conversations_come_in_every_form(form):
    found = conversations.read(None, FORMS[form])
    assert len(found) == 2
    assert all(turn.speaker in ("Ann", "Ben") and turn.text for d in found for turn in d.utterances)


@given(st.lists(st.tuples(st.sampled_from(["Ann", "Ben"]), st.text(min_size=1)), min_size=1, max_size=6))
def test_json_lines_keep_any_text(turns):
    line = json.dumps({"utterances": [{"speaker": s, "text": t} for s, t in turns]})
    (found,) = conversations.read(None, line.encode())
    assert [(u.speaker, u.text) for u in found.utterances] == turns


BAD = {
    b"": "holds no conversation",
    b"Ann: Hi\njust words\n": "line 2 is not of the form",
    b'{"speaker": "Ann"}': "line 1: an utterance needs",
    b'{"utterances": 5}': "`utterances` is no list",
    b'{"a": \n{"b": 1}\n': "line 1 is no JSON",
    b"[1, 2]": "an utterance needs",
    b"\xff\xfe": "is not UTF-8",
    b"[" * 100_000: "no JSON",
}


@pytest.mark.parametrize("content", BAD, ids=[why.replace(" ", "-") for why in BAD.values()])
def test_a_bad_file_is_one_sentence_with_its_place(content):
    with pytest.raises(ErcSynthError, match=BAD[content]):
        conversations.read(None, content)


def test_a_csv_without_its_columns_names_them():
    with pytest.raises(ErcSynthError, match="no column speaker"):
        conversations.read(None, b"text\nHello\n", "csv")


def cli(monkeypatch, capsys, *words):
    """Exit code, standard output and standard error of a command."""
    monkeypatch.setattr(sys, "argv", ["erc-synth", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, *capsys.readouterr()


def test_the_command_writes_a_table(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "talk.txt").write_text("Ann: You came back!\nBen: \x1b[2J Go away.\n")
    code, out, _ = cli(monkeypatch, capsys, "predict", folder, tmp_path / "talk.txt")
    assert code == 0
    assert re.search(r"^  \w+ +\d+%  Ann  You came back!$", out, flags=re.M)
    assert "\x1b" not in out


def test_the_command_writes_csv_with_a_column_for_each_emotion(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "talk.txt").write_text(TEXT)
    code, _, said = cli(monkeypatch, capsys, "predict", folder, tmp_path / "talk.txt", "--out", tmp_path / "out.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert code == 0
    assert [row["text"] for row in rows] == ["You came back!", "Go away.", "So: what now?"]
    assert all(sum(float(row[label]) for label in LABELS) == pytest.approx(1, abs=1e-4) for row in rows)
    assert "3 turns of 2 conversations" in said


def test_a_data_set_by_name_is_scored_against_its_gold(folder, repo_folder, monkeypatch, capsys):
    code, out, _ = cli(monkeypatch, capsys, "predict", folder, f"{repo_folder}:meld_natural", "--json")
    told = json.loads(out)
    pairs = [(u["gold"], u["emotion"]) for d in told["dialogues"] for u in d["utterances"]]
    assert code == 0
    assert told["scores"]["accuracy"] == pytest.approx(np.mean([gold == guess for gold, guess in pairs]))
    assert told["labels"] == list(LABELS)


def test_standard_input_and_json_lines(folder, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "erc_synth.cli.main", "predict", str(folder), "-", "--to", "jsonl"],
        input=TEXT.encode(), capture_output=True, check=False,
    )  # fmt: skip
    records = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [len(record["utterances"]) for record in records] == [2, 1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere", "TALK"], "is no folder and no Hub id"),
        (["MODEL", "TALK", "--to", "xml"], "Unknown form"),
        (["MODEL", "gone.txt"], "gone.txt is missing"),
        (["MODEL", "meldd"], "meldd"),
        (["MODEL", "REPO", "--split", "dev"], "has no split 'dev'"),
    ],
)
def test_mistakes_are_one_sentence_and_code_2(folder, repo_folder, tmp_path, monkeypatch, capsys, words, said):
    (tmp_path / "talk.txt").write_text(TEXT)
    places = {"MODEL": folder, "TALK": tmp_path / "talk.txt", "REPO": f"{repo_folder}:meld_natural"}
    code, _, error = cli(monkeypatch, capsys, "predict", *(places.get(word, word) for word in words))
    assert code == 2
    assert error.startswith("Error: ")
    assert said in error
    assert len(error.splitlines()) == 1


def test_no_batch_is_larger_than_the_loop_says(classifier, dialogues):
    sizes = []
    hook = classifier._model.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0].targets)))
    classifier.probabilities(dialogues("x", 200))
    hook.remove()
    assert max(sizes) <= loop.EVAL_TARGETS["cpu"] + 6  # whole dialogues
