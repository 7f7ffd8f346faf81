"""Figures of clouds and of wording against known implementations or values computed by hand."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.quality import diversity, likeness, manifold, shape, subject
from erc_synth.generation.quality.measure import Extras, measure_quality
from erc_synth.generation.quality.subject import Subject, Tally
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, LabelSet, Utterance, label_set
from erc_synth.loaders.weights import ENCODER
from erc_synth.loaders.wording import words
from fakes.dialogues import invented

MELD = label_set("meld")
OWNERS = [number // 5 for number in range(60)]


def cloud(seed: int, size: int = 60, width: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(size, width))


def test_vendi_counts_what_differs():
    assert manifold.vendi(np.eye(7)) == pytest.approx(7.0)
    assert manifold.vendi(np.ones((9, 4))) == pytest.approx(1.0)
    assert manifold.vendi(np.repeat(np.eye(3), 5, axis=0)) == pytest.approx(3.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(2, 12))
def test_vendi_is_its_definition(seed, width):
    """From the eigenvalues of the n by n kernel, as the paper has it."""
    vectors = cloud(seed, 20, width)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit @ unit.T / len(unit))
    values = values[values > 1e-10]
    assert manifold.vendi(vectors) == pytest.approx(math.exp(-sum(v * math.log(v) for v in values)), rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99))
def test_frechet_is_the_formula_with_the_matrix_root(seed):
    from scipy.linalg import sqrtm

    one, two = cloud(seed), cloud(seed + 100) * 1.5 + 0.3
    spread, other = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    gap = one.mean(0) - two.mean(0)
    expected = gap @ gap + np.trace(spread + other - 2 * sqrtm(spread @ other).real)
    assert manifold.frechet(one, two) == pytest.approx(expected, rel=1e-6)


def test_frechet_of_a_shift_is_its_square():
    assert manifold.frechet(cloud(1), cloud(1) + 2) == pytest.approx(4 * 6, rel=1e-6)
    assert manifold.frechet(cloud(1), cloud(1)) == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99))
def test_density_and_coverage_by_brute_force(seed):
    made, real = cloud(seed).astype(np.float32), (cloud(seed + 100) + 0.4).astype(np.float32)
    density, coverage = manifold.density_coverage(made, real, (OWNERS, OWNERS), 0)
    radii = [sorted(math.dist(a, b) for b in real)[5] for a in real]
    inside = [[math.dist(m, r) < radius for r, radius in zip(real, radii, strict=True)] for m in made]
    assert density.value == pytest.approx(sum(map(sum, inside)) / 5 / len(made), abs=1e-3)
    assert coverage.value == pytest.approx(
        sum(any(column) for column in zip(*inside, strict=True)) / len(real), abs=0.02
    )


def test_a_jackknifed_figure_holds_its_value():
    found = manifold.jackknifed(manifold.frechet, (cloud(1), cloud(2)), (OWNERS, OWNERS), 0)
    assert found.low < found.value < found.high
    assert found.value == manifold.frechet(cloud(1), cloud(2))


def test_mauve_is_the_library_s():
    pytest.importorskip("mauve")
    same = manifold.mauve(cloud(1, 200), cloud(2, 200), 0)
    other = manifold.mauve(cloud(1, 200), cloud(2, 200) + 9, 0)
    assert other < 0.2 < 0.6 < same <= 1.0


def test_self_repetition_by_hand():
    """The first two lines share one 4-gram (once elsewhere each), the third shares none: mean of ln 2, ln 2, 0."""
    lines = [list("abcd"), list("abcd"), list("wxyz")]
    assert diversity.self_repetition(lines) == pytest.approx(2 * math.log(2) / 3)
    assert diversity.self_repetition([list("ab")]) == 0.0


def test_template_rate_by_hand():
    """Four of six lines open alike; three alike would be no template."""
    lines = [["i", "can", "not", word] for word in "abcd"] + [["so", "you", "say", "so"], list("wxyz")]
    assert diversity.template_rate(lines) == pytest.approx(4 / 6)
    assert diversity.template_rate(lines[1:]) == 0.0


def asked(*texts: str) -> Subject:
    turns = tuple(Utterance("AB"[n % 2], text, "joy") for n, text in enumerate(texts))
    return Subject("own", {"train": [Dialogue("d", turns)]}, MELD)


def test_questions_and_readability_by_hand():
    """ARI of 8 words of 31 letters in 3 sentences: 4.71 * 31 / 8 + 0.5 * 8 / 3 - 21.43."""
    measures = measure_quality(asked("Where did you go?", "I went home. It rained."))["measures"]
    assert measures["questions"]["value"] == 0.5
    letters = sum(map(len, ("where", "did", "you", "go", "i", "went", "home", "it", "rained")))
    assert measures["readability (ARI)"]["value"] == pytest.approx(4.71 * letters / 9 + 0.5 * 9 / 3 - 21.43)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 9), st.integers(0, 99))
def test_shape_is_counting_each_resample_line_by_line(count, seed):
    """Value and both ends, equal to the last bit, from dialogues drawn and their lines counted again each time."""
    texts = ("Why me?", "I do. You know it!", "Rain, again", "Who?! Not Ada.", "...")
    dialogues = [
        Dialogue(str(n), tuple(Utterance("ABC"[t % (1 + n % 3)], texts[(n + t) % 5], "joy") for t in range(1 + n % 4)))
        for n in range(count)
    ]

    def figures(drawn: list[Dialogue]) -> list[float]:
        said = [turn.text for d in drawn for turn in d.utterances]
        spoken = [word for text in said for word in words(text)]
        ends = sum(max(1, len(re.findall(r"[.!?…]+(?=\s|$)", text))) for text in said)
        return [
            len(said) / len(drawn),
            sum(len({turn.speaker for turn in d.utterances}) for d in drawn) / len(drawn),
            len(spoken) / len(said),
            sum("?" in text for text in said) / len(said),
            4.71 * len("".join(spoken)) / max(1, len(spoken)) + 0.5 * len(spoken) / ends - 21.43,
        ]

    chance = np.random.default_rng([seed, count])
    draws = [figures([dialogues[n] for n in chance.integers(0, count, count)]) for _ in range(200)]
    low, high = np.percentile(draws, [2.5, 97.5], axis=0).tolist()
    found = shape.shape(Tally(dialogues), seed).values()
    assert [(f.value, f.low, f.high) for f in found] == list(zip(figures(dialogues), low, high, strict=True))


def test_shape_reads_each_line_once(monkeypatch):
    """It counted every line again for each of 200 resamples: 36 of 100 seconds of a whole measurement."""
    asked: list[str] = []
    monkeypatch.setattr(subject, "words", lambda text: asked.append(text) or text.split())
    shape.shape(Tally(invented(6, turns=4)), 0)
    assert len(asked) == 24


def test_chinese_lengths_are_characters_and_readability_is_left_out():
    content = measure_quality(asked("你把雨伞忘在电车上了吗？", "是的。"))
    assert content["measures"]["words per utterance"]["value"] == 6.5
    assert content["measures"]["questions"]["value"] == 0.5
    assert "readability (ARI)" not in content["measures"]
    assert any("No readability" in note for note in content["notes"])


def test_a_set_and_its_copy_cannot_be_told_apart():
    """It came out at 0.117: the copy in the training fold carries the other name."""
    vectors = cloud(3).astype(np.float32)
    assert likeness.two_sample(vectors, vectors, (OWNERS, OWNERS), 0).value == 0.5
    half = np.concatenate([vectors[:30], cloud(4)[:30].astype(np.float32)])
    assert likeness.two_sample(vectors, half, (OWNERS, OWNERS), 0).value > 0.4


class Oracle:
    """An annotator that says the given labels, or one label always."""

    name = "oracle"
    labels = tuple(reversed(MELD.labels))

    def __init__(self, always: str = "") -> None:
        self.always = always

    def probabilities(self, dialogues):
        return [
            np.array(
                [[float(label == (self.always or turn.emotion)) for label in self.labels] for turn in d.utterances]
            )
            for d in dialogues
        ]


def targeted() -> Subject:
    dialogues = [Dialogue(d.dialogue_id, d.utterances, target_emotion=MELD.labels[n % 7])
                 for n, d in enumerate(invented(28))]  # fmt: skip
    return Subject("own", {"train": dialogues}, MELD)


def test_annotators_stand_beside_each_other():
    real = Subject("real", {"test": invented(9, start=500)}, MELD)
    found = measure_quality(targeted(), real, extras=Extras(annotators=(Oracle(), Oracle("joy"))))
    right, flat = found["annotators"]
    assert right["kappa"]["value"] == right["ceiling"]["value"] == 1.0
    assert abs(flat["kappa"]["value"]) < 0.01
    assert found["label_agreement"] is None


def test_asked_emotions_are_looked_for():
    own = targeted()
    found = measure_quality(own, extras=Extras(annotators=(Oracle("joy"),)))["target_compliance"]
    assert {emotion: entry["dialogues"] for emotion, entry in found.items()} == dict.fromkeys(MELD.labels, 4)
    assert {emotion: entry["heard"]["value"] for emotion, entry in found.items()} == {
        emotion: float(emotion == "joy") for emotion in MELD.labels
    }
    by_hand = [d for d in own.dialogues if d.target_emotion == "fear"]
    share = sum(any(u.emotion == "fear" for u in d.utterances) for d in by_hand) / 4
    assert found["fear"]["labelled"]["value"] == share
    assert measure_quality(own)["target_compliance"]["fear"]["heard"] is None


def test_an_annotator_of_other_emotions_is_refused_first():
    own = Subject("own", {"train": invented(3)}, LabelSet("two", ("joy", "anger")))
    with pytest.raises(ErcSynthError, match="oracle knows"):
        measure_quality(own, extras=Extras(annotators=(Oracle(),)))


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64])
def test_any_whole_number_is_a_seed(seed):
    assert measure_quality(targeted(), seed=seed)["seed"] == seed


def test_three_emotions_of_one_s_own_are_not_melds_seven(tmp_path):
    import json

    from erc_synth.generation.quality.subjects import default_reference, find_subject

    labels = ["anger", "joy", "neutral"]
    lines = [
        {"dialogue_id": f"d{n}", "split": "train", "recipe": "mine", "utterances":
         [{"speaker": "A", "text": f"Kite number {n} is {word}.", "emotion": label}
          for word, label in zip(("up", "down", "lost"), labels, strict=True)]}
        for n in range(4)
    ]  # fmt: skip
    (tmp_path / "meld_mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    plain = find_subject("meld_mine", tmp_path)
    (tmp_path / "meld_mine.curation.json").write_text(
        json.dumps({"label_set": {"name": "mine", "labels": labels[::-1]}})
    )
    said = find_subject("meld_mine", tmp_path)
    assert (plain.labels.labels, said.labels.name, said.labels.labels) == (tuple(labels), "mine", tuple(labels[::-1]))
    assert measure_quality(said)["measures"]["label entropy"]["value"] == pytest.approx(1.0)
    assert default_reference(said) is None


@given(st.lists(st.integers(1, 128), max_size=60))
def test_a_batch_of_lines_stays_within_its_tokens_and_loses_none(lengths):
    batches = list(likeness.batches_of(lengths))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[n] for n in batch) <= likeness.BATCH_TOKENS for batch in batches)


@pytest.mark.skipif(ENCODER.path() is None, reason="the encoder's wheel is not installed")
def test_a_line_is_encoded_alike_alone_and_among_others():
    encode = likeness.sentence_encoder()
    texts = ["Oh.", "", "The lighthouse keeper painted all of his chairs green on a Sunday!", "Where is the ladder?"]
    together = encode(texts)
    assert np.allclose(together, np.concatenate([encode([text]) for text in texts]), atol=1e-6)
    assert np.allclose(np.linalg.norm(together, axis=1), 1)
