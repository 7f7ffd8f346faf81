"""What one run is: flags, YAML or JSON files and a preset become one frozen, checked `RunConfig`.

Purpose: precedence is preset < `--config` file < flag; unknown keys and options of other models are refused; the
fingerprint of a configuration decides whether a folder holds the same run. Input: words of a command line.
Output: `RunConfig`. Not covered: whether data and label sets fit together (`corpus`).
The flags come from the dataclasses by `argparse` (a file, a preset and the model's own options decide defaults,
which Typer's fixed signatures have no form for). Nothing here imports torch but through the module of a model.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training.models import registry
from erc_synth.training.models.registry import AnySpec
from erc_synth.training.options import DataOptions, Optimisation, check_bounds, opt

RECIPES = ("scratch", "tstr", "pretrain-finetune")
HIGHEST_SEED = 2**32 - 1  # what numpy and torch both take
PROGRAM = "erc-synth train"


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One training run. `optimisation.batch_size` etc. are flat flags on the command line.

    Attributes:
        options: Those of the model, a dataclass of its `Spec`.
    """

    model: str = opt(registry.DEFAULT, f"classifier: {', '.join(registry.built_in())}, or one of $ERC_MODELS")
    backbone: str = opt("roberta-large", "roberta-large, roberta-base, mpnet, minilm, modernbert, a folder or Hub id")
    max_tokens: int = opt(512, "longest encoder input, CLS included", least=8)
    train: str = opt("", "data set of the first stage: meld, org/repo:config, ./folder:config")
    finetune: str | None = opt(None, "data set of a second stage")
    pretrained: str | None = opt(
        None, "folder of a finished equal run on --train alone, in place of the first stage", identity=False
    )  # checked to be the run that the first stage would be
    eval: tuple[str, ...] = opt((), "data sets whose test split is scored (default: the last training set)")
    out: str = opt("", "folder of this run", identity=False)
    recipe: str | None = opt(None, f"{', '.join(RECIPES)} (default: derived from --train and --finetune)")
    seed: int = opt(0, "seed of everything", least=0, most=HIGHEST_SEED)
    preset: str | None = opt(
        None, "fast or paper (official hyper-parameters); default fast", identity=False
    )  # what it sets decides, not its name
    overwrite: bool = opt(False, "throw away another run in the same folder", identity=False)
    trackers: tuple[str, ...] = opt((), "tensorboard, trackio, wandb", identity=False)
    push_to_hub: str | None = opt(None, "repo id to push the model to after training", identity=False)
    data: DataOptions = field(default_factory=DataOptions)
    optimisation: Optimisation = field(default_factory=Optimisation)
    options: Any = None

    @property
    def spec(self) -> AnySpec:
        """The classifier."""
        return registry.find(self.model)

    @property
    def resolved_recipe(self) -> str:
        """The recipe given, or the one that the data sets imply."""
        if self.recipe:
            return self.recipe
        if self.finetune:
            return "pretrain-finetune"
        return "scratch" if _is_benchmark(self.train) else "tstr"

    @property
    def groups(self) -> tuple[object, ...]:
        """All dataclasses whose fields are settings of this run."""
        return (self, self.data, self.optimisation, self.options)

    def to_dict(self) -> dict[str, object]:
        """Flat dict, the keys of a configuration file."""
        return {f.name: getattr(group, f.name) for group in self.groups for f in _settings(type(group))}

    def identity(self) -> dict[str, object]:
        """The settings that decide the result; JSON types."""
        deciding = {
            f.name: getattr(group, f.name)
            for group in self.groups
            for f in _settings(type(group))
            if f.metadata["identity"] and not (f.metadata["file"] and _is_file(getattr(group, f.name)))
        }
        return dict(json.loads(json.dumps({**deciding, "recipe": self.resolved_recipe})))

    def files(self) -> dict[str, Path]:
        """Files whose content decides the result, by option."""
        return {
            f.name: Path(value).expanduser()
            for group in self.groups
            for f in _settings(type(group))
            if f.metadata["file"] and _is_file(value := getattr(group, f.name))
        }

    def fingerprint(self) -> str:
        """Hash of `identity`: not of where things are, how work is cut, or what is reported."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:16]


_GROUPS = {"data": DataOptions, "optimisation": Optimisation}
_SECOND_STAGE = frozenset({"eval", "recipe", "finetune_epochs"})
_PANELS = {RunConfig: "run", DataOptions: "data", Optimisation: "optimisation"}


def _is_file(value: object) -> bool:
    return isinstance(value, str) and Path(value).expanduser().is_file()


def _is_benchmark(name: str) -> bool:
    from erc_synth.loaders.names import benchmark_names

    return name in benchmark_names()


def _settings(kind: type) -> Iterator[Field[Any]]:
    """Fields of a dataclass that are settings themselves."""
    return (f for f in fields(kind) if "help" in f.metadata)


def _kinds(spec: AnySpec | None) -> list[type]:
    return [*_PANELS, *([] if spec is None else [spec.options])]


def _defaults(kind: type) -> dict[str, object]:
    return {f.name: f.default for f in _settings(kind)}


class _Parser(argparse.ArgumentParser):
    """Errors as ours."""

    known: frozenset[str] = frozenset()

    def error(self, message: str) -> NoReturn:
        raise ErcSynthError(f"{message[:1].upper()}{message[1:]}.", hint=f"See `{PROGRAM} --help` for the flags.")


def _parser(spec: AnySpec | None) -> _Parser:
    """The flags that all models share, and those of one model."""
    parser = _Parser(
        prog=PROGRAM,
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        description="Train an ERC classifier on any data set by name and score it.",
        epilog=None if spec else f"Options of a model: `{PROGRAM} --model NAME --help`.",
    )
    for kind in _kinds(spec):
        panel = parser.add_argument_group(_PANELS.get(kind) or f"options of {spec.name if spec else ''}")
        if kind is RunConfig:
            panel.add_argument("-h", "--help", action="store_true", help="show this and end")
            panel.add_argument("--config", action="append", help="YAML or JSON file with the same keys; flags win")
        hints = get_type_hints(kind)
        for given in _settings(kind):
            _add_flag(panel, given, hints[given.name])
    return parser


def _add_flag(panel: argparse._ArgumentGroup, given: Field[Any], kind: Any) -> None:
    flag, text = given.name.replace("_", "-"), given.metadata["help"].replace("%", "%%")
    if kind is bool:  # both forms, because a file may set the other one; the one that changes the default is shown
        for name, value in ((flag, True), (f"no-{flag}", False)):
            shown = argparse.SUPPRESS if value == given.default else text
            panel.add_argument(f"--{name}", dest=given.name, action="store_const", const=value, help=shown)
    elif kind == tuple[str, ...]:
        panel.add_argument(f"--{flag}", nargs="+", metavar="NAME", help=text)
    else:
        choices = [str(v) for v in get_args(kind) if isinstance(v, str)]
        default = "" if given.default in (None, "") else f" ({given.default})"
        metavar = "|".join(choices) if choices else "X"
        panel.add_argument(f"--{flag}", metavar=metavar, help=text + default)


def parse(words: Sequence[str]) -> RunConfig:
    """A `RunConfig` of command-line words (without the program name).

    Raises:
        ErcSynthError: An unknown flag, key, value or preset; a missing file.
        SystemExit: `--help` was asked for and printed.
    """
    first, _ = _parser(None).parse_known_args(list(words))
    from_files = {key: value for path in getattr(first, "config", []) for key, value in _read(Path(path)).items()}
    seen = {**from_files, **vars(first)}
    spec = registry.find(str(seen["model"])) if "model" in seen else None
    if "help" in seen:
        _parser(spec).print_help()
        raise SystemExit(0)
    spec = spec or registry.find(RunConfig().model)
    found, unknown = _parser(spec).parse_known_args(list(words))
    if unknown:
        raise _unknown(spec, [word.partition("=")[0] for word in unknown if word.startswith("-")] or unknown)
    flags = {key: value for key, value in vars(found).items() if key != "config"}
    preset = _preset(spec, str(seen.get("preset") or "fast"))
    return build({**preset, **from_files, **flags, "model": spec.name})


def _read(path: Path) -> dict[str, object]:
    import yaml

    try:
        content = yaml.safe_load(path.expanduser().read_text("utf-8"))  # JSON is YAML
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ErcSynthError(f"--config {path}: {' '.join(str(error).split())}.", hint="Give a YAML file.") from error
    if not isinstance(content, dict):
        raise ErcSynthError(f"--config {path} holds no keys and values.", hint="For example: `epochs: 3`.")
    return {str(key): value for key, value in content.items()}


def _unknown(spec: AnySpec, given: list[str]) -> ErcSynthError:
    """Keys or flags that the model has not: whose they are, or what may have been meant."""
    name = given[0].lstrip("-").replace("-", "_")
    known = [f.name for kind in _kinds(spec) for f in _settings(kind)]
    said = f"Unknown keys: {', '.join(given)}."
    if others := registry.owners(name):
        return ErcSynthError(
            f"{given[0]} is an option of {', '.join(others)}; the model is {spec.name}.",
            hint=f"Own options of {spec.name}: {', '.join(f.name for f in fields(spec.options)) or 'none'}.",
        )
    if close := difflib.get_close_matches(name, known, 1):
        dashes = "--" if given[0].startswith("-") else ""
        return ErcSynthError(said, hint=f"Did you mean {dashes}{close[0].replace('_', '-')}?")
    return ErcSynthError(said, hint=f"See `{PROGRAM} --model {spec.name} --help`.")


def _preset(spec: AnySpec, name: str) -> dict[str, object]:
    if name not in spec.presets:
        raise ErcSynthError(f"Unknown preset {name!r} of {spec.name}.", hint=f"Known: {', '.join(spec.presets)}.")
    return dict(spec.presets[name])


def build(flat: dict[str, object]) -> RunConfig:
    """A checked `RunConfig` of flat keys; the inverse of `RunConfig.to_dict`."""
    spec = registry.find(str(flat.get("model", RunConfig().model)))
    known = {f.name for kind in _kinds(spec) for f in _settings(kind)}
    if unknown := sorted(set(flat) - known):
        raise _unknown(spec, unknown)
    groups = {group: _made(kind, flat) for group, kind in _GROUPS.items()}
    config: RunConfig = _made(RunConfig, flat, **groups, options=_made(spec.options, flat))
    _check(config)
    return config


def restored(flat: dict[str, object]) -> RunConfig:
    """`build` of a stored configuration, which may be of an earlier version: keys of other models fall away."""
    spec = registry.find(str(flat["model"]))
    known = {f.name for kind in _kinds(spec) for f in _settings(kind)}
    return build({key: value for key, value in flat.items() if key in known})


def _made(kind: type, flat: dict[str, object], **more: object) -> Any:
    """A dataclass of the keys that are its own, each of the type that it declares."""
    from pydantic import TypeAdapter, ValidationError

    hints, given = get_type_hints(kind), {}
    for option in _settings(kind):
        if option.name in flat:
            try:
                given[option.name] = TypeAdapter(hints[option.name]).validate_python(flat[option.name])
            except ValidationError as error:
                wrong = error.errors()[0]["msg"]
                raise ErcSynthError(
                    f"--{option.name.replace('_', '-')} is {flat[option.name]!r}: {wrong[:1].lower()}{wrong[1:]}.",
                    hint=f"It is: {option.metadata['help']}.",
                ) from error
    return kind(**given, **more)


def _check(config: RunConfig) -> None:
    for group in config.groups:
        check_bounds(group)
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
    if recipe == "tstr" and _is_benchmark(config.train):
        raise ErcSynthError(
            f"The recipe 'tstr' trains on synthetic data; --train {config.train} is a benchmark.",
            hint="Leave out --recipe, or name a synthetic set.",
        )
    if config.data.draw_train and config.data.max_train_dialogues is None:
        raise ErcSynthError("--draw-train needs --max-train-dialogues.", hint="It draws that many.")
    if config.pretrained and not config.finetune:
        raise ErcSynthError("--pretrained needs --finetune.", hint="It stands for the first of two stages.")
    config.spec.check(config.options, config.optimisation)


def first_stage_differences(config: RunConfig, other: RunConfig) -> list[str]:
    """Settings of `other`, a one-stage run, that make it another run than our first stage."""
    free = _SECOND_STAGE - ({"eval"} if config.data.drop_leaks else set())  # it decides which dialogues are dropped
    ours, theirs = {**config.identity(), "finetune": None}, other.identity()
    return [key for key in {**ours, **theirs} if key not in free and ours.get(key) != theirs.get(key)]


def out_folder(config: RunConfig) -> Path:
    """The folder of a run."""
    return Path(config.out).expanduser()
