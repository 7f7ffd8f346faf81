"""The built folder: loads with `datasets` alone, says what it is, and hostile text cannot break it."""

import contextlib
import json
import shutil

import pyarrow.parquet as pq
import pytest
import yaml
from markdown_it import MarkdownIt

from erc_synth.cli.build import build
from erc_synth.dataset_cards import build as stage
from erc_synth.dataset_cards import folder as folder_module
from erc_synth.dataset_cards import parquet
from erc_synth.dataset_cards.changes import local_files
from erc_synth.dataset_cards.folder import MARKER
from erc_synth.dataset_cards.lint import front_matter_of, problems
from erc_synth.dataset_cards.markdown import markdown_text
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


@pytest.mark.parametrize("configs", [("meld_natural", "meld_balanced"), ("meld_natural", "emorynlp_natural")])
def test_the_last_line_names_the_default_config_of_the_card(tmp_path, capsys, configs):
    folder = _built(tmp_path, configs=configs)
    [default] = [c["config_name"] for c in front_matter_of(folder / "README.md")["configs"] if c.get("default")]
    assert capsys.readouterr().out.rstrip().endswith(f'"{default}")')


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
        (lambda f: (f / "token.txt").write_text("hf_x"), "token.txt was not written by the build"),
        (lambda f: (f / "old_config").mkdir() or (f / "old_config" / "x.parquet").write_text(""), "not written by"),
        (lambda f: (f / "link").symlink_to("/etc"), "is a link"),
        (lambda f: (f / "figures" / "label_transitions.svg").unlink(), "shows the figure"),
        (lambda f: _edit(f, "n<1K", "1K<n<10K"), "size_categories"),
        (lambda f: _edit(f, "path: meld_natural/", "path: ../meld_natural/"), "leaves the folder"),
        (lambda f: _edit(f, "version: 1.0.0", "version: v1.0.0"), "the version 'v1.0.0' cannot be loaded"),
        (lambda f: _edit(f, "config_name: meld_natural", "config_name: 'Meld*'"), "cannot be loaded"),
        (lambda f: (f / "README.md").write_bytes(b"\xff" + (f / "README.md").read_bytes()), "not UTF-8"),
        (lambda f: (f / MARKER).write_text("[]"), "JSON object"),
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


class Killed(BaseException):
    """Stands for a kill: nothing of ours runs after it but `finally`."""


@pytest.mark.parametrize("step", range(1, 7))
def test_a_kill_at_any_step_of_the_swap_leaves_the_old_or_the_new(tmp_path, monkeypatch, step):
    folder = _built(tmp_path)
    old = (folder / "README.md").read_bytes()
    monkeypatch.setattr(folder_module, "_remove", _killing(folder_module._remove, step, after=4))
    rename = _killing(type(folder).rename, step, after=0, each=2)
    monkeypatch.setattr(type(folder), "rename", rename)
    options = {"curated": tmp_path / "curated", "runs": tmp_path / "runs", "out": folder}
    with contextlib.suppress(Killed):
        build(**options, version="2.0.0")
    monkeypatch.undo()
    places = [path for path in (folder, folder.with_name(".erc-synth.old")) if (path / MARKER).exists()]
    assert places
    assert any(problems(path) == [] for path in places)
    assert any((path / "README.md").read_bytes() == old or b"2.0.0" in (path / "README.md").read_bytes()
               for path in places)  # fmt: skip
    build(**options, version="3.0.0")  # the next build makes up for it
    assert b"3.0.0" in (folder / "README.md").read_bytes()
    assert [path.name for path in folder.parent.iterdir()] == ["erc-synth"]


def _killing(function, step, *, after, each=1):
    """The function, with a kill before or after its n-th call."""
    calls = 0

    def wrapped(*words):
        nonlocal calls
        if words[0].suffix == ".parquet" or words[0].name.startswith(f".{MARKER}"):
            return function(*words)
        calls += each
        if after + calls - (each - 1) == step:
            raise Killed
        done = function(*words)
        if after + calls - (each - 1) + 1 == step:
            raise Killed
        return done

    return wrapped


def test_a_folder_of_ones_own_is_never_replaced(tmp_path):
    curated, runs = write_project(tmp_path, configs=("meld_natural",))
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("years")
    with pytest.raises(ErcSynthError, match="precious was not written by erc-synth build"):
        build(curated=curated, runs=runs, out=precious)
    assert (precious / "thesis.tex").read_text() == "years"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curated", "precious", "runs"]


def test_a_file_of_ones_own_in_the_built_folder_stays(tmp_path):
    folder = _built(tmp_path)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ErcSynthError, match=r"holds notes.txt, which the build did not write"):
        build(curated=tmp_path / "curated", runs=tmp_path / "runs", out=folder)
    assert (folder / "notes.txt").read_text() == "mine"


WRONG = [
    *(("version", version) for version in ("v1.0.0", "1.0", "1.0.0-rc1", "1.0.0\n", "١.٠.٠", "")),
    *(("repo_id", name) for name in ("org", "a/b/c", "org/na me", "")),
]


@pytest.mark.parametrize(("option", "value"), WRONG)
def test_names_that_nobody_could_load_are_refused_before_any_work(tmp_path, option, value):
    curated, runs = write_project(tmp_path, configs=("meld_natural",))
    with pytest.raises(ErcSynthError, match="is no version" if option == "version" else "is not a repo id"):
        build(curated=curated, runs=runs, out=tmp_path / "dist" / "x", **{option: value})
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("name", ["meld natural", "Meld", ".meld", "a*b", "a?b", "a:b", "a<b", "-x", "é"])
def test_config_names_that_nobody_could_load_are_refused(tmp_path, name):
    curated, runs = write_project(tmp_path, configs=("meld_natural",))
    for end in (".jsonl", ".curation.json"):
        (curated / f"meld_natural{end}").rename(curated / f"{name}{end}")
    with pytest.raises(ErcSynthError, match="cannot be loaded from the Hub"):
        build(curated=curated, runs=runs, out=tmp_path / "dist" / "x")


def test_a_dialogue_twice_is_refused(tmp_path):
    curated, runs = write_project(tmp_path, configs=("meld_natural",))
    path = curated / "meld_natural.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0].replace('"train"', '"test"') + "\n")
    with pytest.raises(ErcSynthError, match="is there twice"):
        build(curated=curated, runs=runs, out=tmp_path / "dist" / "x")


def _data_bytes(file):
    known = pq.ParquetFile(file).metadata
    groups = [known.row_group(i) for i in range(known.num_row_groups)]
    return sum(group.column(j).total_compressed_size for group in groups for j in range(group.num_columns))


def test_files_end_before_a_size_and_the_repo_stays_whole(tmp_path, monkeypatch):
    from datasets import load_dataset

    monkeypatch.setattr(parquet, "ROW_GROUP", 20)
    curated, runs = write_project(tmp_path, configs=("meld_natural",), count=150)
    out = tmp_path / "dist" / "x"
    (data,) = stage.build(stage.Plan(curated, runs, out, shard_bytes=12_000))
    train, many = data.splits["train"], len(data.splits["train"].files)
    assert [f.split("/")[1] for f in train.files] == [f"train-{i:05d}-of-{many:05d}.parquet" for i in range(many)]
    assert many > 2
    sizes = [_data_bytes(out / file) for file in train.files]
    assert max(sizes) <= 12_000 < 2 * sizes[0]
    assert problems(out) == []
    assert {file for split in data.splits.values() for file in split.files} <= set(local_files(out))
    loaded = load_dataset(str(out), "meld_natural", split="train", cache_dir=str(tmp_path / "c"))
    assert len(loaded) == train.rows


@pytest.mark.parametrize("size", ["", "0", "-5MB", "many", "5 bananas", "1e3"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(ErcSynthError, match="no size of a file"):
        parquet.bytes_of(size)


def test_sizes_are_those_of_datasets():
    assert [parquet.bytes_of(size) for size in ("500MB", "2GiB", "1000")] == [500_000_000, 2 * 2**30, 1000]
