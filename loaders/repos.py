"""Dataset repos, on the Hub or in a folder: loaded by `datasets`, then checked against the schema.

Input: a repo id or folder, a config, how to load (`How`). Output: a `DatasetDict` in the schema of `loaders.schema`.
A folder gives its own rows as they are now, whatever its path is spelled like; a revision gives that revision's
rows, online and offline, or an error. Not covered: benchmarks (`benchmarks.builder`), names (`registry`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import UNLABELLED, label_set_of

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, DatasetBuilder, DatasetDict

TEXT_COLUMNS = ("dialogue_id", "speaker", "text")
COLUMNS = ("dialogue_id", "utterance_id", "speaker", "text", "emotion")
PATTERN_CHARACTERS = frozenset("*?[]{}")
REBUILD = "Build the folder again."


@dataclass(frozen=True, slots=True)
class How:
    """How to load: what `datasets.load_dataset` calls the same; `verify` is full or off."""

    cache_dir: str | None = None
    streaming: bool = False
    download_mode: str | None = None
    verify: str = "full"


def load_repo(name: str, config: str | None, revision: str | None, how: How) -> DatasetDict:
    """All splits of one config.

    Raises:
        ErcSynthError: Not found, not readable, several configs and none named, another revision than the one asked
            for, or rows that do not fit the schema.
    """
    from datasets.exceptions import FileNotFoundDatasetsError

    folder = Path(name).expanduser()
    local = folder.is_dir()
    if local and revision is not None:
        raise ErcSynthError(f"{name} is a folder and has no revisions.", hint="Leave the revision out.")
    if local and not (folder / "README.md").exists() and any(folder.glob("*.curation.json")):
        raise ErcSynthError(
            f"{name} holds curated files and is no repo.",
            hint="Run `erc-synth build`, then name ./dist/erc-synth:CONFIG; `show` and `browse` read curated files.",
        )
    try:
        builder = _folder_builder(folder, config, how) if local else _hub_builder(name, config, revision, how)
        _check_choice(name, config, builder)
        if local:
            _check_files(builder)
        loaded = prepared(builder, how)
    except ErcSynthError:
        raise
    except Exception as error:  # a repo may be broken in any way: datasets, YAML, Arrow and Hub errors of all types
        if local and isinstance(error, FileNotFoundDatasetsError):
            hint = "A repo folder holds README.md and, for each config, Parquet files."
            raise ErcSynthError(f"The folder {name} lacks the data files that its card names.", hint=hint) from error
        raise ErcSynthError(
            f"{name} could not be loaded: {first_line(error)}",
            hint="Check the name, the config, the files, the network and (for a gated repo) the login.",
        ) from error
    if not how.streaming and how.verify == "full":
        check_rows(name, loaded)
    return loaded


def prepared(builder: DatasetBuilder, how: How) -> DatasetDict:
    """The data of a builder, streamed or prepared in the cache."""
    if how.streaming:
        return builder.as_streaming_dataset()
    builder.download_and_prepare(download_mode=how.download_mode)
    return builder.as_dataset()


def first_line(error: BaseException) -> str:
    """What was wrong at the bottom of a chain of errors, in one line of at most 300 characters."""
    while type(error).__module__.startswith("datasets") and error.__cause__ is not None:
        error = error.__cause__
    said = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{said.strip()[:300].rstrip('.')} ({type(error).__name__})." if said else f"{type(error).__name__}."


# --- folders -----------------------------------------------------------------------------------------


def _folder_builder(folder: Path, config: str | None, how: How) -> DatasetBuilder:
    import datasets

    cache = Path(how.cache_dir or datasets.config.HF_DATASETS_CACHE) / f"erc-synth-{_state(folder)}"
    place = folder.resolve()
    if _has_pattern(place):
        place = _plain_view(place, cache / "view")
    return datasets.load_dataset_builder(str(place), config, cache_dir=str(cache), download_mode=how.download_mode)


def _files(folder: Path) -> list[Path]:
    """Files of a repo folder; hidden ones (.git, .cache) are no data."""
    parts = ((path, path.relative_to(folder).parts) for path in folder.rglob("*"))
    return sorted(path for path, names in parts if not any(n.startswith(".") for n in names) and path.is_file())


def _state(folder: Path) -> str:
    """A key for each state of a folder: `datasets` keys its cache by the README alone and would give old rows."""
    state = [(str(p.relative_to(folder)), p.stat().st_size, p.stat().st_mtime_ns) for p in _files(folder)]
    return hashlib.sha256(json.dumps([str(folder.resolve()), state]).encode()).hexdigest()[:16]


def _has_pattern(path: Path) -> bool:
    """True when `datasets` would take the path for a search pattern or a chain of file systems."""
    return bool(PATTERN_CHARACTERS & set(str(path))) or "::" in str(path) or "://" in str(path)


def _plain_view(folder: Path, view: Path) -> Path:
    """The same folder under a plain path: links to its files, so that nothing is taken for a pattern.

    Raises:
        ErcSynthError: A path inside the folder, or the cache's own, has such characters too.
    """
    files = _files(folder)
    odd = next((path for path in [view, *(p.relative_to(folder) for p in files)] if _has_pattern(path)), None)
    if odd is not None:
        raise ErcSynthError(
            f"The path {odd} has characters of a search pattern (* ? [ ] {{ }} ::).",
            hint="Rename it, or move the folder to another path.",
        )
    for path in files:
        link = view / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "README.md":
            shutil.copyfile(path, link)
        elif not link.is_symlink():
            link.symlink_to(path)
    return view


def _check_choice(name: str, config: str | None, builder: DatasetBuilder) -> None:
    """Which of several configs is meant must be said: a default would be taken in silence."""
    names = sorted(builder.builder_configs)
    if config is None and len(names) > 1:
        raise ErcSynthError(
            f"{name} has {len(names)} configs: {', '.join(names)}.", hint=f"Name one: {name}:{names[0]}"
        )


def _check_files(builder: DatasetBuilder) -> None:
    """Every Parquet file of a folder's config is whole and has the columns that the card names."""
    import pyarrow.parquet as pq

    named = builder.info.features
    for paths in (builder.config.data_files or {}).values():
        for path in paths:
            if not str(path).endswith(".parquet"):
                continue
            try:
                columns = pq.read_schema(path).names
            except (OSError, ValueError) as error:  # pyarrow.ArrowInvalid is a ValueError
                raise ErcSynthError(f"{path} is no whole Parquet file: {first_line(error)}", hint=REBUILD) from error
            if named and set(columns) != set(named):
                odd = ", ".join(sorted(set(columns) ^ set(named)))
                raise ErcSynthError(
                    f"{path} and the card (README.md) do not name the same columns: {odd}.", hint=REBUILD
                )


# --- the Hub -----------------------------------------------------------------------------------------


def _hub_builder(name: str, config: str | None, revision: str | None, how: How) -> DatasetBuilder:
    import datasets
    from datasets.packaged_modules.cache.cache import Cache

    builder = datasets.load_dataset_builder(
        name, config, revision=revision, cache_dir=how.cache_dir, download_mode=how.download_mode
    )
    if revision is None or not isinstance(builder, Cache):
        return builder
    # The Hub was out of reach, and `datasets` then takes the latest data it has, whatever was asked for.
    commit = _known_commit(name, revision)
    if builder.hash == commit:
        return builder
    place = Path(builder.cache_dir).with_name(commit or "-")
    if commit is None or not (place / "dataset_info.json").is_file():
        raise ErcSynthError(
            f"The revision {revision} of {name} is not on this machine, and the Hub was not asked or did not answer.",
            hint="Load it once while online, or leave the revision out.",
        )
    return Cache(
        cache_dir=how.cache_dir,
        dataset_name=name.split("/")[-1],
        config_name=builder.config.name,
        version=place.parent.name,
        hash=commit,
        repo_id=name,
    )


def _known_commit(name: str, revision: str) -> str | None:
    """The commit that a tag or branch stood for when it was last fetched; a full commit id stands for itself."""
    from huggingface_hub.constants import HF_HUB_CACHE

    noted = Path(HF_HUB_CACHE) / f"datasets--{name.replace('/', '--')}" / "refs" / revision
    if noted.is_file():
        return noted.read_text("utf-8").strip()
    return revision if len(revision) == 40 else None


# --- rows --------------------------------------------------------------------------------------------


def check_rows(name: str, loaded: DatasetDict) -> None:
    """The schema: columns, labels within their set, contiguous dialogues in order, none twice or in two splits.

    Raises:
        ErcSynthError: It does not hold; names split and what.
    """
    seen: dict[str, str] = {}
    for split, rows in loaded.items():
        _check_columns(f"{name} ({split})", rows)
        for dialogue_id in rows.unique("dialogue_id"):
            if dialogue_id in seen:
                raise ErcSynthError(
                    f"{name}: dialogue {dialogue_id!r} is in both {seen[dialogue_id]} and {split}.",
                    hint="Build the folder again; splits must not share a dialogue.",
                )
            seen[dialogue_id] = str(split)
        _check_table(f"{name} ({split})", rows.with_format(None).data.table, len(label_set_of(rows)))


def _check_columns(where: str, rows: Dataset) -> None:
    from datasets import ClassLabel

    missing = [column for column in COLUMNS if column not in rows.column_names]
    if missing:
        raise ErcSynthError(f"{where} lacks the columns {missing}.", hint="Is it an ERC data set?")
    if not isinstance(rows.features["emotion"], ClassLabel):
        raise ErcSynthError(f"{where}: emotion is no ClassLabel.", hint="Is it an ERC data set?")
    for column in TEXT_COLUMNS:
        if getattr(rows.features[column], "dtype", "") not in ("string", "large_string"):
            raise ErcSynthError(f"{where}: {column} is no text column.", hint=REBUILD)
    if not str(getattr(rows.features["utterance_id"], "dtype", "")).startswith(("int", "uint")):
        raise ErcSynthError(f"{where}: utterance_id is no whole number.", hint=REBUILD)


def _check_table(where: str, table: pa.Table, classes: int) -> None:
    import pyarrow.compute as pc

    for column in (*TEXT_COLUMNS, "utterance_id"):
        if table[column].null_count:
            raise ErcSynthError(f"{where}: {column} is null in {table[column].null_count} rows.", hint=REBUILD)
    lowest, highest = pc.min_max(table["emotion"]).as_py().values() if len(table) else (0, 0)
    if lowest is not None and not UNLABELLED <= lowest <= highest < classes:
        odd = highest if highest >= classes else lowest
        raise ErcSynthError(
            f"{where}: emotion {odd} is no label; expected {UNLABELLED} to {classes - 1}.", hint=REBUILD
        )
    _check_order(where, table)


def _check_order(where: str, table: pa.Table) -> None:
    """Utterance ids run 0, 1, 2, ... inside each dialogue, and each dialogue begins once."""
    import pyarrow.compute as pc

    ids, positions = (table[name].combine_chunks() for name in ("dialogue_id", "utterance_id"))
    first = pc.equal(positions, 0)
    twice = [entry["values"] for entry in pc.value_counts(ids.filter(first)).to_pylist() if entry["counts"] > 1]
    if twice:
        raise ErcSynthError(f"{where}: dialogue {twice[0]!r} is there twice.", hint=REBUILD)
    follows = pc.and_(pc.equal(ids[1:], ids[:-1]), pc.equal(pc.subtract(positions[1:], 1), positions[:-1]))
    right = pc.or_(first[1:], follows)
    if len(ids) and not (first[0].as_py() and pc.all(right, min_count=0).as_py()):
        odd = ids[0] if not first[0].as_py() else ids[pc.index(right, False).as_py() + 1]
        raise ErcSynthError(
            f"{where}: the rows of dialogue {odd.as_py()!r} are not contiguous and in order.",
            hint="Shuffle dialogues, not rows; or build the folder again.",
        )
