"""A GPU beside its limit: training and evaluation at roberta-large's size, and which path is the quickest there.

Weights are random and tokens too: speed does not depend on them. Dialogues have MELD's lengths. For CoMPM, EmoOne,
TODKAT and the baseline it gives utterances/s, tokens/s, the share of the card's bf16 peak (achieved FLOP/s, counted
by formula from real tokens), peak memory, and the ratio to a loop of the official kind (one utterance at a time,
fp32) in the same run. The encoder alone is timed on several paths: joined tokens with padding inside attention
(`training/packed.py`, "packed"), the same with torch's variable-length kernel ("varlen"; also with bf16 weights and
with compiled layers), the backbone's own forward with padding (SDPA), a nested tensor through
`scaled_dot_product_attention`, and flex attention with a block mask, compiled. varlen, nested and flex know no dropout
inside attention, so their training figures are of less work than the others'.
Output: lines as they come, and JSON in the file named by --out. It stops by itself before --seconds.
Wanted: evaluation 20 times and training 12 times the batch-1 loop, and 40 % of peak in evaluation.
Run: python tests/benchmarks/bench_gpu.py [--tiny] [--seconds 420] [--only paths ...] [--out FILE]     (--tiny: any CPU, seconds)
"""

import argparse
import copy
import json
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn
from torch.nn import functional
from transformers import RobertaConfig, RobertaModel

from erc_synth.training import optimiser, packed
from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Encoded, Special
from erc_synth.training.config import parse
from erc_synth.training.loop import EVAL_TARGETS, Stage, Trainer, predict
from erc_synth.training.models.compm import CoMPM
from erc_synth.training.models.context import ContextClassifier
from erc_synth.training.models.todkat import Todkat

CLASSES, FIXED = 7, 108  # FIXED: tokens of an utterance in TODKAT's scripts
MODELS = ("compm", "emoone", "todkat", "baseline")
# bf16 without sparsity, FLOP/s, from the makers' data sheets.
PEAKS = {"H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12,
         "4090": 165e12, "A10": 125e12, "T4": 65e12}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """Shape of the encoder, and how much is run."""

    config: RobertaConfig
    dialogues: int  # of one pass
    straight: int  # utterances of the batch-1 loop
    batch: int  # targets of one training step


LARGE = Size(
    RobertaConfig(vocab_size=50265, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
                  intermediate_size=4096, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1),
    dialogues=280, straight=24, batch=64,
)  # fmt: skip
TINY = Size(
    RobertaConfig(vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                  max_position_embeddings=514, type_vocab_size=1, pad_token_id=1),
    dialogues=4, straight=6, batch=16,
)  # fmt: skip


def talk(count, vocabulary, seed):
    """Dialogues with MELD's lengths (9.6 turns of 2.7 speakers, 9.5 tokens a turn beside the marker's 5)."""
    random = np.random.default_rng(seed)
    turns = np.clip(random.poisson(9.6, count), 1, 33)
    lengths = [np.clip(random.gamma(1.6, 6.0, n).astype(int), 1, 90) for n in turns]
    texts = [random.integers(4, vocabulary, size).tolist() for own in lengths for size in own]
    pieces = [random.integers(4, vocabulary, 5).tolist() + text for text in texts]
    speakers = np.concatenate([random.integers(0, 3, n) for n in turns])
    arrow = pa.list_(pa.int32())
    return Encoded(Special(0, 2, 1, 512), np.cumsum([0, *turns]), speakers, random.integers(0, CLASSES, len(texts)),
                   pa.array(texts, arrow), pa.array(pieces, arrow))  # fmt: skip


def network(name, size, device):
    """One of the classifiers with random weights."""
    torch.manual_seed(0)
    with torch.device(device):
        encoder = Encoder(RobertaModel(size.config, add_pooling_layer=False), 1)
        if name == "compm":
            made = CoMPM(encoder, Encoder(RobertaModel(size.config, add_pooling_layer=False), 1), CLASSES)
        else:
            made = Todkat(encoder, CLASSES) if name == "todkat" else ContextClassifier(encoder, CLASSES)
    made.classes = CLASSES
    return made.to(device)


def flops(config, tokens, pairs):
    """Of a forward pass: products of the layers over `tokens`, and of attention over `pairs` of tokens.

    Needed work alone: of the last layer, keys and values, since one token of a sequence is read.
    """
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    per_token = 2 * (4 * width * width + 2 * width * inner)
    needed = (layers - 1) * per_token + 2 * 2 * width * width
    return tokens * needed + 4 * layers * width * pairs


class Lengths:
    """Notes what an encoder is asked for."""

    def __init__(self, model):
        self.tokens = self.pairs = 0
        for module in model.modules():
            if isinstance(module, Encoder):
                module.register_forward_pre_hook(self.note)

    def note(self, _, given):
        lengths = np.array([len(sequence) for sequence in given[0]], dtype=np.int64)
        self.tokens += int(lengths.sum())
        self.pairs += int((lengths**2).sum())


def synchronised(device):
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(device, run):
    start = synchronised(device)
    run()
    return synchronised(device) - start


def accelerator(device):
    AcceleratorState._reset_state(True)
    return Accelerator(mixed_precision="bf16", cpu=device == "cpu")


def evaluation(model, talks, device):
    """Seconds, tokens and FLOP of one pass; warmed by one over other dialogues."""
    ours = accelerator(device)
    predict(ours, model, talks[0])
    noted = Lengths(model)
    seconds = timed(device, lambda: predict(ours, model, talks[1]))
    return seconds, noted


def training(name, model, talks, size, device):
    words = ["--train", "meld", "--out", "o", "--model", name, "--precision", "bf16"]
    config = parse(words)
    batch = max(1, size.batch // 10) if model.unit == "dialogue" else size.batch
    config = replace(config, optimisation=replace(config.optimisation, precision="bf16", batch_size=batch))
    trainer = Trainer(config, accelerator(device), Path("o"))
    wrapped, optim = trainer.accelerator.prepare(model.train(), optimiser.build(model, config.optimisation))
    noted = None

    def once(encoded):
        stage = Stage(0, "train", encoded, encoded, 1)
        for number, targets in enumerate(trainer._batches(model, stage, 0)):
            trainer._step(wrapped, optim, stage, targets, number)

    once(talks[0])
    noted = Lengths(model)
    seconds = timed(device, lambda: once(talks[1]))
    trainer.accelerator.free_memory()
    return seconds, noted


class Straight(nn.Module):
    """A loop of the official kind: one target at a time through the backbone's own forward, in fp32."""

    def __init__(self, name, model):
        super().__init__()
        self.name, self.model = name, model

    def encode(self, encoder, rows, attend_all=True):
        longest = FIXED if self.name == "todkat" else max(map(len, rows))
        rows = [row[:longest] for row in rows]
        ids = torch.tensor([[*row, *[1] * (longest - len(row))] for row in rows])
        mask = torch.ones_like(ids) if attend_all else (ids != 1).long()
        device = next(encoder.parameters()).device
        return encoder.backbone(input_ids=ids.to(device), attention_mask=mask.to(device)).last_hidden_state[:, 0]

    def forward(self, encoded, sample):
        model = self.model
        if self.name == "todkat":  # two dialogues of a fixed length
            rows = [encoded.text(d, t, end=True).tolist() for d in sample for t in range(encoded.turns(d))]
            return model.classifier(self.encode(model.encoder, rows, attend_all=False))
        dialogue, turn = sample
        state = self.encode(model.context_encoder, [encoded.context(dialogue, turn).tolist()])
        if self.name == "compm":
            said = encoded.speakers[encoded.starts[dialogue] : encoded.starts[dialogue] + turn + 1]
            earlier = [encoded.text(dialogue, t).tolist() for t in range(turn) if said[t] == said[turn]]
            if earlier:
                state = state + model.gru(self.encode(model.memory_encoder, earlier)[None])[0][:, -1]
        return model.classifier(state)

    def samples(self, encoded, count):
        """The first ones, and how many utterances they hold."""
        if self.name == "todkat":
            pairs = [(d, d + 1) for d in range(0, len(encoded) - 1, 2)][: max(1, count // 20)]
            return pairs, sum(encoded.turns(d) for pair in pairs for d in pair)
        chosen = encoded.targets()[:count]
        return chosen, len(chosen)


def straight(name, model, encoded, size, device):
    """Seconds an utterance in evaluation and in training, one sample a step."""
    loop = Straight(name, model)
    samples, utterances = loop.samples(encoded, size.straight)
    teacher = copy.deepcopy(model) if name == "emoone" else None

    def evaluate():
        loop.eval()
        with torch.no_grad():
            for sample in samples:
                loop(encoded, sample).argmax(1).tolist()

    optim = torch.optim.AdamW(model.parameters(), lr=1e-6)

    def learn():
        loop.train()
        for sample in samples:
            logits = loop(encoded, sample)
            loss = functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=device))
            if teacher is not None:
                loss = loss - (torch.softmax(Straight(name, teacher)(encoded, sample), 1) * logits.log_softmax(1)).sum()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optim.step()
            optim.zero_grad()
            loss.item()

    found = []
    for run in (evaluate, learn):
        run()
        found.append(timed(device, run) / utterances)
    return found


# --- paths of the encoder ------------------------------------------------------------------------------


def sequences_of(encoded):
    return [encoded.context(*target) for target in encoded.targets()]


def padded(encoder, sequences):
    encoder.packs = False
    try:
        return encoder(sequences)
    finally:
        encoder.packs = True


def varlen(encoder, sequences, attention):
    """Joined tokens through the layers, with `attention(query, key, value)` over ``[tokens, heads, d]``."""
    backbone = encoder.backbone
    device = next(backbone.parameters()).device
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    ids = torch.from_numpy(np.concatenate(sequences)).to(device)
    places = torch.cat([torch.arange(n) for n in lengths]).to(device) + 2
    embeddings = backbone.embeddings
    states = embeddings(input_ids=ids[None], token_type_ids=torch.zeros_like(ids)[None], position_ids=places[None])[0]
    starts = functional.pad(lengths.cumsum(0), (1, 0)).to(device)
    for layer in backbone.encoder.layer:
        own = layer.attention.self
        heads = [part(states).unflatten(1, (own.num_attention_heads, -1)) for part in (own.query, own.key, own.value)]
        heard = attention(*heads, starts).flatten(1)
        mixed = layer.attention.output(heard, states)
        states = layer.output(layer.intermediate(mixed), mixed)
    return states[starts[:-1]]


def nested_attention(query, key, value, starts):
    parts = [torch.nested.nested_tensor_from_jagged(part, starts).transpose(1, 2) for part in (query, key, value)]
    return functional.scaled_dot_product_attention(*parts).transpose(1, 2).values()


class Flex:
    """Flex attention: one row of all tokens, where a token sees its own sequence."""

    def __init__(self, device):
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        self.make = create_block_mask
        self.attend = torch.compile(flex_attention, dynamic=True) if device == "cuda" else flex_attention
        self.kept = {}

    def __call__(self, query, key, value, starts):
        total = len(query)
        if total not in self.kept:
            of = torch.bucketize(torch.arange(total, device=query.device), starts[1:], right=True)
            self.kept[total] = self.make(lambda b, h, q, k: of[q] == of[k], None, None, total, total, str(query.device))
        parts = [part.transpose(0, 1)[None] for part in (query, key, value)]
        return self.attend(*parts, block_mask=self.kept[total])[0].transpose(0, 1)


def without_varlen(encoder, sequences):
    kept, packed.joined_kernel = packed.joined_kernel, lambda: None
    try:
        return encoder(sequences)
    finally:
        packed.joined_kernel = kept


def compiled(device):
    """The path of `packed` with its layers compiled."""
    plain, quick = packed._layer, torch.compile(packed._layer, dynamic=True)

    def way(encoder, sequences):
        packed._layer = quick
        try:
            return encoder(sequences)
        finally:
            packed._layer = plain

    return way


def paths(encoder, sequences, device, late):
    """Seconds, largest difference to the padded path, and peak memory of each path; evaluation, then training.

    `late()` says that no further path may begin.
    """
    many = EVAL_TARGETS[device]
    groups = [sequences[i : i + many] for i in range(0, len(sequences), many)]
    low = copy.deepcopy(encoder).bfloat16()
    ways = {
        "padded (SDPA)": (padded, encoder),
        "packed": (without_varlen, encoder),
        "varlen": (lambda model, some: model(some), encoder),
        "varlen, bf16 weights": (lambda model, some: model(some), low),
        "nested": (lambda model, some: varlen(model, some, nested_attention), encoder),
    }
    if device == "cuda":
        ways["varlen, compiled"] = (compiled(device), encoder)
        ways["varlen, bf16 weights, compiled"] = (compiled(device), low)
        flex = Flex(device)
        ways["flex"] = (lambda model, some: varlen(model, some, flex), encoder)
    found, wanted = {}, None
    for name, (way, model) in ways.items():
        if late():
            found[name] = {"failed": "left out, the time is up"}
            continue
        try:
            line, states = path(lambda some, way=way, model=model: way(model, some), model, groups, device)
        except Exception as error:
            found[name] = {"failed": str(error).splitlines()[0][:160]}
            continue
        wanted = states if name == "padded (SDPA)" else wanted
        found[name] = line
        if wanted is not None:
            line["difference"] = float((states - wanted).abs().max())
        print(f"{name:<32}{json.dumps(line)}", flush=True)
    return found


def path(way, encoder, groups, device):
    encoder.eval()
    plain = next(encoder.parameters()).dtype == torch.float32
    cast = torch.autocast(device, torch.bfloat16) if plain else nullcontext()
    with torch.no_grad(), cast:
        states = torch.cat([way(group).float().cpu() for group in groups])  # also the warm-up
        evaluated = timed(device, lambda: [way(group) for group in groups])
    if not plain:  # weights are trained in fp32
        return {"evaluation_s": evaluated}, states
    encoder.train()
    groups = [group[i : i + 64] for group in groups for i in range(0, len(group), 64)]

    def learn():
        for group in groups:
            with cast:
                loss = way(group).float().square().mean()
            loss.backward()
            encoder.zero_grad(set_to_none=True)

    learn()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    trained = timed(device, learn)
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return {"evaluation_s": evaluated, "training_s": trained, "peak_bytes": peak}, states


# --- one run -----------------------------------------------------------------------------------------------


def peak_of(device):
    """Name of the card and its bf16 FLOP/s; ``None`` where the table does not know it."""
    if device != "cuda":
        return "CPU", None
    name = torch.cuda.get_device_name()
    return name, next((flop for part, flop in PEAKS.items() if all(word in name for word in part.split())), None)


def classifier(name, size, device, peak):
    talks = [talk(size.dialogues, size.config.vocab_size, seed) for seed in (1, 2)]
    model = network(name, size, device)
    slow_eval, slow_train = straight(name, model, talks[1], size, device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    utterances = len(talks[1].targets())
    found = {"utterances": utterances}
    for what, slow, work, factor in (
        ("evaluation", slow_eval, lambda: evaluation(model, talks, device), 1),
        ("training", slow_train, lambda: training(name, model, talks, size, device), 3),
    ):
        seconds, noted = work()
        flop = factor * flops(size.config, noted.tokens, noted.pairs)
        found[what] = {
            "utterances_per_s": utterances / seconds,
            "tokens_per_s": noted.tokens / seconds,
            "times_batch_1": slow * utterances / seconds,
            "flop_per_s": flop / seconds,
            "share_of_peak": flop / seconds / peak if peak else None,
        }
    found["peak_bytes"] = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return found


def said(name, found):
    for what in ("evaluation", "training"):
        line = found[what]
        share = "-" if line["share_of_peak"] is None else f"{line['share_of_peak']:.1%}"
        print(f"{name:<9}{what:<11}{line['utterances_per_s']:9.0f} utt/s {line['tokens_per_s']:11.0f} tokens/s "
              f"{line['times_batch_1']:6.1f}x batch 1  {line['flop_per_s'] / 1e12:7.2f} TFLOP/s  {share} of peak  "
              f"{found['peak_bytes'] / 1e9:.1f} GB", flush=True)  # fmt: skip


def main(words=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seconds", type=float, default=420)
    parser.add_argument("--only", nargs="+", choices=(*MODELS, "paths"), default=(*MODELS, "paths"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(words)
    begun = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not given.tiny:
        print("No GPU here: not run. Use --tiny to try the script.")
        return 0
    size = TINY if given.tiny else LARGE
    card, peak = peak_of(device)
    result = {"card": card, "torch": torch.__version__, "tiny": given.tiny, "models": {}, "paths": {}}
    print(f"{card}, torch {torch.__version__}, {'tiny' if given.tiny else 'roberta-large'} shape", flush=True)
    for name in given.only:
        if time.perf_counter() - begun > given.seconds * 0.8:
            print(f"{name}: left out, the time is up", flush=True)
            continue
        if name == "paths":
            encoder = network("emoone", size, device).context_encoder
            sequences = sequences_of(talk(size.dialogues, size.config.vocab_size, 2))
            result["tokens"] = sum(map(len, sequences))
            flop = flops(size.config, result["tokens"], sum(len(sequence) ** 2 for sequence in sequences))
            result["paths"] = paths(encoder, sequences, device, lambda: time.perf_counter() - begun > given.seconds)
            for way, line in result["paths"].items():
                if "evaluation_s" in line and peak:
                    line["share_of_peak"] = flop / line["evaluation_s"] / peak
                print(f"{way:<32}{line.get('share_of_peak', '-')}  {line.get('failed', '')}", flush=True)
        else:
            result["models"][name] = classifier(name, size, device, peak)
            said(name, result["models"][name])
        if device == "cuda":
            torch.cuda.empty_cache()
        if given.out:
            given.out.write_text(json.dumps(result, indent=1))
    print(f"{time.perf_counter() - begun:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
