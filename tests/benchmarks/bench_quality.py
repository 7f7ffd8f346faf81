"""Quality: the table of a real set with the time of each step, and what adaptive balance gains.

Run: `python tests/benchmarks/bench_quality.py [--dialogues 210]`. The table needs the real benchmark files
($ERC_DATA or ../shared/data) and the encoder wheel. The balance part runs the real runner against the fake
server with a SIMULATED model: it expresses the wanted emotion in one line of four with a chance that
differs by emotion, all other lines follow MELD's label shares. It shows the loop, not any real model. As three
lines of four are not to be steered, entropy 1 is out of reach: `attainable` is the best mixture of demands.
"""

import argparse
import asyncio
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from erc_synth.generation.curation.leaks import benchmark_splits
from erc_synth.generation.curation.splitting import trim
from erc_synth.generation.quality.likeness import entropy, label_counts, sentence_encoder
from erc_synth.generation.quality.measure import Extras, measure_quality
from erc_synth.generation.quality.subject import Subject
from erc_synth.generation.quality.table import table
from erc_synth.generation.recipe import load_profile, load_recipe
from erc_synth.generation.runs.folder import accepted_dialogues
from erc_synth.generation.runs.options import Options
from erc_synth.generation.runs.run import Run, Watch
from erc_synth.generation.serving.access import read_access
from erc_synth.generation.serving.engines import Opened
from erc_synth.generation.serving.openai import OpenAITransport
from erc_synth.loaders.schema import label_set
from fakes import llm_server

SHARES = {"neutral": 47, "joy": 17, "surprise": 12, "anger": 11, "sadness": 7, "disgust": 3, "fear": 3}
OBEYS = {"neutral": 1.0, "joy": 0.95, "surprise": 0.9, "anger": 0.8, "sadness": 0.8, "disgust": 0.5, "fear": 0.6}


def biased_dialogue(prompt: str, seed: int) -> str:
    chance = random.Random(seed)
    numbers = {name: int(number) for number, name in re.findall(r"(\d+) for ([a-z]+)", prompt)}
    wanted = re.search(r"expressing ([a-z]+)", prompt)
    labels = chance.choices(list(SHARES), list(SHARES.values()), k=4)
    if wanted and chance.random() < OBEYS[wanted[1]]:
        labels[chance.randrange(4)] = wanted[1]
    return "\n".join(
        f"Speaker: {name} Utterance: I counted {chance.randrange(10**9)} geese. Number: {numbers[label]}"
        for name, label in zip(("Ross", "Monica") * 2, labels, strict=True)
    )


def attainable() -> float:
    """The greatest expected label entropy that any mixture of wanted emotions reaches with `biased_dialogue`."""
    from scipy.optimize import minimize

    shares, obeys = np.array([*SHARES.values()]) / sum(SHARES.values()), np.array([*OBEYS.values()])

    def unevenness(mixture: np.ndarray) -> float:
        labels = 3 * shares + mixture * obeys + shares * (mixture * (1 - obeys)).sum()
        return -entropy(Counter(dict(zip(SHARES, labels.tolist(), strict=True))), len(SHARES))

    whole = {"type": "eq", "fun": lambda mixture: mixture.sum() - 1}
    return -float(minimize(unevenness, np.full(7, 1 / 7), bounds=[(0, 1)] * 7, constraints=whole).fun)


def balance(dialogues: int) -> None:
    print(f"label entropy: even 1.000; MELD {entropy(Counter(SHARES), 7):.3f}; attainable {attainable():.3f}")
    llm_server.dialogue_for = biased_dialogue
    recipe = load_recipe("meld_balanced")
    for kind in ("round-robin", "adaptive"):
        with llm_server.LlmServer() as server, tempfile.TemporaryDirectory() as out:
            options = Options(profile=load_profile("vicuna-1.5"), sampling=dict(recipe.sampling), dialogues=dialogues)
            asked = replace(recipe, balance=kind, source=recipe.source.replace('"round-robin"', f'"{kind}"', 1))
            run = Run(asked, options, Opened(read_access([server.url]), OpenAITransport()), Path(out), Watch())
            asyncio.run(run.execute())
            made = list(accepted_dialogues(Path(out) / recipe.name))
        counts = label_counts(made)
        entropies = f"label entropy {entropy(counts, 7):.3f}"
        rarest = f"rarest to commonest {min(counts.values()) / max(counts.values()):.2f}"
        print(f"simulated model, {kind:<12} {len(made)} dialogues, {entropies}, {rarest}")
        print(f"    {dict(counts.most_common())}")
        kept, _ = trim(made, dialogues * 2 // 3, 0, level=kind == "adaptive")
        print(f"    trimmed to {len(kept)}: label entropy {entropy(label_counts(kept), 7):.3f}")


def real_table(folder: Path) -> None:
    splits = benchmark_splits(folder, ("meld", "emorynlp"))
    if not splits:
        print(f"no benchmark files at {folder}: set ERC_DATA")
        return
    meld, emory = (
        Subject(name, {s.split("/")[1]: ds for s, ds in splits.items() if s.startswith(name)}, label_set(name))
        for name in ("meld", "emorynlp")
    )
    start = time.perf_counter()
    said: list[tuple[str, float]] = []
    content = measure_quality(meld, emory, benchmarks=splits, encode=sentence_encoder(),
                              extras=Extras(say=lambda step: said.append((step, time.perf_counter()))))  # fmt: skip
    said.append(("end", time.perf_counter()))
    print(table(content))
    for (step, begun), (_, ended) in pairwise(said):
        print(f"{step:<30}{ended - begun:6.1f} s")
    print(f"{'all':<30}{time.perf_counter() - start:6.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dialogues", type=int, default=700)
    parser.add_argument("--table", action=argparse.BooleanOptionalAction, default=True)
    words = parser.parse_args()
    balance(words.dialogues)
    if words.table:
        real_table(Path(os.environ.get("ERC_DATA") or Path(__file__).parents[3] / "shared" / "data"))
