"""The cheapest answer to "does synthetic data help": logistic regression on frozen sentence embeddings of single lines.

It is no classifier of the paper and sees no context; but it trains in a second, so each cell has many draws of the real
dialogues. Real dialogues are drawn by seed from the train split; scores are weighted F1 in per cent on the whole real
test split. Variants: org; tstr-X (synthetic only); mixed-X (both in one stage); oversampled (dialogues with a label
rarer than an even share twice). Differences to org are paired by draw; intervals (95 %) are of draws.
python tests/benchmarks/probe.py --shares 5 20 100 --sets nat=runs/meld_natural bal=runs/meld_balanced
"""

import argparse
import json
import random
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

sys.path.insert(0, str(Path(__file__).parent))
from evidence import rare

from erc_synth.generation.quality.labels import one_thread
from erc_synth.generation.quality.likeness import remembered, sentence_encoder
from erc_synth.generation.runs.folder import accepted_dialogues
from erc_synth.loaders import registry
from erc_synth.loaders.curated import curated_dialogues
from erc_synth.loaders.schema import to_dialogues


def read(place, most):
    """Dialogues of a run folder, or of the train split of a curated file."""
    path = Path(place)
    if path.is_dir():
        return list(accepted_dialogues(path))[:most]
    return [dialogue for split, dialogue in curated_dialogues(path) if split == "train"][:most]


def rows(dialogues, encode):
    """Embeddings and labels of all labelled turns."""
    turns = [turn for dialogue in dialogues for turn in dialogue.utterances if turn.emotion]
    return encode([turn.text for turn in turns]), [turn.emotion for turn in turns]


@one_thread
def score(train, test):
    """Weighted F1 in per cent of a probe on the test split."""
    model = LogisticRegression(max_iter=300).fit(*train)
    return 100 * f1_score(test[1], model.predict(test[0]), average="weighted")


def together(*parts):
    return np.concatenate([vectors for vectors, _ in parts]), [label for _, labels in parts for label in labels]


def draws(real, sets, test, share, seeds, encode):
    """Variant -> one score per draw."""
    found = {}
    size = max(1, round(len(real) * share / 100))
    whole = rows(real, encode) if share == 100 else None
    for seed in range(1 if share == 100 else seeds):
        drawn = real if share == 100 else random.Random(seed).sample(real, size)
        own = whole or rows(drawn, encode)
        scores = {"org": score(own, test), "oversampled": score(together(own, rows(rare(drawn), encode)), test)}
        scores |= {f"mixed-{name}": score(together(own, made), test) for name, made in sets.items()}
        for variant, value in scores.items():
            found.setdefault(variant, []).append(value)
    return size, found


def said(values):
    """Mean with an interval of the draws' mean, by normal theory; one draw has none."""
    if len(values) < 2:
        return f"{values[0]:.2f}"
    return f"{np.mean(values):.2f} ± {1.96 * np.std(values, ddof=1) / len(values) ** 0.5:.2f}"


def main():
    """Print a Markdown table; write all scores as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--benchmark", default="meld")
    parser.add_argument("--sets", nargs="+", required=True, help="NAME=run folder or curated .jsonl")
    parser.add_argument("--most", type=int, default=10**6, help="synthetic dialogues of each set, at most")
    parser.add_argument("--shares", nargs="+", type=int, default=[5, 20, 100])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("probe.json"))
    args = parser.parse_args()
    real = {split: to_dialogues(data) for split, data in registry.load(args.benchmark).items()}
    encode = remembered(sentence_encoder())
    made = {name: read(place, args.most) for name, place in (entry.split("=", 1) for entry in args.sets)}
    sets = {name: rows(dialogues, encode) for name, dialogues in made.items()}
    test = rows(real["test"], encode)
    majority = max(set(test[1]), key=test[1].count)
    floor = 100 * f1_score(test[1], [majority] * len(test[1]), average="weighted", zero_division=0)
    content = {"floor": floor, "sizes": {name: [len(made[name]), len(sets[name][1])] for name in sets}, "shares": {}}
    content["tstr"] = {name: score(rows_, test) for name, rows_ in sets.items()}
    print(f"Always {majority}: {floor:.2f}. Synthetic only: {content['tstr']}. Sizes: {content['sizes']}", flush=True)
    print("| real dialogues | variant | weighted F1 | minus org | draws |\n| --- | --- | --- | --- | --- |")
    for share in args.shares:
        size, found = draws(real["train"], sets, test, share, args.seeds, encode)
        content["shares"][str(share)] = {"dialogues": size, "scores": found}
        for variant, values in found.items():
            minus = said([a - b for a, b in zip(values, found["org"], strict=True)]) if variant != "org" else ""
            print(f"| {size} ({share} %) | {variant} | {said(values)} | {minus} | {len(values)} |", flush=True)
        args.out.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
