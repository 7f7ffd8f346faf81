"""What must hold for any input: files come back as written, names split as joined, counts add up."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.loaders.describe import describe
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import json_lines, read_json, write_json, write_whole
from erc_synth.loaders.labels import label_map, label_map_names, map_labels, maps_that_join
from erc_synth.loaders.names import parse_name
from erc_synth.loaders.schema import Dialogue, Utterance, label_set, label_set_names, to_utterances

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(text, values, max_size=4)
names = st.sampled_from([name for name in label_set_names() if len(label_set(name)) > 1])


@settings(max_examples=60, deadline=None)
@given(objects)
def test_an_object_that_is_written_is_read(content):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "new" / "x.json"
        write_json(path, content)
        assert read_json(path) == content
        assert [found.name for found in path.parent.iterdir()] == ["x.json"]


@settings(max_examples=60, deadline=None)
@given(st.lists(objects, max_size=4), st.sampled_from(["", "\n", "\r\n\n"]), st.booleans())
def test_every_object_of_json_lines_is_read_with_its_line(records, blank, marked):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" + blank for record in records)
        path.write_bytes((b"\xef\xbb\xbf" if marked else b"") + lines.encode())
        found = list(json_lines(path))
    assert [record for _, record in found] == records
    assert [number for number, _ in found] == [1 + i * (1 + blank.count("\n")) for i in range(len(records))]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_objects_or_a_sentence_with_the_file(content):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(content)
        for read in (lambda: list(json_lines(path)), lambda: read_json(path)):
            said = "x.jsonl"
            try:
                read()
            except ErcSynthError as error:
                said = str(error)
            assert "x.jsonl" in said


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.txt"
    write_whole(path, ["old"])

    def parts():
        yield "new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, parts())
    assert path.read_text() == "old"


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.text(st.characters(exclude_characters=":/\\", exclude_categories=["Cs"]), min_size=1, max_size=8),
)
def test_a_name_splits_into_what_it_was_joined_of(path, config):
    assert parse_name(f"{path}:{config}") == (path, config)
    assert parse_name(f"{path}:{config}/x")[1] is None
    if ":" not in path:
        assert parse_name(path) == (path, None)


@st.composite
def sets(draw):
    """(label set, dialogues of it), unlabelled turns among them."""
    labels = label_set(draw(names))
    emotion = st.none() | st.sampled_from(labels.labels)
    turn = st.builds(Utterance, st.sampled_from(["Ada", "Ben", "Cy"]), text, emotion)
    talks = draw(st.lists(st.lists(turn, min_size=1, max_size=4), min_size=1, max_size=4))
    return labels, [Dialogue(f"d{i}", tuple(turns)) for i, turns in enumerate(talks)]


@settings(max_examples=40, deadline=None)
@given(sets())
def test_the_counts_of_a_split_add_up(drawn):
    labels, dialogues = drawn
    turns = [turn for dialogue in dialogues for turn in dialogue.utterances]
    found = describe(to_utterances(dialogues, labels))
    assert (found["dialogues"], found["utterances"]) == (len(dialogues), len(turns))
    assert list(found["labels"]) == list(labels.labels)
    assert sum(found["labels"].values()) + found["unlabelled"] == len(turns)
    assert found["speakers"] == len({turn.speaker for turn in turns})
    assert sum(found["transitions"].values()) <= len(turns) - len(dialogues)
    assert found["turns_per_dialogue"]["max"] == max(map(len, dialogues))


@settings(max_examples=40, deadline=None)
@given(sets(), st.sampled_from(label_map_names()))
def test_a_map_keeps_every_row_and_counts_what_it_drops(drawn, name):
    labels, dialogues = drawn
    rows = to_utterances(dialogues, labels)
    try:
        common, pairs = label_map(name, labels)
    except ErcSynthError:
        return  # this map is not for this set
    mapped, dropped = map_labels(rows, name)
    was = [turn.emotion for dialogue in dialogues for turn in dialogue.utterances]
    now = [common.name_of(index) for index in mapped["emotion"]]
    assert now == [pairs.get(emotion) for emotion in was]
    assert sum(dropped.values()) == sum(emotion is not None and emotion not in pairs for emotion in was)


@given(names, names)
def test_sets_that_join_do_so_either_way_round(one, other):
    assert maps_that_join(label_set(one), label_set(other)) == maps_that_join(label_set(other), label_set(one))
