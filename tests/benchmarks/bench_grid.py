"""Wall time of a grid on a tiny random encoder and small data: 27 models and 81 cells per seed, and the report.

Synthetic sets come from the invented LLM server through the real chain; MELD and EmoryNLP are the real files;
IEMOCAP is an invented release with the published counts. Scores mean nothing. Without words: one classifier on
one benchmark, in a temporary folder, no quality measures. Run:
python tests/benchmarks/bench_grid.py [FOLDER [words of `erc-synth grid`, e.g. --seeds 1 2 3 --variants org nat]]
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from erc_synth.loaders.benchmarks.iemocap import VALIDATION
from erc_synth.loaders.benchmarks.specs import specs
from erc_synth.loaders.names import find_data_dir
from fakes.llm_server import LlmServer
from fakes.tiny_model import build_tiny_model

CODES = {"angry": "ang", "excited": "exc", "frustrated": "fru", "happy": "hap", "neutral": "neu", "sad": "sad"}


def write_iemocap(root):
    """An invented release whose dialogues and labels per split have the published numbers."""
    draw = random.Random(0)
    spec = specs()["iemocap"]
    names = {
        "train": [f"Ses{1 + i % 4:02d}M_impro{50 + i}" for i in range(spec.counts["train"]["dialogues"])],
        "validation": sorted(VALIDATION),
        "test": [f"Ses05F_impro{50 + i}" for i in range(spec.counts["test"]["dialogues"])],
    }
    for split, dialogues in names.items():
        counts = spec.counts[split]["labels"]
        labels = [label for label, count in zip(CODES, counts, strict=True) for _ in range(count)]
        draw.shuffle(labels)
        for i, dialogue in enumerate(dialogues):
            base = root / f"Session{dialogue[4]}" / "dialog"
            turns = [(f"{dialogue}_{'FM'[j % 2]}{j:03d}", label) for j, label in enumerate(labels[i :: len(dialogues)])]
            lines = [f"{turn} [001.0-002.0]: A {label} kite flies over the river." for turn, label in turns]
            blocks = [f"[1.0 - 2.0]\t{turn}\t{CODES[label]}\t[2.5, 2.5, 2.5]\n" for turn, label in turns]
            for kind, text in (("transcriptions", lines), ("EmoEvaluation", blocks)):
                (base / kind).mkdir(parents=True, exist_ok=True)
                (base / kind / f"{dialogue}.txt").write_text("\n".join(text) + "\n")


def erc(*words, check=True):
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "erc_synth.cli.main", *map(str, words)], check=check)
    print(f"-- {words[0]}: {time.monotonic() - began:.1f} s", flush=True)
    return done.returncode


def prepare(folder, quality):
    """Everything that the grid reads, in `folder`."""
    build_tiny_model(folder / "tiny")
    data = folder / "data"
    write_iemocap(data / "iemocap")
    for name in ("meld", "emorynlp"):
        found = find_data_dir(name)
        if found is None:
            sys.exit(f"{name} is not here: set $ERC_DATA")
        (data / name).symlink_to(found.resolve(), target_is_directory=True)
    with LlmServer(flavour="vllm") as server:
        erc("generate", "all", "--engine", "openai", "--endpoint", server.url, "--dialogues", 120,
            "--out", folder / "runs")  # fmt: skip
    erc("curate", folder / "runs", "--out", folder / "curated", "--data-dir", data)
    for path in sorted((folder / "curated").glob("*.curation.json")) if quality else ():
        erc("quality", path.name.split(".")[0], "--curated", folder / "curated", "--data-dir", data)
    erc("build", "--curated", folder / "curated", "--runs", folder / "runs", "--out", folder / "dist")


def main():
    whole = len(sys.argv) > 1
    folder = Path(sys.argv[1] if whole else tempfile.mkdtemp(prefix="erc-synth-grid-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    words = sys.argv[2:] if whole else ["--models", "compm", "--benchmarks", "meld", "--seeds", "1"]
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    if not (folder / "dist").exists():
        prepare(folder, quality=whole)
    results, outputs = folder / "results", folder / "outputs"
    began = time.monotonic()
    code = erc("grid", "--repo", folder / "dist", "--out", results, "--outputs", outputs, "--backbone", folder / "tiny",
               "--data-dir", folder / "data", "--epochs", 2, "--learning-rate", 1e-3, "--max-train-dialogues", 24,
               "--max-eval-dialogues", 12, "--max-tokens", 64, "--jobs", 2, *words, check=False)  # fmt: skip
    cells = len(list(results.glob("*.json")))
    print(f"grid: {cells} cells, {time.monotonic() - began:.0f} s wall, exit code {code}", flush=True)
    if code in (0, 3) and cells:
        erc("stats", results, "--out", folder / "stats.json")
        erc("report", "--results", results, "--outputs", outputs, "--curated", folder / "curated", "--runs",
            folder / "runs", "--stats", folder / "stats.json", "--out", folder / "report", "--data-dir",
            folder / "data", "--title", "Full grid, tiny encoder")  # fmt: skip
    sys.exit(code)


if __name__ == "__main__":
    main()
