"""Scores: equal to scikit-learn, through one `evaluate` metric that can be loaded by path."""

import evaluate
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from erc_synth.loaders.schema import label_set
from erc_synth.training import erc_f1, scoring

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)
LABELS = ("anger", "joy", "neutral", "fear", "trust")


@given(PAIRS)
@settings(max_examples=40, deadline=None)
def test_scores_equal_scikit_learn(pairs):
    gold, guess = zip(*pairs, strict=True)
    found = scoring.scores(scoring.confusion(gold, guess, 5), LABELS)
    for kind in ("weighted", "macro", "micro"):
        assert found[f"{kind}_f1"] == pytest.approx(f1_score(gold, guess, average=kind, zero_division=0))
    assert found["accuracy"] == pytest.approx(accuracy_score(gold, guess))
    classes = f1_score(gold, guess, average=None, labels=range(5), zero_division=0)
    assert [c["f1"] for c in found["per_class"].values()] == pytest.approx(list(classes))
    assert sum(c["support"] for c in found["per_class"].values()) == found["examples"] == len(pairs)


@given(PAIRS)
@settings(max_examples=40, deadline=None)
def test_micro_f1_without_neutral_counts_the_other_classes_alone(pairs):
    gold, guess = map(np.array, zip(*pairs, strict=True))
    hits = ((gold == guess) & (gold != 2)).sum()
    told = (gold != 2).sum() + (guess != 2).sum()
    found = scoring.scores(scoring.confusion(gold, guess, 5), LABELS)
    assert found["micro_f1_no_neutral"] == pytest.approx(2 * hits / told if told else 0.0)


def test_dailydialogs_neutral_class_is_no_emotion():
    labels = label_set("dailydialog").labels
    matrix = scoring.confusion([0, 0, 4, 5], [0, 0, 0, 5], len(labels))
    assert scoring.scores(matrix, labels)["micro_f1_no_neutral"] == pytest.approx(2 / 3)


def test_a_label_set_without_neutral_has_no_such_score():
    assert scoring.scores(scoring.confusion([0], [1], 2), ["anger", "joy"])["micro_f1_no_neutral"] is None


def test_nothing_scored_is_zero():
    found = scoring.scores(np.zeros((2, 2), dtype=int), ["joy", "neutral"])
    assert (found["examples"], found["weighted_f1"], found["accuracy"], found["micro_f1_no_neutral"]) == (0, 0, 0, 0)


def test_the_metric_loads_by_path_without_a_network_and_agrees(repo):
    gold, guess = [0, 1, 0, 2], [0, 1, 1, 2]
    found = evaluate.load(str(repo / "training" / "erc_f1.py")).compute(predictions=guess, references=gold, neutral=2)
    assert found == erc_f1.values(gold, guess, neutral=2)
    assert found["weighted_f1"] == pytest.approx(f1_score(gold, guess, average="weighted"))
