"""Paraphrases: found by meaning and order, apart from leaks; the alignment is the best one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from erc_synth.generation.curation.leaks import LeakIndex
from erc_synth.generation.quality.likeness import sentence_encoder
from erc_synth.generation.quality.measure import Extras, measure_quality
from erc_synth.generation.quality.paraphrases import aligned, paraphrases
from erc_synth.generation.quality.subject import Subject
from erc_synth.generation.quality.table import table
from erc_synth.loaders.schema import label_set
from fakes.dialogues import invented, with_texts

SCENE = ["Did you feed the neighbours' cat while they were away?", "I forgot. I was busy repairing my bicycle.",
         "The poor animal has eaten nothing since Friday!", "I will go over right now with some tuna."]  # fmt: skip
RETOLD = ["Has anyone given food to the cat next door during their trip?", "It slipped my mind, I had to fix my bike.",
          "That poor cat went hungry from Friday on!", "I'm going there this minute and taking it tuna."]  # fmt: skip
OTHER = ["Has anyone seen the key to the cellar?", "It hangs where it always hangs.",
         "Then somebody took it, the hook is empty.", "Ask the plumber, he was down there."]  # fmt: skip


@pytest.fixture(scope="module")
def encode():
    return sentence_encoder()


def scene(texts, name="x"):
    return with_texts(invented(1)[0], texts, name)


def test_a_scene_in_other_words_is_found_where_words_find_nothing(encode):
    known = {"meld/test": [*invented(20), scene(SCENE, "original")], "meld/train": invented(20, start=50)}
    assert LeakIndex(known).hits(scene(RETOLD)) == []
    found = paraphrases([scene(RETOLD, "retold"), scene(OTHER, "other")], known, encode)
    assert [(one["dialogue_id"], one["of"]) for one in found["meld/test"]["found"]] == [("retold", "original")]
    assert found["meld/train"] == {"searched": 2, "found": []}


def test_the_same_lines_in_another_order_are_another_scene(encode):
    known = {"meld/test": [scene(SCENE)]}
    turned = paraphrases([scene(RETOLD[::-1])], known, encode)["meld/test"]["found"]
    straight = paraphrases([scene(RETOLD)], known, encode)["meld/test"]["found"]
    assert straight
    assert not turned


def test_greetings_are_no_scene(encode):
    hello = scene(["Hi!", "Hey.", "Hello."])
    assert paraphrases([hello], {"meld/test": [hello]}, encode)["meld/test"] == {"searched": 0, "found": []}


def test_they_are_reported_apart_from_leaks(encode):
    own = Subject("own", {"train": [scene(RETOLD, "retold"), scene(OTHER, "other")]}, label_set("meld"))
    known = {"meld/test": [scene(SCENE, "original"), *invented(5)]}
    content = measure_quality(own, benchmarks=known, encode=encode, extras=Extras(paraphrases=True))
    assert content["leaks"]["meld/test"]["hit"] == 0
    assert len(content["paraphrases"]["meld/test"]["found"]) == 1
    assert "retold (0." in table(content)
    assert "paraphrases" not in measure_quality(own, benchmarks=known)


def best(gains):
    """By trying every way: the first line of each stands alone, or both go together."""
    if not gains.size:
        return 0.0
    return max(best(gains[1:]), best(gains[:, 1:]), gains[0, 0] + best(gains[1:, 1:]))


@settings(deadline=None, max_examples=60)
@given(arrays(np.float64, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=st.floats(0, 1)))
def test_the_alignment_is_the_best_one(gains):
    assert aligned(gains) == pytest.approx(best(gains))
    assert aligned(gains.T) == pytest.approx(aligned(gains))


def test_a_dialogue_is_wholly_alike_to_itself(encode):
    dialogue = scene(SCENE, "a")
    found = paraphrases([dialogue], {"meld/test": [replace(dialogue, dialogue_id="b")]}, encode)
    assert found["meld/test"]["found"] == [{"dialogue_id": "a", "of": "b", "similarity": 1.0}]
