"""Recipe options side by side: the same number of dialogues of each run, measured alike. No part of `make bench`.

A plain classifier on sentence embeddings, trained on the benchmark's real train split, says whether labels and asked
emotions are heard; `ceiling` is its kappa on the real test split. Intervals (95 %) resample whole dialogues.
python tests/benchmarks/ablation.py --dialogues 20 base=runs-a/meld_balanced all=runs-b/meld_balanced
"""

import argparse
import json
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

from erc_synth.generation.quality.annotate import agreement, ask
from erc_synth.generation.quality.labels import judge
from erc_synth.generation.quality.likeness import remembered, sentence_encoder, share_by_dialogue
from erc_synth.generation.quality.measure import measure_quality
from erc_synth.generation.quality.subject import Subject
from erc_synth.generation.runs.folder import accepted_dialogues, recipe_of
from erc_synth.generation.runs.journal import read_attempts
from erc_synth.loaders import registry
from erc_synth.loaders.schema import to_dialogues

SHOWN = ("distinct-2", "self-repetition", "two-sample accuracy", "label entropy", "label transition divergence")
COLUMNS = ("yield", "kappa", "ceiling", "accuracy", "asked, labelled", "asked, heard", *SHOWN)


class Judge:
    """The classifier as an annotator: one line at a time."""

    name = "logistic regression on MiniLM, real train split"

    def __init__(self, encode, train, lines=4000):
        self.encode = encode
        turns = [turn for dialogue in train for turn in dialogue.utterances if turn.emotion][:lines]
        self._model = judge(encode([turn.text for turn in turns]), [turn.emotion for turn in turns], 0)
        self.labels = tuple(self._model.classes_)

    def probabilities(self, dialogues):
        """One array [turns, labels] a dialogue."""
        return [self._model.predict_proba(self.encode([t.text for t in d.utterances])) for d in dialogues]


def kept(run, one_label):
    """Dialogues of a run, without those of one label: curation drops them, and they flatter kappa."""
    for dialogue in accepted_dialogues(run):
        if one_label or len({turn.emotion for turn in dialogue.utterances}) > 1:
            yield dialogue


def figures(run, judge_, real, encode, args):
    """All figures of the first dialogues of a run folder."""
    most = args.dialogues
    dialogues = list(islice(kept(run, args.one_label), most))
    if len(dialogues) < most:
        print(f"{run} has {len(dialogues)} dialogues, not {most}", file=sys.stderr)
    labels = recipe_of(run).labels
    said = ask(judge_, dialogues, 0)
    agreed = agreement(judge_, said, ask(judge_, real["test"], 0), labels, 0)
    heard = {d.dialogue_id: set(spoken) for d, spoken in zip(said.dialogues, said.labels, strict=True)}
    asked = [d for d in dialogues if d.target_emotion]
    right = [
        (turn.emotion == word, number)
        for number, (d, spoken) in enumerate(zip(said.dialogues, said.labels, strict=True))
        for turn, word in zip(d.utterances, spoken, strict=True)
    ]
    measures = {}
    if not args.labels_only:
        own = Subject("set", {"train": dialogues}, labels)
        measures = measure_quality(own, Subject("real", real, labels), encode=encode)["measures"]
    tried = Counter(record["outcome"] for record in islice(read_attempts(run / "journal.jsonl"), most))
    row = {
        "dialogues": len(dialogues), "yield": {"value": tried["accepted"] / max(1, tried.total())},
        "kappa": agreed["kappa"], "ceiling": agreed["ceiling"], "accuracy": _share(*zip(*right, strict=True)),
        "kappa_by_label": agreed["kappa_by_label"],
    }  # fmt: skip
    if asked:
        row["asked, labelled"] = _share([d.target_emotion in {t.emotion for t in d.utterances} for d in asked])
        row["asked, heard"] = _share([d.target_emotion in heard[d.dialogue_id] for d in asked])
    return row | {name: measures[name] for name in SHOWN if name in measures}


def _share(flags, owners=None):
    import numpy as np

    return share_by_dialogue(np.array(flags), np.array(owners or range(len(flags))), 0).to_json()


def shown(cell):
    """A figure and its interval."""
    if cell is None:
        return ""
    low, high = cell.get("low"), cell.get("high")
    return f"{cell['value']:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None and low != high else "")


def main():
    """Print a Markdown table; write all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("runs", nargs="+", help="NAME=FOLDER of a run")
    parser.add_argument("--dialogues", type=int, default=40)
    parser.add_argument("--benchmark", default="meld")
    parser.add_argument("--one-label", action="store_true", help="with dialogues of one label throughout")
    parser.add_argument("--labels-only", action="store_true", help="no measures of wording and likeness: quick")
    parser.add_argument("--out", type=Path, help="JSON file")
    args = parser.parse_args()
    real = {split: to_dialogues(rows) for split, rows in registry.load(args.benchmark).items()}
    encode = remembered(sentence_encoder())
    judge_ = Judge(encode, real["train"])
    rows = {}
    print(f"| recipe | n | {' | '.join(COLUMNS)} |\n{'| --- ' * (2 + len(COLUMNS))}|")
    for name, folder in (run.split("=", 1) for run in args.runs):
        rows[name] = figures(Path(folder), judge_, real, encode, args)
        print(
            f"| {name} | {rows[name]['dialogues']} | {' | '.join(shown(rows[name].get(c)) for c in COLUMNS)} |",
            flush=True,
        )
        if args.out:
            args.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
