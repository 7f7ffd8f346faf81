"""The normal form of wording: one rule for leaks, duplicates, diversity, lengths and training."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_synth.generation.curation.copies import Seen, Wording
from erc_synth.generation.quality import diversity
from erc_synth.loaders.seeds import numpy_seed
from erc_synth.loaders.wording import lines, words
from fakes.dialogues import invented, with_texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [("You’re  HERE -- at last!", ["youre", "here", "at", "last"]), ("well-known", ["well", "known"]),
     ("don't `cause", ["dont", "cause"]), ("Straße ÄÖ", ["strasse", "äö"]),
     ("snake_case 3.5", ["snake", "case", "3", "5"]),
     ("你好，世界。", ["你", "好", "世", "界"]), ("我用iPhone打电话", ["我", "用", "iphone", "打", "电", "话"]),
     ("カメラです", ["カ", "メ", "ラ", "で", "す"]), ("ที่นี่", ["ที่", "นี่"]),
     ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]), ("한국어 입니다", ["한국어", "입니다"]), ("?!", [])],
)  # fmt: skip
def test_words(text, expected):
    assert words(text) == expected


@given(st.text())
def test_the_normal_form_is_its_own_normal_form(text):
    once = words(text)
    assert words(" ".join(once)) == once


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_fast_way_for_ascii_is_the_general_one(text):
    """A curly quote at the end takes the general way and is no word."""
    assert words(text + " ’") == words(text)


def test_chinese_dialogues_have_lengths_and_near_copies():
    texts = [
        "你把雨伞忘在电车上了吗",
        "是的我打电话给失物招领处了",
        "他们有没有找到它",
        "没有我们一起去看看吧",
        "好的那就走吧",
    ]
    one = with_texts(invented(1)[0], texts)
    other = with_texts(one, [*texts[:-1], "好的那就走吧朋友"])
    assert [len(line) for line in lines(one)] == [11, 13, 8, 10, 6]
    seen = Seen()
    seen.add("c", "one", Wording.of(lines(one)))
    assert [match.kind for match in seen.find(Wording.of(lines(other)))] == ["near_duplicate"]
    assert diversity.self_bleu(lines(one) + lines(other)) > 0.5


@given(st.integers())
def test_seeds_fit_numpy_and_small_ones_are_themselves(seed):
    assert 0 <= numpy_seed(seed) < 2**32
    assert numpy_seed(seed) == seed or not 0 <= seed < 2**32
    assert numpy_seed(0) == 0
