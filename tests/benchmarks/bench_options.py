"""What cheaper training and evaluation cost in F1: each option against none, three seeds, on a part of MELD.

Options change the work and not the arithmetic: the last N tokens of the past, and evaluation with dynamic 8-bit
products (torch's own quantisation of linear layers). Cost is CPU time of the
process, one thread, start-up taken off, so other work on the machine does not count. An option is worth keeping
when it needs half the time or less and its mean F1 lies within one standard deviation of the plain runs.
Run: nice -n 19 python tests/benchmarks/bench_options.py [folder] [train dialogues] [eval dialogues] [epochs] [model]
"""

import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

SEEDS = (1, 2, 3)
OPTIONS = {
    "plain": [],
    "--max-tokens 64": ["--max-tokens", "64"],
}
EVALUATIONS = ("fp32", "bf16", "int8")


def place(folder, option, seed):
    return folder / f"{option.strip('-').replace(' ', '-')}-s{seed}"


def train(folder, option, seed, sizes):
    """One run in a process of its own."""
    out = place(folder, option, seed)
    if (out / "parts.json").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    dialogues, evaluated, epochs, model = sizes
    words = ["--model", model, "--backbone", "minilm", "--train", "meld", "--learning-rate", "1e-4", "--epochs", epochs,
             "--precision", "bf16",
             "--max-train-dialogues", dialogues, "--max-eval-dialogues", evaluated, "--seed", str(seed),
             "--out", str(out), "--overwrite", *OPTIONS[option]]  # fmt: skip
    with (out / "log.txt").open("w") as log:
        subprocess.run([sys.executable, __file__, "one", *words], stdout=log, stderr=log, check=True,
                       env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip


def one(words):
    """A run that notes the CPU time of its training, and of the evaluation of its test in each precision."""
    from erc_synth.training import loop
    from erc_synth.training.config import parse
    from erc_synth.training.pipeline import run

    parts = {"train": 0.0}
    real = loop.Trainer._epoch

    def timed(self, *given):
        start = time.process_time()
        real(self, *given)
        parts["train"] += time.process_time() - start

    loop.Trainer._epoch = timed
    config = parse(words)
    run(config)
    out = Path(config.out)
    (out / "parts.json").write_text(json.dumps({**parts, **evaluations(out, config)}))


def evaluations(out, config):
    """CPU seconds, F1 and agreement with fp32 of the test split, per precision; each is warmed first."""
    import torch

    from erc_synth.loaders.registry import load
    from erc_synth.loaders.schema import label_set, to_dialogues
    from erc_synth.training import inputs, loop, saved, scoring
    from erc_synth.training.backbones import encoder_of
    from erc_synth.training.models import factory

    model, tokenizer, _, names = saved.load_model(out)
    special = factory.special_of(tokenizer, encoder_of(model), config.max_tokens)
    talks = to_dialogues(load("meld")["test"])[: config.data.max_eval_dialogues]
    encoded, warm = (inputs.encode(config, t, label_set("meld"), tokenizer, special) for t in (talks, talks[:20]))
    found, plain = {}, None
    for kind in EVALUATIONS:
        chosen = quantised(model) if kind == "int8" else model
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bf16"):
            loop.predict(None, chosen, warm)
            start = time.process_time()
            said = loop.predict(None, chosen, encoded).argmax(1)
        plain = said if plain is None else plain
        gold = encoded.labels[encoded.labels >= 0]
        score = scoring.scores(scoring.confusion(gold, said, len(names)), names)["weighted_f1"]
        found[kind] = {"seconds": time.process_time() - start, "f1": score, "agree": float((said == plain).mean())}
    return found


def quantised(model):
    """A copy whose linear layers multiply 8-bit integers; scales of the inputs are found for each product."""
    import torch
    from torch.ao.quantization import quantize_dynamic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def spread(values):
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def table(folder):
    runs = {}
    for option in OPTIONS:
        places = [place(folder, option, seed) for seed in SEEDS]
        runs[option] = [(json.loads((p / "metrics.json").read_text()), json.loads((p / "parts.json").read_text()))
                        for p in places if (p / "parts.json").exists()]  # fmt: skip
    if not runs["plain"]:
        return
    base = statistics.mean(cpu["train"] for _, cpu in runs["plain"])
    base_eval = statistics.mean(cpu["fp32"]["seconds"] for _, cpu in runs["plain"])
    print(f"{'option':<28}{'weighted F1':<18}{'train CPU s':<14}{'ratio':<8}{'test CPU s':<12}ratio  (n)")
    for option, found in runs.items():
        if found:
            scores = [100 * m["evaluations"][0]["weighted_f1"] for m, _ in found]
            cost = statistics.mean(cpu["train"] for _, cpu in found)
            test = statistics.mean(cpu["fp32"]["seconds"] for _, cpu in found)
            print(f"{option:<28}{spread(scores):<18}{cost:<14.1f}{base / cost:<8.2f}{test:<12.1f}"
                  f"{base_eval / test:.2f}x  ({len(found)})")  # fmt: skip
    for kind in EVALUATIONS:
        told = [cpu[kind] for _, cpu in runs["plain"]]
        seconds = statistics.mean(t["seconds"] for t in told)
        print(f"evaluation {kind:<17}{spread([100 * t['f1'] for t in told]):<18}{'':<22}{seconds:<12.1f}"
              f"{base_eval / seconds:.2f}x  agreement {min(t['agree'] for t in told):.1%} to "
              f"{max(t['agree'] for t in told):.1%}")  # fmt: skip


def main():
    if sys.argv[1:2] == ["one"]:
        return one(sys.argv[2:])
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/options")
    sizes = [*sys.argv[2:], *["200", "100", "2", "baseline"][len(sys.argv[2:]) :]]
    with ThreadPoolExecutor(max_workers=2) as pool:  # two runs with a thread each beat one run with two
        list(pool.map(lambda chosen: train(folder, chosen[1], chosen[0], sizes), product(SEEDS, OPTIONS)))
    table(folder)
    return None


if __name__ == "__main__":
    main()
