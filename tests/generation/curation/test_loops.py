"""Loops and remarks that passed before: lines in turns, marks, clauses, words about the dialogue; laughter stays."""

import pytest

from erc_synth.generation.curation.faults import Asked, faults
from erc_synth.loaders.schema import Dialogue, Utterance
from erc_synth.loaders.wording import lines


def _reasons(*texts):
    turns = tuple(Utterance(("Joey", "Rachel")[i % 2], text, ("joy", "fear")[i % 2]) for i, text in enumerate(texts))
    dialogue = Dialogue("d", turns)
    return {reason for reason, _ in faults(dialogue, lines(dialogue), Asked())}


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["Oh no!", "Oh yes!"] * 10, "repeated_lines"),
        (["Yes.", "No."] * 12, "repeated_lines"),
        (["Well " + "! ? " * 80, "You lost your voice, I think."], "letter_loop"),
        (["We could go" + " and see the ducks" * 5, "That would be lovely."], "word_loop"),
        (["I hope this dialogue meets your requirements!", "So do I."], "commentary"),
        (["Please note that this dialogue is fictional.", "Of course it is."], "commentary"),
        (["My knowledge cutoff is September 2021.", "Then ask somebody else."], "refusal"),
    ],
)
def test_each_is_named(texts, reason):
    assert reason in _reasons(*texts)


@pytest.mark.parametrize("laughter", ["Ha ha ha ha!", "Hahahaha!", "No, no, no, no!", "It was sooooo good!"])
def test_laughter_and_a_few_noes_pass(laughter):
    assert (
        _reasons(laughter, "You laugh like my old uncle Gustav.", "I do not think so.", "Well, he is happy.") == set()
    )
