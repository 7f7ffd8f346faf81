"""A stage of training against the official recipe, written out with plain torch: the weights must come out equal."""

import copy
import json
import shutil

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional

from erc_synth.loaders.schema import label_set
from erc_synth.training import backbones, batching
from erc_synth.training.batching import Batch
from erc_synth.training.config import parse
from erc_synth.training.loop import Stage, Trainer
from erc_synth.training.models import factory

LABELS = label_set("meld")


@pytest.fixture(scope="module")
def still(tiny, tmp_path_factory):
    """The tiny backbone without dropout."""
    folder = shutil.copytree(tiny, tmp_path_factory.mktemp("still") / "model")
    shape = json.loads((folder / "config.json").read_text())
    shape |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(shape))
    return str(folder)


def _stage(still, dialogues, *words):
    config = parse(["--train", "meld", "--out", "o", "--backbone", still, "--epochs", "1", *words])
    tokenizer = backbones.load_tokenizer(still)
    torch.manual_seed(3)
    model = factory.create(config, len(LABELS), tokenizer)
    for module in model.double().modules():  # double: Adam blows a rounding of a zero gradient up to a whole step
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, nn.GRU | nn.MultiheadAttention):
            module.dropout = 0.0
    special = factory.special_of(tokenizer, next(m for m in model.modules() if isinstance(m, backbones.Encoder)), 512)
    encoded = batching.encode(dialogues("train", 5), LABELS, tokenizer, special)
    return config, model, Stage(0, "train", encoded, encoded, 1)


def _steps(config, model, stage):
    trainer = Trainer(config, None, None)
    return [Batch(stage.train, targets) for targets in trainer._batches(model, stage, 0)]


def _fit(config, model, stage, folder):
    Trainer(config, Accelerator(cpu=True), folder).fit(model, stage)
    return dict(model.named_parameters())


def _mean_loss(model, batch):
    return functional.cross_entropy(model(batch).float(), torch.from_numpy(batch.labels))


def _largest(found, wanted):
    return max(float((found[name] - value).detach().abs().max()) for name, value in wanted.items())


def test_compm_paper_preset_is_adamw_with_decay_on_all_clip_10_and_linear_warm_up(still, dialogues, tmp_path):
    # A large rate, so that a wrong group, clip or schedule shows.
    config, model, stage = _stage(still, dialogues, "--model", "compm", "--preset", "paper", "--learning-rate", "1e-2")
    wanted = copy.deepcopy(model).train()
    steps = _steps(config, model, stage)
    optim = torch.optim.AdamW(wanted.parameters(), lr=1e-2, weight_decay=0.01)
    rise, total = int(0.1 * len(steps)), len(steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optim, lambda n: n / rise if n < rise else (total - n) / (total - rise)
    )
    for batch in steps:
        _mean_loss(wanted, batch).backward()
        nn.utils.clip_grad_norm_(wanted.parameters(), 10)
        optim.step()
        schedule.step()
        optim.zero_grad()
    assert len(steps) == len(stage.train.targets())  # batch 1
    before = dict(copy.deepcopy(model).named_parameters())
    after = _fit(config, model, stage, tmp_path)
    assert _largest(after, before) > 1e-2
    assert _largest(after, dict(wanted.named_parameters())) < 1e-6


def test_todkat_paper_preset_is_adamw_without_bias_correction_in_two_groups(still, dialogues, tmp_path):
    config, model, stage = _stage(
        still, dialogues, "--model", "todkat", "--preset", "paper", "--learning-rate", "1e-3", "--epochs", "1"
    )
    wanted = copy.deepcopy(model).train()
    steps = _steps(config, model, stage)
    rise, total = len(steps) // 2, len(steps)
    first, second = {}, {}
    for number, batch in enumerate(steps):
        wanted.zero_grad()
        _mean_loss(wanted, batch).backward()
        nn.utils.clip_grad_norm_(wanted.parameters(), 1.0)
        rate = 1e-3 * (number / rise if number < rise else (total - number) / (total - rise))
        with torch.no_grad():
            for name, p in wanted.named_parameters():
                first[name] = 0.9 * first.get(name, 0) + 0.1 * p.grad
                second[name] = 0.999 * second.get(name, 0) + 0.001 * p.grad**2
                p -= rate * first[name] / (second[name].sqrt() + 1e-6)
                if "bias" not in name and "LayerNorm" not in name:
                    p -= rate * 0.01 * p
    assert [len(batch.dialogues()) for batch in steps] == [2, 2, 1]
    assert _largest(_fit(config, model, stage, tmp_path), dict(wanted.named_parameters())) < 1e-6
