"""Figures of loading: cold and warm time and peak memory per benchmark, one million synthetic utterances.

Usage: ERC_DATA=... python tests/benchmarks/bench_loaders.py
Each figure comes from a process of its own, so that peaks do not add up.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

LOAD = """
import resource, time
from erc_synth.loaders import registry
start = time.perf_counter()
registry.load("{name}", cache_dir={cache!r})
print(f"{{time.perf_counter() - start:.2f}} s, peak {{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}} MB")
"""
BUILD = """
import json, resource, time
from pathlib import Path
from erc_synth.loaders.schema import label_set
from erc_synth.loaders.synthetic import write_config
root, labels = Path({root!r}), label_set("meld").labels
with (root / "meld_natural.jsonl").open("w") as lines:
    for d in range(100_000):
        turns = [{{"speaker": "Ada", "text": f"The kite number {{d}} is up for the {{t}}th time.", "emotion": labels[(d + t) % 7]}} for t in range(10)]
        split = "train" if d % 10 < 8 else "validation" if d % 10 == 8 else "test"
        lines.write(json.dumps({{"dialogue_id": f"x-{{d}}", "utterances": turns, "seed": d, "recipe": "meld_natural", "generator": "g", "split": split}}) + chr(10))
start = time.perf_counter()
data = write_config(root / "meld_natural.jsonl", label_set("meld"), root / "repo")
rows = sum(s.rows for s in data.splits.values())
(root / "repo" / "README.md").write_text("---\\nconfigs:\\n- config_name: meld_natural\\n  data_files:\\n" + "".join(f"  - split: {{s}}\\n    path: meld_natural/{{s}}-*\\n" for s in data.splits) + "---\\n")
print(f"built {{rows:,}} utterances in {{time.perf_counter() - start:.1f}} s, {{data.download_size / 1e6:.0f}} MB, peak {{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}} MB")
"""
FOLDER = """
import resource, time
from erc_synth.loaders import registry
start = time.perf_counter()
loaded = registry.load({root!r}, "meld_natural", cache_dir={cache!r})
print(f"loaded {{sum(map(len, loaded.values())):,}} in {{time.perf_counter() - start:.1f}} s, peak {{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}} MB")
"""
STREAM = """
import time
import datasets
from erc_synth.loaders import registry
start = time.perf_counter()
next(iter(registry.load({root!r}, "meld_natural", streaming=True)["train"]))
print(f"streaming: first row after {{time.perf_counter() - start:.2f}} s")
"""


def show(title, code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    print(f"{title}: {(done.stdout.strip() or done.stderr.strip()).splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for name in ("meld", "emorynlp"):
            for state in ("cold", "warm"):
                show(f"{name} {state}", LOAD.format(name=name, cache=f"{place}/cache"))
        show("one million utterances", BUILD.format(root=place))
        show("one million utterances", FOLDER.format(root=f"{place}/repo", cache=f"{place}/cache"))
        show("one million utterances", STREAM.format(root=f"{Path(place)}/repo"))
