"""Training and evaluation speed against a straight batch-1 loop of the official kind; prints ratios of one run.

The batch-1 loop encodes every target alone (CoMPM with its memory padded and encoded again each time) and
steps the optimiser after each. Run: python tests/benchmarks/bench_training.py [tiny|minilm] [dialogues]
"""

import sys
import tempfile
import time
from pathlib import Path

import torch

from erc_synth.loaders.schema import Dialogue, Utterance, label_set
from erc_synth.training import backbones, batching, grayscale, optimiser
from erc_synth.training.batching import Batch
from erc_synth.training.config import parse
from erc_synth.training.loop import predict, tokens_of
from erc_synth.training.models import factory

sys.path.insert(0, str(Path(__file__).parents[1]))
from fakes.tiny_model import build_tiny_model

LABELS = label_set("meld")
WORDS = ("okay so I really do not know what you want " * 2).split()


def dialogues(count, turns):
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


def train(model, encoded, steps):
    config = parse(["--train", "meld", "--out", "o"]).optimisation
    optim = optimiser.build(model, config)
    model.train()
    for targets in steps:
        batch = Batch(encoded, targets)
        loss = grayscale.loss(model(batch), torch.from_numpy(batch.labels), None) / len(targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optim.step()
        optim.zero_grad(set_to_none=True)


def timed(model, work):
    tokens, start = tokens_of(model), time.perf_counter()
    work()
    return time.perf_counter() - start, tokens_of(model) - tokens


def straight_eval(model, encoded, ones):
    model.eval()
    with torch.no_grad():
        for targets in ones:
            model(Batch(encoded, tuple(targets)))


def measure(name, backbone, count, turns):
    tokenizer = backbones.load_tokenizer(backbone)
    made = {}
    for kind, more in (("ours", []), ("straight", ["--memory", "legacy"])):
        config = parse(["--train", "meld", "--out", "o", "--model", name, "--backbone", backbone, *more])
        made[kind] = factory.create(config, len(LABELS), tokenizer)
    encoder = next(m for m in made["ours"].modules() if isinstance(m, backbones.Encoder))
    encoded = batching.encode(dialogues(count, turns), LABELS, tokenizer, factory.special_of(tokenizer, encoder, 512))
    unit = made["ours"].unit
    steps = batching.epoch_batches(
        encoded, unit=unit, size=16 if unit == "utterance" else 4, order="dialogue", seed=0, epoch=0
    )
    ones = batching.by_dialogue(encoded) if unit == "dialogue" else [[t] for t in encoded.targets()]
    ours, tokens = timed(made["ours"], lambda: predict(None, made["ours"], encoded))
    slow, slow_tokens = timed(made["straight"], lambda: straight_eval(made["straight"], encoded, ones))
    ours_train, _ = timed(made["ours"], lambda: train(made["ours"], encoded, steps))
    slow_train, _ = timed(made["straight"], lambda: train(made["straight"], encoded, [tuple(o) for o in ones]))
    n = len(encoded.targets())
    print(
        f"{name:<9}{turns:>3} turns  eval {n / ours:8.1f} utt/s ({slow / ours:5.2f}x) "
        f" train {n / ours_train:8.1f} utt/s "
        f"({slow_train / ours_train:5.2f}x)  tokens/dialogue {tokens / count:8.0f} of {slow_tokens / count:8.0f}",
        flush=True,
    )


def main():
    which = sys.argv[1] if len(sys.argv) > 1 else "tiny"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    with tempfile.TemporaryDirectory() as folder:
        backbone = str(build_tiny_model(Path(folder))) if which == "tiny" else which
        print(f"backbone {which}, {count} dialogues, {torch.get_num_threads()} threads; ratio against batch 1")
        for turns, number in ((10, count), (50, max(1, count // 8))):
            for name in ("compm", "emoone", "todkat", "baseline"):
                measure(name, backbone, number, turns)


if __name__ == "__main__":
    main()
