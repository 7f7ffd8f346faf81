"""The classifiers by name: what the product must know of each, and where they are found.

Purpose: a classifier is one module with a `SPEC`. Ours are the modules of this folder; a user's own are the files
or modules that the variable $ERC_MODELS names (a variable, so that the processes of `grid` know them too).
Input: a name. Output: its `Spec`. Not covered: building the network (`factory`), reading options (`config`).
Nothing here imports torch: the module of a classifier does, and is imported when it is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training import models
from erc_synth.training.options import Marker, Optimisation

if TYPE_CHECKING:
    import numpy as np
    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from erc_synth.loaders.schema import Dialogue, LabelSet
    from erc_synth.training.backbones import Encoder
    from erc_synth.training.batching import Encoded
    from erc_synth.training.grayscale import Soft

VARIABLE = "ERC_MODELS"
PARTS = frozenset({"context", "factory", "registry", "topics"})  # modules of this folder that are no classifier
DEFAULT = "compm"
UNITS = ("utterance", "dialogue")
Options = TypeVar("Options")


@dataclass(frozen=True, slots=True)
class Start:
    """What `Spec.pretrain` works with.

    Attributes:
        encoded: The train split of the first stage.
        tokenizer: That of the backbone.
        optimisation: Learning rate, clipping and so on of the run.
        seed: Seed of the run.
        folder: Where its checkpoints go.
    """

    encoded: Encoded
    tokenizer: PreTrainedTokenizerBase
    optimisation: Optimisation
    seed: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Lesson:
    """What `Spec.soft_targets` works with.

    Attributes:
        encoded: The train split of the stage.
        labels: The label set.
        teach: Trains a teacher that starts as the network is now, puts the network back, and returns the
            teacher's probabilities ``[train utterances, classes]``. Trained once, also over restarts.
    """

    encoded: Encoded
    labels: LabelSet
    teach: Callable[[], np.ndarray]


class Spec(Generic[Options]):
    """One classifier. Subclass it, set the attributes without a default, override `build` and what else differs.

    Attributes:
        name: Its name on the command line, in metrics and in tables.
        options: Frozen dataclass of its options; every field is an `opt` with a default.
        presets: Settings by name of preset; `fast` is the default one. Keys are options of any kind.
        marker: What stands before an utterance in the context: ``id`` (``<s1>``) or ``name`` (``Ann:``).

    The network takes a `batching.Batch` and returns logits ``[targets, classes]``. Its attribute `unit` says what
    a batch must keep whole: ``utterance`` or ``dialogue``; optional are `max_turns` (cut of train dialogues) and
    `fixed_batch` (evaluate N units at a time in file order, because the output depends on the neighbours).
    """

    name: ClassVar[str] = ""
    options: type[Options]
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    marker: ClassVar[Marker] = "id"

    def build(self, options: Options, encoder: Callable[[], Encoder], classes: int) -> nn.Module:
        """The network; each call of `encoder` gives another copy of the pre-trained backbone."""
        raise NotImplementedError

    def check(self, options: Options, optimisation: Optimisation) -> None:
        """Refuse options that do not fit together (`ErcSynthError`), before any work."""

    def prepare(
        self, options: Options, dialogues: Sequence[Dialogue], encoded: Encoded, tokenizer: PreTrainedTokenizerBase
    ) -> Encoded:
        """Add to the tokens what only this classifier reads. The first of several processes comes first."""
        return encoded

    def pretrain(self, options: Options, network: nn.Module, start: Start) -> float:
        """Train the network on texts before the first stage; seconds."""
        return 0.0

    def soft_targets(self, options: Options, network: nn.Module, lesson: Lesson) -> Soft | None:
        """Soft targets of a stage's train split, or ``None`` for labels alone."""
        return None


def names() -> tuple[str, ...]:
    """All classifiers: ours, then those of $ERC_MODELS."""
    return (*built_in(), *_custom())


AnySpec = Spec[Any]  # whatever its options are


def find(name: str) -> AnySpec:
    """The classifier of this name.

    Raises:
        ErcSynthError: Unknown name, or a classifier of $ERC_MODELS that is incomplete.
    """
    if name in built_in():
        return _spec_of(importlib.import_module(f"{models.__name__}.{name}"))
    custom = _custom()
    if name not in custom:
        raise ErcSynthError(
            f"Unknown model {name!r}.", hint=f"Known: {', '.join(names())}; ${VARIABLE} names files of further ones."
        )
    return custom[name]


def owners(option: str) -> list[str]:
    """Names of the classifiers that have this option."""
    return [name for name in names() if option in {f.name for f in fields(find(name).options)}]


def built_in() -> list[str]:
    """Classifiers of this folder; nothing is imported for it."""
    return [module.name for module in pkgutil.iter_modules(models.__path__) if module.name not in PARTS]


def _custom() -> dict[str, AnySpec]:
    found: dict[str, AnySpec] = {}
    for place in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        spec = _spec_of(_module(place))
        if spec.name in found or spec.name in built_in():
            raise ErcSynthError(f"{place} defines a second classifier {spec.name!r}.", hint="Give it another name.")
        found[spec.name] = spec
    return found


def _module(place: str) -> ModuleType:
    """A module by its path or its dotted name; loaded once, so that its classes stay the same."""
    name = place
    try:
        if place.endswith(".py"):
            path = Path(place).expanduser().resolve()
            name = f"erc_models_{path.stem}_{abs(hash(str(path)))}"
            if name not in sys.modules:
                located = importlib.util.spec_from_file_location(name, path)
                assert located is not None
                assert located.loader is not None
                sys.modules[name] = module = importlib.util.module_from_spec(located)
                located.loader.exec_module(module)
        return sys.modules.get(name) or importlib.import_module(name)
    except Exception as error:  # whatever the user's module raises
        sys.modules.pop(name, None)
        raise ErcSynthError(
            f"${VARIABLE}: {place} could not be imported: {type(error).__name__}: {error}.",
            hint="Name .py files or importable modules, each with a SPEC (docs/extending.md).",
        ) from error


def _spec_of(module: ModuleType) -> AnySpec:
    spec = getattr(module, "SPEC", None)
    missing = ["SPEC, an instance of a subclass of Spec"] if not isinstance(spec, Spec) else list(_missing(spec))
    if missing or not isinstance(spec, Spec):
        raise ErcSynthError(
            f"The classifier of {module.__file__} is incomplete; missing: {'; '.join(missing)}.",
            hint="See erc_synth.training.models.registry.Spec.",
        )
    return spec


def _missing(spec: AnySpec) -> Iterable[str]:
    if not spec.name or not all(c.isalnum() or c in "-_" for c in spec.name):
        yield "name (letters, digits, - and _)"
    options = getattr(spec, "options", None)
    if not (isinstance(options, type) and is_dataclass(options) and options.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        yield "options, a frozen dataclass"
    else:
        for given in fields(options):
            if given.default is MISSING or "help" not in given.metadata:
                yield f"a default and a help text of the option {given.name} (use opt)"
    if "fast" not in spec.presets:
        yield "the preset fast in presets"
    if spec.marker not in ("id", "name"):
        yield "marker, which is id or name"
    if type(spec).build is Spec.build:
        yield "build"
