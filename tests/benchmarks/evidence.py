"""The experiment: does synthetic data help a classifier that has little real data? Made again by `make evidence`.

Purpose: generate, curate, build, train, test, and write what came out into docs/evidence.md with a picture. Every step
is an ordinary command, printed before it runs; what is finished is skipped, so the script can be interrupted and goes
on. A cell that was not run is called so. Scores are weighted F1 on the real test split. Each seed has real
dialogues of its own, the same for every variant: drawn by the seed from the train split.
Variants: org (real only), nat and bal (synthetic, then real), tstr-nat and tstr-bal (synthetic only); controls on the
same real dialogues: longer (as many steps as nat has), oversampled (dialogues with rare labels twice), mixed-nat and
mixed-bal (real and synthetic in one stage).
Sizes are arguments; all defaults together are a day on two cores, `--help` lists what makes it shorter:
python tests/benchmarks/evidence.py --out evidence --weights qwen2.5-coder-1.5b-instruct-q4_k_m.gguf
"""

import argparse
import csv
import json
import math
import shlex
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

VARIANTS = ("org", "nat", "bal", "tstr-nat", "tstr-bal")
CONTROLS = ("longer", "oversampled", "mixed-nat", "mixed-bal")
KINDS = {"nat": "natural", "bal": "balanced"}
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # 97.5 % points by number of seeds
PAPER = {  # weighted F1 of its Table 2 (RoBERTa-large, all real data, sets by Vicuna 13B): org, nat, bal
    ("meld", "compm"): (65.43, 65.52, 66.16),
    ("meld", "emoone"): (65.46, 66.50, 67.27),
    ("meld", "todkat"): (63.47, 64.20, 64.27),
    ("emorynlp", "compm"): (37.25, 39.50, 38.93),
    ("emorynlp", "emoone"): (35.93, 38.79, 39.05),
    ("emorynlp", "todkat"): (35.38, 36.77, 37.40),
}


@dataclass(frozen=True)
class Cell:
    """What is trained: a classifier on a share (per cent) of a benchmark's train dialogues, drawn by the seed."""

    model: str
    benchmark: str
    share: int
    variant: str


class Experiment:
    """Folders and settings of one experiment."""

    def __init__(self, args):
        self.args, self.out, self.repo = args, Path(args.out), Path(args.out) / "repo"
        self.end = time.monotonic() + 60 * args.minutes if args.minutes else math.inf
        self.late = False

    def run(self, *words):
        """One command of ours; False when it failed or there is no time left."""
        if time.monotonic() > self.end:
            self.late = True
            return False
        print(f"\n$ erc-synth {shlex.join(map(str, words))}", flush=True)
        return subprocess.run([sys.executable, "-m", "erc_synth.cli", *map(str, words)], check=False).returncode == 0

    # --- data -----------------------------------------------------------------------------------

    def data(self):
        """Runs, curated sets and the repo."""
        args, runs = self.args, Path(self.args.runs or self.out / "runs")
        if not args.runs:
            recipes = [f"{benchmark}_{kind}" for benchmark in args.benchmarks for kind in KINDS.values()]
            weights = ["--weights", args.weights] if args.weights else []
            self.run("generate", *recipes, "--out", runs, "--dialogues", args.dialogues, "--profile", args.profile,
                     "--concurrency", 4, "--patience", 3600, "--timeout", 3600, *weights)  # fmt: skip
        if not (self.out / "curated").is_dir():
            keep = [word for reason in args.keep for word in ("--keep", reason)]
            self.run("curate", runs, "--out", self.out / "curated", *keep)
        if not self.repo.is_dir():
            self.run("build", "--curated", self.out / "curated", "--runs", runs, "--out", self.repo)

    def dialogues(self, benchmark, share):
        """Number of train dialogues of a share."""
        return max(1, round(len(self.train(benchmark)) * share / 100))

    def train(self, benchmark):
        from erc_synth.loaders import registry
        from erc_synth.loaders.schema import Dialogues

        return Dialogues(registry.load(benchmark)["train"])

    def probe(self):
        """The cheapest cells first: a linear classifier on frozen embeddings, one file per benchmark."""
        for benchmark in self.args.benchmarks:
            sets = [f"{kind}={self.out}/curated/{benchmark}_{name}.jsonl" for kind, name in KINDS.items()]
            out = self.out / f"probe-{benchmark}.json"
            words = ["--benchmark", benchmark, "--sets", *sets, "--shares", *map(str, self.args.shares), "--out", out]
            if not out.exists():
                subprocess.run([sys.executable, Path(__file__).with_name("probe.py"), *words], check=False)

    # --- trainings ------------------------------------------------------------------------------

    def settings(self):
        args = self.args
        return ["--backbone", args.backbone, "--learning-rate", args.learning_rate, "--max-tokens", args.max_tokens]

    def grids(self):
        """All variants: one seed after the other, cheap shares first, so that an early end leaves whole seeds."""
        args = self.args
        for benchmark in args.benchmarks:
            for share in args.shares:
                size = self.dialogues(benchmark, share)
                for model in args.models:
                    for seed in args.seeds:
                        self.run("grid", "--models", model, "--benchmarks", benchmark, "--variants",
                                 " ".join(args.variants), "--seeds", seed, "--repo", self.repo, *self.settings(),
                                 "--epochs", args.epochs, "--max-train-dialogues", size, "--draw-train",
                                 *self.folders(share))  # fmt: skip

    def folders(self, share):
        return ["--results", self.out / f"results-{share}", "--outputs", self.out / f"outputs-{share}"]

    def controls(self):
        """Plain ways to spend the same steps or the same dialogues."""
        args = self.args
        for benchmark in args.benchmarks:
            for share in args.shares:
                for model in args.models:
                    for control in args.controls:
                        for seed in args.seeds:
                            self.control(Cell(model, benchmark, share, control), seed)

    def control(self, cell, seed):
        size, epochs, train = self.dialogues(cell.benchmark, cell.share), self.args.epochs, cell.benchmark
        more = ["--max-train-dialogues", size, "--draw-train"]
        if cell.variant == "longer":
            epochs = round(epochs * (size + min(size, len(self.synthetic(cell.benchmark, "nat")))) / size)
        else:
            train, more = f"{self.mixture(cell, seed)}:mixed", ["--recipe", "scratch"]
        folder = self.control_folder(cell, seed)
        if not (folder / "metrics.json").exists():
            self.run("train", "--model", cell.model, "--train", train, "--eval", cell.benchmark, "--seed", seed,
                     "--epochs", epochs, *self.settings(), *more, "--out", folder)  # fmt: skip

    def control_folder(self, cell, seed):
        return self.out / f"controls-{cell.share}" / f"{cell.model}-{cell.benchmark}-{cell.variant}-s{seed}"

    def synthetic(self, benchmark, kind):
        """Synthetic train dialogues."""
        from erc_synth.loaders import registry
        from erc_synth.loaders.schema import to_dialogues

        return to_dialogues(registry.load(f"{self.repo}:{benchmark}_{KINDS[kind]}")["train"])

    def mixture(self, cell, seed):
        """A folder with a train split of its own beside the benchmark's validation and test; it is not published."""
        from erc_synth.loaders import registry
        from erc_synth.loaders.schema import features, label_set, to_utterances

        folder = self.out / "mixtures" / f"{cell.benchmark}-{cell.share}-{cell.variant}-s{seed}"
        if (folder / "README.md").exists():
            return folder
        real = list(self.train(cell.benchmark).drawn(self.dialogues(cell.benchmark, cell.share), seed))
        kind = cell.variant.removeprefix("mixed-")
        added = rare(real) if cell.variant == "oversampled" else self.synthetic(cell.benchmark, kind)[: len(real)]
        folder.mkdir(parents=True, exist_ok=True)
        labels = label_set(cell.benchmark)
        form = features(labels)
        to_utterances([*real, *added], labels).to_parquet(folder / "train.parquet")
        for split, data in registry.load(cell.benchmark).items():
            if split != "train":
                data.select_columns(list(form)).cast(form).to_parquet(folder / f"{split}.parquet")
        files = "".join(f"  - split: {s}\n    path: {s}.parquet\n" for s in ("train", "validation", "test"))
        (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: mixed\n  data_files:\n{files}---\n")
        return folder

    # --- what came out --------------------------------------------------------------------------

    def scores(self):
        """Cell -> seed -> weighted F1 in per cent on the real test split."""
        found = defaultdict(dict)
        for share in self.args.shares:
            for path in sorted((self.out / f"results-{share}").glob("*-on-org.json")):
                cell = json.loads(path.read_text())
                if cell["status"] == "done":
                    key = Cell(cell["model"], cell["benchmark"], share, cell["variant"])
                    found[key][cell["seed"]] = 100 * cell["score"]
            for path in sorted((self.out / f"controls-{share}").glob("*/metrics.json")):
                model, benchmark, rest = path.parent.name.split("-", 2)
                control, seed = rest.rsplit("-s", 1)
                score = json.loads(path.read_text())["evaluations"][0]["weighted_f1"]
                found[Cell(model, benchmark, share, control)][int(seed)] = 100 * score
        return found

    def statistics(self, scores):
        """Friedman and exact p of the variants; a block is a classifier, benchmark, share and seed that has all."""
        variants = [v for v in VARIANTS if any(cell.variant == v for cell in scores)]
        blocks = {(c.model, c.benchmark, c.share, seed) for c, by_seed in scores.items() for seed in by_seed}
        whole = [b for b in sorted(blocks) if all(b[3] in scores.get(Cell(*b[:3], v), {}) for v in variants)]
        if len(whole) < 2 or len(variants) < 3:
            return None
        table = self.out / "scores.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["model", "block", "score"])
            for model, benchmark, share, seed in whole:
                for variant in variants:
                    value = scores[Cell(model, benchmark, share, variant)][seed]
                    writer.writerow([variant, f"{benchmark}/{model}-{share}-s{seed}", value])
        self.run("stats", table, "--control", "org", "--out", self.out / "stats.json")
        return len(whole)


def rare(dialogues):
    """Dialogues that hold a label rarer than an even share, once more."""
    from dataclasses import replace

    counts = Counter(turn.emotion for dialogue in dialogues for turn in dialogue.utterances)
    even = sum(counts.values()) / len(counts)
    wanted = {label for label, count in counts.items() if count < even}
    again = [d for d in dialogues if any(turn.emotion in wanted for turn in d.utterances)]
    return [replace(d, dialogue_id=f"{d.dialogue_id}-again") for d in again]


def interval(values):
    """Mean and half a 95 % Student interval over seeds; no interval of one seed."""
    mean = statistics.fmean(values)
    if len(values) not in STUDENT:
        return f"{mean:.1f}"
    return f"{mean:.1f} ± {STUDENT[len(values)] * statistics.stdev(values) / math.sqrt(len(values)):.1f}"


def table(experiment, scores):
    """The Markdown table: a row per classifier, benchmark and share; `not run` where nothing was."""
    args = experiment.args
    columns = [*args.variants, *args.controls]
    lines = [
        f"| benchmark | classifier | real dialogues | {' | '.join(columns)} |",
        "| --- " * (3 + len(columns)) + "|",
    ]
    for benchmark in args.benchmarks:
        for share in args.shares:
            for model in args.models:
                row = [scores.get(Cell(model, benchmark, share, variant)) for variant in columns]
                said = [f"{interval(list(s.values()))} (n={len(s)})" if s else "not run" for s in row]
                size = experiment.dialogues(benchmark, share)
                lines.append(f"| {benchmark} | {model} | {size} ({share} %) | {' | '.join(said)} |")
    for (benchmark, model), values in PAPER.items():
        if benchmark in args.benchmarks and model in args.models:
            row = [f"{value:.2f}" for value in values] + ["not in the paper"] * (len(columns) - len(values))
            lines.append(f"| {benchmark} | {model} | the paper: all | {' | '.join(row)} |")
    return "\n".join(lines)


def paired(scores):
    """Differences to org, seed by seed: cell -> differences."""
    found = {}
    for cell, by_seed in scores.items():
        control = scores.get(Cell(cell.model, cell.benchmark, cell.share, "org"), {})
        both = sorted(set(by_seed) & set(control))
        if cell.variant != "org" and both:
            found[cell] = [by_seed[seed] - control[seed] for seed in both]
    return found


def difference_table(scores):
    """Markdown: mean difference to org and its interval over seeds."""
    head = "| benchmark | classifier | share | variant | minus org, points | seeds |"
    lines, order = [head, "| --- " * 6 + "|"], (*VARIANTS, *CONTROLS)

    def place(cell):
        return cell.benchmark, cell.share, cell.model, order.index(cell.variant)

    for cell, values in sorted(paired(scores).items(), key=lambda pair: place(pair[0])):
        lines.append(
            f"| {cell.benchmark} | {cell.model} | {cell.share} % | {cell.variant} | {interval(values)} | {len(values)} |"
        )
    return "\n".join(lines)


def picture(scores, path):
    """A dot per seed and a bar at the mean, one panel per classifier, benchmark and share."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = sorted({(c.benchmark, c.share, c.model) for c in scores})
    if not panels:
        return
    figure, axes = plt.subplots(1, len(panels), figsize=(1.2 + 3.2 * len(panels), 3.4), sharey=True, squeeze=False)
    for axis, (benchmark, share, model) in zip(axes[0], panels, strict=True):
        shown = [v for v in (*VARIANTS, *CONTROLS) if Cell(model, benchmark, share, v) in scores]
        for at, variant in enumerate(shown):
            values = list(scores[Cell(model, benchmark, share, variant)].values())
            colour = "#444444" if variant == "org" or variant in CONTROLS else "#1f77b4"
            axis.scatter([at] * len(values), values, s=18, color=colour)
            axis.hlines(statistics.fmean(values), at - 0.3, at + 0.3, color=colour)
        axis.set_xticks(range(len(shown)), shown, rotation=45, ha="right")
        axis.set_title(f"{benchmark}, {share} %, {model}", fontsize=9)
    axes[0][0].set_ylabel("weighted F1, real test split")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main():
    """All stages; each skips what is done."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", default="evidence", help="folder of everything but the tables")
    parser.add_argument("--runs", help="finished generation runs, in place of new ones")
    parser.add_argument("--benchmarks", nargs="+", default=["meld", "emorynlp"])
    parser.add_argument("--dialogues", type=int, default=200, help="asked for per set")
    parser.add_argument("--profile", default="qwen2.5-coder-1.5b")
    parser.add_argument("--weights", help="GGUF file of the profile")
    parser.add_argument("--keep", nargs="*", default=[], help="reasons that do not drop a dialogue")
    parser.add_argument("--models", nargs="+", default=["todkat", "baseline", "compm", "emoone"])
    parser.add_argument("--backbone", default="minilm")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--controls", nargs="*", default=list(CONTROLS), choices=CONTROLS)
    parser.add_argument("--shares", nargs="+", type=int, default=[5, 20, 100], help="per cent of the train dialogues")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--learning-rate", default="1e-4")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=0, help="begin no new step after so many; 0 = no end")
    parser.add_argument("--tables", default="evidence/tables.md", help="where the tables go")
    parser.add_argument("--picture", default="docs/evidence.svg")
    parser.add_argument("--only-tables", action="store_true", help="train nothing, show what is there")
    experiment = Experiment(parser.parse_args())
    if not experiment.args.only_tables:
        experiment.data()
        experiment.probe()
        experiment.grids()
        experiment.controls()
    scores = experiment.scores()
    experiment.end = math.inf
    blocks = experiment.statistics(scores)
    experiment.run("report", "--results", experiment.out / f"results-{experiment.args.shares[0]}",
                   "--outputs", experiment.out / f"outputs-{experiment.args.shares[0]}",
                   "--curated", experiment.out / "curated", "--runs", experiment.args.runs or experiment.out / "runs",
                   "--stats", experiment.out / "stats.json", "--out", experiment.out / "report",
                   "--title", "erc-synth: the experiment")  # fmt: skip
    text = f"{table(experiment, scores)}\n\n{difference_table(scores)}\n\nBlocks of the test: {blocks or 'too few'}.\n"
    Path(experiment.args.tables).parent.mkdir(parents=True, exist_ok=True)
    Path(experiment.args.tables).write_text(text, "utf-8")
    picture(scores, Path(experiment.args.picture))
    print(text + ("The time was over: run it again to go on." if experiment.late else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
