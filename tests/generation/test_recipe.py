"""Recipes: six that satisfy the paper's constraints, and refusals with the line."""

import pytest

from erc_synth.generation.prompts import build, sentences, wanted_emotion
from erc_synth.generation.recipe import RECIPE_NAMES, load_profile, load_recipe, recipe_from_text
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import label_set

SOURCE = load_recipe("meld_balanced").source


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_shipped_recipes_number_every_label_of_their_set(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert {label for label, _ in recipe.format.numbers} == set(label_set(recipe.label_set).labels)


@pytest.mark.parametrize("benchmark", ["meld", "emorynlp", "iemocap"])
def test_balanced_differs_only_in_the_last_part_of_sentence_one(benchmark):
    natural, balanced = (load_recipe(f"{benchmark}_{kind}") for kind in ("natural", "balanced"))
    plain, asked = sentences(natural, None), sentences(balanced, "fear" if benchmark == "meld" else "sad")
    assert plain[1:] == asked[1:]
    assert plain[0].split(", who")[0] == asked[0].split(", that contains")[0]


@pytest.mark.parametrize("name", [name for name in RECIPE_NAMES if name.endswith("balanced")])
def test_balanced_walks_all_labels_equally_and_gives_no_number(name):
    recipe = load_recipe(name)
    labels = [label for label, _ in recipe.format.numbers]
    assert [wanted_emotion(recipe, i) for i in range(2 * len(labels))] == labels * 2
    for label in labels:
        first = sentences(recipe, label)[0]
        assert label in first
        assert not any(character.isdigit() for character in first)


def test_every_label_stands_with_its_number_in_sentence_two():
    recipe = load_recipe("emorynlp_natural")
    assert all(f"{number} for {label}" in sentences(recipe, None)[1] for label, number in recipe.format.numbers)


def test_the_prompt_is_one_message_of_three_sentences():
    recipe = load_recipe("iemocap_natural")
    prompt = build(recipe, seed=0, emotion=None)
    assert [message["role"] for message in prompt.messages] == ["user"]
    assert prompt.messages[0]["content"] == " ".join(sentences(recipe, None))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("top_k = 100", "top_kk = 100", r"line \d+: sampling.top_kk"),
        ("joy = 1", "joy = 0", r"line \d+: numbers.joy: its number is given twice"),
        ("joy = 1", "glee = 1", "labels differ from the set meld"),
        ("{labels}", "{lables}", r"line \d+: prompt.labelling: unknown placeholder {lables}"),
        ('kind = "balanced"', 'kind = "equal"', r"line \d+: kind"),
        ("expressing {emotion}", "expressing much", "names {emotion}"),
        ("min = 6", "min = 60", "min is above max"),
        ("[markers]", "[marks]", r"line \d+: marks"),
        ("name = ", "name == ", "not valid TOML"),
    ],
)
def test_wrong_recipes_are_refused_with_their_line(old, new, message):
    assert old in SOURCE
    with pytest.raises(ErcSynthError, match=message):
        recipe_from_text(SOURCE.replace(old, new, 1), "mine.toml")


def test_an_own_label_set_and_cast_need_no_code(tmp_path):
    text = SOURCE.replace('label_set = "meld"', 'label_set = "weather"').replace("meld_balanced", "mine")
    start, end = text.index("[numbers]"), text.index("[speakers]")
    path = tmp_path / "mine.toml"
    path.write_text(text[:start] + "[numbers]\nsunny = 1\nrainy = 2\n\n" + text[end:])
    assert load_recipe(str(path)).labels.labels == ("sunny", "rainy")


def test_fingerprint_follows_the_words_and_not_the_sizes():
    recipe = recipe_from_text(SOURCE, "x")
    assert recipe_from_text(SOURCE.replace("dialogues = 1500", "dialogues = 7"), "x").fingerprint == recipe.fingerprint
    assert recipe_from_text(SOURCE.replace("natural dialogue", "short dialogue"), "x").fingerprint != recipe.fingerprint


def test_labels_that_differ_by_case_only_are_refused():
    text = SOURCE.replace('label_set = "meld"', 'label_set = "own"').replace("fear = 6", "Joy = 6")
    with pytest.raises(ErcSynthError, match=r"line \d+: numbers.Joy: the label is given twice"):
        recipe_from_text(text, "x")


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path):
    (tmp_path / "x.toml").write_bytes(b'name = "x"\nlabel_set = "\xe9"\n')
    with pytest.raises(ErcSynthError, match="line 2: the text is not UTF-8"):
        load_recipe(str(tmp_path / "x.toml"))


@pytest.mark.parametrize(
    ("served", "generator"),
    [
        ("lmsys/vicuna-13b-v1.5", "lmsys/vicuna-13b-v1.5"),
        ("/home/ada/vicuna-13b-v1.5.Q4_K_M.gguf", "lmsys/vicuna-13b-v1.5"),
        ("/home/ada/other-7b.gguf", "other-7b.gguf"),
        ("org/other", "org/other"),
        ("", "lmsys/vicuna-13b-v1.5"),
    ],
)
def test_the_generator_is_who_wrote_not_who_was_asked_for(served, generator):
    assert load_profile("vicuna-1.5").generator(served) == generator


def test_unknown_names_list_the_known():
    with pytest.raises(ErcSynthError, match="meld_natural"):
        load_recipe("meld_natrual")
    with pytest.raises(ErcSynthError, match="vicuna"):
        load_profile("gpt")
