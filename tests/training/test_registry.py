"""A classifier is one module: a user's own goes the whole way, an incomplete one is refused with what is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import label_set
from erc_synth.training.config import parse, restored
from erc_synth.training.models import registry
from erc_synth.training.predict import load_classifier
from fakes.tiny_run import words

TOY = Path(__file__).parents[1] / "fakes" / "toy_classifier.py"
BASE = ["--train", "meld", "--out", "o"]
HEAD = """
from dataclasses import dataclass
from erc_synth.training.models.registry import Spec
from erc_synth.training.options import opt
@dataclass(frozen=True)
class Own:
    width: int = opt(3, "width")
class Mine(Spec):
    name = "mine"
    options = Own
    presets = {"fast": {}}
    def build(self, options, encoder, classes): ...
"""


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setenv("ERC_MODELS", str(TOY))


def _process(*given, cwd=None):
    command = [sys.executable, "-m", *map(str, given)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_users_classifier_is_trained_carded_and_loaded(toy, tiny, repo_folder, tmp_path):
    given = words(tiny, repo_folder, tmp_path / "r", "--model", "toy", "--weight", "0.25", "--epochs", "1")
    _process("erc_synth.training.run", *given)
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert metrics["run"]["model"] == "toy"
    assert metrics["run"]["config"]["weight"] == 0.25
    assert "toy" in (tmp_path / "r" / "model" / "README.md").read_text()
    found = load_classifier(tmp_path / "r").predict([("Ann", "so happy to see you")])
    assert found[0].emotion in metrics["evaluations"][0]["labels"]


def test_a_users_classifier_goes_through_grid_and_report(toy, tiny, tmp_path, monkeypatch, write_repo, dialogues):
    _corpus(tmp_path, dialogues)
    for kind in ("natural", "balanced"):
        write_repo(tmp_path / "repo", f"own_{kind}")
    monkeypatch.setenv("ERC_BENCHMARKS", str(tmp_path / "own.toml"))
    monkeypatch.delenv("ERC_DATA", raising=False)
    grid = ["grid", "--models", "toy baseline", "--benchmarks", "own", "--variants", "org tstr-nat", "--seeds", "1"]
    places = ["--repo-id", "repo", "--results", "cells", "--outputs", "runs"]
    _process("erc_synth.cli.main", *grid, *places, "--backbone", tiny, "--epochs", "1", cwd=tmp_path)
    cells = [json.loads(p.read_text()) for p in (tmp_path / "cells").glob("toy-*.json")]
    assert {cell["status"] for cell in cells} == {"done"}
    assert "toy" in _process("erc_synth.cli.main", "stats", "cells", cwd=tmp_path)
    _process("erc_synth.cli.main", "report", "--results", "cells", "--out", "page", cwd=tmp_path)
    assert any("toy" in page.read_text() for page in (tmp_path / "page").glob("*.html"))


def _corpus(folder, dialogues):
    """A corpus of the user with MELD's labels."""
    (folder / "own").mkdir()
    for split, name, count in (("train", "train", 12), ("validation", "dev", 4), ("test", "test", 4)):
        talks = [
            [{"speaker": u.speaker, "utterance": u.text, "emotion": u.emotion} for u in d.utterances]
            for d in dialogues(f"own-{split}", count)
        ]
        (folder / "own" / f"{name}.json").write_text(json.dumps(talks))
    labels = list(label_set("meld").labels)
    groups = "".join(f"{k} = {v}\n" for k, v in (("positive", labels[3:4]), ("negative", labels[:3] + labels[5:6]),
                                                 ("neutral", [labels[4], labels[6]])))  # fmt: skip
    files = "".join(f'{s} = ["{n}.json"]\n' for s, n in (("train", "train"), ("validation", "dev"), ("test", "test")))
    (folder / "own.toml").write_text(
        f'[own]\nreader = "emotionlines"\nlabels = {labels}\nlicence = "MIT"\ncitation = "invented"\ntables = true\n'
        f"[own.sentiment]\n{groups}[own.files]\n{files}[own.counts]\ntrain = {{ dialogues = 12 }}\n"
    )


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("x = 1", "SPEC"),
        (HEAD.replace('    name = "mine"\n', "") + "SPEC = Mine()", "name"),
        (HEAD.replace("    options = Own\n", "") + "SPEC = Mine()", "options, a frozen dataclass"),
        (HEAD.replace('opt(3, "width")', "3") + "SPEC = Mine()", "a help text of the option width"),
        (HEAD.replace('    presets = {"fast": {}}\n', "") + "SPEC = Mine()", "the preset fast"),
        (HEAD.replace("def build", "def make") + "SPEC = Mine()", "build"),
        (HEAD + "raise ValueError('oh')", "ValueError: oh"),
    ],
)
def test_an_incomplete_classifier_is_refused_with_what_is_missing(tmp_path, monkeypatch, code, missing):
    (tmp_path / f"own_{abs(hash(code))}.py").write_text(code)
    monkeypatch.setenv("ERC_MODELS", str(next(tmp_path.glob("own_*.py"))))
    with pytest.raises(ErcSynthError, match=missing):
        registry.find("mine")


def test_options_of_another_model_are_refused_with_their_owner(toy):
    with pytest.raises(ErcSynthError, match="is an option of todkat; the model is compm"):
        parse([*BASE, "--heads", "4"])
    with pytest.raises(ErcSynthError, match="is an option of toy"):
        parse([*BASE, "--weight", "1"])


def test_a_misspelt_option_gets_a_suggestion():
    with pytest.raises(ErcSynthError, match="Did you mean --batch-size"):
        parse([*BASE, "--batchsize", "4"])


def test_every_module_of_the_folder_is_a_classifier_of_its_name():
    assert {registry.find(name).name for name in registry.built_in()} == set(registry.built_in())


def test_a_configuration_of_an_earlier_version_is_read():
    stored = {**parse([*BASE, "--model", "todkat", "--heads", "4"]).to_dict(), "memory": "masked", "context": "past"}
    assert restored(stored).options.heads == 4


@pytest.mark.parametrize(
    "given",
    ["--seed -1", "--seed 4294967296", "--learning-rate -1", "--learning-rate nan", "--warmup 2", "--max-tokens 3",
     "--recipe tstr", "--model toys", "--preset slow", "--epochs x", "--accumulate 0", "--config none.yaml"],
)  # fmt: skip
def test_bad_settings_are_one_sentence_before_any_work(given):
    with pytest.raises(ErcSynthError) as caught:
        parse([*BASE, *given.split()])
    assert caught.value.exit_code == 2


def test_help_is_quick_because_it_imports_no_torch():
    code = "import sys; from erc_synth.training.run import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    command = [sys.executable, "-c", code + "print('torch' in sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("False")
    assert "optimisation:" in done.stdout
