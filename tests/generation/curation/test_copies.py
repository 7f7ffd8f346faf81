"""Copies among the dialogues, and dialogues on disk: as a list in memory would answer."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.curation.copies import NEAR, Seen, Wording
from erc_synth.generation.curation.curate import Options, curate
from erc_synth.generation.curation.shelf import Shelf
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.wording import lines
from fakes.dialogues import invented, with_texts

SET = invented(30, turns=8)


def worded(turns: list[list[str]]) -> Wording:
    return Wording.of(turns)


def changed(dialogue, words: int, seed: int):
    """The dialogue with so many words replaced."""
    chance, texts = random.Random(seed), [turn.text for turn in dialogue.utterances]
    for _ in range(words):
        at = chance.randrange(len(texts))
        said = texts[at].split()
        said[chance.randrange(len(said))] = f"zebra{chance.randrange(10**6)}"
        texts[at] = " ".join(said)
    return with_texts(dialogue, texts)


def test_wording_is_the_same_for_any_order_of_turns_but_for_the_whole():
    turns = lines(SET[5])
    one, other = worded(turns), worded(turns[::-1])
    assert one.jaccard(other.shingles) == 1.0
    assert one.bands == other.bands
    assert one.whole != other.whole


def test_the_same_comes_before_the_nearly_the_same():
    seen = Seen()
    seen.add("c", "near", worded(lines(changed(SET[0], 2, 0))))
    seen.add("c", "same", worded(lines(SET[0])))
    seen.add("c", "far", worded(lines(SET[1])))
    found = seen.find(worded(lines(SET[0])))
    assert [(m.kind, m.dialogue_id) for m in found] == [("duplicate", "same"), ("near_duplicate", "near")]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), st.integers(0, 10**6))
def test_the_threshold_is_the_exact_similarity(words, seed):
    """The index may miss one of a hundred; what it finds is near, and what is very near is found."""
    seen, said, other = Seen(), worded(lines(SET[0])), worded(lines(changed(SET[0], words, seed)))
    seen.add("c", "a", said)
    alike = other.jaccard(said.shingles)
    assert bool(seen.find(other)) <= (alike >= NEAR)
    assert bool(seen.find(other)) or alike < 0.85


def test_dialogues_of_one_style_are_hardly_ever_compared():
    """Else the time of a set grows with its square."""
    seen, talks = Seen(), [worded(lines(d)) for d in invented(600, turns=8)]
    compared = 0
    for number, said in enumerate(talks):
        compared += sum(1 for other in talks[:number] if set(said.bands) & set(other.bands))
        seen.add("c", str(number), said)
    assert compared < 0.0005 * len(talks) ** 2 / 2


def test_where_dialogues_went_is_known_and_surplus_is_forgotten():
    seen = Seen()
    for dialogue in SET[:3]:
        seen.add("first", dialogue.dialogue_id, worded(lines(dialogue)))
    seen.place("first", {SET[0].dialogue_id: "test", SET[1].dialogue_id: "train"})
    assert [[m.split for m in seen.find(worded(lines(d)))] for d in SET[:3]] == [["test"], ["train"], []]


def test_a_config_of_which_nothing_is_left_stops_no_other():
    seen = Seen()
    with pytest.raises(ErcSynthError, match="No dialogue of first is left"):
        curate("first", SET[:1], Options(limits=Options().limits.model_copy(update={"max_turns": 3})), seen=seen)
    assert len(curate("second", SET, Options(), seen=seen).kept) == len(SET)


def test_dialogues_without_a_word_are_the_same():
    seen, silent = Seen(), worded([[], []])
    seen.add("c", "a", silent)
    assert [m.kind for m in seen.find(silent)] == ["duplicate"]


@given(st.permutations(SET[:8]), st.data())
def test_a_shelf_is_the_sorted_list(dialogues, data):
    shelf, wanted = Shelf(iter(dialogues), "c"), sorted(dialogues, key=lambda d: d.dialogue_id)
    assert shelf == wanted
    at = data.draw(st.slices(8))
    assert shelf[at] == wanted[at]
    assert shelf[-1] == wanted[-1]
    assert shelf.part(d.dialogue_id for d in dialogues) == dialogues
    assert shelf != wanted[1:]


@given(st.text(st.characters(), max_size=20))
def test_a_shelf_gives_back_any_text(text):
    """Also a lone half of a surrogate pair, which no file in UTF-8 can hold."""
    dialogue = with_texts(SET[0], [text])
    assert Shelf([dialogue], "c")[0] == dialogue


def test_two_dialogues_of_one_id_are_refused():
    with pytest.raises(ErcSynthError, match="Two dialogues of c have the id 'a'"):
        Shelf([replace(d, dialogue_id="a") for d in SET[:2]], "c")
