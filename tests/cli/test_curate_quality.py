"""The verbs `curate` and `quality`, run as a user runs them."""

import json

import pytest

from erc_synth.cli.main import app, guarded
from fakes.dialogues import invented
from fakes.llm_server import LlmServer
from fakes.runs import write_run


def run(*words):
    return guarded(lambda: app([str(word) for word in words], standalone_mode=False))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with one run and no benchmark in sight."""
    folder = tmp_path / "work" / "here"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("ERC_DATA", raising=False)
    write_run(folder / "runs", "meld_natural", invented(20))
    return folder


def test_curate_says_what_it_did(place, capsys):
    assert run("curate", "runs", "--size", 12, "--splits", 0.5, 0.25, 0.25) == 0
    said = capsys.readouterr()
    assert "kept 12 of 20 dialogues" in said.out
    assert "train 6, validation 3, test 3" in said.out
    assert "surplus 8" in said.out
    assert "leaks are not checked" in said.err
    report = json.loads((place / "curated" / "meld_natural.curation.json").read_text())
    assert report["options"]["size"] == 12


def test_splits_come_from_the_recipe_when_not_given(place):
    assert run("curate", "runs/meld_natural") == 0
    report = json.loads((place / "curated" / "meld_natural.curation.json").read_text())
    assert report["options"]["splits"] == pytest.approx([0.8, 0.1, 0.1])


@pytest.mark.parametrize(
    ("words", "message"),
    [(("curate", "nowhere"), "No run was found"), (("curate", "runs", "--keep", "boring"), "Unknown reason"),
     (("quality", "nothing"), "Unknown data set"), (("quality", "score-sheet", "a.csv"), "key.json is missing")],
)  # fmt: skip
def test_bad_words_are_one_sentence(place, capsys, words, message):
    assert run(*words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_quality_of_a_curated_config(place, capsys):
    run("curate", "runs")
    assert run("quality", "meld_natural", "--no-encoder") == 0
    assert "distinct-2" in capsys.readouterr().out
    content = json.loads((place / "curated" / "meld_natural.quality.json").read_text())
    assert content["schema_version"] == 1
    assert content["reference"] is None
    assert "sentence encoder" in content["notes"][0]


def test_a_language_model_judges_labels(place, capsys):
    """All that it says is joy: it agrees by chance, and the table names it."""
    run("curate", "runs")
    said = "\n".join(f"{number}: joy" for number in range(1, 7))
    with LlmServer(flavour="vllm", text=said, model="judge-7b") as server:
        asked = ("--judge", "openai", "--judge-endpoint", server.url, "--judge-model", "judge-7b")
        assert run("quality", "meld_natural", "--no-encoder", *asked) == 0
    (judged,) = json.loads((place / "curated" / "meld_natural.quality.json").read_text())["annotators"]
    assert judged["annotator"] == "LLM judge judge-7b"
    assert abs(judged["kappa"]["value"]) < 1e-9
    assert "LLM judge judge-7b" in capsys.readouterr().out


def test_sheet_and_score_are_sub_verbs(place, capsys):
    run("curate", "runs")
    assert run("quality", "sheet", "meld_natural", "--lines", 5) == 0
    key = json.loads((place / "sheet.key.json").read_text())
    answers = "".join(f"{item},{entry['emotion']}\n" for item, entry in key["items"].items())
    (place / "answers.csv").write_text("item,emotion\n" + answers)
    assert run("quality", "score-sheet", "answers.csv", "--out", "score.json") == 0
    assert "5 answers, agreement 100%" in capsys.readouterr().out
    assert json.loads((place / "score.json").read_text())["readers"][0]["agreement"] == 1.0


def test_figures_of_one_split_do_not_replace_those_of_the_set(place):
    run("curate", "runs")
    run("quality", "meld_natural", "--no-encoder")
    whole = (place / "curated" / "meld_natural.quality.json").read_text()
    assert run("quality", "meld_natural", "--split", "test", "--no-encoder") == 0
    assert (place / "curated" / "meld_natural.quality.json").read_text() == whole
    assert (place / "curated" / "meld_natural.test.quality.json").is_file()


def test_out_in_a_new_folder_is_written_and_an_impossible_one_refused_first(place, capsys):
    run("curate", "runs")
    assert run("quality", "meld_natural", "--no-encoder", "--out", "new/dir/q.json") == 0
    assert (place / "new" / "dir" / "q.json").is_file()
    capsys.readouterr()
    assert run("quality", "meld_natural", "--no-encoder", "--out", "curated/meld_natural.jsonl/q.json") == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said
    assert "measuring" not in said


def test_names_mean_the_same_as_in_every_verb(place, capsys):
    run("curate", "runs")
    for name in ("meld_natural", "./curated:meld_natural", "curated/meld_natural.jsonl"):
        capsys.readouterr()
        assert run("quality", name, "--no-encoder", "--json") == 0
        assert json.loads(capsys.readouterr().out)["dataset"] == "meld_natural"
    (place / "curated" / "iemocap.jsonl").write_text((place / "curated" / "meld_natural.jsonl").read_text())
    assert run("quality", "iemocap", "--no-encoder") == 2  # the benchmark, which is not here


def test_a_sheet_with_capital_labels_is_scored(place):
    lines = (place / "mine.jsonl").open("w")
    turns = [{"speaker": "A", "text": f"Kite {n}.", "emotion": e} for n, e in enumerate(("Joy", "Non Neutral"))]
    lines.write(json.dumps({"dialogue_id": "d", "split": "train", "utterances": turns}) + "\n")
    lines.close()
    assert run("quality", "sheet", "mine.jsonl") == 0
    key = json.loads((place / "sheet.key.json").read_text())
    (place / "a.csv").write_text("item,emotion\n" + "".join(f"{i},{e['emotion']}\n" for i, e in key["items"].items()))
    assert run("quality", "score-sheet", "a.csv") == 0
