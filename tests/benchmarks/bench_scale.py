"""How each stage grows with the number of dialogues: bytes, CPU, memory, and how many planted duplicates are found.

Usage: python tests/benchmarks/bench_scale.py [--sizes 10000 100000] [--out scale.json]
       python tests/benchmarks/bench_scale.py --plot scale.json --out docs/scale.svg      (pip install matplotlib)
Every stage is the ordinary command in a process of its own, measured by the operating system; a fake server in this
process answers. Of the answers 1 % are copies of ten dialogues and 1 % are these with one word changed.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from erc_synth.generation.runs.journal import read_attempts
from fakes.dialogues import invented_dialogue
from fakes.llm_server import LlmServer

NUMBERS = {"neutral": 0, "joy": 1, "surprise": 2, "sadness": 3, "anger": 4, "disgust": 5, "fear": 6}
ORIGINALS = 10
CLI = [sys.executable, "-m", "erc_synth.cli"]
STREAM = """
import time
from datasets import load_dataset
start = time.perf_counter()
rows = iter(load_dataset("dist", "meld_natural", split="train", streaming=True))
next(rows)
print(time.perf_counter() - start, 1 + sum(1 for _ in rows))
"""


def answer(_body, seed):
    """A dialogue of 8 turns in the recipe's form; two seeds of a hundred are planted repeats."""
    dialogue = invented_dialogue(seed % (100 * ORIGINALS) // 100 if is_planted(seed) else seed, turns=8)
    texts = [turn.text for turn in dialogue.utterances]
    if seed % 100 == 1:
        texts[3] = texts[3].replace("coins", random.Random(seed).choice(("stones", "apples", "nails")))
    lines = zip(dialogue.utterances, texts, strict=True)
    return "".join(f"Speaker: {u.speaker} Utterance: {text} Number: {NUMBERS[u.emotion]}\n" for u, text in lines)


def measured(words, folder):
    """Wall seconds, CPU seconds and peak MB of one command, and what it printed."""
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in words], cwd=folder, stdout=subprocess.PIPE, text=True)
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{words} ended with {status}")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "mb": used.ru_maxrss / 1024}, said


def size_of(path):
    return sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())


def planted_found(folder):
    """Planted repeats that were dropped, of those that there are: all but the first of each of the ten."""
    asked = sum(
        is_planted(record["seed"]) for record in read_attempts(folder / "runs" / "meld_natural" / "journal.jsonl")
    )
    with (folder / "curated" / "meld_natural.dropped.jsonl").open() as lines:
        gone = [json.loads(line) for line in lines]
    found = sum(is_planted(drop["seed"]) for drop in gone if drop["reason"] in ("duplicate", "near_duplicate"))
    return f"{found:,} of {asked - ORIGINALS:,}"


def is_planted(seed):
    return seed % 100 < 2


def stages(count, folder):
    """Stage -> its figures, with the bytes that it left."""
    found = {}
    with LlmServer(flavour="vllm", text=answer) as server:
        server.keep_requests = False
        words = ["generate", "meld_natural", "--engine", "openai", "--endpoint", server.url, "--dialogues", count]
        found["generate"], _ = measured([*CLI, *words], folder)
    found["generate"]["bytes"] = size_of(folder / "runs")
    found["curate"], _ = measured([*CLI, "curate", "runs"], folder)
    curation = json.loads((folder / "curated" / "meld_natural.curation.json").read_text())
    found["curate"] |= {"bytes": (folder / "curated" / "meld_natural.jsonl").stat().st_size,
                        "dropped": curation["dropped"], "planted": planted_found(folder)}  # fmt: skip
    found["build"], _ = measured([*CLI, "build"], folder)
    (folder / "dist" / "erc-synth").rename(folder / "repo")
    found["build"]["bytes"] = size_of(folder / "repo")
    found["stream"], said = measured([sys.executable, "-c", STREAM.replace('"dist"', '"repo"')], folder)
    found["stream"]["first row"], found["stream"]["rows"] = map(float, said.split())
    return found


def plot(figures, out):
    """CPU time and peak memory of each stage by the number of dialogues, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "erc-synth"
    from matplotlib import pyplot

    sizes = [int(size) for size in figures]
    figure, (time_axes, memory_axes) = pyplot.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    for stage, mark in zip(("generate", "curate", "build", "stream"), "osv^", strict=True):
        rows = [figures[size][stage] for size in figures]
        time_axes.plot(sizes, [row["cpu"] for row in rows], marker=mark, label=stage)
        memory_axes.plot(sizes, [row["mb"] for row in rows], marker=mark, label=stage)
    memory_axes.axhline(4096, color="grey", linestyle=":")
    memory_axes.text(sizes[0], 4096 * 1.06, "4 GB", color="grey", fontsize=8)
    for axes, title in ((time_axes, "CPU seconds"), (memory_axes, "peak memory, MB")):
        axes.set(xscale="log", yscale="log", xlabel="dialogues of 8 turns", title=title)
        axes.grid(visible=True, alpha=0.3)
    time_axes.legend(frameon=False, fontsize=8)
    figure.savefig(out, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 100_000])
    parser.add_argument("--out", help="JSON file of all figures, or the plot")
    parser.add_argument("--plot", type=Path, help="JSON file of an earlier run, to be drawn")
    args = parser.parse_args()
    if args.plot:
        plot(json.loads(args.plot.read_text()), args.out)
        return
    found = {}
    for count in args.sizes:
        with tempfile.TemporaryDirectory() as place:
            found[count] = stages(count, Path(place))
        for stage, figures in found[count].items():
            more = {k: v for k, v in figures.items() if k not in {"seconds", "cpu", "mb"}}
            print(f"{count:>9,} {stage:<9} {figures['seconds']:8.1f} s {figures['cpu']:8.1f} CPU s "
                  f"{figures['mb']:7.0f} MB  {more}", flush=True)  # fmt: skip
    if args.out:
        Path(args.out).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
