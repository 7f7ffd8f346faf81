"""What one run is: flags, a YAML/JSON file and a preset become one frozen, checked `RunConfig`.

Purpose: precedence is preset < `--config` file < flag; unknown keys are refused; the fingerprint of a
configuration decides whether a folder holds the same run. Input: words of a command line.
Output: `RunConfig`. Not covered: whether data and label sets fit together (`corpus`).
Nothing here imports torch, so `--help` is quick.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import Field, asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_type_hints

from erc_synth.loaders.errors import ErcSynthError

MODELS = ("compm", "emoone", "todkat", "baseline")
RECIPES = ("scratch", "tstr", "pretrain-finetune")
PRESETS = ("fast", "paper")
TEACHER_METHODS = ("self", "self-adjust", "future-self", "future-self-adjust")


def _opt(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Which dialogues a run sees."""

    data_dir: str | None = _opt(None, "folder with benchmark files")
    variant: str | None = _opt(None, "published form of a benchmark: small (EmoryNLP), official (IEMOCAP), ...")
    revision: str | None = _opt(None, "tag or commit of a Hub repo")
    label_map: str | None = _opt(None, "join label sets by a named map, e.g. core5")
    max_train_dialogues: int | None = _opt(None, "keep the first N train dialogues of each stage")
    max_eval_dialogues: int | None = _opt(None, "keep the first N dialogues of validation and test")
    drop_leaks: bool = _opt(False, "drop train dialogues that share a line of 5+ words with an evaluated test")


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The shape of the classifier; options of other models are ignored."""

    max_tokens: int = _opt(512, "longest encoder input, CLS included")
    memory: Literal["masked", "legacy"] = _opt("masked", "compm: padding of the memory (legacy = official)")
    freeze_memory: bool = _opt(False, "compm: leave the memory encoder as it is")
    shared_encoders: bool = _opt(False, "compm: one encoder for context and memory")
    method: Literal["none", "category", "word", "self", "self-adjust", "future-self", "future-self-adjust"] = _opt(
        "self-adjust", "emoone: grayscale labels"
    )
    hard_weight: float = _opt(1.0, "emoone: weight of the one-hot cross-entropy")
    soft_weight: float = _opt(1.0, "emoone: weight of the grayscale cross-entropy")
    word_vectors: str | None = _opt(None, "emoone: text file of word vectors (fastText .vec) for method=word")
    mode: Literal["released", "fixed", "paper"] = _opt("fixed", "todkat: head over batch, dialogue, or + topic")
    heads: int = _opt(8, "todkat: attention heads of the dialogue layer")
    causal: bool = _opt(False, "todkat: the dialogue layer sees the past only")
    max_turns: int | None = _opt(None, "todkat: cut train dialogues to N turns (official: 25, IEMOCAP 36)")
    topic_epochs: int = _opt(3, "todkat paper mode: masked-LM epochs of the topic layer")
    knowledge: str | None = _opt(None, "todkat: http(s) URL of an OpenAI-style server, or an ATOMIC csv/tsv file")
    knowledge_model: str = _opt("default", "todkat: model name sent to the knowledge server")
    knowledge_cache: str = _opt("cache/knowledge", "todkat: folder of the phrase cache")
    context: Literal["past", "none"] = _opt("past", "baseline: past context with speaker names, or the target alone")


@dataclass(frozen=True, slots=True)
class Optimisation:
    """How the weights move. A step is one optimiser step; warm-up counts in steps."""

    epochs: int = _opt(5, "epochs of each stage")
    finetune_epochs: int | None = _opt(None, "epochs of the fine-tuning stage (default: --epochs)")
    batch_size: int = _opt(16, "targets per step over all processes (todkat: dialogues)")
    accumulate: int = _opt(1, "cut each batch in N parts to save memory; the result is the same")
    order: Literal["dialogue", "utterance"] = _opt("dialogue", "shuffle dialogues, or single targets (official)")
    learning_rate: float = _opt(2e-5, "peak learning rate")
    weight_decay: float = _opt(0.01, "AdamW weight decay")
    decay_all: bool = _opt(False, "decay bias and LayerNorm too (official CoMPM, EmoOne)")
    adam_eps: float = _opt(1e-8, "AdamW epsilon")
    bias_correction: bool = _opt(True, "AdamW bias correction (official TODKAT: off)")
    warmup: float = _opt(0.1, "share of all steps")
    clip: float = _opt(1.0, "gradient norm")
    patience: int | None = _opt(None, "stop after N epochs without a better dev score")
    select_by: Literal["weighted_f1", "accuracy"] = _opt("weighted_f1", "dev score that picks the best epoch")
    precision: Literal["no", "bf16", "fp16"] = _opt("no", "mixed precision")
    compile: bool = _opt(False, "torch.compile the encoders")
    save_steps: int | None = _opt(None, "checkpoint every N steps (default: every epoch and every 10 minutes)")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One training run. `optimisation.batch_size` etc. are flat flags on the command line."""

    model: str = _opt("compm", f"one of {', '.join(MODELS)}")
    backbone: str = _opt("roberta-large", "roberta-large, roberta-base, mpnet, minilm, modernbert, a folder or Hub id")
    train: str = _opt("", "data set of the first stage: meld, org/repo:config, ./folder:config")
    finetune: str | None = _opt(None, "data set of a second stage")
    pretrained: str | None = _opt(None, "folder of a finished equal run on --train alone, in place of the first stage")
    eval: tuple[str, ...] = _opt((), "data sets whose test split is scored (default: the last training set)")
    out: str = _opt("", "folder of this run")
    recipe: str | None = _opt(None, f"{', '.join(RECIPES)} (default: derived from --train and --finetune)")
    seed: int = _opt(0, "seed of everything")
    preset: str | None = _opt(None, "fast or paper (official hyper-parameters); default fast")
    overwrite: bool = _opt(False, "throw away another run in the same folder")
    trackers: tuple[str, ...] = _opt((), "tensorboard, trackio, wandb")
    push_to_hub: str | None = _opt(None, "repo id to push the model to after training")
    data: DataOptions = field(default_factory=DataOptions)
    shape: ModelOptions = field(default_factory=ModelOptions)
    optimisation: Optimisation = field(default_factory=Optimisation)

    @property
    def resolved_recipe(self) -> str:
        """The recipe given, or the one that the data sets imply."""
        from erc_synth.loaders.names import benchmark_names

        if self.recipe:
            return self.recipe
        if self.finetune:
            return "pretrain-finetune"
        return "scratch" if self.train in benchmark_names() else "tstr"

    @property
    def needs_teacher(self) -> bool:
        """True when EmoOne trains a teacher before the student."""
        return self.model == "emoone" and self.shape.method in TEACHER_METHODS

    def to_dict(self) -> dict[str, Any]:
        """Flat dict, the keys of a configuration file."""
        flat = asdict(self)
        for group in ("data", "shape", "optimisation"):
            flat |= flat.pop(group)
        return flat

    def fingerprint(self) -> str:
        """Hash of all that changes the result (not where it is written or reported)."""
        told = {k: v for k, v in self.to_dict().items() if k not in _REPORTING}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


# `pretrained` is checked to be the run that the first stage would be.
_REPORTING = ("out", "overwrite", "trackers", "push_to_hub", "save_steps", "data_dir", "knowledge_cache", "pretrained")
_SECOND_STAGE = ("eval", "recipe", "finetune_epochs")
_GROUPS = {"data": DataOptions, "shape": ModelOptions, "optimisation": Optimisation}


def _flags() -> list[tuple[Field[Any], Any]]:
    found = []
    for kind in (RunConfig, *_GROUPS.values()):
        hints = get_type_hints(kind)
        found += [(f, hints[f.name]) for f in fields(kind) if f.name not in _GROUPS]
    return found


def _parser() -> Any:
    import jsonargparse

    parser = jsonargparse.ArgumentParser(
        prog="training/run.py", description="Train an ERC classifier and score it.", exit_on_error=False
    )
    parser.add_argument("--config", action="config", help="YAML or JSON file with the same keys; flags win")
    for option, kind in _flags():
        flag = "--" + option.name.replace("_", "-")
        extra: dict[str, Any] = {"help": option.metadata["help"], "default": option.default}
        if kind == tuple[str, ...]:
            parser.add_argument(flag, nargs="+", type=str, **{**extra, "default": []})
        elif kind is bool:
            parser.add_argument(flag, action=jsonargparse.ActionYesNo(no_prefix="no-"), **extra)
        else:
            parser.add_argument(flag, type=kind, **extra)
    return parser


def _preset(name: str, model: str) -> dict[str, Any]:
    if name not in PRESETS:
        raise ErcSynthError(f"Unknown preset {name!r}.", hint=f"Known: {', '.join(PRESETS)}.")
    import yaml

    text = files("erc_synth.training").joinpath("presets", f"{model}-{name}.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))


def parse(words: Sequence[str]) -> RunConfig:
    """A `RunConfig` of command-line words (without the program name).

    Raises:
        ErcSynthError: An unknown flag, key, value or preset; a missing file.
    """
    import jsonargparse

    parser = _parser()
    try:
        first = parser.parse_args(list(words))
        _checked_model(first.model)
        # The preset depends on the model, so the words are read twice: the preset becomes the default.
        parser.set_defaults(_preset(first.preset or "fast", first.model))
        flat = parser.parse_args(list(words)).as_dict()
    except (jsonargparse.ArgumentError, TypeError, ValueError) as error:
        sentence = " ".join(str(error).split())
        raise ErcSynthError(sentence.rstrip(".") + ".", hint="See `--help` for the flags.") from error
    flat.pop("config", None)
    return build(flat)


def build(flat: dict[str, Any]) -> RunConfig:
    """A checked `RunConfig` of flat keys; the inverse of `RunConfig.to_dict`."""
    known = {option.name for option, _ in _flags()}
    if unknown := sorted(set(flat) - known):
        raise ErcSynthError(f"Unknown keys: {', '.join(unknown)}.", hint=f"Known: {', '.join(sorted(known))}.")
    groups: dict[str, Any] = {
        group: kind(**{f.name: flat[f.name] for f in fields(kind) if f.name in flat}) for group, kind in _GROUPS.items()
    }
    top = {f.name: flat[f.name] for f in fields(RunConfig) if f.name in flat}
    config = RunConfig(**{**top, **groups, "eval": tuple(flat.get("eval", ())),
                          "trackers": tuple(flat.get("trackers", ()))})  # fmt: skip
    _check(config)
    return config


def _checked_model(model: str) -> None:
    if model not in MODELS:
        raise ErcSynthError(f"Unknown model {model!r}.", hint=f"Known: {', '.join(MODELS)}.")


def _check(config: RunConfig) -> None:
    _checked_model(config.model)
    if not config.train or not config.out:
        missing = "--train" if not config.train else "--out"
        raise ErcSynthError(f"{missing} is missing.", hint="For example --train meld --out outputs/first.")
    recipe = config.resolved_recipe
    if recipe not in RECIPES:
        raise ErcSynthError(f"Unknown recipe {recipe!r}.", hint=f"Known: {', '.join(RECIPES)}.")
    if (recipe == "pretrain-finetune") != bool(config.finetune):
        raise ErcSynthError(
            f"The recipe {recipe!r} does not fit --finetune {config.finetune or '(none)'}.",
            hint="Only pretrain-finetune has a second stage: give or remove --finetune.",
        )
    if config.pretrained and not config.finetune:
        raise ErcSynthError("--pretrained needs --finetune.", hint="It stands for the first of two stages.")
    for name in ("epochs", "batch_size", "accumulate", "finetune_epochs", "max_train_dialogues",
                 "max_eval_dialogues", "save_steps", "patience", "max_tokens", "heads", "max_turns"):  # fmt: skip
        value = config.to_dict()[name]
        if value is not None and value < 1:
            raise ErcSynthError(f"--{name.replace('_', '-')} is {value}.", hint="Use 1 or more.")
    if config.optimisation.accumulate > 1 and config.model == "todkat" and config.shape.mode == "released":
        raise ErcSynthError(
            "The released TODKAT attends across the batch, so a batch cannot be cut in parts.",
            hint="Use --accumulate 1 or --mode fixed.",
        )


def first_stage_differences(config: RunConfig, other: dict[str, Any]) -> list[str]:
    """Keys of `other` (the stored settings of a one-stage run) that make it another run than our first stage."""
    free = {*_REPORTING, *_SECOND_STAGE}
    if config.data.drop_leaks:
        free.remove("eval")  # it decides which train dialogues are dropped
    ours = json.loads(json.dumps(config.to_dict()))  # tuples become lists, as in the file
    ours["finetune"] = None  # of one stage
    return [key for key, value in ours.items() if key not in free and other.get(key) != value]


def out_folder(config: RunConfig) -> Path:
    """The folder of a run."""
    return Path(config.out).expanduser()
