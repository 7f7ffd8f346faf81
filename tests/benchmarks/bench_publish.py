"""Figures of publication against a Hub server of our own: commits, requests, time, memory.

Usage: python tests/benchmarks/bench_publish.py [demo|million]
The real clients run in processes of their own; the server is this process, so uploads cost it time as well.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from fakes.curated import CONFIGS, write_project
from fakes.hub import TOKEN, HubServer

LOAD = """
import sys
from datasets import load_dataset
print(sum(map(len, load_dataset("org/erc-synth", sys.argv[1]).values())))
"""
CLI = [sys.executable, "-m", "erc_synth.cli.main"]


def timed(command, **environment):
    start = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return time.perf_counter() - start, done.stdout


def measure(title, configs, count):
    with tempfile.TemporaryDirectory() as place, HubServer() as hub:
        root = Path(place)
        curated, runs = write_project(root, configs, count)
        hub_words = {"HF_ENDPOINT": hub.url, "HF_HOME": str(root / "home"), "HF_TOKEN": TOKEN, "NO_PROXY": "*",
                     "HF_HUB_DISABLE_XET": "1"}  # fmt: skip
        built, _ = timed([*CLI, "build", "--curated", curated, "--runs", runs, "--out", root / "dist"])
        size = sum(file.stat().st_size for file in (root / "dist").rglob("*") if file.is_file())
        words = ["publish", "--repo-id", "org/erc-synth", "--folder", root / "dist", "--tag", "v1.0.0"]
        published, said = timed([*CLI, *words], **hub_words)
        assert said.count("reloaded and equal") == len(configs)
        at_tag = next(i for i, (_, path) in enumerate(hub.requests) if "/tag/" in path) + 1
        requests = len(hub.requests)
        loaded, rows = timed([sys.executable, "-c", LOAD, configs[0]], **{**hub_words, "HF_HOME": str(root / "other")})
        commits = len(hub.repos["org/erc-synth"].commits) - 1
        print(f"{title}: {int(rows):,} utterances in {configs[0]}, {size / 1e6:.1f} MB")
        print(
            f"  build {built:.1f} s; publish {published:.1f} s: {commits} commit, {requests} requests ({at_tag} to tag)"
        )
        print(f"  load_dataset {loaded:.1f} s, {len(hub.requests) - requests} requests")
    print(f"  largest process {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6:.2f} GB", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["million"]:
        measure("six demo-size configs", CONFIGS, 40)
    if sys.argv[1:] != ["demo"]:
        measure("one million utterances", ("meld_natural",), 250_000)
