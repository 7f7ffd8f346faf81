"""Throughput of `load_classifier` on MELD's test split against one call per utterance by transformers alone.

Both read the same tokens (the whole past, left-truncated at --max-tokens) with the 22M-parameter encoder; the
classifier is untrained, which changes no time. Prints turns per second and the largest difference of probabilities.
Run: python tests/benchmarks/bench_predict.py [--turns N of the batch-1 loop]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

sys.path.insert(0, str(Path(__file__).parents[1]))

from erc_synth.loaders import registry
from erc_synth.loaders.schema import to_dialogues
from erc_synth.training.predict import load_classifier
from fakes.tiny_run import save_classifier


def batch_of_one(folder, dialogues, limit, device):
    """Probabilities of the first turns, one forward pass each, as a user of transformers writes it."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows, start = [], time.perf_counter()
    with torch.no_grad():
        for dialogue in dialogues:
            text = ""
            for turn in dialogue.utterances:
                text += f"{' ' if text else ''}{turn.speaker}: {turn.text.strip()}"
                given = tokenizer(text, return_tensors="pt", truncation=True).to(device)
                rows.append(model(**given).logits.softmax(1)[0].cpu().numpy())
                if len(rows) == limit:
                    return np.array(rows), time.perf_counter() - start
    return np.array(rows), time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=None)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    dialogues = to_dialogues(registry.load("meld")["test"])
    with tempfile.TemporaryDirectory() as place:
        save_classifier(Path(place), "minilm", ["--model", "baseline"])
        classifier = load_classifier(place, device=options.device)
        classifier.predict([("Ann", "Hi")])  # the first call prepares the libraries
        start = time.perf_counter()
        ours = np.concatenate(classifier.probabilities(dialogues))
        seconds = time.perf_counter() - start
        theirs, other = batch_of_one(place, dialogues, options.turns, options.device)
    print(f"erc-synth: {len(ours)} turns in {seconds:.1f} s, {len(ours) / seconds:.0f} a second")
    print(f"batch of 1: {len(theirs)} turns in {other:.1f} s, {len(theirs) / other:.0f} a second")
    print(
        f"quicker by {len(ours) / seconds / (len(theirs) / other):.1f}, differ by {np.abs(ours[: len(theirs)] - theirs).max():.1e}"
    )


if __name__ == "__main__":
    main()
