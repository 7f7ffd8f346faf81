"""Settings of a small training run on a tiny backbone and a local repo folder; a classifier without a run."""

import torch

from erc_synth.loaders.schema import label_set
from erc_synth.training import backbones, saved
from erc_synth.training.config import parse
from erc_synth.training.models import factory


def words(tiny, repo_folder, out, *more):
    """Command-line words; `more` win."""
    return ["--backbone", tiny, "--train", f"{repo_folder}:meld_balanced", "--out", str(out),
            "--epochs", "2", "--batch-size", "5", *map(str, more)]  # fmt: skip


def config(*given):
    return parse(words(*given))


def save_classifier(folder, backbone, words, labels=label_set("meld").labels):
    """Save an untrained classifier whose head says something; returns model, tokenizer and configuration."""
    torch.manual_seed(0)
    wanted = parse(["--train", "meld", "--out", "o", "--backbone", backbone, *words])
    tokenizer = backbones.load_tokenizer(backbone)
    model = factory.create(wanted, len(labels), tokenizer).eval()
    with torch.no_grad():
        model.classifier.weight.mul_(20)
    saved.save_model(folder, model, tokenizer, wanted, list(labels))
    return model, tokenizer, wanted
