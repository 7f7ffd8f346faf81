"""Publication with the real clients, in processes of their own, against a Hub server of ours."""

import os
import re
import subprocess
import sys

import pytest

from erc_synth.dataset_cards.folder import MARKER
from fakes.curated import write_project
from fakes.hub import TOKEN, HubServer, Repo

REPO = "org/erc-synth"
LOADER = """
import sys
from datasets import load_dataset
found = load_dataset("org/erc-synth", *sys.argv[1:2], **({"revision": sys.argv[2]} if len(sys.argv) > 2 else {}))
print({split: len(rows) for split, rows in found.items()}, found["train"].features["emotion"].names)
"""


def _built(root, **options):
    curated, runs = write_project(root, **options)
    command = [sys.executable, "-m", "erc_synth.cli.main", "build", "--curated", curated, "--runs", runs,
               "--out", root / "dist"]  # fmt: skip
    subprocess.run([str(word) for word in command], check=True, capture_output=True, cwd=root)
    return root / "dist"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of all six configs."""
    return _built(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One config: what happens on the way does not depend on their number, but each is loaded and reloaded."""
    return _built(tmp_path_factory.mktemp("project"), configs=("meld_natural",))


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server


def _environment(hub, home, token=TOKEN):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*",
                    "HF_HUB_DISABLE_TELEMETRY": "1"}  # fmt: skip
    return environment | ({"HF_TOKEN": token} if token else {})


# The waits between tries are short here.
HASTY = "import time; rest = time.sleep; time.sleep = lambda s: rest(min(s, 0.01)); "


def _publish(hub, folder, home, *words, token=TOKEN, cwd=None):
    command = [sys.executable, "-c", HASTY + "from erc_synth.cli.main import main; main()", "publish",
               "--repo-id", REPO, "--folder", str(folder), *words]  # fmt: skip
    environment = _environment(hub, home, token)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd)


def _load(hub, home, *words):
    return subprocess.run(
        [sys.executable, "-c", LOADER, *words],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(hub, home, None),
    )


def _copy(folder, to):
    import shutil

    shutil.copytree(folder, to)
    return to


def _next_version(folder, to):
    """The folder as the next build would write it."""
    changed = _copy(folder, to)
    for name in ("README.md", MARKER):
        (changed / name).write_text((changed / name).read_text().replace("1.0.0", "1.0.1"))
    return changed


def test_publish_is_one_commit_with_a_tag_and_loads_for_anyone(hub, whole, tmp_path):
    done = _publish(hub, whole, tmp_path / "h", "--tag", "v1.0.0")
    assert done.returncode == 0, done.stderr
    repo = hub.repos[REPO]
    assert [title for _, _, title in repo.commits] == ["initial commit", "Publish erc-synth data 1.0.0"]
    assert repo.tags == {"v1.0.0": repo.head}
    assert done.stdout.count("reloaded and equal") == 6
    assert TOKEN not in done.stdout + done.stderr
    loaded = _load(hub, tmp_path / "h2", "meld_balanced", "v1.0.0")
    assert "{'train': 32, 'validation': 4, 'test': 4}" in loaded.stdout, loaded.stderr
    assert "['anger', 'disgust', 'fear', 'joy', 'neutral', 'sadness', 'surprise']" in loaded.stdout


def test_unchanged_content_makes_no_commit_and_stale_files_vanish(hub, folder, tmp_path):
    assert _publish(hub, folder, tmp_path / "h").returncode == 0
    again = _publish(hub, folder, tmp_path / "h")
    assert "Nothing changed, no commit" in again.stdout
    repo = hub.repos[REPO]
    assert len(repo.commits) == 2
    files = dict(repo.commits[-1][1])
    repo.commit({**files, "meld_natural/train-00001-of-00002.parquet": (b"old", True)}, "old shard")
    refused = _publish(hub, folder, tmp_path / "h")
    assert refused.returncode == 2
    assert "train-00001-of-00002.parquet" in refused.stderr
    assert "--allow-delete" in refused.stderr
    assert _publish(hub, folder, tmp_path / "h", "--allow-delete").returncode == 0
    assert set(repo.commits[-1][1]) == set(files)
    assert ".gitattributes" in repo.commits[-1][1]


def test_dry_run_says_every_file_and_sends_nothing(hub, whole, tmp_path):
    done = _publish(hub, whole, tmp_path / "h", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("add ") == 33  # 18 Parquet files, the card, two figures, six recipes and their manifests
    assert hub.repos == {}


def test_a_stale_parent_is_retried_from_the_new_head(hub, folder, tmp_path):
    hub.race = True
    done = _publish(hub, folder, tmp_path / "h")
    assert done.returncode == 0, done.stderr
    assert "Somebody else committed" in done.stdout
    assert "other.txt" in hub.repos[REPO].commits[-1][1]  # what came in meanwhile is not ours to delete


@pytest.mark.parametrize("name", ["commit", "preupload", "lfs/objects"])
def test_a_fault_in_the_middle_leaves_the_head_untouched(hub, folder, tmp_path, name):
    assert _publish(hub, folder, tmp_path / "h").returncode == 0
    head = hub.repos[REPO].head
    changed = _next_version(folder, tmp_path / "changed")
    if name == "lfs/objects":
        pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        file = next((changed / "meld_natural").glob("test-*"))
        pq.write_table(pq.read_table(file), file, compression="gzip")
    hub.fail[name] = 403
    done = _publish(hub, changed, tmp_path / "h")
    assert done.returncode == 2
    assert done.stderr.count("\n") <= 2
    assert "Traceback" not in done.stderr
    assert hub.repos[REPO].head == head


FINAL = [
    ("commit", 500, "answered 500"), ("preupload", 500, "answered 500"), ("lfs/objects", 413, "refuses the size"),
    ("lfs/objects", 507, "answered 507"), ("lfs/objects", 403, "may not write"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "sentence"), FINAL)
def test_a_fault_that_stays_leaves_no_commit_and_is_made_up_for_later(hub, folder, tmp_path, name, status, sentence):
    hub.down[name] = status
    done = _publish(hub, folder, tmp_path / "h", "--tag", "v1.0.0")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert (len(hub.repos[REPO].commits), hub.repos[REPO].tags) == (1, {})
    hub.down.clear()
    assert _publish(hub, folder, tmp_path / "h", "--tag", "v1.0.0").returncode == 0
    assert len(hub.repos[REPO].commits) == 2


def test_an_upload_that_is_cut_leaves_no_commit(hub, folder, tmp_path):
    hub.cut = True
    done = _publish(hub, folder, tmp_path / "h")
    assert done.returncode == 2, done.stderr
    assert "could not be used" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(hub.repos[REPO].commits) == 1
    assert hub.store == {}


def test_pull_request_leaves_main_alone(hub, folder, tmp_path):
    done = _publish(hub, folder, tmp_path / "h", "--create-pr")
    assert done.returncode == 0, done.stderr
    assert "Pull request: " in done.stdout
    assert len(hub.repos[REPO].commits) == 1


def test_a_reload_that_differs_exits_with_4(hub, whole, tmp_path):
    hub.corrupt = tuple(f"emorynlp_balanced/{split}-00000-of-00001.parquet" for split in ("test", "validation"))
    done = _publish(hub, whole, tmp_path / "h")
    assert done.returncode == 4
    assert "emorynlp_balanced (test)" in done.stderr


@pytest.mark.parametrize(("token", "sentence"), [(None, "token|login"), ("hf_wrong", "does not accept the token")])
def test_login_problems_are_one_sentence(hub, folder, tmp_path, token, sentence):
    import re

    done = _publish(hub, folder, tmp_path / "h", token=token)
    assert done.returncode == 2
    assert re.search(sentence, done.stderr)
    assert "Traceback" not in done.stderr
    assert "hf_wrong" not in done.stderr


def test_network_down_is_one_sentence(folder, tmp_path):
    class Closed:
        url = "http://127.0.0.1:9"

    done = _publish(Closed, folder, tmp_path / "h")
    assert done.returncode == 2
    assert "could not be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_alone_needs_no_hub(folder, tmp_path):
    command = [sys.executable, "-m", "erc_synth.cli.main", "publish", "--check"]
    good = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    assert good.returncode == 0
    bad = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (bad.returncode, "README.md is missing" in bad.stderr) == (4, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--tag", "v2.0.0"), "The card says version 1.0.0, so the tag is v1.0.0"),
        (("--repo-id", "org/other"), "was built for org/erc-synth, which its card's examples name"),
    ],
)
def test_card_and_publication_must_agree_before_a_request(hub, folder, tmp_path, words, sentence):
    done = _publish(hub, folder, tmp_path / "h", *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert hub.requests == []


def test_private_on_a_public_repo_is_refused(hub, folder, tmp_path):
    hub.repos[REPO] = Repo(private=False)
    done = _publish(hub, folder, tmp_path / "h", "--private")
    assert done.returncode == 2
    assert "is public already" in done.stderr
    assert "This command changed nothing on the Hub." in done.stderr
    assert len(hub.repos[REPO].commits) == 1


def test_a_repo_of_others_is_not_taken_over_without_a_word(hub, folder, tmp_path):
    repo = hub.repos[REPO] = Repo(private=False)
    theirs = {"README.md": (b"---\nlicense: mit\n---\n# Years of work\n", False), "data.csv": (b"a,b\n", False)}
    repo.commit(theirs, "theirs")
    done = _publish(hub, folder, tmp_path / "h")
    assert done.returncode == 2
    for piece in ("data.csv", "not one of erc-synth", "--allow-delete"):
        assert piece in done.stderr
    assert dict(repo.commits[-1][1]) == theirs


def test_an_existing_tag_with_other_data_is_found_before_the_commit(hub, folder, tmp_path):
    repo = hub.repos[REPO] = Repo(private=False)
    repo.tags["v1.0.0"] = repo.head
    done = _publish(hub, folder, tmp_path / "h")
    assert done.returncode == 2
    assert "The tag v1.0.0 of org/erc-synth exists and holds other data" in done.stderr
    assert len(repo.commits) == 1


def test_faults_that_go_away_are_survived_in_one_run(hub, folder, tmp_path):
    hub.fail = {"commit": 503, "preupload": 500, "refs": 502, "tag/": 504, "revision": 429, "create": 500, "tree": 503}
    done = _publish(hub, folder, tmp_path / "h")
    assert done.returncode == 0, done.stderr
    assert hub.fail == {}
    repo = hub.repos[REPO]
    assert (len(repo.commits), repo.tags) == (2, {"v1.0.0": repo.head})


def test_a_tag_that_fails_is_said_and_made_up_for(hub, folder, tmp_path):
    hub.down["tag/"] = 500
    done = _publish(hub, folder, tmp_path / "h")
    assert done.returncode == 2
    head = hub.repos[REPO].head
    assert f"On the Hub now: the new commit {head} on main, without a tag." in done.stderr
    hub.down.clear()
    assert _publish(hub, folder, tmp_path / "h").returncode == 0
    assert hub.repos[REPO].tags == {"v1.0.0": head}


def test_the_reload_reads_from_the_hub_and_nothing_else(hub, folder, tmp_path):
    _copy(folder, tmp_path / "org" / "erc-synth")  # would load under the repo's name
    hub.corrupt = tuple(f"meld_natural/{split}-00000-of-00001.parquet" for split in ("test", "validation"))
    done = _publish(hub, folder, tmp_path / "h", cwd=tmp_path)
    assert done.returncode == 4
    assert "On the Hub now: the new commit" in done.stderr
    assert hub.repos[REPO].tags == {}


def test_a_second_pull_request_is_not_opened(hub, folder, tmp_path):
    for _ in range(2):
        assert _publish(hub, folder, tmp_path / "h", "--create-pr").returncode == 0
    assert len(hub.pulls) == 1
    assert hub.repos[REPO].tags == {}


def test_a_pull_request_whose_answer_was_lost_is_not_opened_again(hub, folder, tmp_path):
    hub.lost = {"commit/"}
    done = _publish(hub, folder, tmp_path / "h", "--create-pr")
    assert done.returncode == 0, done.stderr
    assert len(hub.pulls) == 1
    assert "/discussions/1" in done.stdout + done.stderr


@pytest.mark.parametrize(("fault", "said"), [
    (507, "The Hub answered 507"), ("half", "could not be used"), ("date", "Trying again in [23] s"),
])  # fmt: skip
def test_odd_faults_that_go_away_are_survived(hub, folder, tmp_path, fault, said):
    hub.fail = {"revision": fault}
    done = _publish(hub, folder, tmp_path / "h")
    assert done.returncode == 0, done.stderr
    assert hub.fail == {}
    assert re.search(said, done.stdout + done.stderr)


def test_access_that_was_set_before_a_fault_is_said(hub, folder, tmp_path):
    hub.down["commit/"] = 403
    done = _publish(hub, folder, tmp_path / "h", "--gated", "auto")
    assert done.returncode == 2
    assert "Its access is set to 'auto'." in done.stderr
    assert "changed nothing" not in done.stderr


def test_only_what_the_build_wrote_is_sent(hub, folder, tmp_path):
    mine = _copy(folder, tmp_path / "mine")
    (mine / "token.txt").write_text(TOKEN)
    done = _publish(hub, mine, tmp_path / "h")
    assert done.returncode == 4
    assert "token.txt was not written by the build" in done.stderr
    assert hub.requests == []
