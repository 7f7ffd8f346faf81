"""Mistakes at the command line: one sentence, exit code 2, no traceback, no file, whatever the verb."""

import json
import sys

import pytest

from erc_synth.cli.main import main
from fakes.dialogues import invented

MISTAKES = {
    "generate meld_naturl": "Unknown recipe 'meld_naturl'",
    "generate meld_natural --engine vlm": "Unknown engine 'vlm'",
    "generate meld_natural --engine tgi": "Give --endpoint",
    "generate meld_natural --seed -1": "--seed",
    "generate meld_natural --turns 5 2": "--turns 5 2 is no range",
    "generate meld_natural --temperature 0": "temperature",
    "generate meld_natural --few-shot 99": "meld_natural has 10 examples to show",
    "generate meld_natural --resume maybe": "Use auto, always, never",
    "parse nowhere/journal.jsonl": "nowhere",
    "replay nowhere/journal.jsonl": "nowhere",
    "curate nowhere": "No run was found at nowhere",
    "curate curated --seed -1": "--seed",
    "quality meldd": "Unknown data set 'meldd'",
    "quality meld_natural --split tset": "no split 'tset'",
    "quality meld_natural --judge-model gpt": "options need --judge",
    "quality meld_natural --paraphrases --no-encoder": "--paraphrases needs the sentence encoder",
    "quality meld_natural --judge gpt": "Unknown engine 'gpt'",
    "quality meld_natural --judge openai": "This engine needs an address",
    "quality sheet meld_natural --lines 0": "--lines",
    "quality sheet meld_natural --seed -1": "--seed",
    "build --version 1": "'1' is no version",
    "build --repo-id mine": "'mine' is not a repo id",
    "build": "meld_natural.curation.json is missing",
    "publish": "No repo id was given",
    "publish --check nowhere": "nowhere is not a folder",
    "publish --repo-id org/x --folder nowhere": "nowhere is not a folder",
    "load meldd": "Unknown data set 'meldd'",
    "load meld_natural --to xml": "Unknown export format 'xml'",
    "load curated:x --label-map moods": "Unknown label map 'moods'",
    "browse nowhere": "Unknown data set 'nowhere'",
    "browse --out curated": "curated is a folder",
    "browse --space curated": "holds something else",
    "browse --predictions said.jsonl": "said.jsonl is missing",
    "show nobody": "No dialogue has the id 'nobody'",
    "predict ./nowhere curated/meld_natural.jsonl": "./nowhere is no folder and no Hub id",
    "predict ./nowhere --to xml": "Unknown form --to 'xml'",
    "grid --seeds one": "seeds are whole numbers",
    "grid --overwite": "--overwrite",
    "grid --launcher cron": "Unknown launcher 'cron'",
    "stats scores.csv": "scores.csv does not exist",
    "stats --paper --rope -1": "equivalence is 0 or more",
    "stats --paper --control Foo": "No model is called 'Foo'",
    "report --curated nowhere": "nothing to report",
    "train --train meld --bacbone minilm --out out": "Did you mean --backbone?",
    "train --train meldd --eval meldd --out out": "Unknown data set 'meldd'",
    "train --model comppm --train meld --out out": "Unknown model 'comppm'",
    "train --train meld --learning-rate -1 --out out": "--learning-rate is -1.0",
    "train --train meld --warmup 2 --out out": "--warmup is 2.0",
    "demo --model foo": "Unknown model 'foo'",
    "doctr": "Did you mean 'doctor'?",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with one curated config."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ERC_DATA", "")
    (tmp_path / "curated").mkdir()
    lines = [json.dumps({**talk.to_json(), "split": "train"}) for talk in invented(3)]
    (tmp_path / "curated" / "meld_natural.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_sentence_and_leaves_no_file(words, place, monkeypatch, capsys):
    before = sorted(place.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["erc-synth", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    error = capsys.readouterr().err
    assert ended.value.code == 2, error
    assert MISTAKES[words] in error
    assert "Traceback" not in error
    assert error.splitlines()[-1].startswith("Error: ")
    assert sorted(place.rglob("*")) == before
