"""Trim and split: sizes, balance, determinism."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.curation.splitting import check_ratios, quotas, split, trim
from erc_synth.generation.quality.likeness import divergence, entropy, label_counts
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import SPLITS
from fakes.dialogues import EMOTIONS, invented, invented_dialogue

RATIOS = (0.8, 0.1, 0.1)


@settings(deadline=None, max_examples=60)
@given(st.integers(3, 60), st.integers(0, 9), st.tuples(*[st.floats(0.01, 1)] * 3))
def test_three_dialogues_fill_three_splits(count, seed, ratios):
    placed = split(invented(count), check_ratios(ratios), seed)
    assert set(placed.values()) == set(SPLITS)
    assert len(placed) == count


@given(st.integers(0, 500), st.tuples(*[st.floats(0.01, 1)] * 3))
def test_quotas_add_up(count, ratios):
    quota = quotas(count, check_ratios(ratios))
    assert sum(quota.values()) == count
    assert min(quota.values()) >= min(1, count // 3)


def test_order_of_input_does_not_matter():
    dialogues = invented(50)
    shuffled = random.Random(1).sample(dialogues, 50)
    assert split(dialogues, RATIOS, 0) == split(shuffled, RATIOS, 0)


def test_seed_zero_is_a_seed():
    dialogues = invented(50)
    assert split(dialogues, RATIOS, 0) == split(dialogues, RATIOS, 0)
    assert split(dialogues, RATIOS, 0) != split(dialogues, RATIOS, 1)


def test_labels_are_spread_better_than_by_chance():
    dialogues = invented(150)
    whole = label_counts(dialogues)

    def distance(placed: dict[str, str]) -> float:
        parts = ([d for d in dialogues if placed[d.dialogue_id] == name] for name in SPLITS)
        return sum(divergence(label_counts(part), whole) for part in parts)

    ours = [distance(split(dialogues, RATIOS, seed)) for seed in range(10)]
    by_chance = []
    for seed in range(10):
        names = [name for name, count in quotas(150, RATIOS).items() for _ in range(count)]
        random.Random(seed).shuffle(names)
        by_chance.append(distance({d.dialogue_id: n for d, n in zip(dialogues, names, strict=True)}))
    assert sum(ours) < 0.5 * sum(by_chance)


def test_what_must_stay_together_does():
    dialogues = invented(30)
    chain = {f"d-{n:06d}": f"d-{n - 1:06d}" for n in range(1, 12)}
    placed = split(dialogues, RATIOS, 3, chain)
    assert len({placed[f"d-{n:06d}"] for n in range(12)}) == 1
    assert set(placed.values()) == set(SPLITS)


def test_trim_keeps_asked_for_emotions_equal():
    dialogues = [invented_dialogue(n, target=EMOTIONS[min(n % 10, 6)]) for n in range(200)]
    kept, surplus = trim(dialogues, 70, seed=5)
    assert set(Counter(d.target_emotion for d in kept).values()) == {10}
    assert len(surplus) == 130
    assert {d.dialogue_id for d in kept}.isdisjoint(d.dialogue_id for d in surplus)


def test_levelling_trim_makes_labels_even():
    feelings = [*["neutral"] * 8, "joy", "fear"]
    dialogues = [
        replace(invented_dialogue(n, target="fear"), utterances=tuple(
            replace(u, emotion=chance.choice(feelings)) for u in invented_dialogue(n).utterances))
        for chance in (random.Random(1),) for n in range(200)
    ]  # fmt: skip
    before = entropy(label_counts(dialogues), 3)
    kept, surplus = trim(dialogues, 100, seed=5, level=True)
    drawn, _ = trim(dialogues, 100, seed=5)
    assert (len(kept), len(surplus)) == (100, 100)
    assert entropy(label_counts(kept), 3) > before + 0.1 > entropy(label_counts(drawn), 3)
    assert trim(dialogues, 100, seed=5, level=True)[0] == kept


@pytest.mark.parametrize("ratios", [(1, 0, 0), (0.8, 0.2), (0.5, -1, 1), (float("nan"), 1, 1)])
def test_bad_ratios_are_refused(ratios):
    with pytest.raises(ErcSynthError, match="three positive numbers"):
        check_ratios(ratios)
