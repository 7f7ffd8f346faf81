"""Curated files are read back as they were written; what no later stage could use is refused with its line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_synth.loaders.curated import curated_dialogues, read_curated
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_whole
from erc_synth.loaders.labels import label_set
from erc_synth.loaders.schema import Dialogue, Utterance

MELD = label_set("meld")
GOOD = Dialogue("d0", (Utterance("Ada", "A kite!", "joy"), Utterance("Ben", "Oh", "surprise")), 3, "joy", "r", "g")


def _line(split="train", dialogue=GOOD, **changes):
    return json.dumps({**dialogue.to_json(), "split": split, **changes}, ensure_ascii=False)


def _turn(**changes):
    return {"utterances": [{"speaker": "Ada", "text": "Hi", "emotion": "joy", **changes}]}


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
dialogues = st.builds(
    Dialogue,
    texts,
    st.lists(st.builds(Utterance, texts, texts, st.sampled_from(MELD.labels)), min_size=1, max_size=3).map(tuple),
    st.none() | st.integers(0, 2**31 - 1),
    st.none() | st.sampled_from(MELD.labels),
    st.none() | texts,
    st.none() | texts,
)


@given(st.lists(st.tuples(st.sampled_from(["train", "validation", "test"]), dialogues), max_size=4), st.booleans())
def test_what_is_written_is_read(tmp_path_factory, rows, bom):
    path = tmp_path_factory.mktemp("c") / "x.jsonl"
    lines = [_line(split, dialogue) + "\n" for split, dialogue in rows]
    write_whole(path, ["\ufeff" if bom else "", *lines, "\n" if bom else ""])
    assert list(curated_dialogues(path, MELD)) == rows


HOSTILE = {
    "null id": (_line(dialogue_id=None), "dialogue_id must be a text, found None"),
    "empty id": (_line(dialogue_id=""), "dialogue_id must be a text"),
    "number as id": (_line(dialogue_id=7), "dialogue_id must be a text, found 7"),
    "no id": (_line().replace("dialogue_id", "id"), "dialogue_id is missing"),
    "null emotion": (_line(**_turn(emotion=None)), "turn 1: emotion must be a text, found None"),
    "wrong label": (_line(**_turn(emotion="glee")), "turn 1: unknown emotion 'glee'; expected one of anger"),
    "label with a capital": (_line(**_turn(emotion="Joy")), "unknown emotion 'Joy'"),
    "wrong target": (_line(target_emotion="glee"), "unknown target_emotion 'glee'"),
    "null text": (_line(**_turn(text=None)), "turn 1: text must be a text, found None"),
    "number as text": (_line(**_turn(text=4)), "text must be a text, found 4"),
    "list as text": (_line(**_turn(text=["a"])), "text must be a text"),
    "null speaker": (_line(**_turn(speaker=None)), "speaker must be a text"),
    "turn is a text": (_line(utterances=["Hi"]), r"turn 1: expected \{...\}"),
    "turn is null": (_line(utterances=[None]), "turn 1"),
    "turn is a list": (_line(utterances=[["Ada", "Hi", "joy"]]), "turn 1"),
    "empty dialogue": (_line(utterances=[]), "one turn or more"),
    "null utterances": (_line(utterances=None), "one turn or more"),
    "object for utterances": (_line(utterances={"a": 1}), "one turn or more"),
    "fraction as seed": (_line(seed=1.5), "seed must be a whole number"),
    "text as seed": (_line(seed="1"), "seed must be a whole number"),
    "true as seed": (_line(seed=True), "seed must be a whole number"),
    "huge seed": (_line(seed=10**30), "seed must be a whole number"),
    "negative seed": (_line(seed=-1), "seed must be a whole number"),
    "number as recipe": (_line(recipe=1), "recipe must be a text"),
    "list as generator": (_line(generator=[]), "generator must be a text"),
    "unknown split": (_line("dev"), "the split is 'dev'"),
    "null split": (_line(None), "the split is None"),
    "split as a list": (_line(["train"]), r"the split is \['train'\]"),
    "no object": ("[1]", "not a JSON object"),
    "a number": ("1", "not a JSON object"),
    "null": ("null", "not a JSON object"),
    "truncated": (_line()[:40], "not a JSON object"),
    "two objects": (_line() + _line(), "not a JSON object"),
    "deep": ("[" * 100_000, "not a JSON object"),
    "deep object": ('{"a":' * 100_000, "not a JSON object"),
    "lone surrogate": (_line(**_turn(text="Hi")).replace('"Hi"', '"\\ud83d"'), "surrogate"),
    "NUL": ("\0", "not a JSON object"),
    "a long number": ('{"seed": ' + "9" * 5_000 + "}", "not a JSON object"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_line_that_is_no_dialogue_is_named(tmp_path, kind):
    line, message = HOSTILE[kind]
    path = tmp_path / "x.jsonl"
    path.write_text(_line() + "\n" + line + "\n", "utf-8")
    with pytest.raises(ErcSynthError, match=message) as caught:
        list(curated_dialogues(path, MELD))
    assert "x.jsonl, line 2: " in str(caught.value)


@pytest.mark.parametrize("coding", ["latin-1", "utf-16", "utf-32"])
def test_another_encoding_is_named_by_its_line(tmp_path, coding):
    path = tmp_path / "x.jsonl"
    path.write_bytes(f"{_line()}\n".encode() + _line(**_turn(text="café")).encode(coding))
    with pytest.raises(ErcSynthError, match=r"x.jsonl, line \d: (the text is not UTF-8|not a JSON object)"):
        read_curated(path)


def test_a_folder_or_nothing_for_a_file_is_one_sentence(tmp_path):
    with pytest.raises(ErcSynthError, match="is not readable: Is a directory"):
        read_curated(tmp_path)
    with pytest.raises(ErcSynthError, match="is missing"):
        read_curated(tmp_path / "x.jsonl")
