"""Damaged or foreign benchmark files, of every format: one sentence that names the file, never another error."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erc_synth.loaders import registry
from erc_synth.loaders.benchmarks.readers import READERS
from erc_synth.loaders.benchmarks.specs import local_files, specs
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import label_set
from fakes.benchmarks import write_dailydialog, write_emorynlp, write_emotionlines, write_iemocap, write_meld

FILES = {  # corpus: (writer, a file of its train split)
    "meld": (write_meld, "train_sent_emo.csv"),
    "emorynlp": (write_emorynlp, "emotion-detection-trn.json"),
    "emorynlp:small": (write_emorynlp, "emorynlp_train_final.csv"),
    "iemocap": (write_iemocap, "Session1/dialog/transcriptions/Ses01M_impro02.txt"),
    "iemocap (evaluation)": (write_iemocap, "Session1/dialog/EmoEvaluation/Ses01M_impro02.txt"),
    "dailydialog": (write_dailydialog, "train/dialogues_train.txt"),
    "dailydialog (emotions)": (write_dailydialog, "train/dialogues_emotion_train.txt"),
    "emotionlines": (write_emotionlines, "friends_train.json"),
}
BYTES = {
    "empty": lambda content: b"",
    "blanks": lambda content: b"  \n\n",
    "NUL": lambda content: b"\0" * 50,
    "bytes of a picture": lambda content: b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "latin-1": lambda content: content.replace(b"a", b"\xe9"),
    "utf-16": lambda content: content.decode().encode("utf-16"),
    "utf-32": lambda content: content.decode().encode("utf-32"),
    "LFS pointer": lambda content: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "HTML page": lambda content: b"<!DOCTYPE html><html><body>404</body></html>\n",
    "deep list": lambda content: b"[" * 100_000,
    "deep object": lambda content: b'{"a":' * 100_000,
    "long number": lambda content: b"9" * 10_000,
    "half": lambda content: content[: len(content) // 2],
    "all but the end": lambda content: content[:-10],
    "one quote more": lambda content: content.replace(b"\n", b'\n"', 1),
    "a quote and a long field": lambda content: content.replace(b"\n", b'\n"', 1) + b"x" * 140_000,
}
HARMLESS = {
    "byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "blank lines at the end": lambda content: content + b"\n\n",
}
JSON_CHANGES = {  # on the JSON of one turn
    "null": lambda turn, key: {**turn, key: None},
    "number": lambda turn, key: {**turn, key: 7},
    "list": lambda turn, key: {**turn, key: [1]},
    "object": lambda turn, key: {**turn, key: {"a": 1}},
    "true": lambda turn, key: {**turn, key: True},
    "surrogate": lambda turn, key: {**turn, key: "\ud83d"},
    "missing": lambda turn, key: {name: value for name, value in turn.items() if name != key},
    "no turn": lambda turn, key: None,
    "text for a turn": lambda turn, key: "Hi",
    "list for a turn": lambda turn, key: [key],
}


def _read(name, folder):
    """All dialogues of the train split."""
    corpus, _, variant = name.split(" ")[0].partition(":")
    spec = specs()[corpus].variant(variant or None)
    return list(READERS[spec.reader](local_files(spec, folder)["train"], "train", label_set(spec.label_set), {}))


def _one_sentence(name, folder):
    """Read it; what is refused is refused with the folder's path, in one line. True when it was read."""
    said = ""
    try:
        _read(name, folder)
    except ErcSynthError as error:
        said = str(error)
    assert not said or str(folder) in said
    assert "\n" not in said
    return not said


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize("name", FILES)
def test_damaged_bytes(tmp_path, name, kind):
    write, file = FILES[name]
    path = write(tmp_path / "x") / file
    path.write_bytes(BYTES[kind](path.read_bytes()))
    read = _one_sentence(name, tmp_path / "x")
    if kind in ("utf-32", "deep list") and not name.startswith("iemocap"):
        assert not read


@pytest.mark.parametrize("kind", HARMLESS)
@pytest.mark.parametrize("name", FILES)
def test_harmless_bytes_change_nothing(tmp_path, name, kind):
    write, file = FILES[name]
    before = _read(name, write(tmp_path / "x"))
    path = tmp_path / "x" / file
    path.write_bytes(HARMLESS[kind](path.read_bytes()))
    assert _read(name, tmp_path / "x") == before


@pytest.mark.parametrize("name", FILES)
def test_a_folder_for_a_file(tmp_path, name):
    write, file = FILES[name]
    path = write(tmp_path / "x") / file
    path.unlink()
    path.mkdir()
    assert not _one_sentence(name, tmp_path / "x")


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(")")])
def test_a_second_file_that_is_missing_is_named(tmp_path, name):
    write, file = FILES[name]
    (write(tmp_path / "x") / file).unlink()
    with pytest.raises(ErcSynthError, match=f"{Path(file).name}: the file is missing"):
        _read(name, tmp_path / "x")


def _edited(path, change, key):
    """The first turn of a JSON corpus changed."""
    content = json.loads(path.read_text())
    turns = content["episodes"][0]["scenes"][0]["utterances"] if isinstance(content, dict) else content[0]
    turns[0] = change(turns[0], key)
    path.write_text(json.dumps(content))


TURN_KEYS = [("emotionlines", key) for key in ("speaker", "utterance", "emotion")]
TURN_KEYS += [("emorynlp", key) for key in ("speakers", "transcript", "emotion", "utterance_id")]


@pytest.mark.parametrize("kind", JSON_CHANGES)
@pytest.mark.parametrize(("name", "key"), TURN_KEYS)
def test_a_wrong_value_in_a_turn(tmp_path, name, key, kind):
    write, file = FILES[name]
    _edited(write(tmp_path / "x") / file, JSON_CHANGES[kind], key)
    if (key, kind) == ("utterance_id", "surrogate"):
        assert _one_sentence(name, tmp_path / "x")  # ids of turns are not kept
    else:
        assert not _one_sentence(name, tmp_path / "x")


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", "null", "7", '"x"', '{"episodes": null}', '{"episodes": 7}', '{"episodes": [null]}',
     '{"episodes": [{}]}', '{"episodes": [{"scenes": 3}]}', '{"episodes": [{"scenes": [{}]}]}',
     '{"episodes": [{"scenes": [{"scene_id": null, "utterances": []}]}]}',
     '{"episodes": [{"scenes": [{"scene_id": "s", "utterances": null}]}]}', "[[]]", "[null]", "[{}]", "[7]", '["x"]',
     "[[[]]]", "[[null]]", "NaN", '{"episodes": "abc"}'],
)  # fmt: skip
@pytest.mark.parametrize("name", ["emorynlp", "emotionlines"])
def test_a_wrong_shape_of_json(tmp_path, name, content):
    write, file = FILES[name]
    (write(tmp_path / "x") / file).write_text(content)
    if _one_sentence(name, tmp_path / "x"):
        assert _read(name, tmp_path / "x") == []  # the builder says that no dialogue was found


@pytest.mark.parametrize(
    "cell", ["5", "'Ada'", "None", "{}", "['Ada', 5]", "[[", "(" * 3_000, "['a'", "__import__('os')", "[None]", ""]
)
def test_a_speaker_cell_that_is_no_list_of_names(tmp_path, cell):
    path = write_emorynlp(tmp_path / "x") / "emorynlp_train_final.csv"
    path.write_text(path.read_text().replace("['Ada Stone']", f'"{cell}"', 1))
    with pytest.raises(ErcSynthError, match="line 2: expected a list of speakers"):
        _read("emorynlp:small", tmp_path / "x")


@pytest.mark.parametrize(("name", "count"), [("meld", 120), ("emotionlines", 120)])
def test_a_whole_load_of_damaged_files_says_no_dialogue_or_where(tmp_path, name, count):
    write, file = FILES[name]
    path = write(tmp_path / "x") / file
    path.write_bytes(path.read_bytes()[:count])
    with pytest.raises(ErcSynthError, match=Path(file).name):
        registry.load(name, data_dir=tmp_path / "x", verify="off", cache_dir=str(tmp_path / "cache"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_any_bytes_anywhere(tmp_path, name, data):
    write, file = FILES[name]
    path = write(tmp_path / name) / file
    content = path.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 20)))
    path.write_bytes(content[:start] + data.draw(st.binary(max_size=6)) + content[end:])
    _one_sentence(name, tmp_path / name)
