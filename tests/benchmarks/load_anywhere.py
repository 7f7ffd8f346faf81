"""Whether people who have only `datasets` load what was published: all configs and splits, a revision, streaming.

A repo of six configs is published to the Hub of the tests, then loaded by each Python that is named, whose
environment holds `datasets` in any version.
Usage: python tests/benchmarks/load_anywhere.py PYTHON...     (a line per Python)
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from fakes.curated import CONFIGS, write_project
from fakes.hub import TOKEN, HubServer

LOAD = """
import datasets, huggingface_hub
rows = 0
for name in {names}:
    for revision in (None, "v1.0.0"):
        whole = datasets.load_dataset("org/erc-synth", name, revision=revision)
        assert set(whole) == {{"train", "validation", "test"}}, whole
        label = whole["train"].features["emotion"]
        assert all(0 <= n < label.num_classes for n in whole["train"]["emotion"])
        rows += sum(map(len, whole.values()))
    some = datasets.load_dataset("org/erc-synth", name, split="test", streaming=True)
    first = next(iter(some))
    assert first["text"] == whole["test"][0]["text"] and first["emotion"] == whole["test"][0]["emotion"]
assert set(datasets.get_dataset_config_names("org/erc-synth")) == set({names})
print("datasets", datasets.__version__, "hub", huggingface_hub.__version__, len({names}), "configs", rows, "rows: all loaded")
"""


def main(pythons):
    with tempfile.TemporaryDirectory() as root, HubServer() as hub:
        os.environ |= {"HF_ENDPOINT": hub.url, "HF_HOME": f"{root}/home", "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1",
                       "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1", "NO_PROXY": "*"}  # fmt: skip
        curated, runs = write_project(Path(root), configs=CONFIGS)
        cli, dist = [sys.executable, "-m", "erc_synth.cli"], f"{root}/dist"
        subprocess.run([*cli, "build", "--curated", curated, "--runs", runs, "--out", dist], check=True)
        subprocess.run([*cli, "publish", "--folder", dist, "--repo-id", "org/erc-synth"], check=True)
        failed = 0
        for python in pythons:
            home = tempfile.mkdtemp(dir=root)
            alone = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HF_TOKEN")}
            script = LOAD.format(names=list(CONFIGS))
            done = subprocess.run([python, "-c", script], env=alone | {"HF_HOME": home}, cwd=home, check=False)
            failed += done.returncode != 0
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [sys.executable]))
