"""Trained classifiers on disk: written by a run, opened again from a folder or from the Hub.

Purpose: a folder is one of two forms. `transformers`: encoder, first token, one linear layer (baseline, EmoOne) are
written under the names of `AutoModelForSequenceClassification`, which then gives the same logits. `own`: all others;
no config.json at the top, so nothing else takes the folder for a model that it could load.
Input: a model, or the name of a folder or Hub repo. Output: files; the model in eval mode. Only safetensors, JSON and
text are read: no pickle, no code of a repo. Not covered: training state (`checkpoints`), predicting (`predict`).
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json, write_json
from erc_synth.training import backbones, checkpoints
from erc_synth.training.backbones import encoder_of
from erc_synth.training.config import RunConfig, restored
from erc_synth.training.models import factory
from erc_synth.training.models.context import ContextClassifier

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

READABLE = ("*.safetensors", "*.json", "*.txt", "*.md")
LOCAL = (
    "out",
    "data_dir",
    "push_to_hub",
    "pretrained",
    "overwrite",
    "trackers",
)  # settings of the machine, not the model
WEIGHTS = "model.safetensors"
# The head of transformers has a dense layer and tanh before the linear layer. Near 0 tanh(x) is x: with the identity
# times a small power of two, and its inverse in the last layer, the head computes our linear layer. The scale is exact;
# states up to 20 lose less than one part in 100,000, and half-precision loading still works.
SMALL = 2.0**-12
# Model type -> the layer before the tanh, and the last layer.
HEADS = {
    "bert": ("bert.pooler.dense", "classifier"),
    "roberta": ("classifier.dense", "classifier.out_proj"),
    "xlm-roberta": ("classifier.dense", "classifier.out_proj"),
    "camembert": ("classifier.dense", "classifier.out_proj"),
    "mpnet": ("classifier.dense", "classifier.out_proj"),
}


class Stored(TypedDict):
    """The content of erc.json beside the weights."""

    config: dict[str, object]
    labels: list[str]
    form: NotRequired[str]


def save_model(
    folder: Path, model: nn.Module, tokenizer: PreTrainedTokenizerBase, config: RunConfig, labels: list[str]
) -> None:
    """Weights, encoder configuration, tokenizer, and `erc.json` with the run's configuration and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = encoder_of(model)
    shared = loads_in_transformers(model)
    if shared:
        special = factory.special_of(tokenizer, encoder, config.max_tokens)
        _save_shared(folder, model, labels)
        _first_token_only(tokenizer, special.max_tokens).save_pretrained(str(folder))
    else:
        checkpoints.save_weights(model, folder / WEIGHTS)
        encoder.backbone.config.save_pretrained(str(folder / "encoder"))  # type: ignore[union-attr, operator]
        tokenizer.save_pretrained(str(folder / "encoder"))
    told = {k: v for k, v in config.to_dict().items() if k not in LOCAL}
    write_json(folder / "erc.json", {"form": "transformers" if shared else "own", "config": told, "labels": labels})


def load_model(
    name: Path | str, *, revision: str | None = None
) -> tuple[nn.Module, PreTrainedTokenizerBase, RunConfig, list[str]]:
    """Model in eval mode, tokenizer, configuration and labels of a folder or Hub repo written by `save_model`.

    Raises:
        ErcSynthError: No trained classifier there, the Hub is out of reach, or the weights do not fit.
    """
    folder = local_folder(name, revision)
    stored = cast(Stored, read_json(folder / "erc.json"))
    try:
        config = restored({**stored["config"], "out": str(folder)})
        labels = stored["labels"]
    except (KeyError, TypeError) as error:
        raise ErcSynthError(f"{folder / 'erc.json'} is not complete.", hint="Save the model again.") from error
    encoder = folder / "encoder" if (folder / "encoder").is_dir() else folder
    tokenizer = backbones.load_tokenizer(str(encoder))
    with torch.random.fork_rng(devices=[]):
        model = factory.create(config, len(labels), tokenizer, folder=encoder)
    load_into(model, folder)
    return model.eval(), tokenizer, config, labels


def load_into(model: nn.Module, folder: Path) -> None:
    """Weights of a saved classifier into a model of the same shape."""
    if read_json(folder / "erc.json").get("form") != "transformers":
        checkpoints.load_weights(model, folder / WEIGHTS)
        return
    try:
        model.load_state_dict(_from_shared(load_file(str(folder / WEIGHTS)), model))
    except (OSError, RuntimeError, KeyError) as error:
        raise ErcSynthError(
            f"{folder / WEIGHTS} does not fit this model: {str(error).splitlines()[0]}", hint="Save the model again."
        ) from error


def loads_in_transformers(model: nn.Module) -> bool:
    """Whether `AutoModelForSequenceClassification` can hold the model: a known encoder, its first token, one layer."""
    return type(model) is ContextClassifier and _type(model) in HEADS


def example_text(config: RunConfig) -> str:
    """A conversation as one text, the way a classifier of `loads_in_transformers` reads it."""
    name = config.spec.marker == "name"
    turns = ["Ann: You came back!", "Ben: Go away."] if name else ["<s1> You came back!", "<s2> Go away."]
    return turns[-1] if getattr(config.options, "context", "past") == "none" and name else " ".join(turns)


def local_folder(name: Path | str, revision: str | None = None) -> Path:
    """Folder of a saved classifier: itself, the folder of its run, or a download of a Hub repo.

    Raises:
        ErcSynthError: Nothing there that `save_model` wrote.
    """
    given = Path(name).expanduser()
    if not given.exists() and str(name).count("/") == 1 and not str(name).startswith((".", "/", "~")):
        given = _download(str(name), revision)
    for place in (given, given / "model"):  # of a run folder, the model in it
        if (place / "erc.json").exists():
            return place
    what = "holds no trained classifier (no erc.json)" if given.exists() else "is no folder and no Hub id like org/name"
    raise ErcSynthError(f"{name} {what}.", hint="Give the folder of a finished run, its folder `model`, or a Hub id.")


def _download(repo: str, revision: str | None) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(READABLE)))
    except (HfHubHTTPError, OSError, ValueError, httpx.HTTPError) as error:
        raise ErcSynthError(
            f"The model {repo} could not be fetched: {str(error).strip().splitlines()[0]}",
            hint="Check the name, the network and (for a private repo) the login; a folder works offline.",
        ) from error


def _type(model: nn.Module) -> str:
    return str(model.context_encoder.backbone.config.model_type)  # type: ignore[union-attr]


def _prefix(model: nn.Module) -> tuple[type, str]:
    """The class of transformers that classifies with this encoder, and its name for the encoder."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    backbone: Any = model.context_encoder.backbone  # type: ignore[union-attr]
    found = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(backbone.config)]
    return found, f"{found.base_model_prefix}."


def _save_shared(folder: Path, model: nn.Module, labels: list[str]) -> None:
    kind, prefix = _prefix(model)
    before, last = HEADS[_type(model)]
    encoder: Any = model.context_encoder
    linear: Any = model.classifier
    weights = {prefix + name: value for name, value in encoder.backbone.state_dict().items()}
    width = encoder.hidden
    weights |= {
        f"{before}.weight": torch.eye(width) * SMALL,
        f"{before}.bias": torch.zeros(width),
        f"{last}.weight": linear.weight / SMALL,
        f"{last}.bias": linear.bias,
    }
    checkpoints.save_tensors(weights, folder / WEIGHTS)
    config = copy.deepcopy(encoder.backbone.config)
    config.update(
        {
            "architectures": [kind.__name__],
            "id2label": dict(enumerate(labels)),
            "label2id": {label: i for i, label in enumerate(labels)},
            "problem_type": "single_label_classification",
        }
    )
    config.save_pretrained(str(folder))


def _from_shared(weights: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The inverse of the names and the scale of `_save_shared`."""
    _, prefix = _prefix(model)
    before, last = HEADS[_type(model)]
    dense, bias = weights.pop(f"{before}.weight"), weights.pop(f"{before}.bias")
    if bias.any() or not torch.equal(dense, torch.eye(len(dense)) * SMALL):
        raise ErcSynthError(
            "The head was trained further outside of erc-synth.", hint="Load it by AutoModelForSequenceClassification."
        )
    found = {"classifier.weight": weights.pop(f"{last}.weight") * SMALL, "classifier.bias": weights.pop(f"{last}.bias")}
    return found | {f"context_encoder.backbone.{k.removeprefix(prefix)}": v for k, v in weights.items()}


def _first_token_only(tokenizer: PreTrainedTokenizerBase, longest: int) -> PreTrainedTokenizerBase:
    """A tokenizer that writes what our models read: the first token and the LAST tokens of the text, no end token."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    rust = getattr(tokenizer, "backend_tokenizer", None)
    if rust is None:
        return tokenizer
    rust = copy.deepcopy(rust)
    first = tokenizer.cls_token or tokenizer.bos_token
    rust.post_processor = TemplateProcessing(
        single=f"{first} $A", pair=f"{first} $A $B", special_tokens=[(first, rust.token_to_id(first))]
    )
    named = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    # The general class: a class of one family would put its own end token back when it is loaded.
    return PreTrainedTokenizerFast(
        tokenizer_object=rust,
        model_max_length=longest,
        truncation_side="left",
        model_input_names=list(tokenizer.model_input_names),
        **named,
    )
