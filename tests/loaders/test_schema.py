"""The schema: two forms of the same dialogues, and label order that no file can change."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import (
    Dialogue,
    Dialogues,
    Utterance,
    features,
    label_set,
    label_set_names,
    label_set_of,
    to_dialogues,
    to_utterances,
)

MELD = label_set("meld")
text = st.text(st.characters(codec="utf-8"), max_size=20)
turns = st.lists(st.builds(Utterance, text, text, st.sampled_from([*MELD.labels, None])), min_size=1, max_size=5)
bodies = st.lists(
    st.tuples(turns, st.none() | st.integers(0, 2**31 - 1), st.sampled_from([None, *MELD.labels])), max_size=5
)


@settings(max_examples=60, deadline=None)
@given(bodies)
def test_to_dialogues_inverts_to_utterances(parts):
    dialogues = [
        Dialogue(f"d{i}", tuple(u), seed=seed, target_emotion=target, recipe="r", generator="g")
        for i, (u, seed, target) in enumerate(parts)
    ]
    assert to_dialogues(to_utterances(dialogues, MELD, provenance=True)) == dialogues


@settings(max_examples=30, deadline=None)
@given(bodies)
def test_json_round_trip(parts):
    for i, (u, seed, target) in enumerate(parts):
        dialogue = Dialogue(f"d{i}", tuple(u), seed=seed, target_emotion=target)
        assert Dialogue.from_json(dialogue.to_json()) == dialogue


@settings(max_examples=30, deadline=None)
@given(bodies, st.slices(6), st.integers(0, 5))
def test_dialogues_that_are_read_when_asked_for_are_those_of_the_list(parts, cut, at):
    dialogues = [
        Dialogue(f"d{i}", tuple(u), seed=seed, target_emotion=target) for i, (u, seed, target) in enumerate(parts)
    ]
    lazy = Dialogues(to_utterances(dialogues, MELD, provenance=True))
    assert lazy == dialogues
    assert list(lazy[cut]) == dialogues[cut]
    assert lazy.without({"d1"}) == [d for d in dialogues if d.dialogue_id != "d1"]
    if at < len(dialogues):
        assert lazy[at] == dialogues[at]


def test_a_dialogue_that_comes_again_is_named():
    rows = to_utterances([Dialogue(name, (Utterance("x", "1", "joy"),)) for name in "aba"], MELD)
    with pytest.raises(ErcSynthError, match="dialogue 'a' are not contiguous"):
        Dialogues(rows)


def test_shuffled_rows_are_refused():
    rows = to_utterances([Dialogue("a", (Utterance("x", "1", "joy"), Utterance("y", "2", "fear")))], MELD)
    with pytest.raises(ErcSynthError, match="not contiguous"):
        to_dialogues(rows.select([1, 0]))


def test_unknown_label_names_the_known_ones():
    with pytest.raises(ErcSynthError, match="anger, disgust"):
        MELD.index("glee")


def test_label_orders_are_those_of_the_design():
    assert label_set("meld").labels == ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
    assert label_set("emorynlp").labels == ("joyful", "mad", "neutral", "peaceful", "powerful", "sad", "scared")
    assert label_set("iemocap").labels == ("angry", "excited", "frustrated", "happy", "neutral", "sad")


@pytest.mark.parametrize("name", label_set_names())
def test_every_label_has_a_sentiment_and_is_found_by_its_features(name):
    labels = label_set(name)
    assert set(labels.sentiment) == set(labels.labels)
    assert label_set_of(to_utterances([], labels)).name == name
    assert features(labels)["emotion"].names == list(labels.labels)


def test_dialogues_drawn_by_a_seed_are_its_own_and_stand_in_order():
    dialogues = [Dialogue(f"d{n:02d}", (Utterance("A", "Hi", "joy"),)) for n in range(30)]
    rows = Dialogues(to_utterances(dialogues, MELD))
    drawn = {seed: [d.dialogue_id for d in rows.drawn(7, seed)] for seed in range(4)}
    assert all(ids == sorted(set(ids)) and len(ids) == 7 for ids in drawn.values())
    assert len({tuple(ids) for ids in drawn.values()}) == 4
    assert [d.dialogue_id for d in rows.drawn(7, 0)] == drawn[0]
    assert [d.dialogue_id for d in rows[10:20].drawn(9, 0)] == sorted(d.dialogue_id for d in rows[10:20].drawn(9, 0))
    assert rows.drawn(99, 1) == dialogues
