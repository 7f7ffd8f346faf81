"""Leak check: what is planted is found, what is new is not."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.curation.leak_check import shared_line_share
from erc_synth.generation.curation.leaks import Found, LeakIndex, benchmark_splits, leak_table
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue
from erc_synth.loaders.wording import lines, words
from fakes.dialogues import invented, invented_dialogue, with_texts

TEST_SET = invented(200, turns=8, name="t")
INDEX = LeakIndex({"meld/train": invented(200, start=500, turns=8, name="r"), "meld/test": TEST_SET})


def texts(dialogue: Dialogue) -> list[str]:
    return [turn.text for turn in dialogue.utterances]


def changed_word(dialogue: Dialogue, seed: int) -> Dialogue:
    chance = random.Random(seed)
    new = texts(dialogue)
    at = chance.randrange(len(new))
    spoken = new[at].split()
    spoken[chance.randrange(len(spoken))] = "zeppelin"
    return with_texts(dialogue, [*new[:at], " ".join(spoken), *new[at + 1 :]], "x")


def swapped_turns(dialogue: Dialogue, seed: int) -> Dialogue:
    new = texts(dialogue)
    first, second = random.Random(seed).sample(range(len(new)), 2)
    new[first], new[second] = new[second], new[first]
    return with_texts(dialogue, new, "x")


def kinds(dialogue: Dialogue) -> set[tuple[str, str]]:
    return {(hit.source, hit.kind) for hit in INDEX.hits(dialogue)}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 199), st.integers(0, 99))
def test_every_planted_change_is_found(number, seed):
    original = TEST_SET[number]
    assert ("meld/test", "exact") in kinds(original)
    assert ("meld/test", "near_duplicate") in kinds(changed_word(original, seed))
    assert ("meld/test", "near_duplicate") in kinds(swapped_turns(original, seed))


def reworded(dialogue: Dialogue, share: float, seed: int) -> Dialogue:
    """This share of the words, spread over the dialogue, is another word."""
    chance = random.Random(seed)
    turns = [text.split() for text in texts(dialogue)]
    places = [(turn, at) for turn, spoken in enumerate(turns) for at in range(len(spoken))]
    for turn, at in chance.sample(places, round(share * len(places))):
        turns[turn][at] = f"zeppelin{chance.randrange(99)}"
    return with_texts(dialogue, [" ".join(spoken) for spoken in turns], "x")


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 199), st.integers(0, 99), st.sampled_from([0.2, 0.3, 0.4]))
def test_a_copy_with_many_words_replaced_is_found_by_their_order(number, seed, share):
    assert ("meld/test", "near_duplicate") in kinds(reworded(TEST_SET[number], share, seed))


def test_the_same_words_in_another_order_are_no_copy():
    chance = random.Random(0)
    for dialogue in TEST_SET[:20]:
        said = [word for text in texts(dialogue) for word in text.split()]
        chance.shuffle(said)
        assert kinds(with_texts(dialogue, [" ".join(said[i : i + 8]) for i in range(0, len(said), 8)], "x")) == set()


def test_new_dialogues_do_not_hit():
    clean = invented(300, start=90_000)
    assert [d.dialogue_id for d in clean if INDEX.hits(d)] == []


def test_case_quotes_and_punctuation_hide_nothing():
    assert words("You’re  HERE -- at last!") == words("youre here at last")
    loud = with_texts(TEST_SET[3], [f"“{text.upper()}”!!" for text in texts(TEST_SET[3])], "x")
    assert ("meld/test", "exact") in kinds(loud)


def test_a_stock_phrase_is_no_leak():
    stock = "what in the world are you two talking about now"
    said_often = [with_texts(d, [*texts(d), stock], d.dialogue_id) for d in invented(3, turns=2)]
    own = with_texts(invented_dialogue(70_000), ["Nice hat.", stock], "x")
    assert LeakIndex({"meld/test": said_often}).hits(own) == []
    assert {hit.kind for hit in LeakIndex({"meld/test": said_often[:2]}).hits(own)} >= {"exact", "ngram8"}


def with_everyday_words(said: str) -> LeakIndex:
    """Twenty dialogues that use the same words in another order, and one that says them in a row."""
    daily = "can i talk to you for a second when back at home"
    others = [with_texts(d, [*texts(d), *daily.split()[::-1]], d.dialogue_id) for d in invented(20, start=300)]
    return LeakIndex({"meld/test": [*others, with_texts(TEST_SET[0], [*texts(TEST_SET[0]), said], "b")]})


@pytest.mark.parametrize(
    ("said", "found"),
    [("Can I talk to you for a second?", set()),
     ("Can I talk to you for a second when", {"ngram8"}),
     ("Can I talk to you for a marmalade sandwich?", {"ngram8"})],
)  # fmt: skip
def test_eight_everyday_words_are_chance_but_nine_or_rare_ones_are_not(said, found):
    own = with_texts(invented_dialogue(70_000), ["Nice hat.", f"Well. {said}", "Never."], "x")
    assert {hit.kind for hit in with_everyday_words(f"Listen! {said}").hits(own)} == found


def test_eight_words_over_a_turn_border_count():
    original = with_texts(TEST_SET[0], ["never lend him", "your green umbrella again please"], "b")
    copy = with_texts(TEST_SET[0], ["Right.", "Never lend him your green umbrella again please"], "x")
    assert {hit.kind for hit in LeakIndex({"meld/test": [original]}).hits(copy)} >= {"ngram8"}


def test_one_short_shared_sentence_is_chance():
    original = with_texts(TEST_SET[0], ["Where have you been?", "Counting the chairs upstairs."], "b")
    own = with_texts(TEST_SET[0], ["Where have you been?", "Rowing across a lake."], "x")
    assert LeakIndex({"meld/test": [original]}).hits(own) == []


def test_the_table_tells_absent_from_clean():
    table = leak_table([Found(INDEX.hits(TEST_SET[0]), dropped=True, kept=False)], INDEX.sources)
    kinds = {"exact": 1, "ngram8": 1, "near_duplicate": 1}
    assert table["meld/test"] == {"checked": True, **kinds, "dropped": 1, "hit": 1, "kept": 0}
    assert table["meld/train"]["dropped"] == 0
    assert table["iemocap/test"]["checked"] is False


def test_no_files_means_no_splits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ERC_DATA", raising=False)
    assert benchmark_splits(tmp_path) == {}


def test_share_of_lines_needs_long_lines():
    assert shared_line_share(TEST_SET, TEST_SET) == 1.0
    with pytest.raises(ErcSynthError, match="No line has 5 words"):
        shared_line_share([with_texts(TEST_SET[0], ["Hi."])], TEST_SET)


@pytest.mark.benchmark_data
def test_real_overlap_is_the_published_figure(benchmark_data: Path):
    splits = benchmark_splits(benchmark_data, ("meld", "emorynlp"))
    share = shared_line_share(splits["meld/test"], splits["emorynlp/train"])
    assert round(share, 3) == 0.201  # our own count in the official files: 20.1 % of the lines of five and more words
    index = LeakIndex(splits)
    test = [d for d in splits["meld/test"] if sum(map(len, lines(d))) >= 8]
    hits = [any(h.source == "meld/test" for h in index.hits(swapped_turns(d, 1))) for d in test if len(d) > 1]
    assert sum(hits) / len(hits) >= 0.95
