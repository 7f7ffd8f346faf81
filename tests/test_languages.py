"""A German and a Chinese recipe, one TOML file each, go the whole way: constrained generation to a classifier."""

import asyncio
import json
import os
import random
import re
import subprocess
import sys

import pytest

from erc_synth.generation.prompts import build
from erc_synth.generation.recipe import load_profile, load_recipe, recipe_from_text
from erc_synth.generation.runs.folder import accepted_dialogues
from erc_synth.generation.serving.embedded import EmbeddedServer, EmbeddedTransport
from erc_synth.generation.serving.endpoints import Roster
from erc_synth.generation.serving.session import Session
from fakes.llm_server import LlmServer
from fakes.tiny_model import build_tiny_model

GERMAN = """
name = "alltag_de"
label_set = "gefuehle"
kind = "balanced"
language = "de"
dialogues = 24

[prompt]
task = "Schreibe einen natürlichen Dialog zwischen einigen dieser Personen: {cast}{ending}."
balanced_ending = ", in dem mindestens eine Äußerung dieses Gefühl zeigt: {emotion}"
labelling = "Gib jeder Äußerung genau eine Zahl für das Gefühl ihres Sprechers: {labels}."
structure = "Schreibe eine Äußerung je Zeile, davor '{speaker}:', '{utterance}:' und '{number}:'."

[numbers]
neutral = 0
Freude = 1
Trauer = 2
Wut = 3
Angst = 4

[speakers]
names = ["Jörg", "Käthe", "Björn"]
closed = true

[turns]
min = 4
max = 6
"""
CHINESE = """
name = "richang_zh"
label_set = "qinggan"
kind = "natural"
language = "zh"
dialogues = 24

[prompt]
task = "请写一段自然的对话，人物是{cast}{ending}。"
natural_ending = "，他们聊日常生活"
labelling = "用一个编号标出每句话的情绪：{labels}。"
structure = "每行一句话，前面写“{speaker}:”、“{utterance}:”和“{number}:”。"

[[examples]]
lines = [
    [0, "你怎么现在才告诉我？", "愤怒"],
    [1, "对不起，我真的忘记了。", "悲伤"],
    [0, "算了，我们一起想办法吧。", "平静"],
]

[[examples]]
lines = [
    [1, "我们的猫自己回家了！", "高兴"],
    [2, "真的吗？我找了它三天。", "高兴"],
    [1, "它就坐在门口等你呢。", "平静"],
]

[numbers]
"平静" = 0
"高兴" = 1
"悲伤" = 2
"愤怒" = 3

[speakers]
names = ["小明", "小红", "老王"]

[turns]
min = 4
max = 6
"""
SAID = {
    "de": (
        ["Ich habe den {} im {} vergessen, tut mir leid!", "Wo steht denn jetzt der {} aus dem {}?",
         "Der schöne {} gehört doch nicht in den {}.", "Für den {} fahre ich morgen noch einmal zum {}.",
         "Größer als dieser {} war nur der alte {}."],
        ["Schlüssel", "Koffer", "Teppich", "Kuchen", "Ofen", "Brief", "Hut", "Löffel", "Stuhl", "Käfig", "Schrank"],
        ["Flur", "Keller", "Garten", "Bahnhof", "Büro", "Zug", "Hafen", "Laden", "Café", "Museum", "Dachboden", "Park"],
    ),
    "zh": (
        ["我把{}忘在{}里了，怎么办？", "你的{}是不是还在{}？", "那个{}昨天就从{}搬走了！", "我明天带{}去{}找你。",
         "谁把我的{}放到{}去了……"],
        ["钥匙", "雨伞", "箱子", "蛋糕", "围巾", "帽子", "相机", "吉他", "钱包", "地图", "茶壶", "自行车"],
        ["车站", "厨房", "花园", "办公室", "图书馆", "阳台", "学校", "市场", "医院", "咖啡馆", "地下室", "公园"],
    ),
}  # fmt: skip
RECIPES = {"de": GERMAN, "zh": CHINESE}
NAMES = {"de": "alltag_de", "zh": "richang_zh"}


def _answer(body, seed):
    """What a server that is held to the regex writes: as many lines, its first speaker, its letters."""
    regex = body["structured_outputs"]["regex"]
    speaker, first, utterance, number = re.match(r"(\w+): \((\w+)\) (\w+): .*? (\w+): \(", regex).groups()
    others = re.search(rf"\\n{speaker}: \(([^)]*)\)", regex)[1].split("|")
    turns = 2 + int(re.search(r"\)\{(\d+)\}$", regex)[1])
    numbers = re.search(rf" {number}: \(([^)]*)\)", regex)[1].split("|")
    draw = random.Random(seed)
    patterns, things, places = SAID["de" if speaker == "Sprecher" else "zh"]
    names = [first, *(draw.choice(others) if i % 2 else first for i in range(1, turns))]
    texts = [draw.choice(patterns).format(draw.choice(things), draw.choice(places)) for _ in names]
    labels = [*draw.sample(numbers, 2), *(draw.choice(numbers) for _ in texts[2:])]
    lines = [
        f"{speaker}: {name} {utterance}: {text} {number}: {label}\n"
        for name, text, label in zip(names, texts, labels, strict=True)
    ]
    assert re.fullmatch(regex, "".join(lines)), (regex, lines)
    return "".join(lines)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which all stages ran one after the other, for both recipes."""
    root = tmp_path_factory.mktemp("languages")
    build_tiny_model(root / "tiny")
    for code, text in RECIPES.items():
        (root / f"{code}.toml").write_text(text, "utf-8")
    with LlmServer(flavour="vllm", text=_answer) as server:
        _erc(root, "generate", "de.toml", "--engine", "openai", "--endpoint", server.url, "--constrain",
             "--few-shot", 0)  # fmt: skip
        _erc(root, "generate", "zh.toml", "--engine", "openai", "--endpoint", server.url, "--constrain",
             "--few-shot", 2)  # fmt: skip
        (root / "requests.json").write_text(json.dumps(server.requests))
    _erc(root, "curate", "runs")
    for code, name in NAMES.items():
        _erc(root, "quality", name, "--no-encoder", "--out", f"{code}.quality.json")
    _erc(root, "build")
    for code, name in NAMES.items():
        _erc(root, "train", "--train", f"dist/erc-synth:{name}", "--backbone", "tiny", "--out", f"models/{code}",
             "--epochs", 1, "--max-tokens", 64)  # fmt: skip
    return root


def _erc(root, *words):
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    environment.pop("ERC_DATA", None)
    command = [sys.executable, "-m", "erc_synth.cli.main", *map(str, words)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, (words, done.stderr[-3000:])
    return done.stdout


def _json(path):
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("code", NAMES)
def test_every_answer_is_read_as_it_was_written(place, code):
    manifest = _json(place / "runs" / NAMES[code] / "manifest.json")
    assert manifest["counts"]["accepted"] == 24
    assert manifest["counts"]["rejected"] == {}
    assert manifest["recipe"]["language"] == code
    letters = {
        letter for d in accepted_dialogues(place / "runs" / NAMES[code]) for u in d.utterances for letter in u.text
    }
    assert letters >= (set("öäüß") if code == "de" else set("我忘？！，…"))


def test_prompts_are_wholly_in_their_language(place):
    asked = [body["messages"] for body in _json(place / "requests.json")]
    german = next(messages for messages in asked if "Dialog" in messages[-1]["content"])[-1]["content"]
    chinese = next(messages for messages in asked if "对话" in messages[-1]["content"])
    assert "0 für neutral, 1 für Freude" in german
    assert re.search(r"Schreibe genau [456] Zeilen\.$", german)
    assert not re.search(r"\b(for|Write|Speaker|Number)\b", german)
    assert len(chinese) == 5  # two examples of its own, and the task
    assert chinese[1]["content"].splitlines()[0].startswith("说话人: ")
    assert all(not re.search("[A-Za-z]", message["content"]) for message in chinese)


@pytest.mark.parametrize("code", NAMES)
def test_curation_keeps_what_is_in_the_recipes_language(place, code):
    curation = _json(place / "curated" / f"{NAMES[code]}.curation.json")
    assert curation["kept"]["dialogues"] == 24
    assert curation["label_set"]["name"] == load_recipe(str(place / f"{code}.toml")).label_set


def test_quality_counts_chinese_by_character_and_german_by_word(place):
    chinese, german = (_json(place / f"{code}.quality.json")["measures"] for code in ("zh", "de"))
    assert 8 < chinese["words per utterance"]["value"] < 16
    assert 6 < german["words per utterance"]["value"] < 10
    assert 0 < chinese["self-BLEU"]["value"] < 1


@pytest.mark.parametrize("code", NAMES)
def test_repo_card_and_loading_say_labels_and_language(place, code):
    card = (place / "dist/erc-synth/README.md").read_text("utf-8")
    labels = load_recipe(str(place / f"{code}.toml")).labels.labels
    assert re.search(rf"^- {code}$", card, re.MULTILINE)
    assert all(label in card for label in labels)
    loaded = json.loads(_erc(place, "load", f"dist/erc-synth:{NAMES[code]}", "--json"))
    assert loaded["label_set"]["labels"] == list(labels)
    assert sum(split["dialogues"] for split in loaded["splits"].values()) == 24


@pytest.mark.parametrize("code", NAMES)
def test_a_classifier_is_trained_and_scored_on_it(place, code):
    metrics = next((place / "models" / code).rglob("metrics.json"))
    text = metrics.read_text("utf-8")
    labels = load_recipe(str(place / f"{code}.toml")).labels.labels
    assert all(label in json.dumps(json.loads(text), ensure_ascii=False) for label in labels)


@pytest.mark.embedded
def test_the_real_engine_takes_the_grammars_and_writes_in_their_letters():
    """The model is too small for sense in these languages, not for their letters."""
    pytest.importorskip("xllamacpp")
    answers = asyncio.run(_of_the_real_engine({code: _short(text) for code, text in RECIPES.items()}))
    for code, letters in (("de", "[A-Za-zÄÖÜẞäöüßé]"), ("zh", "[一-鿿〇]")):
        prompt, text = answers[code]
        assert re.fullmatch(prompt.constraint.regex, text.strip() + "\n")
        said = re.findall("(?:Äußerung|话语): (.*) (?:Zahl|编号): ", text)
        assert len(said) == 3
        assert all(re.match(letters, words) for words in said)


def _short(text):
    return recipe_from_text(text.replace("[prompt]", "[words]\ncharacters = [4, 16]\n\n[prompt]", 1), "short.toml")


async def _of_the_real_engine(recipes):
    """Prompt and answer of each recipe, by llama.cpp."""
    profile = load_profile("smollm2-135m")
    server = EmbeddedServer(profile)
    transport = EmbeddedTransport(profile, server.weights_sha256)
    found = {}
    async with Session(1, 300) as session:
        await Roster(transport, session, [server.url]).meet()
        for code, recipe in recipes.items():
            prompt = build(recipe, seed=1, emotion=None, constrain=True, turns=(3, 3))
            sampling = {**recipe.sampling, **profile.sampling}
            found[code] = prompt, (await transport.complete(session, server.url, prompt, sampling)).text
    server.close()
    return found
