"""One fault at each step of a publication, each by itself: how many are survived without a second run.

Usage: python tests/benchmarks/bench_faults.py
Kinds: statuses (429 and a dated wait with Retry-After), a reset, an answer shorter than announced, half an answer,
connections refused for a second, silence, and an answer that is lost after the work was done.
Every fault comes once, so all of them go away. A publication is whole when there is one new commit and its tag.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from fakes.curated import write_project
from fakes.hub import TOKEN, HubServer

CLI = [sys.executable, "-m", "erc_synth.cli"]
# Waits are cut short, but not all of them: a server that refuses is up again within a second. A silent one counts as
# lost after two seconds in place of two minutes.
HASTY = """
import os, sys, time
rest = time.sleep
time.sleep = lambda s: rest(min(s, float(os.environ["NAP"])))
from erc_synth.dataset_cards import hub
hub.TIME_LIMIT = 2.0
from erc_synth.cli.main import main
main()
"""
PLACES = (
    "create",
    "refs",
    "preupload",
    "info/lfs",
    "lfs/",
    "commit/",
    "revision",
    "tree",
    "resolve",
    "tag/",
)
KINDS = (429, 500, 502, 503, 504, 507, "date", "reset", "short", "half", "refused", "silent", "lost")
NAPS = {"refused": "1", "silent": "0.1"}


def publish(folder, place, kind, home):
    """How one publication with this fault ends: a word, and what was said when it was not whole."""
    with HubServer() as hub:
        if kind == "lost":
            hub.lost.add(place)
        else:
            hub.fail[place] = kind
        environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": home, "HF_TOKEN": TOKEN, "NO_PROXY": "*",
                                    "HF_HUB_DISABLE_XET": "1", "NAP": NAPS.get(kind, "0.01"), "HF_HUB_ETAG_TIMEOUT": "2",
                                    "HF_HUB_DOWNLOAD_TIMEOUT": "2"}  # fmt: skip
        command = [sys.executable, "-c", HASTY, "publish", "--repo-id", "org/erc-synth", "--folder", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if hub.fail or hub.lost:
            return "not met", ""
        repo = hub.repos.get("org/erc-synth")
        whole = done.returncode == 0 and len(repo.commits) == 2 and repo.tags == {"v1.0.0": repo.head}
        return "survived" if whole else "ended", done.stderr.strip()[-300:]


def main():
    counts = {"survived": 0, "ended": 0, "not met": 0}
    with tempfile.TemporaryDirectory() as root:
        curated, runs = write_project(Path(root), configs=("meld_natural",))
        words = ["build", "--curated", curated, "--runs", runs, "--out", Path(root) / "dist"]
        subprocess.run([*CLI, *map(str, words)], check=True, cwd=root, capture_output=True)
        for place in PLACES:
            for kind in KINDS:
                with tempfile.TemporaryDirectory() as home:
                    end, said = publish(Path(root) / "dist", place, kind, home)
                counts[end] += 1
                if end != "survived":
                    print(f"{place} {kind}: {end} {said}", flush=True)
    print(f"{counts['survived']} of {sum(counts.values())} survived, {counts['ended']} ended the run, "
          f"{counts['not met']} were met by no request")  # fmt: skip


if __name__ == "__main__":
    main()
