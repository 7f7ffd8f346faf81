"""Check a dataset repo folder before anything reaches the Hub.

Input: a folder. Output: a list of problems, empty when it may be published. Catches the traps that
the Hub accepts silently: label order in YAML against Parquet, wrong counts, two defaults, patterns
without files, names and versions that nobody can load, a loading script, files that the build did not write,
placeholders. Whatever is wrong with a folder is a problem, never another error. Not covered: the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

import yaml
from pydantic import BaseModel, ValidationError, field_validator

from erc_synth.dataset_cards.folder import files_below, read_marker
from erc_synth.dataset_cards.licences import HUB_LICENCES
from erc_synth.loaders.errors import ErcSynthError

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Features

MAX_FILE = 5 * 1024**3
MAX_CARD = 1_000_000
PLACEHOLDER = re.compile(r"\[More Information Needed\]|\{\{|\{%|TODO|Undefined")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)
CONFIG = re.compile(r"[a-z0-9][a-z0-9_-]*")
DEVICES = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")  # no file of Windows can have such a name
HEADER = re.compile(r"---\n(.*?)^---(?:\n|$)", re.DOTALL | re.MULTILINE)
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"")
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))


class _DataFile(BaseModel):
    split: str
    path: str


class _Config(BaseModel):
    config_name: str
    data_files: list[_DataFile]
    default: bool = False
    version: str | None = None


class _Split(BaseModel):
    name: str
    num_examples: int


class _Info(BaseModel):
    config_name: str
    features: list[dict[str, object]]
    splits: list[_Split]


class _Header(BaseModel):
    """What we need of a card's YAML; other keys are free."""

    license: str
    license_name: str | None = None
    size_categories: list[str] = []
    configs: list[_Config] = []
    dataset_info: list[_Info] = []

    @field_validator("dataset_info", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value


def size_category(rows: int) -> str:
    """The Hub's name for a number of rows."""
    return next((name for most, name in SIZES if rows < most), "10M<n<100M")


class CardConfig(TypedDict):
    """One config in the YAML of a card."""

    config_name: str
    version: NotRequired[str]


class FrontMatter(TypedDict, total=False):
    """The YAML header of a card, as far as others than its check read it."""

    license: str
    pretty_name: str
    configs: list[CardConfig]
    dataset_info: list[dict[str, object]]


def yaml_of(content: Mapping[str, object]) -> str:
    """YAML that gives the same content back; letters of all scripts stay readable where they can."""
    written: str = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    if yaml.safe_load(written) != content:  # U+0085 and its kin are line ends to YAML unless they are escaped
        written = yaml.safe_dump(dict(content), sort_keys=False)
    return written


def text_of(header: Mapping[str, object], page: str) -> str:
    """A card: its YAML between two lines of three dashes, then the page."""
    return f"---\n{yaml_of(header)}---\n{page}"


def parts_of(text: str) -> tuple[str, str]:
    """YAML and page of a card; no YAML when it has none. Dashes at the end of a longer line do not end the YAML."""
    found = HEADER.match(text)
    return (found[1], text[found.end() :]) if found else ("", text)


def front_matter_of(card: Path) -> FrontMatter:
    """Parsed YAML header of a card; empty when there is none."""
    text = card.read_text("utf-8") if card.exists() else ""
    header, _ = parts_of(text)
    loaded = yaml.safe_load(header)
    return cast(FrontMatter, loaded) if isinstance(loaded, dict) else {}


def problems(folder: Path) -> list[str]:
    """Everything that is wrong with a repo folder, one sentence each."""
    if not folder.is_dir():
        return [f"{folder} is not a folder."]
    card = folder / "README.md"
    if not card.is_file():
        return [f"{card} is missing."]
    try:
        header = front_matter_of(card)
        if not header:
            return [f"{card} has no YAML header."]
        known = _Header.model_validate(header)
    except ValidationError as error:
        return [f"{card}: {'.'.join(map(str, e['loc']))}: {e['msg'].lower()}." for e in error.errors()]
    except UnicodeDecodeError:
        return [f"{card}: the text is not UTF-8."]
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        return [f"{card}: the YAML header cannot be read: {' '.join(str(error).split())}."]
    return [*_card(card, known), *_files(folder, known), *_configs(folder, known)]


def _card(card: Path, header: _Header) -> Iterator[str]:
    text = card.read_text("utf-8")
    page = re.sub(r"^ {4}.*$", "", parts_of(text)[1], flags=re.MULTILINE)
    if match := PLACEHOLDER.search(re.sub(r"<details>.*?</details>", "", page, flags=re.DOTALL)):  # samples are data
        yield f"{card} still holds the placeholder {match[0]!r}."
    if len(text) > MAX_CARD:
        yield f"{card} is {len(text):,} characters long; the Hub takes {MAX_CARD:,}."
    if header.license not in HUB_LICENCES:
        yield f"{card}: the licence {header.license!r} is not one the Hub knows."
    if header.license == "other" and not header.license_name:
        yield f"{card}: licence 'other' needs license_name."
    for found in IMAGE.finditer(page):
        name = found[1] or found[2]
        if "://" not in name and not (_inside(name) and (card.parent / name).is_file()):
            yield f"{card} shows the figure {name}, which is not in the folder."
    rows = sum(split.num_examples for info in header.dataset_info for split in info.splits)
    if header.size_categories and header.size_categories != [size_category(rows)]:
        yield f"{card}: size_categories says {header.size_categories}, {rows:,} rows are {size_category(rows)}."


def _inside(name: str) -> bool:
    """True for a path or pattern that stays in the folder."""
    path = PurePosixPath(name)
    return (
        bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name
    )


def _files(folder: Path, header: _Header) -> Iterator[str]:
    try:
        marker = read_marker(folder)
    except ErcSynthError as error:
        yield str(error)
        return
    built = set(marker["files"]) if marker else _named(folder, header)
    for name in files_below(folder):
        path = folder / name
        if any(part.startswith(".") for part in Path(name).parts):
            continue  # hidden files stay here
        if path.suffix == ".py":
            yield f"{path} would be taken for a loading script; `datasets` refuses such repos."
        elif path.suffix in (".json", ".jsonl", ".csv", ".arrow"):
            yield f"{path}: one repo holds one data format; this one is Parquet."
        elif path.is_symlink():
            yield f"{path} is a link: what it points at is not ours to publish."
        elif name not in built:
            yield f"{path} was not written by the build: move it out of the folder."
        elif path.stat().st_size > MAX_FILE:
            yield f"{path} is larger than {MAX_FILE:,} bytes."
    if marker:
        yield from (f"{folder / name} is missing." for name in sorted(built) if not (folder / name).is_file())


def _named(folder: Path, header: _Header) -> set[str]:
    """Files that the card of a folder without a marker names."""
    patterns = [file.path for config in header.configs for file in config.data_files if _inside(file.path)]
    found = {
        path
        for pattern in [*patterns, "figures/*.svg", "recipes/*.toml", "recipes/*.manifest.yaml"]
        for path in _matches(folder, pattern)
    }
    return {"README.md", *(path.relative_to(folder).as_posix() for path in found)}


def config_fault(name: str) -> str | None:
    """Why a config of this name cannot be loaded from the Hub everywhere; ``None`` when it can."""
    if not CONFIG.fullmatch(name):
        return f"The config name {name!r} cannot be loaded from the Hub: use a-z, 0-9, _ and -."
    if DEVICES.fullmatch(name):
        return f"The config name {name!r} is a device on Windows: nobody could load it there."
    return None


def _matches(folder: Path, pattern: str) -> list[Path]:
    """Files that a pattern finds; none for what is no pattern."""
    try:
        return sorted(file for file in folder.glob(pattern) if file.is_file())
    except (ValueError, IndexError, NotImplementedError, OSError):  # as for "a**b"
        return []


def _configs(folder: Path, header: _Header) -> Iterator[str]:
    infos = {info.config_name: info for info in header.dataset_info}
    if not header.configs:
        yield "The card names no configs: all data would merge into one."
    if sum(config.default for config in header.configs) != 1:
        yield "Exactly one config must be the default."
    for config in header.configs:
        name = config.config_name
        if fault := config_fault(name):
            yield fault
        if config.version is not None and not VERSION.fullmatch(config.version):
            yield f"{name}: the version {config.version!r} cannot be loaded: use three numbers, as 1.0.0."
        if name not in infos:
            yield f"{name}: dataset_info is missing."
            continue
        yield from _splits(folder, config, infos[name])


def _splits(folder: Path, config: _Config, info: _Info) -> Iterator[str]:
    from datasets import Features

    name = config.config_name
    try:
        features = Features._from_yaml_list(info.features)
    except Exception as error:  # whatever datasets finds wrong with them
        yield f"{name}: the features of the card cannot be read ({type(error).__name__})."
        return
    counts = {split.name: split.num_examples for split in info.splits}
    patterns = {entry.split: entry.path for entry in config.data_files}
    if set(counts) != set(patterns):
        yield f"{name}: configs and dataset_info name different splits."
    seen: dict[str, str] = {}
    for split, pattern in patterns.items():
        if not _inside(pattern):
            yield f"{name}: the pattern {pattern!r} leaves the folder."
        elif not (files := _matches(folder, pattern)):
            yield f"{name}: the pattern {pattern!r} matches no file."
        else:
            tables = [_table(file) for file in files]
            yield from (table for table in tables if isinstance(table, str))
            whole = [table for table in tables if isinstance(table, _Table)]
            yield from _rows(f"{name}: the {split} split", whole, features, counts.get(split))
            yield from _shared(name, split, whole, seen)


@dataclass(frozen=True, slots=True)
class _Table:
    """Number of rows, schema and dialogue ids of one file."""

    file: Path
    rows: int
    schema: pa.Schema
    ids: list[str]


def _table(file: Path) -> _Table | str:
    """What must be known of a Parquet file; a sentence when it is none."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            schema = opened.schema_arrow
            known = "dialogue_id" in schema.names
            ids = opened.read(["dialogue_id"])["dialogue_id"].unique().to_pylist() if known else []
            return _Table(file, opened.metadata.num_rows, schema, ids)
    except (OSError, ValueError) as error:  # pyarrow.ArrowInvalid is a ValueError
        return f"{file} is no whole Parquet file ({' '.join(str(error).split())[:200]})."


def _rows(where: str, tables: Sequence[_Table], features: Features, wanted: int | None) -> Iterator[str]:
    from datasets import Features

    for table in tables:
        if Features.from_arrow_schema(table.schema) != features:
            yield f"{table.file}: the features differ from the card's (label names or order, or columns)."
    rows = sum(table.rows for table in tables)
    if rows != wanted:
        yield f"{where} has {rows} rows, the card says {wanted}."


def _shared(name: str, split: str, tables: Sequence[_Table], seen: dict[str, str]) -> Iterator[str]:
    """Dialogues that stand in two splits."""
    for dialogue_id in (key for table in tables for key in table.ids):
        if seen.setdefault(dialogue_id, split) != split:
            yield f"{name}: dialogue {dialogue_id!r} is in both {seen[dialogue_id]} and {split}."
