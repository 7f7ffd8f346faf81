"""An invented fourth corpus with its own label set goes through every stage: one TOML entry, a recipe, no code."""

import json
import random
from importlib.resources import files

import pytest
from typer.testing import CliRunner

from erc_synth.cli.main import app
from fakes.contracts import check
from fakes.llm_server import LlmServer
from fakes.tiny_model import build_tiny_model

LABELS = ("calm", "gusty", "stormy")
ENTRY = """
[harbour]
reader = "emotionlines"
labels = ["calm", "gusty", "stormy"]
licence = "MIT"
citation = "invented for a test"
tables = true
[harbour.sentiment]
positive = ["calm"]
negative = ["stormy"]
neutral = ["gusty"]
[harbour.files]
train = ["train.json"]
validation = ["dev.json"]
test = ["test.json"]
[harbour.counts]
train = { dialogues = 12 }
"""
THINGS = [
    "anchor",
    "barge",
    "crane",
    "dock",
    "engine",
    "ferry",
    "gull",
    "harbour",
    "island",
    "jetty",
    "keel",
    "lantern",
    "mast",
    "net",
    "oar",
    "pier",
    "quay",
    "rope",
]


def _corpus(folder):
    folder.mkdir()
    draw = random.Random(1)
    for name, count in (("train", 12), ("dev", 4), ("test", 4)):
        talks = [
            [
                {
                    "speaker": "Ada" if turn % 2 else "Ben",
                    "utterance": f"In {name} {talk} the {' '.join(draw.sample(THINGS, 4))} moved",
                    "emotion": draw.choice(LABELS),
                }
                for turn in range(4)
            ]
            for talk in range(count)
        ]
        (folder / f"{name}.json").write_text(json.dumps(talks))


def _recipe(path, kind):
    """A recipe of one's own: a shipped one with other labels."""
    text = files("erc_synth.generation").joinpath("recipes", f"meld_{kind}.toml").read_text("utf-8")
    head, rest = text.split("[numbers]", 1)
    rest = rest[rest.index("[speakers]") :]
    numbers = "\n".join(f"{label} = {number}" for number, label in enumerate(LABELS))
    text = f"{head}[numbers]\n{numbers}\n\n{rest}"
    text = text.replace(f'name = "meld_{kind}"', f'name = "harbour_{kind}"').replace('"meld"', '"harbour"')
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which all stages ran one after the other."""
    root = tmp_path_factory.mktemp("harbour")
    _corpus(root / "harbour")
    (root / "mine.toml").write_text(ENTRY)
    build_tiny_model(root / "tiny")
    recipes = [_recipe(root / f"harbour_{kind}.toml", kind) for kind in ("natural", "balanced")]
    with LlmServer(flavour="vllm") as server:
        _erc(root, "generate", *recipes, "--engine", "openai", "--endpoint", server.url, "--dialogues", 30)
    _erc(root, "curate", "runs")
    _erc(root, "quality", "harbour_natural", "--no-encoder", "--out", "curated/harbour_natural.quality.json")
    _erc(root, "build")
    _erc(root, "grid", "--models", "baseline", "--benchmarks", "harbour", "--variants", "org nat tstr-nat",
         "--seeds", "1", "--backbone", root / "tiny", "--epochs", 1, "--max-tokens", 32,
         "--repo", "dist/erc-synth")  # fmt: skip
    _erc(root, "stats", "results", "--out", "stats.json")
    _erc(root, "report")
    return root


def _erc(root, *words):
    """A verb in this process, in the folder and with the user's file of corpora (trainings are processes anyway)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERC_BENCHMARKS", str(root / "mine.toml"))
        patch.setenv("TQDM_DISABLE", "1")
        patch.delenv("ERC_DATA", raising=False)
        patch.chdir(root)
        done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (words, done.output[-3000:], done.exception)
    return done.stdout


def _json(path):
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("journal", "runs/*/journal.jsonl"),
        ("manifest", "runs/*/manifest.json"),
        ("curated", "curated/harbour_[bn]*l.jsonl"),
        ("curation", "curated/*.curation.json"),
        ("quality", "curated/*.quality.json"),
        ("run", "outputs/*/run.json"),
        ("metrics", "outputs/*/metrics.json"),
        ("cell", "results/*.json"),
        ("stats", "stats.json"),
    ],
)
def test_every_file_between_stages_fits_its_contract(place, name, files):
    """Each was read by the next stage: the chain ran to the report."""
    found = sorted(place.glob(files))
    assert found
    for path in found:
        text = path.read_text("utf-8")
        for part in text.splitlines() if path.suffix == ".jsonl" else [text]:
            check(name, json.loads(part))


def test_it_is_loaded_with_its_own_labels_and_counts(place):
    found = json.loads(_erc(place, "load", "harbour", "--json"))
    assert found["label_set"] == {"name": "harbour", "labels": list(LABELS)}
    assert found["splits"]["train"]["dialogues"] == 12


def test_its_recipe_generates_its_labels(place):
    manifest = _json(place / "runs" / "harbour_natural" / "manifest.json")
    assert manifest["counts"]["accepted"] == 30


def test_curation_checks_its_leaks(place):
    curation = _json(place / "curated" / "harbour_natural.curation.json")
    assert curation["leaks"]["harbour/train"]["checked"]
    assert curation["label_set"] == {"name": "harbour", "labels": list(LABELS)}


def test_a_copied_dialogue_is_found(place, monkeypatch):
    from erc_synth.generation.curation.leaks import LeakIndex, benchmark_splits

    monkeypatch.setenv("ERC_BENCHMARKS", str(place / "mine.toml"))
    monkeypatch.delenv("ERC_DATA", raising=False)
    monkeypatch.chdir(place)
    splits = benchmark_splits(benchmarks=["harbour"])
    copied = splits["harbour/test"][0]
    assert {hit.source for hit in LeakIndex(splits).hits(copied)} == {"harbour/test"}


def test_quality_measures_it_against_the_real_corpus(place):
    assert set(json.dumps(_json(place / "curated/harbour_natural.quality.json")).split('"')) >= set(LABELS)


def test_the_repo_and_its_card_have_its_label_set(place):
    from datasets import load_dataset

    loaded = load_dataset(str(place / "dist/erc-synth"), "harbour_balanced", cache_dir=str(place / "cache"))
    assert loaded["train"].features["emotion"].names == list(LABELS)
    card = (place / "dist/erc-synth/README.md").read_text("utf-8")
    assert all(label in card for label in LABELS)


def test_every_cell_of_its_grid_is_scored(place):
    cells = [_json(path) for path in sorted((place / "results").rglob("*.json"))]
    done = {cell["variant"] for cell in cells if cell.get("status") == "done" and cell.get("benchmark") == "harbour"}
    assert done == {"org", "nat", "tstr-nat"}


def test_statistics_and_report_show_it(place):
    page = (place / "report/report.html").read_text("utf-8")
    assert "harbour" in page.lower()
