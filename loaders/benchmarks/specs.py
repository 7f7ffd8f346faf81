"""The list of benchmark corpora: ours in `benchmarks.toml`, a user's in the file that $ERC_BENCHMARKS names.

Input: both TOML files. Output: one `DatasetSpec` each, in file order.
A user's file has the same form; an entry may carry its own label set (`labels`, `sentiment`). It is named by
an environment variable, so that trainings in other processes know its corpora too.
Not covered: finding and reading the files of a corpus (`names`, `readers`, `builder`).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from erc_synth.loaders.errors import ErcSynthError

USER_FILE = "ERC_BENCHMARKS"


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """One corpus.

    Attributes:
        reader: Format of its files, a name in `readers.READERS`.
        label_set: A set of `labels.toml`, or the name of the entry's own `labels`.
        folder: Its folder below the data folder; in a user's file also below that file's folder.
        files: Split -> accepted file names in its folder, best first.
        counts: Split -> {"dialogues": n, "labels": [n, ...] in label order or "utterances": n}.
        url: Folder address of the official download; empty when the corpus is had by application.
        apply: How to get it when there is no address.
        options: What its reader may be told.
        variants: Other published forms: what differs in each.
        labels: Label names of its own label set, in index order.
        sentiment: ``positive``, ``negative``, ``neutral`` -> labels of its own set.
        tables: True when its column belongs into the tables of a report, as those of the paper do.
        holds: Pattern that its folder must match, for a corpus whose files are a whole folder.
        sha256: File name (without folder) -> SHA-256 of the published file, where we could read it.
    """

    name: str
    reader: str
    label_set: str
    folder: str
    files: Mapping[str, list[str]]
    licence: str
    citation: str
    counts: Mapping[str, Mapping[str, int | list[int]]] = field(default_factory=dict)
    url: str = ""
    apply: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    sentiment: Mapping[str, list[str]] = field(default_factory=dict)
    tables: bool = False
    holds: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)

    def variant(self, name: str | None) -> DatasetSpec:
        """The corpus in another published form (`small`, `official`, `9way`, ...)."""
        if name is None:
            return self
        if name not in self.variants:
            raise ErcSynthError(
                f"{self.name} has no variant {name!r}.", hint=f"Known: {', '.join(self.variants) or 'none'}."
            )
        return replace(self, **self.variants[name])


_added: dict[str, DatasetSpec] = {}  # by `builder.register`, in this process


def specs() -> dict[str, DatasetSpec]:
    """All corpora by name: ours, then the user's, then those added in this process.

    Raises:
        ErcSynthError: The user's file is unreadable or an entry is incomplete; names what is missing.
    """
    path = os.environ.get(USER_FILE)
    return {**_ours(), **(_users(Path(path), _stamp(Path(path))) if path else {}), **_added}


def add_spec(spec: DatasetSpec) -> None:
    """Make a corpus known in this process (see `builder.register`)."""
    _added[spec.name] = spec


def remove_spec(name: str) -> None:
    """Take back what `add_spec` did."""
    _added.pop(name, None)


@cache
def _ours() -> dict[str, DatasetSpec]:
    text = files("erc_synth.loaders.benchmarks").joinpath("benchmarks.toml").read_text("utf-8")
    return {name: DatasetSpec(name=name, **entry) for name, entry in tomllib.loads(text).items()}


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file is edited: an edited file is read again."""
    try:
        state = path.stat()
    except OSError as error:
        raise ErcSynthError(f"${USER_FILE} names {path}, which is not there.", hint="Mend or unset it.") from error
    return state.st_mtime_ns, state.st_size


@cache
def _users(path: Path, stamp: tuple[int, int]) -> dict[str, DatasetSpec]:
    try:
        entries = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ErcSynthError(f"{path} is not readable TOML: {error}.", hint="benchmarks.toml shows the form.") from error
    found = {name: _checked(path, name, entry) for name, entry in entries.items()}
    for name, spec in found.items():
        if name in _ours():
            raise ErcSynthError(f"{path}: {name} is a corpus of ours.", hint="Give yours another name.")
        if twin := next((s.name for s in found.values() if s is not spec and s.labels and _same_set(s, spec)), ""):
            raise ErcSynthError(
                f"{path}: {name} and {twin} give the label set {spec.label_set!r} different labels.",
                hint="Give the two sets different names (label_set).",
            )
    return found


def _same_set(first: DatasetSpec, second: DatasetSpec) -> bool:
    return first.label_set == second.label_set and bool(second.labels) and first.labels != second.labels


def _checked(path: Path, name: str, entry: object) -> DatasetSpec:
    """One entry of a user's file and its variants; every missing or unknown key is named."""
    if not isinstance(entry, dict):
        raise _incomplete(path, name, "it must be a table")
    defaults = {"label_set": name, "folder": name, "licence": "not stated", "citation": "not stated"}
    spec = _read(path, name, {**defaults, **entry})
    for variant, changes in spec.variants.items():
        _read(path, f"{name}.variants.{variant}", {**defaults, **entry, **changes})
    beside = path.resolve().parent / spec.folder
    return replace(spec, folder=str(beside)) if beside.is_dir() else spec


def _incomplete(path: Path, name: str, why: str) -> ErcSynthError:
    return ErcSynthError(f"{path}: the corpus {name!r} is not complete: {why}.", hint="benchmarks.toml shows the form.")


def _read(path: Path, name: str, entry: Mapping[str, object]) -> DatasetSpec:
    from pydantic import TypeAdapter, ValidationError

    if unknown := [key for key in entry if key == "name" or key not in DatasetSpec.__dataclass_fields__]:
        raise _incomplete(path, name, f"unknown {', '.join(unknown)}")
    try:
        spec = TypeAdapter(DatasetSpec).validate_python({**entry, "name": name})
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors())
        raise _incomplete(path, name, "; ".join(lines)) from error
    if why := "; ".join(_faults(spec)):
        raise _incomplete(path, name, why)
    return spec


def _faults(spec: DatasetSpec) -> Iterator[str]:
    """What an entry of the right types still gets wrong."""
    if lacking := [split for split in ("train", "validation", "test") if not spec.files.get(split)]:
        yield f"files lacks {', '.join(lacking)}"
    if spec.labels and (len(spec.labels) < 2 or len(set(spec.labels)) < len(spec.labels) or not all(spec.labels)):
        yield "labels must be two or more different names"
    if odd := {label for group in spec.sentiment.values() for label in group} - set(spec.labels):
        yield f"sentiment names {', '.join(sorted(odd))}, no label of it"
    if odd := set(spec.sentiment) - {"positive", "negative", "neutral"}:
        yield f"sentiment has positive, negative and neutral, not {', '.join(sorted(odd))}"
    for split, numbers in spec.counts.items():
        if odd := (set(numbers) - {"dialogues", "utterances", "labels"}) or {split} - set(spec.files):
            yield f"counts knows dialogues, utterances and labels of a split, not {', '.join(sorted(odd))}"


def local_files(spec: DatasetSpec, folder: Path) -> dict[str, Path] | None:
    """Split -> file of a corpus in a folder; `None` when one split is absent."""
    if spec.holds and not any(folder.glob(spec.holds)):
        return None
    found = {}
    for split in spec.files:
        names = [folder / name for name in spec.files[split] if (folder / name).exists()]
        if not names:
            return None
        found[split] = names[0]
    return found
