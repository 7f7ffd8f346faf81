"""The parser is tolerant of what LLMs write, strict in what it returns, and linear."""

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.parsing import REASONS, Parsed, Rejection, parse
from erc_synth.generation.recipe import load_recipe

FORM = load_recipe("meld_natural").format
WANTED = [("Ross", "Hi there.", "neutral"), ("Joey", "No!", "anger")]
LINE = "Speaker: Ross Utterance: Hi there. Number: 0\n"


def _turns(text, **options):
    outcome = parse(text, FORM, **options)
    assert isinstance(outcome, Parsed), outcome
    return [(u.speaker, u.text, u.emotion) for u in outcome.utterances]


@pytest.mark.parametrize(
    "text",
    [
        "Speaker: Ross Utterance: Hi there. Number: 0\nSpeaker: Joey Utterance: No! Number: 4",
        "Sure!\n\nSpeaker: Ross\nUtterance: Hi there.\nNumber: 0\n\nSpeaker: Joey\nUtterance: No!\nNumber: 4\n\nEnjoy!",
        "1. **Speaker:** Ross **Utterance:** “Hi there.” Number: 0\n2. **Speaker:** Joey Utterance: “No!” Number: 4.",
        "SPEAKER: Ross UTTERANCE: Hi there. NUMBER: (0)\nspeaker: Joey utterance: No! number: [4]",
        "Speaker: Ross, Utterance: Hi there., Number: zero\nSpeaker: Joey, Utterance: No!, Number: four",
        "Speaker: Ross Utterance: Hi there. Number: neutral\nSpeaker: Joey Utterance: No! Number: 4 (anger)",
        "Speaker: Ross Utterance: Hi there. Number: 0 Speaker: Joey Utterance: No! Number: 4",
        "Ross: Hi there. (neutral)\nJoey: No! (anger)",
        "- Ross: Hi there. [0]\n- Joey: No! [4]",
        "Ross: Hi there. Number: 0\nJoey: No! Number: 4",
        'Dialogue 1:\nRoss: "Hi there." - neutral\nJoey: "No!" - anger\nDialogue 2:\nRoss: x (joy)\nJoey: y (joy)',
    ],
)
def test_forms_that_models_write(text):
    assert _turns(text) == WANTED


def test_an_utterance_may_hold_the_marker_word_and_numbers():
    assert (
        _turns(LINE + "Speaker: Joey Utterance: My Number 10 is 3: yes. Number: 4")[1][1] == "My Number 10 is 3: yes."
    )


def test_emoji_survive():
    assert _turns(LINE + "Speaker: Joey Utterance: Oh 😀! Number: 1")[1][1] == "Oh 😀!"


def test_a_label_word_that_ends_a_sentence_is_not_cut_off():
    assert _turns("Ross: I want joy (joy)\nJoey: You and your anger! (anger)")[0][1] == "I want joy"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("I cannot do that.", "no_turns"),
        (LINE, "too_few_turns"),
        (LINE * 2, "one_speaker"),
        (LINE + "Speaker: Joey Utterance: No! Number: 9", "unknown_label"),
        (LINE + "Speaker: Joey Utterance: No! Number: glee", "unknown_label"),
        (LINE + "Speaker: Joey Utterance: No!\n" + LINE, "missing_label"),
        (LINE + "Speaker: Joey Utterance: ... Number: 4", "empty_text"),
    ],
)
def test_rejections_have_one_of_the_fixed_reasons(text, reason):
    outcome = parse(text, FORM)
    assert isinstance(outcome, Rejection)
    assert outcome.reason == reason
    assert reason in REASONS


def test_a_turn_cut_at_the_token_limit_is_dropped():
    text = LINE + "Speaker: Joey Utterance: No! Number: 4\nSpeaker: Ross Utterance: I was"
    assert _turns(text, cut=True) == WANTED


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=300) | st.lists(st.sampled_from([LINE, "Speaker:", "Number: 4", "a: b (", "\n", "“"])).map("".join)
)
def test_any_text_gives_a_wellformed_dialogue_or_a_reason(text):
    outcome = parse(text, FORM)
    if isinstance(outcome, Rejection):
        assert outcome.reason in REASONS
        return
    assert len(outcome.utterances) >= 2
    assert len({turn.speaker.lower() for turn in outcome.utterances}) >= 2
    assert all(turn.text and turn.emotion in dict(FORM.numbers) for turn in outcome.utterances)


@pytest.mark.parametrize(
    "piece",
    ["Speaker" + " " * 50, "Speaker: ", "a: (joy ", "Number: 1 ", "(" * 50, "Speaker: x Utterance: y Number: 1 "],
)
def test_time_is_linear_on_hostile_lines(piece):
    def seconds(size):
        text = (piece * (size // len(piece) + 1))[:size]
        start = time.perf_counter()
        parse(text, FORM)
        return time.perf_counter() - start

    seconds(10_000)
    small, big = (min(seconds(size) for _ in range(3)) for size in (100_000, 1_000_000))
    assert big < 40 * small + 0.2  # linear is 10 times, quadratic 100


def test_a_marker_may_end_with_another_marker():
    form = replace(FORM, speaker="Name", utterance="Says", number="Mood Name")
    outcome = parse("Name: Ross Says: Hi there. Mood Name: 0\nname : Joey says : No! MOOD NAME : 4", form)
    assert isinstance(outcome, Parsed)
    assert [(u.speaker, u.text, u.emotion) for u in outcome.utterances] == WANTED
