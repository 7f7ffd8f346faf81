"""Further answers of models: none is read wrongly; and what is written in a style is read back or refused."""

import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from erc_synth.generation.parsing import REASONS, Parsed, parse
from erc_synth.generation.recipe import load_recipe
from fakes.parser_texts import TEXTS

FORM = load_recipe("meld_natural").format
NUMBERS = dict(FORM.numbers)
LABELS = tuple(NUMBERS)
REJECTED_WITHOUT_NEED = {"second_inst", "token_endoftext", "shape_table_no_edges"}

Line = tuple[str, str, str]


def turns(text: str, **options) -> list[list[str]] | None:
    found = parse(text, FORM, **options)
    if not isinstance(found, Parsed):
        assert found.reason in REASONS
        return None
    return [[u.speaker, u.text, u.emotion] for u in found.utterances]


@pytest.mark.parametrize("name", TEXTS)
def test_each_text_is_read_rightly_or_refused(name):
    text, right = TEXTS[name]
    found = turns(text)
    if found is None and name in REJECTED_WITHOUT_NEED:
        return
    assert found == right


def test_the_set_is_large_and_has_both_kinds():
    refused = sum(right is None for _, right in TEXTS.values())
    assert len(TEXTS) >= 100
    assert refused >= 60


def _table(lines: Sequence[Line], last: str, value: Callable[[str], object]) -> str:
    rows = [f"| {speaker} | {said.replace('|', chr(92) + '|')} | {value(label)} |" for speaker, said, label in lines]
    return "\n".join([f"| Speaker | Utterance | {last} |", "|---|---|---|", *rows])


def _objects(lines: Sequence[Line]) -> list[dict[str, object]]:
    return [{"speaker": s, "text": t, "number": NUMBERS[label]} for s, t, label in lines]


def _each(line: Callable[[str, str, str], str], between: str = "\n") -> Callable[[Sequence[Line]], str]:
    return lambda lines: between.join(line(*one) for one in lines)


STYLES: dict[str, Callable[[Sequence[Line]], str]] = {
    "as asked": _each(FORM.line),
    "as asked, a field a line": _each(lambda s, t, e: f"Speaker: {s}\nUtterance: {t}\nNumber: {NUMBERS[e]}", "\n\n"),
    "as asked, numbered": lambda lines: "\n".join(f"{n}. {FORM.line(*one)}" for n, one in enumerate(lines, 1)),
    "as asked, bold": _each(lambda s, t, e: f"**Speaker:** {s} **Utterance:** {t} **Number:** {NUMBERS[e]}"),
    "as asked, quoted": _each(lambda s, t, e: f'Speaker: {s} Utterance: "{t}" Number: {NUMBERS[e]}'),
    "as asked, commas": _each(lambda s, t, e: f"Speaker: {s}, Utterance: {t}, Number: {NUMBERS[e]}"),
    "as asked, on one line": _each(FORM.line, " "),
    "as asked, names for numbers": _each(lambda s, t, e: f"Speaker: {s} Utterance: {t} Number: {e}"),
    "as asked, both": _each(lambda s, t, e: f"Speaker: {s} Utterance: {t} Number: {NUMBERS[e]} ({e})"),
    "number before the utterance": _each(lambda s, t, e: f"Speaker: {s} Number: {NUMBERS[e]} Utterance: {t}"),
    "number before the speaker": _each(lambda s, t, e: f"Number: {NUMBERS[e]} Speaker: {s} Utterance: {t}"),
    "no markers but the last": _each(lambda s, t, e: f"{s}: {t} Number: {NUMBERS[e]}"),
    "label in brackets": _each(lambda s, t, e: f"{s}: {t} ({e})"),
    "number in brackets": _each(lambda s, t, e: f"{s}: {t} ({NUMBERS[e]})"),
    "label in square brackets": _each(lambda s, t, e: f"{s}: {t} [{e}]"),
    "label behind a dash": _each(lambda s, t, e: f"{s}: {t} - {e}"),
    "bare number": _each(lambda s, t, e: f"{s}: {t} {NUMBERS[e]}"),
    "label beside the name": _each(lambda s, t, e: f"{s} ({e}): {t}"),
    "number beside the name": _each(lambda s, t, e: f"{s} ({NUMBERS[e]}): {t}"),
    "label before the text": _each(lambda s, t, e: f"{s}: [{e}] {t}"),
    "label before the name": _each(lambda s, t, e: f"[{e}] {s}: {t}"),
    "label on its own line": _each(lambda s, t, e: f"{s}: {t}\n({e})"),
    "label on its own line, marked": _each(lambda s, t, e: f"{s}: {t}\nEmotion: {e}", "\n\n"),
    "bold names": _each(lambda s, t, e: f"**{s}:** {t} ({e})"),
    "bullets": _each(lambda s, t, e: f"- {s}: {t} ({e})"),
    "table of labels": lambda lines: _table(lines, "Emotion", str),
    "table of numbers": lambda lines: _table(lines, "Number", NUMBERS.__getitem__),
    "JSON": lambda lines: json.dumps(_objects(lines)),
    "JSON lines": lambda lines: "\n".join(json.dumps(one, ensure_ascii=False) for one in _objects(lines)),
    "preamble and closing": lambda lines: "Sure! Here it is:\n\n" + _each(FORM.line)(lines) + "\n\nI hope this helps!",
}
SPEAKERS = st.sampled_from(FORM.names)
# Words that lie in wait: labels, numbers, names with and without a colon, markers, marks that may be cut off.
PIECES = st.sampled_from(
    ["I lost it", "joy", "anger", "a kill-joy", "4", "3.", "in 2004", "only 3", "(3)", "(joy)", "(sighs)", "*sighs*",
     "[door slams]", "Ross", "Ross:", "Monica", "Number", "Number: 2", "Utterance:", "Emotion: fear", "no!", "What?",
     "...", "-", "- no", '"quoted"', "it's", ":(", "<3", "5*3", "1)", "{x}", "|", "e.g.", "sadness.", "and", "1, 2",
     "</s>", "you said: no", "two", "_so_", "**bold**", "é", "你好"]
)  # fmt: skip
HARD = st.lists(PIECES, min_size=1, max_size=5).map(" ".join)
EASY = st.from_regex(r"\A[A-Z][a-z]{1,8}( [a-z']{1,8}){0,6}[.!?]\Z").filter(lambda text: "''" not in text)


def _lines(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Line]]:
    return st.lists(st.tuples(SPEAKERS, texts, st.sampled_from(LABELS)), min_size=2, max_size=5)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(STYLES)), _lines(EASY))
def test_plain_words_are_read_back_in_every_style(style, lines):
    assume(len({speaker for speaker, _, _ in lines}) > 1)
    found = turns(STYLES[style](lines))
    assert found is None or found == [list(line) for line in lines]


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(sorted(STYLES)), _lines(HARD))
@example("bare number", [("Rachel", "(3)", "neutral"), ("Monica", "(3)", "neutral")])
def test_no_words_change_who_speaks_or_what_is_felt(style, lines):
    """Whatever is said: all turns with their speakers and labels, or none; and no word that was not there.

    Behind an end token stands another answer: the turns before it are read.
    """
    found = turns(STYLES[style](lines))
    if found is None:
        return
    ended = next((n for n, (_, text, _) in enumerate(lines) if "</s>" in text), len(lines))
    if len(found) >= ended:
        lines = lines[: len(found)]
    assert [(speaker, label) for speaker, _, label in found] == [(speaker, label) for speaker, _, label in lines]
    for (_, read, _), (_, said, _) in zip(found, lines, strict=True):
        assert read.strip('"') in said.replace("**", "")


def test_a_number_in_brackets_before_and_one_behind_are_two_labels():
    assert turns("Rachel: (3) 0\nMonica: (3) 0") is None
    assert turns("Rachel: (3) Wait for me\nMonica: (0) I have 4") is not None  # only one line could be read so


def test_every_style_is_read():
    lines = [("Ross", "I lost the keys.", "sadness"), ("Monica", "You what?", "anger"), ("Ross", "Sorry.", "fear")]
    for style, render in STYLES.items():
        assert turns(render(lines)) == [list(line) for line in lines], style
