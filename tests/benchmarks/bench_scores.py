"""Real scores on MELD and EmoryNLP with the 22M-parameter encoder: every model, three seeds, mean and spread.

Small on purpose (two CPUs): the last 64 tokens of the past, bf16, learning rate 1e-4, one epoch of the
context models (EmoOne: one of the teacher, one of the student), two of the target alone, four of TODKAT;
all train, validation and test dialogues. Finished runs are skipped, an interrupted one goes on where it stopped.
Run: python tests/benchmarks/bench_scores.py [folder] [data folder] [--table]
"""

import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

SHARED = ["--backbone", "minilm", "--precision", "bf16", "--max-tokens", "64", "--learning-rate", "1e-4"]
MODELS = {
    "baseline, target alone": ["--model", "baseline", "--context", "none", "--epochs", "2"],
    "baseline, past": ["--model", "baseline", "--epochs", "1"],
    "compm": ["--model", "compm", "--epochs", "1"],
    "emoone": ["--model", "emoone", "--epochs", "1"],
    "todkat": ["--model", "todkat", "--epochs", "4"],
    "compm, legacy": ["--model", "compm", "--epochs", "1", "--memory", "legacy"],  # what the official code computes
    "todkat, released": ["--model", "todkat", "--epochs", "4", "--mode", "released"],
}
ORDER = ["todkat", "baseline, target alone", "compm", "emoone"]
LAST = ["compm, legacy", "todkat, released", "baseline, past"]
SETS, SEEDS = ("meld", "emorynlp"), (1, 2, 3)


def place(folder, name, dataset, seed):
    return folder / f"{name.replace(', ', '-').replace(' ', '-')}-{dataset}-s{seed}"


def run(folder, data, name, dataset, seed):
    out = place(folder, name, dataset, seed)
    out.mkdir(parents=True, exist_ok=True)
    words = [
        *SHARED,
        *MODELS[name],
        "--train",
        dataset,
        "--data-dir",
        str(data),
        "--seed",
        str(seed),
        "--out",
        str(out),
    ]
    with (out / "log.txt").open("a") as log:
        subprocess.run(
            [sys.executable, "-m", "erc_synth.training.run", *words],
            stdout=log, stderr=log, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip


def table(folder):
    print(f"{'model':<24}" + "".join(f"{name:<34}" for name in SETS))
    for name in MODELS:
        cells = []
        for dataset in SETS:
            files = [place(folder, name, dataset, seed) / "metrics.json" for seed in SEEDS]
            found = [json.loads(f.read_text()) for f in files if f.exists()]
            scores = [100 * m["evaluations"][0]["weighted_f1"] for m in found]
            if not scores:
                cells.append("-")
                continue
            spread = f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
            seconds = statistics.mean(m["cost"]["seconds"] for m in found)
            tests = found[0]["evaluations"][0]["examples"]
            cells.append(f"{statistics.mean(scores):.2f}{spread} (n={len(scores)}, {tests}, {seconds:.0f} s)")
        print(f"{name:<24}" + "".join(f"{cell:<34}" for cell in cells))


def main():
    words = [word for word in sys.argv[1:] if word != "--table"]
    folder = Path(words[0]) if words else Path("outputs/scores")
    data = Path(words[1]) if len(words) > 1 else Path("../shared/data")
    if "--table" not in sys.argv:
        with ThreadPoolExecutor(max_workers=2) as pool:  # two runs with a thread each beat one run with two
            for names in (ORDER, LAST):
                for seed, name, dataset in product(SEEDS, names, SETS):
                    pool.submit(run, folder, data, name, dataset, seed)
    table(folder)


if __name__ == "__main__":
    main()
