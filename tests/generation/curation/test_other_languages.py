"""Curation of a recipe in another language: its own markers, its own script, characters where there are no blanks."""

import pytest

from erc_synth.generation.curation.faults import Asked, example_lines, faults, prompt_grams
from erc_synth.loaders.schema import Dialogue, Utterance
from erc_synth.loaders.wording import lines

CHINESE = [
    "我把钥匙忘在车站里了。",
    "你的雨伞是不是还在厨房？",
    "那我明天带相机去花园找你。",
    "好的，我们在门口见面吧！",
]
GERMAN = ["Ich habe den Schlüssel im Flur vergessen.", "Dann gehen wir eben zu Fuß zum Bahnhof.",
          "Das ist mir heute wirklich zu weit.", "Na gut, ich rufe uns ein Taxi."]  # fmt: skip
LABELS = {"zh": ("平静", "高兴"), "de": ("neutral", "Freude")}
SAID = {"zh": CHINESE, "de": GERMAN}


def _reasons(language, texts, **asked):
    names = ("小明", "小红") if language == "zh" else ("Jörg", "Käthe")
    labels = LABELS[language]
    turns = tuple(Utterance(names[i % 2], text, labels[i % 2]) for i, text in enumerate(texts))
    dialogue = Dialogue("d", turns)
    wanted = Asked(language=language, names=names, labels=labels, **asked)
    return {reason for reason, _ in faults(dialogue, lines(dialogue), wanted)}


@pytest.mark.parametrize("language", SAID)
def test_an_ordinary_dialogue_passes(language):
    assert _reasons(language, SAID[language]) == set()


@pytest.mark.parametrize(
    ("language", "line", "reason"),
    [
        ("zh", "我很好。情绪：高兴", "label_in_text"),
        ("zh", "我很好。编号：1", "label_in_text"),
        ("zh", "我们走吧。（高兴）", "label_in_text"),
        ("de", "Das freut mich sehr. Zahl: 1", "label_in_text"),
        ("de", "Das freut mich sehr. Gefühl: Freude", "label_in_text"),
        ("zh", "I never said that at all.", "foreign_line"),
        ("de", "I never said that you could take my umbrella with you.", "foreign_line"),
        ("de", "我把钥匙忘在车站里了。", "foreign_line"),
        ("zh", "作为一个人工智能语言模型，我没有感情。", "refusal"),
        ("de", "Als KI-Sprachmodell kann ich dazu nichts sagen.", "refusal"),
        ("zh", "以下是一段对话：", "commentary"),
    ],
)
def test_each_fault_is_seen_in_its_language(language, line, reason):
    assert reason in _reasons(language, [*SAID[language][:3], line])


def test_a_dialogue_wholly_in_another_language_is_named():
    assert "language" in _reasons("zh", GERMAN)
    assert "language" in _reasons("de", CHINESE)


def test_short_chinese_lines_may_be_said_again_and_long_ones_may_not():
    assert "repeated_lines" not in _reasons("zh", [*CHINESE, "怎么了？", "怎么了？", "怎么了？"])
    assert "repeated_lines" in _reasons("zh", [*CHINESE, CHINESE[0], CHINESE[0]])


def test_a_copied_chinese_example_is_told_from_chance():
    examples = example_lines(frozenset({"走吧！", "对不起，我真的忘记了。"}), "zh")
    assert "copied_example" not in _reasons("zh", [*CHINESE, "走吧！"], examples=examples)
    assert "copied_example" in _reasons("zh", [*CHINESE, "对不起，我真的忘记了！"], examples=examples)


def test_a_chinese_line_that_repeats_the_prompt_is_seen_and_a_few_shared_characters_are_not():
    prompt = prompt_grams(["请写一段自然的对话，人物是小明和小红，他们聊日常生活。"], "zh")
    assert "prompt_echo" in _reasons("zh", [*CHINESE, "写一段自然的对话，人物是小明和小红，他们聊天"], prompt=prompt)
    assert "prompt_echo" not in _reasons("zh", [*CHINESE, "小明和小红，他们聊天呢"], prompt=prompt)
