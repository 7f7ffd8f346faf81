"""Languages of recipes: words of the prompt, letters of the grammar, examples; refused when they are not known."""

import json
import re

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.language import languages
from erc_synth.generation.parsing import Parsed, parse
from erc_synth.generation.prompts import build, example_texts
from erc_synth.generation.recipe import load_recipe, recipe_from_text
from erc_synth.loaders.errors import ErcSynthError

TALKS = {
    "de": ("Jörg Käthe Björn", "Schön, dass du da bist, Größe zählt!"),
    "fr": ("Hélène François Zoé", "Ça va, chère amie ? Où es-tu allée ?"),
    "es": ("Iñaki Begoña Ángel", "¿Dónde está el niño? ¡Qué lástima!"),
    "pl": ("Łukasz Żaneta Jan", "Dlaczego mi nie powiedziałeś, że przyjdziesz?"),
    "tr": ("Ayşe Çağlar İpek", "Neden bana söylemedin, gerçekten mi?"),
    "vi": ("Nguyễn Hương Tú", "Tại sao bạn không nói với tôi?"),
    "ru": ("Иван Ольга Пётр", "Где мои ключи, дорогая моя?"),
    "uk": ("Їжак Ґалаґан Євген", "Чому ти мені не сказав, що їдеш?"),
    "el": ("Άννα Γιάννης Ελένη", "Πού είναι τα κλειδιά μου;"),
    "zh": ("小明 小红 老王", "你为什么不告诉我你已经到了？"),
    "ja": ("太郎 花子 健", "どうして教えてくれなかったの？"),
    "ko": ("민수 지영 수진", "왜 나한테 말 안 했어, 정말?"),
    "ar": ("أحمد ليلى سارة", "لماذا لم تخبرني بذلك؟"),
    "he": ("דוד שרה יעל", "למה לא סיפרת לי, באמת?"),
    "hi": ("राम सीता गीता", "तुमने मुझे क्यों नहीं बताया?"),
    "th": ("สมชาย มาลี ดาว", "ทำไมไม่บอกฉันก่อน"),
}


def _recipe(code, more=""):
    names = TALKS[code[:2]][0].split() if code[:2] in TALKS else ["Ann", "Ben", "Cem"]
    return recipe_from_text(
        f"""name = "talk"
label_set = "own"
kind = "natural"
language = "{code}"
dialogues = 5
{more}
[prompt]
task = "({{cast}}){{ending}}."
labelling = "{{labels}}."
structure = "{{speaker}}: {{utterance}}: {{number}}:"
[numbers]
calm = 0
glad = 1
[speakers]
names = {json.dumps(names, ensure_ascii=False)}
""",
        "talk.toml",
    )


@pytest.mark.parametrize("code", TALKS)
def test_the_grammar_of_a_language_takes_its_letters_and_the_parser_reads_them(code):
    recipe = _recipe(code)
    constraint = build(recipe, seed=3, emotion=None, constrain=True, turns=(3, 3)).constraint
    said = TALKS[code][1]
    first = re.search("|".join(recipe.format.names), constraint.gbnf)[0]
    other = next(name for name in recipe.format.names if name != first)
    text = "".join(recipe.format.line(name, said, "glad") + "\n" for name in (first, other, first))
    assert re.fullmatch(constraint.regex, text)
    assert regex.fullmatch(constraint.regex, text)
    outcome = parse(text, recipe.format)
    assert isinstance(outcome, Parsed)
    assert [(turn.speaker, turn.text) for turn in outcome.utterances] == [(first, said), (other, said), (first, said)]


@pytest.mark.parametrize("code", languages())
def test_no_grammar_lets_a_field_end_within_an_utterance(code):
    words = _recipe(code).words
    sign = re.compile(f"[{words.letters}{words.opening}{words.signs}]")
    assert not [character for character in ':：\n\r\t()[]{}<>*_`|\\"（）【】「」' if sign.fullmatch(character)]


@pytest.mark.parametrize("code", languages())
def test_no_letter_and_digit_are_read_as_one_escape_by_xgrammar(code):
    """It writes U+00E9 as an escape of any length, so that "é0-9" becomes U+0E90 and fails."""
    words = _recipe(code).words
    for inside in (words.letters + words.opening, words.letters + words.signs):
        assert not re.search("[\x80-\xff][0-9A-Fa-f]", inside)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(languages()), st.data())
def test_whatever_a_grammar_of_a_language_allows_the_parser_never_reads_otherwise(code, data):
    """A text may be refused; it is never given to another speaker or another label."""
    recipe = _recipe(code)
    constraint = build(
        recipe, seed=data.draw(st.integers(0, 99)), emotion=None, constrain=True, turns=(2, 3)
    ).constraint
    text = data.draw(st.from_regex(constraint.regex, fullmatch=True))
    outcome = parse(text, recipe.format)
    written = re.findall(rf"^{recipe.format.speaker}: (.*?) {recipe.format.utterance}: .* (\d)$", text, re.MULTILINE)
    if isinstance(outcome, Parsed):
        number = dict(recipe.format.numbers)
        assert [(turn.speaker, str(number[turn.emotion])) for turn in outcome.utterances] == written


def test_all_words_of_a_prompt_are_of_its_language():
    german, chinese = _recipe("de"), _recipe("zh")
    assert build(german, seed=1, emotion=None, constrain=True, turns=(4, 4)).messages[-1]["content"] == (
        "(Jörg, Käthe, Björn). 0 für calm, 1 für glad. Sprecher: Äußerung: Zahl: Schreibe genau 4 Zeilen."
    )
    assert build(chinese, seed=1, emotion=None, constrain=True, turns=(4, 4)).messages[-1]["content"] == (
        "(小明、小红、老王).0代表calm、1代表glad.说话人: 话语: 编号:正好写4行。"
    )


def test_a_recipe_may_say_its_own_words():
    words = (
        '[words]\nnumbered = "{label}: {number}"\nlines = "{lines} Zeilen."\nletters = "a-zß"\ncharacters = [3, 9]\n'
    )
    prompt = build(_recipe("de", words), seed=1, emotion=None, constrain=True, turns=(2, 2))
    assert "calm: 0, glad: 1. " in prompt.messages[-1]["content"]
    assert prompt.messages[-1]["content"].endswith(" 2 Zeilen.")
    assert "[a-zß][a-zß ,.'!?0-9-]{2,8}" in prompt.constraint.regex


def test_a_language_without_words_is_refused_and_one_without_letters_is_not_constrained():
    with pytest.raises(ErcSynthError, match=r"talk.toml, line 4: language: there are no words for 'tlh': give"):
        _recipe("tlh")
    recipe = _recipe("tlh", '[words]\nnumbered = "{number} {label}"\nlines = "{lines}!"\n')
    assert "0 calm, 1 glad" in build(recipe, seed=1, emotion=None).messages[-1]["content"]
    with pytest.raises(ErcSynthError, match="letters of the language 'tlh'"):
        build(recipe, seed=1, emotion=None, constrain=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ('letters = "a-z:"', r"line \d+: words.letters: characters and ranges only, without ':'"),
        ('letters = "z-a"', r"words.letters: bad character range"),
        ('signs = "("', r"words.signs: characters and ranges only"),
        ('numbered = "{number}"', r"line \d+: words.numbered: {label} is missing"),
        ('lines = "{line} Zeilen"', "words.lines: unknown placeholder {line}"),
        ("characters = [9, 3]", "words.characters: the least length is above the greatest"),
        ('word = "x"', r"line \d+: words.word"),
    ],
)
def test_wrong_words_are_refused_with_their_line(words, message):
    with pytest.raises(ErcSynthError, match=message):
        _recipe("de", f"[words]\n{words}\n")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('[[0, "Ja.", "calm"], [1, "Nein.", "sad"]]', "examples: unknown label 'sad'"),
        ('[[0, "Ja.", "calm"], [3, "Nein.", "glad"]]', "examples: a speaker is a place in the cast of 3"),
        ('[[0, "Ja.", "calm"], [0, "Nein.", "glad"]]', r"begins 'Ja.' as no dialogue \(one_speaker\)"),
        ('[[0, "Ja. Zahl: 1", "calm"], [1, "Nein.", "glad"]]', "the parser reads the dialogue that begins"),
    ],
)
def test_examples_that_the_parser_would_not_read_are_refused(lines, message):
    with pytest.raises(ErcSynthError, match=message):
        _recipe("de", f"[[examples]]\nlines = {lines}\n")


def test_a_recipes_own_examples_are_asked_with_and_copies_of_them_are_known():
    recipe = _recipe("de", '[[examples]]\nlines = [[0, "Na endlich.", "glad"], [1, "Ja, klar.", "calm"]]\n')
    prompt = build(recipe, seed=1, emotion=None, few_shot=1)
    assert len(prompt.messages) == 3
    assert re.search("Äußerung: Na endlich. Zahl: 1\n", prompt.messages[1]["content"])
    assert {"Na endlich.", "Ja, klar."} <= example_texts(recipe)
    assert not {"Na endlich."} & example_texts()
    assert recipe.fingerprint != _recipe("de").fingerprint


def test_english_examples_are_not_shown_to_another_language():
    text = load_recipe("meld_natural").source.replace('language = "en"', 'language = "de"')
    with pytest.raises(ErcSynthError, match="no few-shot examples of the label set 'meld' in the language 'de'"):
        build(recipe_from_text(text, "x"), seed=1, emotion=None, few_shot=1)


def test_a_country_beside_the_language_changes_nothing():
    here, there = _recipe("de"), _recipe("de-AT")
    assert build(here, seed=1, emotion=None, constrain=True) == build(there, seed=1, emotion=None, constrain=True)
