"""What a damaged or hostile folder may hold: a build or a check ends whole or with one sentence, never a traceback."""

import json
import os
import shutil

import pytest
import yaml

from erc_synth.cli.main import app, guarded
from fakes.curated import write_project

NAME = "meld_balanced"
VALUES = [None, True, 7, "", "\ud800", "a\n---\nb: |", [None], {"a": 1}, 10**400, float("nan")]
GONE = object()
FILES = [f"curated/{NAME}.jsonl", f"curated/{NAME}.curation.json", f"runs/{NAME}/manifest.json"]
DIALOGUE = ("dialogue_id", "split", "utterances", "seed", "target_emotion", "recipe", "generator")
UTTERANCE = ("speaker", "text", "emotion")
RAW = {
    "nothing": b"",
    "blank lines": b"\n\n \n",
    "a mark": b"\xef\xbb\xbf{}\n",
    "latin-1": '{"dialogue_id": "Zoë"}\n'.encode("latin-1"),
    "half a line": b'{"dialogue_id": "x", "utter',
    "zeros": b"\0" * 64,
    "a list": b"[1, 2]\n",
    "depth": b"[" * 100_000 + b"]" * 100_000,
    "a number": b"1e999\n",
    "twice the key": b'{"dialogue_id": "a", "dialogue_id": "b"}\n',
    "UTF-16": '{"dialogue_id": "a"}\n'.encode("utf-16"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    write_project(root, configs=(NAME,))
    assert guarded(lambda: app(["build", *_places(root)], standalone_mode=False)) == 0
    return root


@pytest.fixture
def copy(project, tmp_path):
    return shutil.copytree(project, tmp_path / "p")


def _places(root):
    named = {"--curated": "curated", "--runs": "runs", "--out": "dist"}
    return [str(word) for flag, folder in named.items() for word in (flag, root / folder)]


def _ends(words, capsys):
    """The command ends with an exit code of ours; what is wrong is one sentence."""
    code = guarded(lambda: app(words, standalone_mode=False))
    said = capsys.readouterr().err
    assert code in (0, 2, 4), said
    assert bool(code) == said.startswith("Error: "), said
    assert len([line for line in said.splitlines() if line.startswith("Error: ")]) <= 1
    return code


def _changed(content, keys, value):
    """The object with one value changed, at a path of keys and places."""
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is GONE:
        place.pop(keys[-1])
    else:
        place[keys[-1]] = value


def _build_with(copy, file, keys, value, capsys):
    path = copy / file
    lines = path.read_text("utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text("utf-8")]
    content = json.loads(lines[0])
    _changed(content, keys, value)
    path.write_text("\n".join([json.dumps(content), *lines[1:]]) + "\n", "utf-8")
    return _ends(["build", *_places(copy)], capsys)


@pytest.mark.parametrize("value", [GONE, *VALUES], ids=lambda value: "gone" if value is GONE else repr(value)[:12])
@pytest.mark.parametrize("keys", [*((k,) for k in DIALOGUE), *(("utterances", 0, k) for k in UTTERANCE)], ids=str)
def test_a_build_of_any_dialogue_ends_in_a_sentence(copy, keys, value, capsys):
    _build_with(copy, f"curated/{NAME}.jsonl", keys, value, capsys)


@pytest.mark.parametrize(
    "value", [GONE, None, 7, "x", [], {}, float("nan")], ids=lambda v: "gone" if v is GONE else repr(v)
)
@pytest.mark.parametrize(
    "file", [f"curated/{NAME}.curation.json", f"runs/{NAME}/manifest.json"], ids=["curation", "manifest"]
)
def test_a_build_of_any_record_ends_in_a_sentence(project, tmp_path, file, value, capsys):
    for key in json.loads((project / file).read_text()):
        copy = shutil.copytree(project, tmp_path / key)
        _build_with(copy, file, (key,), value, capsys)


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("file", FILES,
                         ids=["lines", "curation", "manifest"])  # fmt: skip
def test_a_build_of_any_bytes_is_refused(copy, file, name, capsys):
    (copy / file).write_bytes(RAW[name])
    assert _ends(["build", *_places(copy)], capsys) == 2


@pytest.mark.parametrize("file", FILES,
                         ids=["lines", "curation", "manifest"])  # fmt: skip
def test_a_folder_in_place_of_a_file_is_refused(copy, file, capsys):
    (copy / file).unlink()
    (copy / file).mkdir()
    assert _ends(["build", *_places(copy)], capsys) == 2


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("which", ["README.md", "test", "train"])
def test_a_check_of_any_bytes_finds_them(copy, which, name, capsys):
    found = {"README.md": "README.md", "test": f"{NAME}/test-*", "train": f"{NAME}/train-*"}
    next((copy / "dist").glob(found[which])).write_bytes(RAW[name])
    assert _ends(["publish", "--check", str(copy / "dist")], capsys) in (2, 4)


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("which", [".erc-synth-build.json", "recipes/*.toml", "figures/*.svg"])
def test_a_check_of_what_nobody_loads_ends_too(copy, which, name, capsys):
    next((copy / "dist").glob(which)).write_bytes(RAW[name])
    _ends(["publish", "--check", str(copy / "dist")], capsys)


@pytest.mark.parametrize("which", ["README.md", f"{NAME}/test-*", f"{NAME}/train-*", "recipes/*.toml", "figures/*.svg"])
def test_a_check_finds_what_is_missing_or_a_folder(copy, which, capsys):
    file = next((copy / "dist").glob(which))
    file.unlink()
    assert _ends(["publish", "--check", str(copy / "dist")], capsys) in (2, 4)
    file.mkdir()
    assert _ends(["publish", "--check", str(copy / "dist")], capsys) in (2, 4)


HEADERS = {
    "a list": "- a\n- b\n",
    "a string": "just words\n",
    "a number": "7\n",
    "nothing": "",
    "broken": "configs: [\n",
    "a tag of Python": "license: !!python/object/apply:os.system ['true']\n",
    "an alias without end": "a: &a [*a]\n",
    "many aliases": "a: &a [x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: [*c, *c, *c]\n",
    "a date for a licence": "license: 2026-01-01\n",
}  # fmt: skip


def _header(dist, change):
    """Write the card again with its YAML changed."""
    card = dist / "README.md"
    _, header, page = card.read_text("utf-8").split("---\n", 2)
    found = yaml.safe_load(header)
    change(found)
    card.write_text(f"---\n{yaml.safe_dump(found, allow_unicode=True, sort_keys=False)}---\n{page}", "utf-8")


def _refused(dist, capsys):
    assert _ends(["publish", "--check", str(dist)], capsys) in (2, 4)


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_of_any_form_is_refused(copy, name, capsys):
    card = copy / "dist" / "README.md"
    page = card.read_text("utf-8").split("---\n", 2)[2]
    card.write_text(f"---\n{HEADERS[name]}---\n{page}", "utf-8")
    _refused(copy / "dist", capsys)


@pytest.mark.parametrize("key", ["license", "configs", "dataset_info", "size_categories"])
@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [None], [{}], [[]], {"a": 1}], ids=repr)
def test_a_header_with_any_value_is_refused(copy, key, value, capsys):
    if (key, value) == ("size_categories", []):
        pytest.skip("a card may leave its size out")
    _header(copy / "dist", lambda header: header.__setitem__(key, value))
    _refused(copy / "dist", capsys)


CONFIG_NAMES = ["*", "?", "a:b", "<b>", "a>b", "a\\b", ".hidden", "", " ", "..", "../up", "a/b", "Upper", "é", "a b",
                "a.", "con", "nul", "aux", "com1", "lpt9", "-dash", "a\nb", "a'b", "{x}", "$HOME", "~"]  # fmt: skip
PATHS = ["../up.parquet", "/etc/passwd", "a/../../b.parquet", "~/x", "https://example.org/x.parquet", "none-*", "*", "",
         ".", "**", "a**b", "[", "x" * 300, "a\0b"]  # fmt: skip


@pytest.mark.parametrize("name", CONFIG_NAMES, ids=ascii)
def test_a_config_name_that_some_machine_cannot_load_is_refused(copy, name, capsys):
    def rename(header):
        for entry in [*header["configs"], header["dataset_info"][0]]:
            entry["config_name"] = name

    _header(copy / "dist", rename)
    _refused(copy / "dist", capsys)


@pytest.mark.parametrize("path", PATHS)
def test_data_files_outside_the_folder_or_of_none_are_refused(copy, path, capsys):
    _header(copy / "dist", lambda header: header["configs"][0]["data_files"][0].__setitem__("path", path))
    _refused(copy / "dist", capsys)


@pytest.mark.parametrize("licence", ["", "my-own", "MIT", "cc-by-sa-4.0 ", "other", None, 4.0, ["mit"]], ids=repr)
def test_a_licence_that_the_hub_does_not_know_is_refused(copy, licence, capsys):
    _header(copy / "dist", lambda header: header.__setitem__("license", licence))
    _refused(copy / "dist", capsys)


@pytest.mark.parametrize("count", [0, -1, 1, 10**9, None, "many", 2.5], ids=repr)
def test_a_row_count_that_is_not_so_is_refused(copy, count, capsys):
    _header(copy / "dist", lambda header: header["dataset_info"][0]["splits"][0].__setitem__("num_examples", count))
    _refused(copy / "dist", capsys)


@pytest.mark.parametrize("keys", [("configs", 0), ("dataset_info", 0)])
def test_a_config_without_a_name_is_refused(copy, keys, capsys):
    _header(copy / "dist", lambda header: header[keys[0]][keys[1]].pop("config_name"))
    _refused(copy / "dist", capsys)


def test_two_configs_of_one_name_are_refused(copy, capsys):
    _header(copy / "dist", lambda header: header["configs"].append(header["configs"][0]))
    _refused(copy / "dist", capsys)


@pytest.mark.parametrize("which", ["README.md", f"{NAME}/train-*", "recipes/*.toml"])
@pytest.mark.parametrize("to", ["outside", "nowhere", "itself"])
def test_a_link_in_place_of_a_file_is_refused(copy, which, to, capsys):
    file = next((copy / "dist").glob(which))
    content = file.read_bytes()
    file.unlink()
    (copy / "outside").write_bytes(content)
    file.symlink_to({"outside": copy / "outside", "nowhere": copy / "gone", "itself": file}[to])
    _refused(copy / "dist", capsys)


def test_a_folder_of_data_that_is_a_link_is_refused(copy, capsys):
    (copy / "dist" / NAME).rename(copy / "elsewhere")
    (copy / "dist" / NAME).symlink_to(copy / "elsewhere")
    _refused(copy / "dist", capsys)


@pytest.mark.parametrize("part", [1, 4, 100, -1])
def test_a_truncated_parquet_is_refused(copy, part, capsys):
    file = next((copy / "dist").glob(f"{NAME}/train-*"))
    file.write_bytes(file.read_bytes()[:part])
    _refused(copy / "dist", capsys)


@pytest.mark.parametrize("other", [f"{NAME}/test-*", "README.md"])
def test_a_file_with_the_content_of_another_is_refused(copy, other, capsys):
    next((copy / "dist").glob(f"{NAME}/train-*")).write_bytes(next((copy / "dist").glob(other)).read_bytes())
    _refused(copy / "dist", capsys)


@pytest.mark.parametrize("split", ["test", "train"])
def test_a_dialogue_of_two_places_is_refused_at_build(copy, split, capsys):
    path = copy / FILES[0]
    lines = path.read_text("utf-8").splitlines()
    again = json.loads(lines[0]) | {"split": split}
    path.write_text("\n".join([*lines, json.dumps(again)]) + "\n", "utf-8")
    assert _ends(["build", *_places(copy)], capsys) == 2


@pytest.mark.parametrize("place", FILES, ids=["lines", "curation", "manifest"])
def test_a_pipe_in_place_of_a_file_is_refused_at_once(copy, place, capsys):
    (copy / place).unlink()
    os.mkfifo(copy / place)
    assert _ends(["build", *_places(copy)], capsys) == 2
