"""A trainer that is quick: a script that writes what a training writes."""

import sys
from dataclasses import replace

import pytest

from erc_synth.training.grid import cells, launchers
from erc_synth.training.grid.launchers import Launch
from erc_synth.training.grid.plan import Plan

TRAINER = """
import json, os, pathlib, sys, zlib
words = sys.argv[1:]
out = pathlib.Path(words[words.index("--out") + 1])
def after(flag):
    found = []
    for word in words[words.index(flag) + 1:] if flag in words else []:
        if word.startswith("--"):
            break
        found.append(word)
    return found
with open(out.parent.parent / "calls.txt", "a") as calls:
    calls.write(os.getcwd() + " " + " ".join(words) + "\\n")
if "iemocap" in words:
    print("Error: iemocap is not on this machine.", file=sys.stderr); sys.exit(2)
prints = json.loads(os.environ.get("TRAINER_PRINTS", "{}"))
def named(name):
    path, _, config = name.rpartition(":") if ":" in name else (name, "", "")
    return {"dataset": path, "config": config or None, "fingerprint": prints.get(name, "f-" + name)}
def score(name):
    f1 = zlib.crc32((str(out) + name).encode()) % 997 / 997
    return {**named(name), "weighted_f1": f1, "macro_f1": f1, "micro_f1": f1, "accuracy": f1,
            "micro_f1_no_neutral": None, "examples": 3}
metrics = {"run": {"recipe": "x", "model": words[words.index("--model") + 1]}, "cost": {"seconds": 2.0},
           "stages": [named(n) for n in after("--train") + after("--finetune")],
           "evaluations": [score(n) for n in after("--eval")]}
out.mkdir(parents=True, exist_ok=True)
(out / "metrics.json").write_text(json.dumps(metrics))
"""


class Grid:
    """A plan on the quick trainer, in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        script = folder / "trainer.py"
        script.write_text(TRAINER)
        self.command = (sys.executable, str(script))
        self.folders = cells.Folders(folder / "results", folder / "outputs")

    def plan(self, **changes):
        base = {"models": ("compm", "emoone"), "benchmarks": ("meld",), "variants": ("org", "nat", "bal"),
                "seeds": (0, 1), "repo": "./dist/erc-synth"}  # fmt: skip
        return Plan(**{**base, **changes})

    def prints(self, plan):
        """Fingerprints as the trainer writes them."""
        return {name: {"train": f"f-{name}", "test": f"f-{name}"} for name in plan.data()}

    def open(self, plan, data=None):
        return cells.open_trainings(plan, self.folders.results, data)

    def run(self, plan, launch=None, todo=None):
        launch = launch or Launch()
        launch = launch if launch.command else replace(launch, command=self.command)
        return launchers.run_trainings(plan, self.open(plan) if todo is None else todo, self.folders, launch)

    def calls(self):
        return (self.folder / "calls.txt").read_text().splitlines()


@pytest.fixture
def grid(tmp_path):
    return Grid(tmp_path)
