"""Names to data: benchmarks, Hub repos, local folders; and the files that wheels ship.

Purpose: `load("meld")`, `load("org/erc-synth", "meld_balanced")`, `load("./dist/erc-synth:meld_balanced")`
give the same thing: a `datasets.DatasetDict` with the features of `loaders.schema`.
Input: a name. Output: data, label maps, fingerprints. Not covered: file formats (`readers`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import UNLABELLED, label_set_of
from erc_synth.loaders.names import benchmark_names, find_data_dir, parse_name
from erc_synth.loaders.schema import features

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


def load(
    name: str,
    config: str | None = None,
    *,
    data_dir: str | Path | None = None,
    variant: str | None = None,
    revision: str | None = None,
    cache_dir: str | None = None,
    streaming: bool = False,
    download_mode: Any = None,
    verify: str = "full",
) -> DatasetDict:
    """Load a data set by name, all three splits, in the one schema.

    Args:
        name: A benchmark (`names.benchmark_names`), a Hub repo id, or a local repo folder; ``path:config`` works too.
        config: Config of a repo, for example ``meld_balanced``.
        data_dir: Folder with benchmark files (see `find_data_dir`).
        variant: Another published form of a benchmark: ``small`` (EmoryNLP), ``official`` (IEMOCAP), ...
        revision: Tag or commit of a Hub repo.
        cache_dir: As for `datasets.load_dataset`.
        streaming: The same; gives an `IterableDatasetDict`.
        download_mode: The same.
        verify: ``off`` skips the checks (counts of benchmarks, disjoint splits of repos).

    Raises:
        ErcSynthError: Unknown name, missing files, wrong counts, a dialogue in two splits.
    """
    if config is None:
        name, config = parse_name(name)
    if verify not in ("full", "off"):
        raise ErcSynthError(f"verify={verify!r} is unknown.", hint='Use "full" or "off".')
    if name in benchmark_names():
        if config is not None:
            raise ErcSynthError(f"{name} has no configs; got {config!r}.", hint="Use variant=... instead.")
        return _load_benchmark(name, data_dir, variant, cache_dir, streaming, download_mode, verify)
    if variant is not None:
        known = ", ".join(benchmark_names())
        raise ErcSynthError(f"variant is for benchmarks; {name!r} is none.", hint=f"They are {known}.")
    return _load_repo(name, config, revision, cache_dir, streaming, download_mode, verify)


def _load_benchmark(
    name: str,
    data_dir: str | Path | None,
    variant: str | None,
    cache_dir: str | None,
    streaming: bool,
    download_mode: Any,
    verify: str,
) -> DatasetDict:
    from datasets.exceptions import DatasetGenerationError

    from erc_synth.loaders.benchmarks.builder import builder
    from erc_synth.loaders.benchmarks.specs import local_files, specs

    spec = specs()[name].variant(variant)
    folder = find_data_dir(name, data_dir)
    if folder is None and data_dir is not None:
        raise ErcSynthError(
            f"{data_dir} has no files of {name}.",
            hint=f"It should hold {', '.join(names[0] for names in spec.files.values())}.",
        )
    if folder is not None and local_files(spec, folder) is None and spec.url:
        folder = None  # another form of the corpus is here; this one is downloaded
    build = builder(spec, folder, verify=verify, cache_dir=cache_dir)
    try:
        if streaming:
            return build.as_streaming_dataset()
        build.download_and_prepare(download_mode=download_mode)
        return build.as_dataset()
    except DatasetGenerationError as error:
        cause = error.__cause__
        raise cause if isinstance(cause, ErcSynthError) else error from None


def _load_repo(
    name: str,
    config: str | None,
    revision: str | None,
    cache_dir: str | None,
    streaming: bool,
    download_mode: Any,
    verify: str,
) -> DatasetDict:
    import datasets

    folder = Path(name).expanduser()
    local = folder.is_dir()
    if not local and (name.count("/") != 1 or name.startswith((".", "/", "~"))):
        raise ErcSynthError(
            f"Unknown data set {name!r}.",
            hint=f"Known: {', '.join(benchmark_names())}, a repo folder that exists, a Hub id like org/name.",
        )
    if local:
        name = str(folder)
        cache_dir = _folder_cache(folder, cache_dir)
    try:
        loaded = datasets.load_dataset(
            name,
            config,
            revision=revision,
            cache_dir=cache_dir,
            streaming=streaming,
            download_mode=download_mode,
        )
    except (ValueError, OSError) as error:  # DatasetNotFoundError and the Hub's errors are OSErrors
        raise ErcSynthError(
            f"{name} could not be loaded: {str(error).splitlines()[0]}",
            hint="Check the name, the config, the network and (for a gated repo) the login.",
        ) from error
    if verify == "full" and not streaming:
        _check_repo(name, loaded)
    return loaded


def _folder_cache(folder: Path, cache_dir: str | None) -> str:
    """A cache of its own for each state of a local folder.

    `datasets` keys its cache by the README alone: changed Parquet files would give the old rows.
    """
    import datasets

    state = [(str(p.relative_to(folder)), p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*.parquet")]
    key = hashlib.sha256(json.dumps([str(folder.resolve()), sorted(state)]).encode()).hexdigest()[:16]
    return str(Path(cache_dir or datasets.config.HF_DATASETS_CACHE) / f"erc-synth-{key}")


def _check_repo(name: str, loaded: DatasetDict) -> None:
    """Schema of a loaded repo, labels within their set, and that no dialogue stands twice."""
    seen: dict[str, str] = {}
    for split, rows in loaded.items():
        missing = [column for column in features(label_set_of(rows)) if column not in rows.column_names]
        if missing:
            raise ErcSynthError(f"{name} ({split}) lacks the columns {missing}.", hint="Is it an ERC data set?")
        for dialogue_id in rows.unique("dialogue_id"):
            if dialogue_id in seen:
                raise ErcSynthError(
                    f"{name}: dialogue {dialogue_id!r} is in both {seen[dialogue_id]} and {split}.",
                    hint="Build the folder again; splits must not share a dialogue.",
                )
            seen[dialogue_id] = str(split)
        _check_rows(f"{name} ({split})", rows)


def _check_rows(where: str, rows: Dataset) -> None:
    """Labels are indices of the label set or -1; each dialogue begins once."""
    import pyarrow.compute as pc

    table, labels = rows.with_format(None).data.table, label_set_of(rows)
    lowest, highest = pc.min_max(table["emotion"]).as_py().values() if len(table) else (0, 0)
    if lowest is not None and not UNLABELLED <= lowest <= highest < len(labels):
        odd = highest if highest >= len(labels) else lowest
        raise ErcSynthError(
            f"{where}: emotion {odd} is no label; expected {UNLABELLED} to {len(labels) - 1}.",
            hint="Build the folder again.",
        )
    begins = pc.value_counts(table["dialogue_id"].filter(pc.equal(table["utterance_id"], 0)))
    twice = begins.field("values").filter(pc.greater(begins.field("counts"), 1))
    if len(twice):
        raise ErcSynthError(f"{where}: dialogue {twice[0].as_py()!r} is there twice.", hint="Build the folder again.")


def fingerprint(dataset: Dataset) -> str:
    """Hash of the rows and the label order of one split; independent of paths and cache."""
    digest = hashlib.sha256(json.dumps(list(label_set_of(dataset).labels)).encode())
    for column in ("dialogue_id", "utterance_id", "speaker", "text", "emotion"):
        for start in range(0, len(dataset), 10_000):
            values = dataset.with_format(None)[start : start + 10_000][column]
            digest.update(json.dumps(values).encode())
    return digest.hexdigest()[:16]
