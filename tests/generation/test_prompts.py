"""Seeds, templates and the one specification behind prompt, grammar and parser."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.parsing import Parsed, parse
from erc_synth.generation.prompts import VICUNA_SYSTEM, apply_template, build, seed_of
from erc_synth.generation.recipe import RECIPE_NAMES, load_recipe
from erc_synth.loaders.errors import ErcSynthError


def test_vicuna_template_is_fastchats_to_the_character():
    one = ({"role": "user", "content": "Hi"},)
    assert apply_template("vicuna", one) == f"{VICUNA_SYSTEM} USER: Hi ASSISTANT:"
    more = (*one, {"role": "assistant", "content": "Ho"}, {"role": "user", "content": "Hu"})
    assert apply_template("vicuna", more) == f"{VICUNA_SYSTEM} USER: Hi ASSISTANT: Ho</s>USER: Hu ASSISTANT:"


def test_unknown_template_is_refused():
    with pytest.raises(ErcSynthError, match="chatml"):
        apply_template("alpaca", ())


@given(st.integers(), st.text(max_size=5), st.integers(0, 10**6), st.integers(0, 9))
def test_seeds_are_stable_and_fit_every_server(run_seed, fingerprint, index, attempt):
    seed = seed_of(run_seed, fingerprint, index, attempt)
    assert seed == seed_of(run_seed, fingerprint, index, attempt)
    assert 0 <= seed < 2**31


def test_run_seed_zero_is_a_seed():
    assert seed_of(0, "f", 1, 0) != seed_of(1, "f", 1, 0)


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_examples_parse_with_the_recipes_own_parser(name):
    recipe = load_recipe(name)
    prompt = build(recipe, seed=5, emotion=None, few_shot=10)
    answers = [m["content"] for m in prompt.messages if m["role"] == "assistant"]
    assert len(answers) == 10
    assert all(isinstance(parse(answer, recipe.format), Parsed) for answer in answers)


def test_examples_rotate_with_the_seed():
    recipe = load_recipe("meld_natural")
    assert len({build(recipe, seed=s, emotion=None, few_shot=1).messages[1]["content"] for s in range(30)}) > 5


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(RECIPE_NAMES), st.integers(0, 2**31 - 1), st.integers(0, 10**6))
def test_whatever_the_grammar_allows_the_parser_accepts(name, seed, choice):
    recipe = load_recipe(name)
    constraint = build(recipe, seed=seed, emotion=None, constrain=True).constraint
    draw = random.Random(choice)
    pieces = re.findall(r"\(([^()]*)\)", constraint.gbnf.split("\n", 1)[0])
    first = re.search(r'root ::= speaker "([^"]*)"', constraint.gbnf)[1]
    others = re.findall(r'"([^"]*)"', pieces[0])
    speakers = [first, draw.choice(others), *(draw.choice(recipe.format.names) for _ in range(constraint.turns - 2))]
    signs = "abz AZ09,.'!?-"
    texts = ["Q" + "".join(draw.choice(signs) for _ in range(draw.randint(7, 139))) for _ in speakers]
    labels = [draw.choice(recipe.format.numbers)[0] for _ in speakers]
    lines = [recipe.format.line(*parts) + "\n" for parts in zip(speakers, texts, labels, strict=True)]
    assert re.fullmatch(constraint.regex, "".join(lines))
    outcome = parse("".join(lines), recipe.format)
    assert isinstance(outcome, Parsed)
    assert [turn.emotion for turn in outcome.utterances] == labels
    assert [turn.speaker for turn in outcome.utterances] == speakers


def test_turn_count_is_drawn_within_the_recipe():
    recipe = load_recipe("meld_natural")
    drawn = {build(recipe, seed=s, emotion=None, constrain=True).constraint.turns for s in range(200)}
    assert drawn == set(range(recipe.format.min_turns, recipe.format.max_turns + 1))
