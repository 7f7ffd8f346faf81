"""The built folder: loads with `datasets` alone, says what it is, and hostile text cannot break it."""

import json
import shutil

import pytest
import yaml
from markdown_it import MarkdownIt

from erc_synth.cli.build import build
from erc_synth.dataset_cards.card import markdown_text
from erc_synth.dataset_cards.lint import front_matter_of, problems
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import label_set, to_dialogues
from fakes.curated import CONFIGS, dialogues_of, write_project

HOSTILE = "</pre><script>alert({i})</script> ```\n--- # [x](y) | *b* {{{{ z }}}} $e$"


@pytest.fixture(autouse=True)
def _no_benchmarks(monkeypatch, tmp_path):
    monkeypatch.delenv("ERC_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def _built(tmp_path, **options):
    curated, runs = write_project(tmp_path, **options)
    build(curated=curated, runs=runs, out=tmp_path / "dist" / "erc-synth")
    return tmp_path / "dist" / "erc-synth"


@pytest.mark.parametrize("config", CONFIGS)
def test_every_config_loads_with_datasets_alone_and_equals_the_curated_file(tmp_path, config):
    from datasets import load_dataset

    folder = _built(tmp_path)
    loaded = load_dataset(str(folder), config, cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 32, "validation": 4, "test": 4}
    assert [d for rows in loaded.values() for d in to_dialogues(rows)] == dialogues_of(config)


def test_label_order_in_yaml_parquet_and_code_agree(tmp_path):
    import pyarrow.parquet as pq
    from datasets import Features

    folder = _built(tmp_path)
    for info in front_matter_of(folder / "README.md")["dataset_info"]:
        names = label_set(info["config_name"].split("_")[0]).labels
        assert tuple(Features._from_yaml_list(info["features"])["emotion"].names) == names
        file = next((folder / info["config_name"]).glob("train-*.parquet"))
        assert tuple(Features.from_arrow_schema(pq.read_schema(file))["emotion"].names) == names


def test_the_same_input_gives_the_same_bytes(tmp_path):
    first = {p.relative_to(f): p.read_bytes() for f in [_built(tmp_path)] for p in f.rglob("*") if p.is_file()}
    second = {p.relative_to(f): p.read_bytes() for f in [_built(tmp_path)] for p in f.rglob("*") if p.is_file()}
    assert first == second


def test_card_names_prompts_counts_licence_and_no_placeholder(tmp_path):
    text = (_built(tmp_path) / "README.md").read_text()
    for piece in ("One.", "that holds {emotion}", "83%", "no\\_turns 2", "Llama 2 Community License", "Terms apply.",
                  "revision=\"v1.0.0\"", "leak 1", "iemocap", "not for generative or affective use"):  # fmt: skip
        assert piece in text, piece
    assert "More Information Needed" not in text


def test_licence_follows_the_generator(tmp_path):
    folder = _built(tmp_path, licence={"id": "apache-2.0", "name": "Apache", "link": "", "note": ""})
    assert front_matter_of(folder / "README.md")["license"] == "apache-2.0"


def test_hostile_text_breaks_neither_markdown_html_nor_yaml(tmp_path):
    folder = _built(tmp_path, text=HOSTILE)
    text = (folder / "README.md").read_text()
    header, page = text.split("---\n", 2)[1:]
    assert len(yaml.safe_load(header)["configs"]) == 6
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(page)
    assert "<script>" not in html
    assert "<h2>Citation</h2>" in html  # the page is whole to its end
    assert problems(folder) == []


def test_markdown_text_is_literal():
    html = MarkdownIt("commonmark", {"html": True}).render(markdown_text("<b>*x*</b> [a](b) `c` | _d_"))
    assert html == "<p>&lt;b&gt;*x*&lt;/b&gt; [a](b) `c` | _d_</p>\n"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "erc-synth.py").write_text(""), "loading script"),
        (lambda f: (f / "x.jsonl").write_text(""), "one data format"),
        (lambda f: shutil.rmtree(f / "meld_natural"), "matches no file"),
        (lambda f: _edit(f, "num_examples: 32", "num_examples: 31"), "has 32 rows"),
        (lambda f: _edit(f, "'0': anger", "'0': angst"), "features differ"),
        (lambda f: _edit(f, "license: llama2", "license: mine"), "not one the Hub knows"),
        (lambda f: _edit(f, "  default: true\n", ""), "Exactly one config"),
        (lambda f: _edit(f, "# erc-synth", "# [More Information Needed]"), "placeholder"),
    ],
)
def test_lint_finds_what_the_hub_would_take_silently(tmp_path, harm, message):
    folder = _built(tmp_path)
    assert problems(folder) == []
    harm(folder)
    assert any(message in problem for problem in problems(folder))


def _edit(folder, old, new):
    card = folder / "README.md"
    assert old in card.read_text()
    card.write_text(card.read_text().replace(old, new, 1))


def test_a_failed_build_leaves_the_old_folder(tmp_path):
    folder = _built(tmp_path)
    before = (folder / "README.md").read_bytes()
    curated = tmp_path / "curated" / "meld_natural.jsonl"
    lines = curated.read_text().splitlines()
    record = json.loads(lines[-1])
    record["utterances"][0]["emotion"] = "glee"
    curated.write_text("\n".join([*lines[:-1], json.dumps(record)]) + "\n")
    with pytest.raises(ErcSynthError, match="glee"):
        build(curated=tmp_path / "curated", runs=tmp_path / "runs", out=folder)
    assert (folder / "README.md").read_bytes() == before
    assert list((tmp_path / "dist").iterdir()) == [folder]


def test_a_dialogue_twice_is_refused(tmp_path):
    curated, runs = write_project(tmp_path, configs=("meld_natural",))
    path = curated / "meld_natural.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0].replace('"train"', '"test"') + "\n")
    with pytest.raises(ErcSynthError, match="is there twice"):
        build(curated=curated, runs=runs, out=tmp_path / "dist" / "x")


def test_large_splits_are_sharded(tmp_path):
    from datasets import load_dataset

    from erc_synth.dataset_cards import parquet as synthetic

    curated, _ = write_project(tmp_path, configs=("meld_natural",), count=60)
    old, synthetic.ROW_GROUP = synthetic.ROW_GROUP, 50
    try:
        data = synthetic.write_config(
            curated / "meld_natural.jsonl", label_set("meld"), tmp_path / "out", shard_rows=100
        )
    finally:
        synthetic.ROW_GROUP = old
    files = data.splits["train"].files
    assert [f.split("/")[1] for f in files] == [f"train-{i:05d}-of-00003.parquet" for i in range(3)]
    loaded = load_dataset("parquet", data_files=[str(tmp_path / "out" / f) for f in files], split="train",
                          cache_dir=str(tmp_path / "c"))  # fmt: skip
    assert len(loaded) == data.splits["train"].rows == 232
