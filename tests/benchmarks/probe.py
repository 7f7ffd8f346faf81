"""The cheapest answer to "does synthetic data help": logistic regression on frozen sentence embeddings of single lines.

It is no classifier of the paper and sees no context; but it trains in a second, so each cell has many draws of the real
dialogues. Real dialogues are drawn by seed from the train split; scores are weighted F1 in per cent on the whole real
test split. Variants: org; tstr-X (synthetic only); mixed-X (both in one stage); oversampled (dialogues with a label
rarer than an even share twice). Differences to org are paired by draw; intervals (95 %) are of draws.
Without --sets the scores in --out are shown again, and drawn with --picture.
python tests/benchmarks/probe.py --shares 5 20 100 --sets nat=runs/meld_natural bal=runs/meld_balanced
"""

import argparse
import json
import random
import sys
from pathlib import Path

import numpy as np
from scipy.stats import t
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
    """Mean with Student's interval of the draws' mean; one draw has none."""
    if len(values) < 2:
        return f"{values[0]:.2f}"
    width = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.2f} ± {width:.2f}"


def tables(content):
    """Markdown: one row per share and variant, paired with org and with oversampling."""
    yield f"Always the commonest label: {content['floor']:.2f}."
    for name, value in content["tstr"].items():
        yield f"{name} alone: {value:.2f} ({content['sizes'][name][0]} dialogues, {content['sizes'][name][1]} turns)."
    yield "\n| real dialogues | variant | weighted F1 | minus org | minus oversampled | draws |\n" + "| --- " * 6 + "|"
    for share, cell in content["shares"].items():
        scores = cell["scores"]
        for variant, values in scores.items():
            columns = [
                "" if variant == other else said([a - b for a, b in zip(values, scores[other], strict=True)])
                for other in ("org", "oversampled")
            ]
            head = f"| {cell['dialogues']} ({share} %) | {variant} | {said(values)} |"
            yield f"{head} {' | '.join(columns)} | {len(values)} |"


def picture(content, path):
    """A dot per draw, a line at the mean, one panel per share."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "erc-synth"
    shares = content["shares"]
    figure, axes = plt.subplots(1, len(shares), figsize=(1 + 2.6 * len(shares), 3.2), sharey=True, squeeze=False)
    for axis, (share, cell) in zip(axes[0], shares.items(), strict=True):
        for at, (variant, values) in enumerate(cell["scores"].items()):
            colour = "#1f77b4" if variant.startswith("mixed") else "#444444"
            axis.scatter([at] * len(values), values, s=14, alpha=0.6, color=colour, edgecolors="none")
            axis.hlines(np.mean(values), at - 0.3, at + 0.3, color=colour)
        axis.set_xticks(range(len(cell["scores"])), list(cell["scores"]), rotation=40, ha="right", fontsize=8)
        axis.set_title(f"{cell['dialogues']} real dialogues ({share} %)", fontsize=9)
        axis.grid(axis="y", alpha=0.3)
    axes[0][0].set_ylabel("weighted F1, real test split")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def measure(args):
    """All scores, written after each share."""
    real = {split: to_dialogues(data) for split, data in registry.load(args.benchmark).items()}
    encode = remembered(sentence_encoder())
    made = {name: read(place, args.most) for name, place in (entry.split("=", 1) for entry in args.sets)}
    sets = {name: rows(dialogues, encode) for name, dialogues in made.items()}
    test = rows(real["test"], encode)
    common = max(set(test[1]), key=test[1].count)
    floor = 100 * f1_score(test[1], [common] * len(test[1]), average="weighted", zero_division=0)
    content = {"floor": floor, "sizes": {name: [len(made[name]), len(sets[name][1])] for name in sets}, "shares": {}}
    content["tstr"] = {name: score(own, test) for name, own in sets.items()}
    for share in args.shares:
        size, found = draws(real["train"], sets, test, share, args.seeds, encode)
        content["shares"][str(share)] = {"dialogues": size, "scores": found}
        args.out.write_text(json.dumps(content, indent=1))
        print(f"{share} %: done", file=sys.stderr, flush=True)


def main():
    """Print a Markdown table; write all scores as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--benchmark", default="meld")
    parser.add_argument("--sets", nargs="+", help="NAME=run folder or curated .jsonl")
    parser.add_argument("--most", type=int, default=10**6, help="synthetic dialogues of each set, at most")
    parser.add_argument("--shares", nargs="+", type=int, default=[5, 20, 100])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("probe.json"))
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    if args.sets:
        measure(args)
    content = json.loads(args.out.read_text())
    print("\n".join(tables(content)))
    if args.picture:
        picture(content, args.picture)


if __name__ == "__main__":
    main()
