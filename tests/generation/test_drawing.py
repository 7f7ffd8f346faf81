"""Options of small models: label order, label words, topics, casts and plans of labels; off, they change nothing."""

import hashlib
import random
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.drawing import START, Drawing, benchmark_table, drawn, transitions
from erc_synth.generation.parsing import Parsed, parse
from erc_synth.generation.prompts import build, wanted_emotion
from erc_synth.generation.recipe import RECIPE_NAMES, SMALL_RECIPES, load_recipe, recipe_from_text
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, Utterance, label_set

PAPER = load_recipe("meld_balanced")
SMALL = load_recipe("small/meld_balanced")
LABELS = label_set("meld").labels
# Fingerprint, and hash of 100 prompts, in the first release (before these options and the tables of languages).
BEFORE = {
    "meld_natural": ("f0764e2a689ebc09", "8192d328540bf088"),
    "meld_balanced": ("7fabad7538d556ec", "9d6ed680fd8570ed"),
    "emorynlp_natural": ("dd672a2ce0932135", "7f91764a600540b4"),
    "emorynlp_balanced": ("db889e0911f95a96", "8169a4ddf9462a5d"),
    "iemocap_natural": ("11ffeedd61bd8b1e", "af738a6e9e69bc92"),
    "iemocap_balanced": ("95d60dc3e6a485fb", "e06f779b7793f93d"),
}


@pytest.mark.parametrize("name", BEFORE)
def test_the_papers_recipes_write_the_same_prompts_to_the_byte(name):
    recipe, digest = load_recipe(name), hashlib.sha256()
    for seed in range(50):
        for few_shot, constrain in ((0, False), (1, True)):
            prompt = build(
                recipe, seed=seed, emotion=wanted_emotion(recipe, seed), few_shot=few_shot, constrain=constrain
            )
            digest.update(prompt.hash.encode())
    assert (recipe.fingerprint, digest.hexdigest()[:16]) == BEFORE[name]


def test_each_option_is_part_of_the_fingerprint():
    options = [
        replace(PAPER, format=replace(PAPER.format, order="label-first")),
        replace(PAPER, format=replace(PAPER.format, label_words=True)),
        *(
            replace(PAPER, drawing=drawing)
            for drawing in (Drawing(topics=("rain",)), Drawing(cast=(2, 3)), Drawing(table=SMALL.drawing.table))
        ),
    ]
    assert len({PAPER.fingerprint, *(recipe.fingerprint for recipe in options)}) == 1 + len(options)


@pytest.mark.parametrize("name", SMALL_RECIPES)
def test_recipes_for_small_models_ask_for_the_same_labels_of_the_same_cast(name):
    small, paper = load_recipe(name), load_recipe(name.removeprefix("small/"))
    assert (small.name, small.label_set, small.kind) == (paper.name, paper.label_set, paper.kind)
    assert small.format.numbers == paper.format.numbers
    assert small.format.names == paper.format.names
    assert small.fingerprint != paper.fingerprint


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_a_profile_of_small_models_writes_by_its_own_recipes_unless_the_papers_are_named(name):
    assert load_recipe(name, "small").source == load_recipe(f"small/{name}").source
    assert load_recipe(f"paper/{name}", "small").source == load_recipe(name).source


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(LABELS), st.integers(0, 2**31 - 1), st.integers(2, 14),
    st.sampled_from([None, (2, 2), (2, 4), (6, 6)]), st.sampled_from([(), ("rain",), ("rain", "snow", "hail")]),
)  # fmt: skip
def test_what_is_drawn_is_as_asked_and_the_same_each_time(emotion, seed, turns, cast, topics):
    drawing = Drawing(topics, cast, SMALL.drawing.table)
    found = drawn(drawing, PAPER.format, seed=seed, turns=turns, emotion=emotion)
    assert found == drawn(drawing, PAPER.format, seed=seed, turns=turns, emotion=emotion)
    assert len(found.labels) == turns
    assert emotion in found.labels
    assert len(set(found.names)) == len(found.names)
    assert set(found.names) <= set(PAPER.format.names)
    assert (not found.names) if cast is None else cast[0] <= len(found.names) <= cast[1]
    assert found.topic in (topics or ("",))


def test_an_option_moves_no_draw_of_another():
    bare = drawn(Drawing(topics=("rain", "snow"), cast=(2, 4)), PAPER.format, seed=3, turns=6, emotion=None)
    full = drawn(replace(SMALL.drawing, topics=("rain", "snow")), PAPER.format, seed=3, turns=6, emotion="fear")
    assert (bare.names, bare.topic) == (full.names, full.topic)
    assert {drawn(SMALL.drawing, PAPER.format, seed=s, turns=6, emotion=None).topic for s in range(400)} == set(
        SMALL.drawing.topics
    )


def test_planned_labels_follow_each_other_as_in_the_table():
    table = dict(SMALL.drawing.table)
    pairs, firsts = Counter(), Counter()
    for seed in range(3000):
        labels = drawn(SMALL.drawing, PAPER.format, seed=seed, turns=8, emotion=None).labels
        firsts[labels[0]] += 1
        pairs.update(pair for pair in pairwise(labels) if pair[0] == "neutral")
    for counts, row in ((firsts, START), ({b: n for (_, b), n in pairs.items()}, "neutral")):
        weights = dict(table[row])
        for label in LABELS:
            assert counts[label] / sum(counts.values()) == pytest.approx(
                weights[label] / sum(weights.values()), abs=0.03
            )


def test_an_emotion_that_never_follows_is_put_into_the_plan():
    table = tuple((row, (("neutral", 1.0), ("joy", 0.0))) for row in (START, "neutral", "joy"))
    labels = drawn(Drawing(table=table), PAPER.format, seed=1, turns=5, emotion="joy").labels
    assert Counter(labels) == {"neutral": 4, "joy": 1}


DIALOGUES = st.lists(st.lists(st.sampled_from([*LABELS, None]), min_size=1, max_size=6), min_size=1, max_size=6)


@given(DIALOGUES)
def test_a_table_counts_every_labelled_turn_once(labels):
    dialogues = [
        Dialogue(str(i), tuple(Utterance("Ann", "Hi.", label) for label in row)) for i, row in enumerate(labels)
    ]
    table = dict(transitions(dialogues, LABELS))
    assert list(table) == [START, *LABELS]
    given_turns = [label for row in labels for label in row if label]
    followed = {a for row in labels for a in [label for label in row if label][:-1]}
    filled = sum(sum(weight for _, weight in table[name]) for name in (START, *followed))
    assert filled == len(given_turns)
    if given_turns:
        assert all(sum(weight for _, weight in row) > 0 for row in table.values())


@pytest.mark.parametrize("name", ["meld", "emorynlp"])
def test_shipped_tables_are_those_of_the_train_split(name, benchmark_data):
    from erc_synth.loaders import registry
    from erc_synth.loaders.schema import to_dialogues

    train = to_dialogues(registry.load(name, data_dir=benchmark_data)["train"])
    assert benchmark_table(name) == transitions(train, label_set(name).labels)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["label-last", "label-first"]), st.booleans(), st.booleans(),
    st.integers(0, 2**31 - 1), st.integers(0, 10**6),
)  # fmt: skip
def test_what_the_grammar_allows_is_read_back_in_every_order(order, words, planned, seed, choice):
    form = replace(PAPER.format, order=order, label_words=words)
    recipe = replace(SMALL, format=form, drawing=replace(SMALL.drawing, table=SMALL.drawing.table if planned else ()))
    prompt, draw = build(recipe, seed=seed, emotion="fear", few_shot=1, constrain=True), random.Random(choice)
    turns = prompt.constraint.turns
    job = drawn(recipe.drawing, form, seed=seed, turns=turns, emotion="fear")
    first = re.search(r'speaker "([^"]+)"', prompt.constraint.gbnf)[1]
    speakers = [first, draw.choice([n for n in job.names if n != first])]
    speakers += [draw.choice(job.names) for _ in range(turns - 2)]
    labels = job.labels or [draw.choice(LABELS) for _ in speakers]
    texts = ["Q" + "".join(draw.choice("abz AZ09,.'!?-") for _ in range(draw.randint(7, 139))) for _ in speakers]
    text = "".join(form.line(*parts) + "\n" for parts in zip(speakers, texts, labels, strict=True))
    assert re.fullmatch(prompt.constraint.regex, text)
    assert (re.fullmatch(prompt.constraint.regex, text[:-1]) is not None) == (order == "label-first")
    outcome = parse(text, form)
    assert isinstance(outcome, Parsed)
    assert [(turn.speaker, turn.emotion) for turn in outcome.utterances] == list(zip(speakers, labels, strict=True))
    assert [turn.text for turn in outcome.utterances] == [" ".join(text.split()) for text in texts]


@pytest.mark.parametrize("planned", [False, True])
def test_a_text_that_is_last_may_end_the_answer_without_a_line_break(planned):
    drawing = replace(SMALL.drawing, table=SMALL.drawing.table if planned else ())
    held = build(replace(SMALL, drawing=drawing), seed=1, emotion="fear", constrain=True).constraint
    root, rules = held.gbnf.split("\n", 1)
    assert root.endswith('"\\n"?')
    assert '"\\n"' not in rules
    assert root.count('"\\n"') == held.turns
    assert held.regex.endswith(r"\n?")
    assert held.regex.count(r"\n") == held.turns


@pytest.mark.parametrize("name", SMALL_RECIPES)
def test_examples_of_small_recipes_are_read_back_and_keep_their_own_plan(name):
    recipe = load_recipe(name)
    prompt = build(recipe, seed=5, emotion=wanted_emotion(recipe, 0), few_shot=5, constrain=True)
    for ask, answer in zip(prompt.messages[0:-1:2], prompt.messages[1::2], strict=True):
        outcome = parse(answer["content"], recipe.format)
        assert isinstance(outcome, Parsed)
        plan = ", ".join(recipe.format.label(turn.emotion) for turn in outcome.utterances)
        assert (f"in this order: {plan}." in ask["content"]) == bool(recipe.drawing.table)
        assert f"Write exactly {len(outcome.utterances)} lines." in ask["content"]


def test_a_plan_without_grammar_names_labels_and_lines():
    prompt = build(SMALL, seed=1, emotion="fear")
    asked = prompt.messages[-1]["content"]
    plan = asked.split("in this order: ")[1].rstrip(".").split(", ")
    assert prompt.constraint is None
    assert f"Write exactly {len(plan)} lines." in asked
    assert "6 (fear)" in plan


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('order = "label-first"', 'order = "label-middle"', r"line \d+: order"),
        ('plan = "transitions"', 'plan = "markov"', r"line \d+: plan"),
        ("form '{line}'", "form '{utterance} {number}'", "label-first names {number} before {utterance}"),
        ("about {topic}", "about it", "a sentence with {topic} is missing"),
        ("order: {plan}", "order", "a sentence with {plan} is missing"),
        ("about {topic}", "about {topics}", "{topic} is missing"),
        ("cast = [2, 4]", "cast = [4, 2]", "least and most of the 6 names"),
        ("cast = [2, 4]", "cast = [2, 7]", "least and most of the 6 names"),
        ("cast = [2, 4]", "cast = [1, 4]", r"line \d+: drawn.cast"),
        ("cast = [2, 4]", "castt = [2, 4]", r"line \d+: drawn.castt"),
        ('"a noisy neighbour"', '"a lost umbrella"', "a topic is given twice"),
        ('"a noisy neighbour"', '""', r"line \d+: drawn"),
    ],
)
def test_unknown_or_impossible_values_are_refused_in_one_sentence(old, new, message):
    assert old in SMALL.source
    with pytest.raises(ErcSynthError, match=message) as caught:
        recipe_from_text(SMALL.source.replace(old, new, 1), "mine.toml")
    assert "\n" not in str(caught.value)


ROWS = "\n[transitions.{0}]\nneutral = 1\njoy = 2\n"
PLANNED = load_recipe("iemocap_natural").source.replace("[prompt]", 'plan = "transitions"\n[prompt]\nplan = "{plan}"')
TABLE = "".join(ROWS.format(row) for row in (START, *LABELS))


def test_a_recipe_may_carry_its_own_table():
    recipe = recipe_from_text(SMALL.source + TABLE, "mine.toml")
    assert dict(recipe.drawing.table)["fear"] == (("neutral", 1.0), ("joy", 2.0))
    assert recipe.fingerprint != SMALL.fingerprint


@pytest.mark.parametrize(
    ("source", "table", "message"),
    [
        (PAPER.source, TABLE, "of no use without plan"),
        (SMALL.source, ROWS.format(START), "rows differ from start and the labels"),
        (SMALL.source, TABLE.replace("joy = 2", "glee = 2", 1), "unknown label glee"),
        (SMALL.source, TABLE.replace("neutral = 1\njoy = 2", "neutral = 0", 1), "no label has a weight above 0"),
        (SMALL.source, TABLE.replace("neutral = 1", "neutral = -1", 1), "transitions"),
        (SMALL.source, TABLE.replace("neutral = 1", "neutral = nan", 1), "transitions"),
        (PLANNED, "", "there is no table of iemocap"),
    ],
)  # fmt: skip
def test_wrong_tables_are_refused_in_one_sentence(source, table, message):
    with pytest.raises(ErcSynthError, match=message) as caught:
        recipe_from_text(source + table, "mine.toml")
    assert "\n" not in str(caught.value)
