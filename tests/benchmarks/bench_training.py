"""Speed of training and evaluation against straight loops of the official kind (`official_loops`), in one run.

Ours is the product's own path (`Trainer`, `predict`), tokenising included, fp32 and bf16. Both sides hold the same
weights: the first column of a line is the largest difference of their logits (CoMPM: legacy memory, TODKAT:
released mode; the timed runs use the defaults `masked` and `fixed`). EmoOne's training counts a tenth of the pass
that reads the teacher, which is made once for ten epochs. Each pass is warmed by one over as many other dialogues:
a run takes its memory once, but always meets new lengths, and oneDNN prepares every new shape of a bf16 product.
Run: python tests/benchmarks/bench_training.py [tiny|minilm] [dialogues] [data folder]
"""

import copy
import logging
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import official_loops
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from erc_synth.loaders.schema import Dialogue, Utterance, label_set, to_dialogues
from erc_synth.training import backbones, batching, optimiser
from erc_synth.training.config import parse
from erc_synth.training.grayscale import Soft
from erc_synth.training.loop import Stage, Trainer, predict, tokens_of
from erc_synth.training.models import factory
from erc_synth.training.run import _keep_memory

sys.path.insert(0, str(Path(__file__).parents[1]))
from fakes.tiny_model import build_tiny_model

LABELS = label_set("meld")
WORDS = ("okay so I really do not know what you want " * 2).split()
MODELS = ("compm", "emoone", "todkat", "baseline")


def invented(count, turns):
    return [
        Dialogue(
            f"{d}",
            tuple(
                Utterance("ABC"[(d + t) % 3], " ".join(WORDS[: 2 + (5 * d + 3 * t) % 16]), LABELS.labels[(d + t) % 7])
                for t in range(turns)
            ),
        )
        for d in range(count)
    ]


def meld(count, data):
    """The first `count` validation dialogues of MELD; invented ones of ten turns where it is absent."""
    if not (data / "meld").is_dir():
        print("no MELD here: invented dialogues of ten turns")
        return invented(count, 10)
    from erc_synth.loaders.registry import load

    return to_dialogues(load("meld", data_dir=str(data))["validation"])[:count]


class Ours:
    """A classifier of the product with the weights of a straight one."""

    def __init__(self, name, backbone, straight, *more):
        words = ["--train", "meld", "--out", "o", "--model", name, "--backbone", backbone, *more]
        self.config = parse(words)
        self.tokenizer = backbones.load_tokenizer(backbone)
        self.model = factory.create(self.config, len(LABELS), self.tokenizer)
        ours = dict(self.model.named_parameters())
        names = {"context_model.": "context_encoder.backbone.", "speaker_model.": "memory_encoder.backbone."}
        if name == "todkat":
            names = {"context_model.": "encoder.backbone."}
        with torch.no_grad():
            for key, value in straight.named_parameters():
                for theirs, here in names.items():
                    key = key.replace(theirs, here)
                ours[key].copy_(value)

    def encode(self, dialogues):
        encoder = next(m for m in self.model.modules() if isinstance(m, backbones.Encoder))
        special = factory.special_of(self.tokenizer, encoder, 512)
        return batching.encode(dialogues, LABELS, self.tokenizer, special, self.config.spec.marker)

    def accelerator(self, precision):
        AcceleratorState._reset_state(True)
        return Accelerator(mixed_precision=precision)

    def evaluate(self, warm, dialogues, precision="no"):
        accelerator = self.accelerator(precision)
        for chosen in (warm, dialogues):
            tokens, start = tokens_of(self.model), time.perf_counter()
            logits = predict(accelerator, self.model, self.encode(chosen))
        return time.perf_counter() - start, tokens_of(self.model) - tokens, logits

    def train(self, warm, dialogues, precision="no", soft=False):
        config = replace(self.config, optimisation=replace(self.config.optimisation, precision=precision))
        trainer = Trainer(config, self.accelerator(precision), Path("o"))
        model = copy.deepcopy(self.model).train()
        wrapped, optim = trainer.accelerator.prepare(model, optimiser.build(model, config.optimisation))
        for chosen in (warm, dialogues):
            start = time.perf_counter()
            encoded = self.encode(chosen)
            chances = np.full((len(encoded.labels), len(LABELS)), 1 / len(LABELS)) if soft else None
            stage = Stage(0, "train", encoded, encoded, 1, None if chances is None else Soft(chances))
            for number, targets in enumerate(trainer._batches(model, stage, 0)):
                trainer._step(wrapped, optim, stage, targets, number)
        return time.perf_counter() - start


def gold(sample):
    """Label indices of a sample of `Straight`: one turn of a dialogue, or TODKAT's dialogues."""
    utterances = [u for d in sample for u in d.utterances] if isinstance(sample, list) else sample[0].utterances
    labels = torch.tensor([LABELS.index(u.emotion) for u in utterances])
    return labels if isinstance(sample, list) else labels[sample[1]][None]


def straight_times(straight, warm, dialogues):
    for chosen in (warm, dialogues):
        samples = straight.samples(chosen)
        straight.tokens, start = 0, time.perf_counter()
        logits = official_loops.evaluate(straight, samples)
        seconds, tokens = time.perf_counter() - start, straight.tokens
    model = copy.deepcopy(straight)
    if straight.name == "emoone":
        model.teacher = copy.deepcopy(straight)
    for chosen in (warm, dialogues):
        samples = straight.samples(chosen)
        labels = [gold(sample) for sample in samples]
        start = time.perf_counter()
        official_loops.train(model, samples, labels)
    return seconds, time.perf_counter() - start, tokens, logits.numpy()


def measure(name, backbone, warm, dialogues, kind):
    tokenizer = backbones.load_tokenizer(backbone)
    torch.manual_seed(0)
    straight = official_loops.Straight(name, backbones.resolve(backbone), tokenizer, len(LABELS))
    same = ["--memory", "legacy"] if name == "compm" else ["--mode", "released"] if name == "todkat" else []
    ours = Ours(name, backbone, straight)
    slow, slow_train, slow_tokens, logits = straight_times(straight, warm, dialogues)
    difference = np.abs(Ours(name, backbone, straight, *same).evaluate(dialogues[:1], dialogues)[2] - logits).max()
    n, line = len(logits), []
    plain = None
    for precision in ("no", "bf16"):
        seconds, tokens, found = ours.evaluate(warm, dialogues, precision)
        soft = name == "emoone"
        training = ours.train(warm, dialogues, precision, soft) + (seconds / 10 if soft else 0)
        plain = found if plain is None else plain
        agree = (found.argmax(1) == plain.argmax(1)).mean()
        line.append(
            f"{'fp32' if precision == 'no' else precision} eval {n / seconds:7.1f} utt/s {slow / seconds:5.2f}x  "
            f"train {n / training:7.1f} utt/s {slow_train / training:5.2f}x"
            + ("" if precision == "no" else f"  same class {agree:.1%}")
        )
    per = f"tokens/dialogue {tokens / len(dialogues):.0f} of {slow_tokens / len(dialogues):.0f}"
    print(f"{name:<9}{kind:<9} diff {difference:.0e}  {' | '.join(line)} | {per}", flush=True)


def main():
    if sys.argv[1:2] == ["one"]:
        name, backbone, kind, count, data = sys.argv[2:]
        n = int(count) if kind == "MELD" else max(2, int(count) // 8)
        found = meld(2 * n, Path(data)) if kind == "MELD" else invented(2 * n, 50)
        _keep_memory()
        logging.disable(logging.WARNING)
        measure(name, backbone, found[n:], found[:n], kind)
        print(f"{'':<18} peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB", flush=True)
        return
    which = sys.argv[1] if len(sys.argv) > 1 else "tiny"
    count = sys.argv[2] if len(sys.argv) > 2 else "16"
    data = sys.argv[3] if len(sys.argv) > 3 else "../shared/data"
    with tempfile.TemporaryDirectory() as folder:
        backbone = str(build_tiny_model(Path(folder))) if which == "tiny" else which
        print(f"backbone {which}, {count} dialogues, {torch.get_num_threads()} threads; ratio against official kind")
        for kind in ("MELD", "50 turns"):
            for name in MODELS:  # each in a process of its own: no model warms or crowds the next
                subprocess.run([sys.executable, __file__, "one", name, backbone, kind, count, data], check=True)


if __name__ == "__main__":
    main()
