"""Repos on the Hub and in folders: the revision and the folder that were asked for, or one sentence."""

import json
import os
import subprocess
import sys

import pytest

from erc_synth.loaders import registry
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, Utterance, label_set, to_dialogues, to_utterances
from fakes.hub import HubServer, Repo

MELD = label_set("meld")
SPLITS = ("train", "validation", "test")


def _card(*configs):
    lines = ["---", "configs:"]
    for config in configs:
        lines += [f"- config_name: {config}", "  data_files:"]
        lines += [f"  - split: {split}\n    path: {config}/{split}-*.parquet" for split in SPLITS]
        lines += ["  default: true"] * (config == configs[0])
    return "\n".join([*lines, "---", ""])


def write_repo(folder, *configs, word="mine"):
    for config in configs or ("talk",):
        (folder / config).mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            dialogues = [
                Dialogue(f"{split}-{n}", (Utterance("Ann", f"{word} {n}", "joy"), Utterance("Ben", "No", "anger")))
                for n in range(2)
            ]
            with (folder / config / f"{split}-00000-of-00001.parquet").open("wb") as file:
                to_utterances(dialogues, MELD).to_parquet(file)
    (folder / "README.md").write_text(_card(*(configs or ("talk",))))
    return folder


def _words(rows):
    return {turn.text.split()[0] for dialogue in to_dialogues(rows) for turn in dialogue.utterances} - {"No"}


ODD_PATHS = [
    ("run [ab]", "run a"), ("m[ax]x", "maxx"), ("[!x]", "y"), ("star*dir", "starXdir"), ("what?", "whatX"),
    ("{one,two}", "one"), ("a::b", "a"), ("[2026-11-20] exp", "2 exp"), ("100% %20", "100%  "), ("x#y", "x"),
    ("~", "z"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "other"), ODD_PATHS)
def test_a_path_is_a_path_and_no_pattern(tmp_path, name, other):
    folder = write_repo(tmp_path / name / "repo")
    write_repo(tmp_path / other / "repo", word="other")
    loaded = registry.load(f"{folder}:talk", cache_dir=str(tmp_path / "cache"))
    assert {split: _words(rows) for split, rows in loaded.items()} == {split: {"mine"} for split in SPLITS}


def test_an_odd_path_never_gives_stale_rows(tmp_path):
    folder = write_repo(tmp_path / "[x]")
    assert _words(registry.load(str(folder), "talk", cache_dir=str(tmp_path / "cache"))["test"]) == {"mine"}
    write_repo(tmp_path / "[x]", word="newer")
    assert _words(registry.load(str(folder), "talk", cache_dir=str(tmp_path / "cache"))["test"]) == {"newer"}


def test_a_pattern_inside_the_folder_is_refused(tmp_path):
    folder = write_repo(tmp_path / "[x]")
    (folder / "extra [1].parquet").write_bytes(b"")
    with pytest.raises(ErcSynthError, match=r"The path extra \[1\].parquet has characters of a search pattern"):
        registry.load(str(folder), "talk", cache_dir=str(tmp_path / "cache"))


def test_one_of_several_configs_must_be_named(tmp_path):
    folder = write_repo(tmp_path / "repo", "calm", "windy")
    with pytest.raises(ErcSynthError, match=r"has 2 configs: calm, windy. Name one: .*:calm"):
        registry.load(str(folder))
    assert len(registry.load(str(folder), "windy")["train"]) == 4


def test_the_only_config_needs_no_name(tmp_path):
    assert len(registry.load(str(write_repo(tmp_path / "repo")))["train"]) == 4


@pytest.mark.parametrize("name", ["meld", "folder"])
def test_a_revision_is_for_the_hub_alone(tmp_path, name):
    where = name if name == "meld" else str(write_repo(tmp_path / "repo"))
    with pytest.raises(ErcSynthError, match="has no revisions"):
        registry.load(where, revision="v1")


def test_an_unknown_keyword_is_refused():
    with pytest.raises(TypeError, match="cashe_dir"):
        registry.load("meld", cashe_dir="x")


def test_rows_out_of_order_are_refused(tmp_path):
    folder = write_repo(tmp_path / "repo")
    path = folder / "talk" / "train-00000-of-00001.parquet"
    from datasets import Dataset

    Dataset.from_parquet(str(path)).select([0, 2, 1, 3]).to_parquet(path)
    with pytest.raises(ErcSynthError, match="rows of dialogue 'train-0' are not contiguous and in order"):
        registry.load(str(folder), "talk")


LOAD = """
import sys
from erc_synth.loaders import registry
from erc_synth.loaders.errors import ErcSynthError
for revision in sys.argv[1:]:
    try:
        print(registry.load("org/set", "talk", revision=revision or None)["train"][0]["text"])
    except ErcSynthError as error:
        print(f"Error: {error}")
"""


@pytest.fixture
def hub(tmp_path):
    """A Hub with two tagged revisions of one set; gives a function that loads some, online or offline."""
    with HubServer() as server:
        repo = server.repos["org/set"] = Repo(private=False)
        for tag, word in (("v1", "old"), ("v2", "new")):
            folder = write_repo(tmp_path / tag, word=word)
            files = {str(p.relative_to(folder)): (p.read_bytes(), False) for p in folder.rglob("*") if p.is_file()}
            repo.tags[tag] = repo.commit(files, tag)

        def load(*revisions, **offline):
            environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
            environment |= {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "*", **offline}
            command = [sys.executable, "-c", LOAD, *revisions]
            return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.split(
                "\n"
            )

        yield load, repo


def test_a_revision_gives_its_own_rows_or_an_error(hub):
    load, repo = hub
    online = load("v1", "v2", "v77")
    assert online[:2] == ["old 0", "new 0"]
    assert online[2].startswith("Error: org/set could not be loaded: ")
    offline = load("v1", repo.tags["v1"], "v2", "", "v77", "0" * 40, HF_HUB_OFFLINE="1")
    assert offline[:3] == ["old 0", "old 0", "new 0"]
    assert offline[3] in ("old 0", "new 0")  # none was asked for
    for wrong, said in zip(("v77", "0" * 40), offline[4:], strict=False):
        assert said.startswith(f"Error: The revision {wrong} of org/set is not on this machine")


# --- damaged folders ---------------------------------------------------------------------------------


def _table(folder, change):
    """The train file of a folder, changed."""
    import pyarrow.parquet as pq

    path = folder / "talk" / "train-00000-of-00001.parquet"
    pq.write_table(change(pq.read_table(path)), path)


def _column(name, values):
    def change(table):
        import pyarrow as pa

        at = table.column_names.index(name)
        return table.set_column(at, pa.field(name, pa.array(values).type), pa.array(values))

    return lambda folder: _table(folder, change)


def _readme(old, new):
    def change(folder):
        path = folder / "README.md"
        path.write_text(path.read_text().replace(old, new))

    return change


def _file(content):
    def change(folder):
        (folder / "talk" / "train-00000-of-00001.parquet").write_bytes(content)

    return change


def _as_folder(folder):
    path = folder / "talk" / "train-00000-of-00001.parquet"
    path.unlink()
    path.mkdir()


HOSTILE = {
    "LFS pointer": _file(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"),
    "empty file": _file(b""),
    "text for Parquet": _file(b"dialogue_id,utterance_id\n"),
    "only the magic": _file(b"PAR1"),
    "magic twice": _file(b"PAR1" + b"\0" * 50 + b"PAR1"),
    "folder for a file": _as_folder,
    "file gone": lambda folder: (folder / "talk" / "train-00000-of-00001.parquet").unlink(),
    "all files gone": lambda folder: [path.unlink() for path in folder.rglob("*.parquet")],
    "broken YAML": _readme("configs:", "configs: ["),
    "tab in YAML": _readme("- config_name", "\t- config_name"),
    "missing config_name": _readme("config_name", "name"),
    "null config_name": _readme("config_name: talk", "config_name: null"),
    "number as config_name": _readme("config_name: talk", "config_name: 5"),
    "configs a text": _readme("configs:\n", "configs: talk\nothers:\n"),
    "configs a number": _readme("configs:\n", "configs: 7\nothers:\n"),
    "no split": _readme("split: train", "part: train"),
    "path a list of numbers": _readme("path: talk/train-*.parquet", "path: [1, 2]"),
    "path outside": _readme("talk/train-*", "../train-*"),
    "path to an address": _readme("talk/train-*.parquet", "http://127.0.0.1:9/x.parquet"),
    "YAML alias bomb": _readme("---\nconfigs", "---\na: &a [x]\nb: &b [*a, *a]\nc: *d\nconfigs"),
    "latin-1 card": lambda folder: (folder / "README.md").write_bytes(b"---\nconfigs: \xe9\n---\n"),
    "features that are none": _readme(
        "configs:", "dataset_info:\n- config_name: talk\n  features:\n  - name: text\n    dtype: nothing\nconfigs:"
    ),
    "text a number": _column("text", [1, 2, 3, 4]),
    "text null": _column("text", ["a", None, "b", "c"]),
    "speaker null": _column("speaker", [None, "a", "b", "c"]),
    "id null": _column("dialogue_id", [None, None, "b", "b"]),
    "all ids null": _column("dialogue_id", [None] * 4),
    "id a number": _column("dialogue_id", [1, 1, 2, 2]),
    "utterance ids from 1": _column("utterance_id", [1, 2, 1, 2]),
    "utterance ids null": _column("utterance_id", [0, None, 0, 1]),
    "utterance ids as text": _column("utterance_id", ["0", "1", "0", "1"]),
    "emotion beyond the set": _column("emotion", [0, 9, 0, 1]),
    "emotion below": _column("emotion", [0, -2, 0, 1]),
    "emotion as text": _column("emotion", ["joy", "glee", "joy", "joy"]),
    "emotion a fraction": _column("emotion", [0.5, 1.5, 0.0, 1.0]),
    "one dialogue twice": _column("dialogue_id", ["a", "a", "a", "a"]),
    "rows mixed": _column("dialogue_id", ["a", "b", "a", "b"]),
    "a column gone": lambda folder: _table(folder, lambda table: table.drop_columns(["speaker"])),
    "emotion gone": lambda folder: _table(folder, lambda table: table.drop_columns(["emotion"])),
    "byte order mark": lambda folder: (folder / "README.md").write_bytes(
        b"\xef\xbb\xbf" + (folder / "README.md").read_bytes()
    ),
}
INNOCENT = {
    "untouched": lambda folder: None,
    "no data_files": _readme("data_files", "files"),
    "dataset_info a text": _readme("configs:", "dataset_info: none\nconfigs:"),
    "one more column": lambda folder: _table(folder, lambda table: table.append_column("n", table["utterance_id"])),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_damaged_folder_is_one_sentence(tmp_path, kind):
    folder = write_repo(tmp_path / "repo")
    HOSTILE[kind](folder)
    with pytest.raises(ErcSynthError) as caught:
        registry.load(str(folder), "talk", cache_dir=str(tmp_path / "cache"))
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", INNOCENT)
def test_a_sound_folder_is_loaded(tmp_path, kind):
    folder = write_repo(tmp_path / "repo")
    INNOCENT[kind](folder)
    assert len(registry.load(str(folder), "talk", cache_dir=str(tmp_path / "cache"))["train"]) == 4


@pytest.mark.parametrize("cut", range(10, 100, 15))
def test_a_truncated_parquet_file_is_named(tmp_path, cut):
    folder = write_repo(tmp_path / "repo")
    path = folder / "talk" / "train-00000-of-00001.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * cut // 100])
    with pytest.raises(ErcSynthError, match=r"train-00000-of-00001.parquet is no whole Parquet file"):
        registry.load(str(folder), "talk", cache_dir=str(tmp_path / "cache"))


def test_streaming_a_folder_gives_the_same_rows(tmp_path):
    folder = write_repo(tmp_path / "[repo]")
    stream = registry.load(str(folder), "talk", streaming=True, cache_dir=str(tmp_path / "cache"))
    whole = registry.load(str(folder), "talk", cache_dir=str(tmp_path / "cache"))
    assert json.dumps(list(stream["train"])) == json.dumps(list(whole["train"]))


def test_a_folder_of_curated_files_is_named_as_such(tmp_path):
    (tmp_path / "meld_natural.jsonl").write_text("")
    (tmp_path / "meld_natural.curation.json").write_text("{}")
    with pytest.raises(ErcSynthError, match="holds curated files and is no repo"):
        registry.load(str(tmp_path))
