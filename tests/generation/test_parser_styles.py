"""The parser on the styles that models write: right or refused, never wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation import parsing
from erc_synth.generation.parsing import REASONS, Parsed, Rejection, parse
from erc_synth.generation.recipe import load_recipe
from fakes.parser_styles import STYLES

FORM = load_recipe("meld_natural").format


def turns(text: str, **options) -> list[list[str]] | None:
    found = parse(text, FORM, **options)
    return [[u.speaker, u.text, u.emotion] for u in found.utterances] if isinstance(found, Parsed) else None


@pytest.mark.parametrize("name", STYLES)
def test_each_style_is_read_rightly_or_refused(name):
    text, right = STYLES[name]
    assert turns(text) == right


@pytest.mark.parametrize("name", STYLES)
def test_a_refusal_has_a_reason_of_the_list(name):
    found = parse(STYLES[name][0], FORM)
    assert isinstance(found, Parsed) or found.reason in REASONS


SPEAKERS = st.sampled_from(FORM.names)
TEXTS = st.text(alphabet=" abcdefgXYZ0123456789,.!?'-:*()\"é😀", min_size=1, max_size=40)
LABELS = st.sampled_from([label for label, _ in FORM.numbers])
LINES = st.lists(st.tuples(SPEAKERS, TEXTS, LABELS), min_size=2, max_size=6)


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_what_is_written_as_asked_is_never_read_with_another_label_or_speaker(lines):
    text = "\n".join(FORM.line(*line) for line in lines)
    found = parse(text, FORM)
    if isinstance(found, Parsed):
        assert [(u.speaker, u.emotion) for u in found.utterances] == [(speaker, label) for speaker, _, label in lines]


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_the_fast_way_agrees_with_the_careful_one(lines):
    text = "\n".join(FORM.line(speaker, f"a {said} b.", label) for speaker, said, label in lines)
    fast = parsing.parse(text, FORM)
    careful = parsing.parse(text + "\n", FORM, cut=True)  # a cut text never takes the fast way
    if isinstance(fast, Parsed) and isinstance(careful, Parsed):
        assert fast == careful or fast.utterances[:-1] == careful.utterances


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_ends_in_turns_or_a_reason(text):
    found = parse(text, FORM)
    assert isinstance(found, Parsed | Rejection)


@pytest.mark.parametrize("piece", ["(", "[", "*", "Ross:", "Number:", "|", "{", "<", "a ", "3 "])
def test_time_is_linear(piece):
    assert isinstance(parse("Ross: " + piece * 20_000, FORM), Rejection)
