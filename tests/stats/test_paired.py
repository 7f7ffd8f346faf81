"""The paired bootstrap by dialogue."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from erc_synth.stats.errors import StatsError
from erc_synth.stats.paired import compare_files, paired_bootstrap

labels = st.sampled_from("abc")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(labels, labels, labels, st.sampled_from("xyz")), min_size=1, max_size=30))
def test_difference_equals_scikit_learn(rows):
    gold, a, b, dialogues = map(list, zip(*rows, strict=True))
    expected = [f1_score(gold, some, average="weighted", zero_division=0) for some in (a, b)]
    assert paired_bootstrap(gold, a, b, dialogues, draws=10).value == pytest.approx(expected[1] - expected[0])


def test_a_clear_winner_has_an_interval_above_zero_and_equals_have_none():
    draw = random.Random(0)
    gold = [draw.choice("abc") for _ in range(300)]
    good = [g if draw.random() < 0.9 else "a" for g in gold]
    bad = [g if draw.random() < 0.4 else "a" for g in gold]
    dialogues = [str(i // 6) for i in range(300)]
    assert paired_bootstrap(gold, bad, good, dialogues).low > 0
    same = paired_bootstrap(gold, good, good, dialogues)
    assert (same.value, same.low, same.high, same.dialogues) == (0, 0, 0, 50)


def test_whole_dialogues_are_drawn():
    gold = ["a", "b"] * 50
    right, wrong = gold, ["b", "a"] * 50
    mixed = [*right[:50], *wrong[50:]]
    two = paired_bootstrap(gold, wrong, mixed, ["x"] * 50 + ["y"] * 50)
    many = paired_bootstrap(gold, wrong, mixed, [str(i) for i in range(100)])
    assert two.high - two.low > 2 * (many.high - many.low)


def test_different_utterances_are_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, text in (("a", "joy"), ("b", "fear")):
        table = {"dialogue_id": ["d"], "utterance_id": [0], "gold": [text], "predicted": ["joy"]}
        pq.write_table(pa.table(table), tmp_path / name)
    with pytest.raises(StatsError, match="different utterances"):
        compare_files(tmp_path / "a", tmp_path / "b")
    with pytest.raises(StatsError, match="same utterances"):
        paired_bootstrap([], [], [], [])
