"""Recipes and model profiles: TOML files to frozen values.

Input: a recipe name (`recipes/<name>.toml`) or a path to a user's own file; a profile name.
Output: `Recipe`, `Profile`. A new label set, cast or language is a new TOML file and no code.
Unknown keys, repeated labels or numbers and unknown placeholders are refused with their line.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from erc_synth.generation.curation.reasons import Limits
from erc_synth.generation.drawing import START, Drawing, Table, benchmark_table
from erc_synth.generation.language import Words
from erc_synth.generation.lines import LineFormat
from erc_synth.generation.recipe_file import CHECKS, RecipeFile, Sampling
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
Example = tuple[tuple[int, str, str], ...]  # place of the speaker in a drawn cast, text and label of each line
FIRST_FORM = {"language": "en", "order": "label-last", "label_words": False}
"""Settings of a line that came after the first release; a recipe that has them all keeps its fingerprint."""
FIRST_WORDS = "ad11cf44047237a5"
"""Hash of the English words of the first release, to the same end."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to ask a model for (paper section 3). `source` is the TOML text it was read from.

    `words` are those of its language or its own; `examples` are its own few-shot dialogues.
    """

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
    words: Words
    examples: tuple[Example, ...]
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
        if not self.examples:
            del shape["examples"]
        if _digest(shape["words"]) == FIRST_WORDS:
            del shape["words"]
        if FIRST_FORM.items() <= shape["format"].items():
            shape["format"] = {key: value for key, value in shape["format"].items() if key not in FIRST_FORM}
        return _digest(shape)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


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
        parsed = RecipeFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ErcSynthError(f"{where}: not valid TOML: {error}.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        keys = [str(part) for part in problem["loc"]]
        raise _refused(where, text, keys, problem["msg"]) from error
    for check in CHECKS:
        for wrong, message in check(parsed):
            raise _refused(where, text, wrong, message)
    return Recipe(
        name=parsed.name,
        label_set=parsed.label_set,
        kind=parsed.kind,
        language=parsed.language,
        dialogues=parsed.dialogues,
        balance=parsed.balance,
        prompt=parsed.prompt.model_dump(exclude_defaults=True)
        | {key: getattr(parsed.prompt, key) for key in ("natural_ending", "balanced_ending")},
        format=parsed.form,
        closed_cast=parsed.speakers.closed,
        sampling=parsed.sampling.model_dump(),
        splits=parsed.splits.model_dump(),
        curation=parsed.curation,
        words=parsed.all_words or Words("", ""),  # none is refused above
        examples=tuple(tuple(example.lines) for example in parsed.examples),
        source=text,
        drawing=Drawing(tuple(parsed.drawn.topics), parsed.drawn.cast, _table(parsed)),
    )


def _table(parsed: RecipeFile) -> Table:
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
        return Sampling.model_validate(sampling).model_dump()
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
