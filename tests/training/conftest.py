"""A small data set in the one schema, as a local repo folder, and a tiny backbone."""

import random

import pytest

from erc_synth.loaders.schema import Dialogue, Utterance, label_set, to_utterances
from fakes.tiny_model import build_tiny_model

WORDS = {
    "anger": "I am really angry now",
    "joy": "so happy to see you",
    "neutral": "okay whatever",
    "sadness": "saddest thing ever heard",
}


def dialogues(prefix, count, seed=0):
    chance = random.Random(f"{prefix}{seed}")
    made = []
    for number in range(count):
        turns = []
        for turn in range(chance.randint(2, 6)):
            emotion = chance.choice(list(WORDS))
            turns.append(Utterance(chance.choice("AB"), f"{WORDS[emotion]} {prefix} {number} {turn}", emotion))
        made.append(Dialogue(f"{prefix}-{number}", tuple(turns)))
    return made


def write_repo(folder, config, labels="meld"):
    place = folder / config
    place.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", 12), ("validation", 4), ("test", 4)):
        rows = to_utterances(dialogues(f"{config}-{split}", count), label_set(labels))
        rows.to_parquet(str(place / f"{split}-00000-of-00001.parquet"))
    configs = sorted(p.name for p in folder.iterdir() if p.is_dir())
    lines = ["---", "configs:"]
    for name in configs:
        lines += [f"- config_name: {name}", "  data_files:"]
        for split in ("train", "validation", "test"):
            lines += [f"  - split: {split}", f"    path: {name}/{split}-*.parquet"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return str(build_tiny_model(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="session")
def repo_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repo")
    write_repo(folder, "meld_natural")
    write_repo(folder, "meld_balanced")
    return str(folder)


@pytest.fixture(name="dialogues")
def _dialogues():
    return dialogues


@pytest.fixture(name="write_repo")
def _write_repo():
    return write_repo
