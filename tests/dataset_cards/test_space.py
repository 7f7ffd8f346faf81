"""The page of `browse` on the Hub: one commit of two files, nobody else's Space touched."""

import os
import subprocess
import sys

import pytest

from erc_synth.dataset_cards import browse
from erc_synth.dataset_cards.shown import Shown
from erc_synth.dataset_cards.space import write_space
from fakes.dialogues import invented
from fakes.hub import TOKEN, HubServer, Repo

NAME = "org/dialogues"
# The waits between tries are short here.
HASTY = "import time; rest = time.sleep; time.sleep = lambda s: rest(min(s, 0.01)); "


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    write_space(tmp_path / "space", browse.page([Shown("c", "train", d) for d in invented(2)]), "Dialogues: all")
    return tmp_path / "space"


def _publish(hub, folder, *words, token=TOKEN):
    command = [sys.executable, "-c", HASTY + "from erc_synth.cli.main import main; main()", "publish",
               "--repo-id", NAME, "--folder", str(folder), *words]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder.parent / "hf"), "HF_HUB_DISABLE_XET": "1",
                    "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "*"}  # fmt: skip
    environment |= {"HF_TOKEN": token} if token else {}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_space_is_created_sent_and_sent_again_only_when_it_changed(hub, folder):
    answer = _publish(hub, folder)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1].startswith(f"One commit: spaces/{NAME} at ")
    files = hub.repos[NAME].commits[-1][1]
    assert files["index.html"][0] == (folder / "index.html").read_bytes()
    assert b"sdk: static" in files["README.md"][0]
    assert "Nothing changed" in _publish(hub, folder).stdout
    write_space(folder, browse.page([Shown("c", "train", d) for d in invented(3)]), "Dialogues: all")
    assert _publish(hub, folder).returncode == 0
    assert len(hub.repos[NAME].commits) == 3
    assert hub.repos[NAME].commits[-1][1]["index.html"][0] == (folder / "index.html").read_bytes()


def test_a_dry_run_sends_nothing(hub, folder):
    answer = _publish(hub, folder, "--dry-run")
    assert answer.returncode == 0
    assert "index.html" in answer.stdout
    assert not hub.repos


def test_a_space_of_others_is_not_touched(hub, folder):
    hub.repos[NAME] = Repo(False)
    hub.repos[NAME].commit({"README.md": (b"---\nsdk: static\n---\nmine\n", False)}, "theirs")
    answer = _publish(hub, folder)
    assert answer.returncode == 2
    assert answer.stderr == f"Error: The Space {NAME} was not made by erc-synth browse. Give another --repo-id.\n"
    assert len(hub.repos[NAME].commits) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--tag", "v1.0.0"], "--tag is for data sets"), (["--create-pr"], "--create-pr is for data sets")],
)
def test_what_is_for_data_sets_is_refused(hub, folder, words, said):
    answer = _publish(hub, folder, *words)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert not hub.requests


def test_without_a_login_nothing_is_made(hub, folder):
    answer = _publish(hub, folder, token=None)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert not hub.repos
