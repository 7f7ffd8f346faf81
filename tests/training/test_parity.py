"""The classifiers equal the numbers recorded from the official code, to 1e-5."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file
from transformers import RobertaConfig, RobertaModel

from erc_synth.loaders.schema import LabelSet, label_set
from erc_synth.training import grayscale
from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Batch, Encoded, Special
from erc_synth.training.models.compm import CoMPM
from erc_synth.training.models.todkat import Todkat

PARITY = Path(os.environ.get("ERC_PARITY", Path(__file__).parents[3] / "shared" / "parity"))


def recorded(name):
    path = PARITY / f"{name}.json"
    if not path.exists():
        pytest.skip(f"the recorded official numbers are absent ({path}; $ERC_PARITY)")
    return json.loads(path.read_text())


def roberta(data):
    config = {k: v for k, v in data["config"].items() if k not in ("dtype", "architectures")}
    return Encoder(RobertaModel(RobertaConfig(**config), add_pooling_layer=False), data["config"]["pad_token_id"])


def load(model, weights, renames):
    state = {}
    for name, value in weights.items():
        if ".pooler." in name:
            continue
        for old, new in renames:
            if name.startswith(old):
                name = new + name[len(old) :]
                break
        state[name] = value
    model.load_state_dict(state)
    return model.eval()


def lists(rows):
    return pa.array([list(map(int, row)) for row in rows], pa.list_(pa.int32()))


class GivenContexts:
    """An `Encoded` whose contexts are the recorded ids (the marker of the fixtures is two ids)."""

    def __init__(self, dialogues, labels=None):
        self.given = [d["contexts"] for d in dialogues]
        rows = [u for d in dialogues for u in d["utterances"]]
        starts = np.cumsum([0] + [len(d["utterances"]) for d in dialogues])
        speakers = np.array([s for d in dialogues for s in d["speakers"]])
        gold = np.zeros(len(rows), dtype=np.int64) if labels is None else labels
        self.inner = Encoded(Special(0, 2, 1, 512), starts, speakers, gold, lists(rows), lists(rows))

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def context(self, dialogue, turn):
        return np.array(self.given[dialogue][turn], dtype=np.int64)


def compm(data, memory):
    model = CoMPM(roberta(data), roberta(data), data["classes"], memory=memory)
    renames = [("context_encoder.", "context_encoder.backbone."), ("memory_encoder.", "memory_encoder.backbone.")]
    return load(model, load_file(PARITY / "compm.safetensors"), renames)


@pytest.mark.parametrize("memory", ["legacy", "masked"])
def test_compm_equals_official_logits(memory):
    data = recorded("compm")
    encoded = GivenContexts(data["dialogues"])
    with torch.no_grad():
        found = compm(data, memory)(Batch(encoded, tuple(encoded.targets()))).numpy()
    expected = np.concatenate([d[f"expected_{memory}_logits"] for d in data["dialogues"]])
    assert np.abs(found - expected).max() <= data["tolerance"]


def test_compm_masked_differs_from_legacy():
    data = recorded("compm")
    legacy = np.concatenate([d["expected_legacy_logits"] for d in data["dialogues"]])
    masked = np.concatenate([d["expected_masked_logits"] for d in data["dialogues"]])
    assert np.abs(legacy - masked).max() > 1e-3  # guards the test above


def test_compm_equals_official_loss_and_gradient():
    data = recorded("compm")
    encoded = GivenContexts(data["dialogues"])
    model = compm(data, "legacy")
    last = len(data["dialogues"]) - 1
    logits = model(Batch(encoded, ((last, len(data["dialogues"][last]["utterances"]) - 1),)))
    loss = grayscale.loss(logits, torch.tensor([data["label"]]), None)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
    assert abs(loss.item() - data["expected_loss"]) <= 1e-5
    assert abs(norm.item() - data["expected_grad_norm"]) <= 1e-3


@pytest.mark.parametrize("case", range(3))
@pytest.mark.parametrize("method", ["self", "self_adjust", "category"])
def test_emoone_equals_official_target_loss_and_gradient(case, method):
    data = recorded("emoone")
    entry = data["cases"][case]
    labels = label_set(entry["label_set"])
    assert list(labels.labels) == entry["labels"]
    gold, teacher = np.array(entry["gold"]), np.array(entry["teacher"])
    soft = {
        "self": lambda: teacher,
        "self_adjust": lambda: grayscale.self_adjust(teacher, gold),
        "category": lambda: grayscale.category(gold, labels),
    }[method]()
    expected = entry["expected"][method]
    logits = torch.tensor(entry["logits"], requires_grad=True)
    loss = grayscale.loss(logits, torch.tensor(gold), torch.tensor(soft, dtype=torch.float32)) / len(gold)
    loss.backward()
    assert np.abs(soft - np.array(expected["target"])).max() <= data["tolerance"]
    assert abs(loss.item() - expected["loss"]) <= data["tolerance"]
    assert np.abs(logits.grad.numpy() - np.array(expected["grad_logits"])).max() <= data["tolerance"]


def todkat(data, mode, heads):
    model = Todkat(roberta(data), data["classes"], mode=mode, heads=heads)
    renames = [("encoder.", "encoder.backbone."), ("head.layer.", "head."), ("head.classifier.", "classifier.")]
    return load(model, load_file(PARITY / "todkat.safetensors"), renames)


def todkat_data(data):
    """The recorded ids hold CLS and SEP already: they are taken off and put back by `text`."""
    rows = [u[1:-1] for d in data["dialogues"] for u in d]
    starts = np.cumsum([0] + [len(d) for d in data["dialogues"]])
    zeros = np.zeros(len(rows), dtype=np.int64)
    return Encoded(Special(0, 2, 1, 512), starts, zeros, zeros, lists(rows), lists(rows))


@pytest.mark.parametrize(
    ("mode", "heads", "key"),
    [("released", 8, "released"), ("released", 64, "released_reloaded"), ("fixed", 8, "fixed")],
)
def test_todkat_equals_official_logits(mode, heads, key):
    data = recorded("todkat")
    encoded = todkat_data(data)
    model = todkat(data, mode, heads)
    for number, expected in enumerate(data[f"expected_{key}_logits"]):
        dialogues = range(2 * number, 2 * number + len(expected))
        targets = tuple(t for t in encoded.targets() if t[0] in dialogues)
        with torch.no_grad():
            found = model(Batch(encoded, targets)).numpy()
        real = np.concatenate([np.array(e)[: encoded.turns(d)] for d, e in zip(dialogues, expected, strict=True)])
        assert np.abs(found - real).max() <= data["tolerance"]


def test_todkat_released_depends_on_the_neighbour_and_fixed_does_not():
    data = recorded("todkat")
    encoded = todkat_data(data)
    alone = tuple(t for t in encoded.targets() if t[0] == 0)
    pair = tuple(t for t in encoded.targets() if t[0] < 2)
    differences = {}
    for mode in ("released", "fixed"):
        model = todkat(data, mode, 8)
        with torch.no_grad():
            differences[mode] = (model(Batch(encoded, alone)) - model(Batch(encoded, pair))[: len(alone)]).abs().max()
    assert differences["released"] > 1e-2
    assert differences["fixed"] < 1e-5


def test_category_of_anger_is_the_published_example():
    row = grayscale.category(np.array([0]), label_set("meld"))[0]
    assert row == pytest.approx([0.4, 0.2, 0.2, 0, 0, 0.2, 0])


def test_category_without_groups_says_what_else_to_use():
    with pytest.raises(Exception, match="self-adjust"):
        grayscale.category(np.array([0]), LabelSet("custom", ("a", "b")))
