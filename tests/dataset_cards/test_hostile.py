"""What a damaged or hostile folder may hold: a build or a check ends whole or with one sentence, never a traceback."""

import json
import shutil

import pytest

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
