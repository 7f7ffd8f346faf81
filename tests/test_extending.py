"""The examples of docs/extending.md work as they stand."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from erc_synth.generation import serving
from erc_synth.generation.prompts import build
from erc_synth.generation.recipe import recipe_from_text
from erc_synth.loaders.registry import load
from erc_synth.training.run import main as train
from fakes.llm_server import LlmServer
from fakes.served import RECIPE, accepted, generate
from fakes.tiny_model import build_tiny_model

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text("utf-8")


def _example(title):
    """The block of the page that bears this title."""
    found = re.search(rf'```\w+ title="{re.escape(title)}"\n(.*?)```', PAGE, re.DOTALL)
    assert found, title
    return found[1]


@pytest.fixture
def harbour(tmp_path, monkeypatch):
    """The page's benchmark with invented files."""
    (tmp_path / "corpora.toml").write_text(_example("corpora.toml"))
    monkeypatch.setenv("ERC_BENCHMARKS", str(tmp_path / "corpora.toml"))
    folder = tmp_path / "harbour"
    folder.mkdir()
    for name in ("train", "dev", "test"):
        talks = [
            [{"speaker": "Ada", "utterance": f"The {name} ferry {place} is late", "emotion": emotion}] * 2
            for place, emotion in (("over there", "gusty"), ("here", "calm"), ("there", "stormy"))
        ]
        (folder / f"{name}.json").write_text(json.dumps(talks))
    return tmp_path


def test_the_benchmark_loads(harbour):
    assert load("harbour", data_dir=harbour)["train"].features["emotion"].names == ["calm", "gusty", "stormy"]


def test_the_classifier_trains(harbour, monkeypatch):
    (harbour / "mine.py").write_text(_example("mine.py"))
    monkeypatch.setenv("ERC_MODELS", str(harbour / "mine.py"))
    tiny = build_tiny_model(harbour / "tiny")
    words = ["--model", "mine", "--head-dropout", "0.2", "--backbone", tiny, "--train", "harbour", "--epochs", "1"]
    assert train([*map(str, words), "--data-dir", str(harbour), "--out", str(harbour / "run")]) == 0
    run = json.loads((harbour / "run" / "metrics.json").read_text())["run"]
    assert (run["model"], run["config"]["head_dropout"]) == ("mine", 0.2)


@pytest.mark.parametrize("few_shot", [0, 1])
def test_the_recipe_asks_in_its_language(few_shot):
    recipe = recipe_from_text(_example("everyday_de.toml"), "everyday_de.toml")
    asked = build(recipe, seed=1, emotion="Freude", few_shot=few_shot).messages
    assert "1 für Freude" in str(asked)
    assert ("Der Zug" in str(asked)) == bool(few_shot)


def test_a_recipe_brings_the_words_of_a_language_that_has_none():
    text = _example("everyday_de.toml").replace('language = "de"', 'language = "is"')
    own = tomllib.loads(_example("words of a language"))["words"]
    text += _example("words of a language").replace("[words]", "\n[words]")
    asked = build(recipe_from_text(text, "is.toml"), seed=1, emotion="Freude").messages
    assert own["numbered"].format(number=1, label="Freude") in str(asked)


def test_the_engine_generates(tmp_path, monkeypatch):
    (tmp_path / "lab.py").write_text(_example("lab.py"))
    monkeypatch.setattr(serving, "__path__", [*serving.__path__, str(tmp_path)])
    with LlmServer(flavour="vllm") as server:
        assert generate(server, tmp_path / "runs", engine="lab", dialogues=2) == 0
    assert len(accepted(tmp_path / "runs")) == 2
    assert RECIPE.name in {path.name for path in (tmp_path / "runs").iterdir()}
