"""A saved classifier: the same logits again, in ours and in transformers, from a folder or a Hub repo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline
from transformers import RobertaModel as Roberta

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import label_set
from erc_synth.training import backbones, batching, saved
from erc_synth.training.loop import predict
from erc_synth.training.models import factory
from fakes.hub import HubServer, Repo
from fakes.tiny_run import save_classifier as save

LABELS = list(label_set("meld").labels)
SHARED = {
    "baseline": ["--model", "baseline"],
    "baseline-none": ["--model", "baseline", "--context", "none"],
    "emoone": ["--model", "emoone"],
}
OWN = {"compm": ["--model", "compm"], "todkat": ["--model", "todkat"]}


def encoded_of(dialogues, model, tokenizer, config):
    encoder = next(m for m in model.modules() if isinstance(m, backbones.Encoder))
    special = factory.special_of(tokenizer, encoder, config.max_tokens)
    return batching.encode(dialogues, label_set("meld"), tokenizer, special, config.spec.marker)


@pytest.mark.parametrize("words", [*SHARED.values(), *OWN.values()], ids=[*SHARED, *OWN])
def test_a_saved_model_gives_the_same_logits(tiny, dialogues, tmp_path, words):
    model, tokenizer, config = save(tmp_path, tiny, words)
    again, other, _, labels = saved.load_model(tmp_path)
    talks = dialogues("x", 3)
    assert labels == LABELS
    ours = predict(None, model, encoded_of(talks, model, tokenizer, config))
    assert (ours == predict(None, again, encoded_of(talks, again, other, config))).all()


@pytest.mark.parametrize("backbone", ["tiny", "minilm"])
@pytest.mark.parametrize("words", SHARED.values(), ids=list(SHARED))
def test_transformers_loads_baseline_and_emoone_with_equal_logits(tiny, dialogues, tmp_path, words, backbone):
    model, tokenizer, config = save(tmp_path, tiny if backbone == "tiny" else backbone, words)
    theirs, report = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    reader = AutoTokenizer.from_pretrained(tmp_path)
    talks = dialogues("x", 3)
    encoded = encoded_of(talks, model, tokenizer, config)
    ours = predict(None, model, encoded)
    assert np.ptp(ours) > 1  # the comparison would see a random head
    for row, (d, t) in enumerate(encoded.targets()):
        names = {}
        said = talks[d].utterances[: t + 1]
        for turn in said:
            names.setdefault(turn.speaker, f"<s{len(names) + 1}>")
        words_of = [f"{names[u.speaker] if config.model == 'emoone' else u.speaker + ':'} {u.text}" for u in said]
        text = " " * (t > 0) + words_of[-1] if "none" in words else " ".join(words_of)
        with torch.no_grad():
            found = theirs(**reader(text, return_tensors="pt")).logits[0].numpy()
        assert found == pytest.approx(ours[row], abs=1e-4)
    assert theirs.config.id2label == dict(enumerate(LABELS))


def test_a_pipeline_of_transformers_says_the_same(tiny, tmp_path, dialogues):
    model, tokenizer, config = save(tmp_path, tiny, SHARED["baseline"])
    talk = dialogues("x", 1)
    encoded = encoded_of(talk, model, tokenizer, config)
    ours = predict(None, model, encoded)[-1]
    text = " ".join(f"{u.speaker}: {u.text}" for u in talk[0].utterances)
    found = pipeline("text-classification", model=str(tmp_path), device="cpu")(text)[0]
    assert found["label"] == LABELS[int(ours.argmax())]
    assert found["score"] == pytest.approx(float(torch.softmax(torch.from_numpy(ours), 0).max()), abs=1e-5)


@pytest.mark.parametrize("words", OWN.values(), ids=list(OWN))
def test_transformers_refuses_what_it_could_only_load_at_random(tiny, tmp_path, words):
    save(tmp_path, tiny, words)
    with pytest.raises((OSError, ValueError)):
        AutoModel.from_pretrained(tmp_path)
    with pytest.raises((OSError, ValueError)):
        AutoModelForSequenceClassification.from_pretrained(tmp_path)


def test_a_head_trained_elsewhere_is_not_taken_for_ours(tiny, tmp_path):
    save(tmp_path, tiny, SHARED["baseline"])
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        theirs.classifier.dense.weight.add_(0.1)
    theirs.save_pretrained(tmp_path)
    with pytest.raises(ErcSynthError, match="trained further"):
        saved.load_model(tmp_path)


def test_a_folder_of_the_first_version_still_opens(tiny, tmp_path):
    model, *_ = save(tmp_path / "new", tiny, OWN["compm"])
    old = tmp_path / "old"
    old.mkdir()
    for path in (tmp_path / "new").rglob("*.*"):
        (old / path.name).write_bytes(path.read_bytes())
    told = json.loads((old / "erc.json").read_text())
    del told["form"]
    (old / "erc.json").write_text(json.dumps(told))
    again = saved.load_model(old)[0]
    assert all((a == b).all() for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True))


CHILD = """
import sys
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training import saved
print(saved.local_folder("org/erc"))
print(saved.load_model("org/erc")[0].classifier.weight.double().sum().item())
try:
    saved.load_model("org/none")
except ErcSynthError as error:
    print(error)
"""


def test_a_hub_id_is_fetched_without_code_and_pickle(tiny, tmp_path):
    model, *_ = save(tmp_path / "m", tiny, SHARED["baseline"])
    with HubServer() as hub:
        hub.repos["org/erc"] = Repo(private=False)
        files = {str(p.relative_to(tmp_path / "m")): (p.read_bytes(), False) for p in (tmp_path / "m").rglob("*.*")}
        evil = {"modeling_x.py": (b"raise SystemExit", False), "pytorch_model.bin": (b"\x80", False)}
        hub.repos["org/erc"].commit({**files, **evil}, "a model")
        env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
        done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, env=env, check=False)
    folder, total, refusal = done.stdout.strip().splitlines()
    assert float(total) == model.classifier.weight.double().sum().item()
    assert refusal.startswith("The model org/none could not be fetched")
    assert not [p for p in Path(folder).rglob("*") if p.suffix in (".py", ".bin")]


@pytest.mark.parametrize("name", ["nowhere", "./a/b", "~/none"])
def test_what_is_no_model_is_one_sentence(name):
    with pytest.raises(ErcSynthError, match="is no folder and no Hub id"):
        saved.load_model(name)


def test_a_bare_encoder_is_no_classifier(tiny):
    with pytest.raises(ErcSynthError, match="holds no trained classifier"):
        saved.load_model(tiny)
    assert Roberta.from_pretrained(tiny).config.model_type == "roberta"
