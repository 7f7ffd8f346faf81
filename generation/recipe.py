"""Recipes and model profiles: TOML files to frozen values.

Input: a recipe name (`recipes/<name>.toml`) or a path to a user's own file; a profile name.
Output: `Recipe`, `Profile`. A new label set, cast or language is a new TOML file and no code.
Unknown keys, repeated labels or numbers and unknown placeholders are refused with their line.
"""

from __future__ import annotations

import hashlib
import json
import string
import tomllib
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from erc_synth.generation.curation.reasons import Limits
from erc_synth.generation.drawing import START, Drawing, Plan, Table, benchmark_table
from erc_synth.generation.lines import LineFormat, Order
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import LabelSet, label_set, label_set_names

_SHIPPED = {path.name for path in files("erc_synth.generation").joinpath("recipes").iterdir()}
RECIPE_NAMES = tuple(
    name
    for labels in label_set_names()
    for name in (f"{labels}_natural", f"{labels}_balanced")
    if f"{name}.toml" in _SHIPPED
)
SMALL_RECIPES = tuple(f"small/{name}" for name in RECIPE_NAMES)  # the same sets, asked of small models
PLACEHOLDERS = {
    "task": {"cast", "ending"},
    "natural_ending": set(),
    "balanced_ending": {"emotion"},
    "labelling": {"labels"},
    "structure": {"speaker", "utterance", "number", "line"},
    "topic": {"topic"},
    "plan": {"plan"},
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Prompt(_Strict):
    task: str
    natural_ending: str = ""
    balanced_ending: str = ""
    labelling: str
    structure: str
    topic: str = ""
    plan: str = ""


class _Markers(_Strict):
    speaker: str = Field("Speaker", min_length=1)
    utterance: str = Field("Utterance", min_length=1)
    number: str = Field("Number", min_length=1)


class _Speakers(_Strict):
    names: list[str] = Field(min_length=2)
    closed: bool = False


class _Turns(_Strict):
    min: int = Field(6, ge=2)
    max: int = Field(12, ge=2)


class _Drawn(_Strict):
    topics: list[Annotated[str, Field(min_length=1)]] = []
    cast: tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2)]] | None = None


class _Sampling(_Strict):
    temperature: float = Field(0.7, gt=0)
    top_p: float = Field(0.95, gt=0, le=1)
    top_k: int = Field(100, ge=0)
    typical_p: float = Field(0.95, gt=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0)
    max_new_tokens: int = Field(1024, ge=1)


class _Splits(_Strict):
    train: float = Field(0.8, gt=0)
    validation: float = Field(0.1, gt=0)
    test: float = Field(0.1, gt=0)


class _RecipeFile(_Strict):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    label_set: str
    kind: Literal["natural", "balanced"]
    language: str = "en"
    dialogues: int = Field(ge=1)
    balance: Literal["round-robin", "adaptive"] = "round-robin"
    order: Order = "label-last"
    label_words: bool = False
    plan: Plan = "free"
    prompt: _Prompt
    markers: _Markers = _Markers()
    numbers: dict[str, int]
    speakers: _Speakers
    turns: _Turns = _Turns()
    drawn: _Drawn = _Drawn()
    transitions: dict[str, dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]] = {}
    sampling: _Sampling = _Sampling()
    splits: _Splits = _Splits()
    curation: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to ask a model for (paper section 3). `source` is the TOML text it was read from."""

    name: str
    label_set: str
    kind: str
    language: str
    dialogues: int
    balance: str
    prompt: dict[str, str]
    format: LineFormat
    closed_cast: bool
    sampling: dict[str, float]
    splits: dict[str, float]
    curation: Limits
    source: str = field(repr=False)
    drawing: Drawing = field(default_factory=Drawing)

    @property
    def labels(self) -> LabelSet:
        """The label set: a named one, or the file's own labels in their number order."""
        if self.label_set in label_set_names():
            return label_set(self.label_set)
        return LabelSet(self.label_set, tuple(label for label, _ in self.format.numbers))

    @property
    def balanced(self) -> bool:
        """True when each dialogue is asked to express a named emotion."""
        return self.kind == "balanced"

    @property
    def fingerprint(self) -> str:
        """Hash of all that shapes a dialogue; the number of dialogues, the splits and curation do not."""
        shape = asdict(self)
        for key in ("dialogues", "splits", "curation", "source"):
            del shape[key]
        if self.drawing == Drawing():  # an option that is off leaves a recipe what it was without it
            del shape["drawing"]
        return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]


def load_recipe(name: str, style: str = "paper") -> Recipe:
    """Recipe of a name or a path to a TOML file.

    Args:
        name: ``meld_balanced``; ``paper/meld_balanced`` and ``small/meld_balanced`` say which style is meant.
        style: That of a bare name: ``paper``, or ``small`` for models too small for the paper's wording.

    Raises:
        ErcSynthError: Unknown name, unreadable file, wrong or missing key (with its line).
    """
    shipped = f"{style}/{name}" if name in RECIPE_NAMES else name
    shipped = shipped.removeprefix("paper/")
    if shipped in (*RECIPE_NAMES, *SMALL_RECIPES):
        source = files("erc_synth.generation").joinpath("recipes", *f"{shipped}.toml".split("/"))
        return recipe_from_text(source.read_text("utf-8"), f"{shipped}.toml")
    path = Path(name)
    if not path.is_file():
        raise ErcSynthError(
            f"Unknown recipe {name!r}.",
            hint=f"Known: {', '.join(RECIPE_NAMES)}, all, or a path to a TOML file.",
        )
    try:
        return recipe_from_text(path.read_text("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise ErcSynthError(f"{path}, line {line}: the text is not UTF-8.", hint="Save the file as UTF-8.") from error


def recipe_from_text(text: str, where: str) -> Recipe:
    """Recipe of TOML text; `where` names it in errors."""
    try:
        parsed = _RecipeFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ErcSynthError(f"{where}: not valid TOML: {error}.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        keys = [str(part) for part in problem["loc"]]
        raise _refused(where, text, keys, problem["msg"]) from error
    _check(parsed, where, text)
    markers, numbers = parsed.markers, tuple(parsed.numbers.items())
    return Recipe(
        name=parsed.name,
        label_set=parsed.label_set,
        kind=parsed.kind,
        language=parsed.language,
        dialogues=parsed.dialogues,
        balance=parsed.balance,
        prompt=parsed.prompt.model_dump(exclude_defaults=True) | {
            key: getattr(parsed.prompt, key) for key in ("natural_ending", "balanced_ending")
        },
        format=LineFormat(
            markers.speaker, markers.utterance, markers.number, tuple(parsed.speakers.names), numbers,
            parsed.turns.min, parsed.turns.max, parsed.language, parsed.order, parsed.label_words,
        ),
        closed_cast=parsed.speakers.closed,
        sampling=parsed.sampling.model_dump(),
        splits=parsed.splits.model_dump(),
        curation=parsed.curation,
        source=text,
        drawing=Drawing(tuple(parsed.drawn.topics), parsed.drawn.cast, _table(parsed)),
    )  # fmt: skip


def _table(parsed: _RecipeFile) -> Table:
    """The file's own transitions, or else those of its label set; empty when labels are not planned."""
    if parsed.plan == "free":
        return ()
    if not parsed.transitions:
        return benchmark_table(parsed.label_set) or ()
    return tuple((name, tuple(parsed.transitions[name].items())) for name in (START, *parsed.numbers))


def _refused(where: str, text: str, keys: list[str], message: str) -> ErcSynthError:
    line = _line_of(text, keys)
    place = f"{where}, line {line}" if line else where
    return ErcSynthError(f"{place}: {'.'.join(keys)}: {message}.", hint="See generation/recipes for the form.")


def _line_of(text: str, keys: list[str]) -> int:
    """Line of the last key that can be found in its table; 0 when none."""
    table, found = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            table = stripped.strip("[]").split("#")[0].strip().rstrip("]")
            if keys and table == keys[0]:
                found = found or number
        key = stripped.split("=")[0].strip().strip('"')
        if "=" in stripped and key == keys[-1] and table == ".".join(keys[:-1]):
            return number
    return found


def _check(parsed: _RecipeFile, where: str, text: str) -> None:
    numbers = list(parsed.numbers.values())
    repeated = [label for label, n in parsed.numbers.items() if numbers.count(n) > 1]
    if repeated:
        raise _refused(where, text, ["numbers", repeated[-1]], "its number is given twice")
    folded = [label.lower() for label in parsed.numbers]
    twins = [label for label in parsed.numbers if folded.count(label.lower()) > 1]
    if twins:
        raise _refused(where, text, ["numbers", twins[-1]], "the label is given twice, but for its case")
    if len(numbers) < 2:
        raise _refused(where, text, ["numbers"], "at least two labels are needed")
    if parsed.label_set in label_set_names() and set(parsed.numbers) != set(label_set(parsed.label_set).labels):
        odd = set(parsed.numbers) ^ set(label_set(parsed.label_set).labels)
        raise _refused(where, text, ["numbers"], f"labels differ from the set {parsed.label_set}: {sorted(odd)}")
    if len(set(parsed.speakers.names)) != len(parsed.speakers.names):
        raise _refused(where, text, ["speakers", "names"], "a name is given twice")
    if parsed.turns.min > parsed.turns.max:
        raise _refused(where, text, ["turns", "min"], "min is above max")
    _check_drawing(parsed, where, text)
    for key, allowed in PLACEHOLDERS.items():
        try:
            used = {name for _, name, _, _ in string.Formatter().parse(getattr(parsed.prompt, key)) if name is not None}
        except ValueError as error:
            raise _refused(where, text, ["prompt", key], str(error)) from error
        if not used <= allowed:
            names = ", ".join(f"{{{name}}}" for name in sorted(used - allowed))
            raise _refused(where, text, ["prompt", key], f"unknown placeholder {names}")
    if parsed.kind == "balanced" and "{emotion}" not in parsed.prompt.balanced_ending:
        raise _refused(where, text, ["prompt", "balanced_ending"], "a balanced recipe names {emotion} there")


def _check_drawing(parsed: _RecipeFile, where: str, text: str) -> None:
    """Options of small models: each has what it needs, and none is given in vain."""
    structure, cast, topics = parsed.prompt.structure, parsed.drawn.cast, parsed.drawn.topics
    number, utterance = (structure.find(f"{{{name}}}") for name in ("number", "utterance"))
    if parsed.order == "label-first" and "{line}" not in structure and not 0 <= number < utterance:
        raise _refused(where, text, ["prompt", "structure"], "order = label-first names {number} before {utterance}")
    if len(set(topics)) < len(topics):
        raise _refused(where, text, ["drawn", "topics"], "a topic is given twice")
    if cast and not cast[0] <= cast[1] <= len(parsed.speakers.names):
        raise _refused(where, text, ["drawn", "cast"], f"least and most of the {len(parsed.speakers.names)} names")
    for wanted, key in ((bool(topics), "topic"), (parsed.plan == "transitions", "plan")):
        if wanted and f"{{{key}}}" not in getattr(parsed.prompt, key):
            raise _refused(where, text, ["prompt", key], f"a sentence with {{{key}}} is missing")
    if parsed.plan == "free" and parsed.transitions:
        raise _refused(where, text, ["transitions"], 'the table is of no use without plan = "transitions"')
    if parsed.plan == "transitions" and not parsed.transitions and benchmark_table(parsed.label_set) is None:
        raise _refused(where, text, ["plan"], f"there is no table of {parsed.label_set}: give [transitions.start] ...")
    _check_table(parsed, where, text)


def _check_table(parsed: _RecipeFile, where: str, text: str) -> None:
    """One row per label and one to begin with, each of known labels and some weight."""
    rows = parsed.transitions
    if rows and set(rows) != {START, *parsed.numbers}:
        odd = sorted(set(rows) ^ {START, *parsed.numbers})
        raise _refused(where, text, ["transitions"], f"rows differ from {START} and the labels: {odd}")
    for name, row in rows.items():
        if unknown := sorted(set(row) - set(parsed.numbers)):
            raise _refused(where, text, ["transitions", name], f"unknown label {unknown[0]}")
        if sum(row.values()) <= 0:
            raise _refused(where, text, ["transitions", name], "no label has a weight above 0")


@dataclass(frozen=True, slots=True)
class Profile:
    """A model: identity, prompt template, licence of its outputs, embedded weights if any.

    Attributes:
        recipes: Style of the recipes that it is asked with: ``paper`` or ``small``.
    """

    name: str
    id: str
    template: str
    licence: dict[str, str]
    context: int = 4096
    embedded: bool = False
    few_shot: int = 0
    constrain: bool = False
    recipes: str = "paper"
    sampling: dict[str, float] = field(default_factory=dict)
    wheel: list[str] = field(default_factory=list)
    install: str = ""
    hub: list[str] = field(default_factory=list)
    sha256: str = ""

    def serves(self, served: str) -> bool:
        """True when a server's name for its model (an id, or the path of a GGUF file) is this model."""
        own = self.id.rsplit("/", 1)[-1].lower()
        return bool(own) and (not served or own in _file_name(served).lower())

    def generator(self, served: str) -> str:
        """Who wrote the text: this model's id, or what the server says when that is another (`--any-model`)."""
        return self.id if self.serves(served) else _file_name(served)


def _file_name(served: str) -> str:
    """A GGUF file without its folders, which say something of the machine and nothing of the model."""
    return served.replace("\\", "/").rsplit("/", 1)[-1] if served.lower().endswith(".gguf") else served


def checked_sampling(sampling: dict[str, float], where: str) -> dict[str, float]:
    """Sampling parameters within the bounds that hold for recipes.

    Raises:
        ErcSynthError: A value is out of bounds; names it.
    """
    try:
        return _Sampling.model_validate(sampling).model_dump()
    except ValidationError as error:
        problem = error.errors()[0]
        raise ErcSynthError(f"{where}: {problem['loc'][0]} = {problem['input']}: {problem['msg']}.") from error


@cache
def _profiles() -> dict[str, Any]:
    return tomllib.loads(files("erc_synth.generation").joinpath("data", "profiles.toml").read_text("utf-8"))


def load_profile(name: str) -> Profile:
    """Model profile of `data/profiles.toml`."""
    if name not in _profiles():
        raise ErcSynthError(f"Unknown model profile {name!r}.", hint=f"Known: {', '.join(_profiles())}.")
    return Profile(name=name, **_profiles()[name])
