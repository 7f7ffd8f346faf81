"""Figures of loading: cold and warm time and peak memory per benchmark, one million synthetic utterances.

Usage: ERC_DATA=... python tests/benchmarks/bench_loaders.py
Each figure comes from a process of its own, so that peaks do not add up.
"""

import os
import subprocess
import sys
import tempfile

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
from erc_synth.dataset_cards.parquet import write_config
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
import sys, time
began = time.perf_counter()
import datasets
{libraries}
from erc_synth.loaders import registry
start = time.perf_counter()
next(iter(registry.load({root!r}, "meld_natural", streaming=True)["train"]))
end = time.perf_counter()
torch = "with torch" if "torch" in sys.modules else "without torch"
print(f"first row {{end - start:.2f}} s after the call, {{end - began:.2f}} s with the imports before it ({{torch}})")
"""


def show(title, code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    print(f"{title}: {(done.stdout.strip() or done.stderr.strip()).splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for name in ("meld", "emorynlp"):
            for state in ("cold", "warm"):
                show(f"{name} {state}", LOAD.format(name=name, cache=f"{place}/cache"))
        show("one million utterances", BUILD.format(root=place))
        show("one million utterances", FOLDER.format(root=f"{place}/repo", cache=f"{place}/cache"))
        # `datasets` imports torch for a streamed set whenever torch is installed: shown apart, it is not loading.
        for title, libraries, environment in (
            ("streaming, libraries imported", "import torch", {}),
            ("streaming, torch not imported yet", "", {}),
            ("streaming, no torch", "", {"USE_TORCH": "0"}),
        ):
            show(title, STREAM.format(root=f"{place}/repo", libraries=libraries), **environment)
