"""Names to data: benchmarks, Hub repos, local folders.

Purpose: `load("meld")`, `load("org/erc-synth", "meld_balanced")`, `load("./dist/erc-synth:meld_balanced")`
give the same thing: a `datasets.DatasetDict` with the features of `loaders.schema`.
Input: a name. Output: data, fingerprints. Not covered: what a name means (`names`), how a repo or a benchmark
is read (`repos`, `benchmarks.builder`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import label_set_of
from erc_synth.loaders.names import benchmark_names, find_data_dir, parse_name
from erc_synth.loaders.repos import How, first_line, load_repo, prepared

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


class HowToLoad(TypedDict, total=False):
    """Further keywords of `load` (see `repos.How`)."""

    cache_dir: str | None
    streaming: bool
    download_mode: str | None
    verify: str


def load(
    name: str,
    config: str | None = None,
    *,
    data_dir: str | Path | None = None,
    variant: str | None = None,
    revision: str | None = None,
    **how: Unpack[HowToLoad],
) -> DatasetDict:
    """Load a data set by name, all three splits, in the one schema.

    Args:
        name: A benchmark (`names.benchmark_names`), a local repo folder, or a Hub repo id; ``path:config`` works too.
        config: Config of a repo, for example ``meld_balanced``; must be given when there are several.
        data_dir: Folder with benchmark files (see `names.find_data_dir`).
        variant: Another published form of a benchmark: ``small`` (EmoryNLP), ``official`` (IEMOCAP), ...
        revision: Tag or commit of a Hub repo; offline it must be on this machine.
        how: ``cache_dir``, ``streaming`` (gives an `IterableDatasetDict`) and ``download_mode`` as for
            `datasets.load_dataset`; ``verify="off"`` skips the checks (counts and files of benchmarks, rows of repos).

    Raises:
        ErcSynthError: Unknown name, missing or damaged files, wrong counts, rows that do not fit the schema.
    """
    ways = How(**how)
    if config is None:
        name, config = parse_name(name)
    if ways.verify not in ("full", "off"):
        raise ErcSynthError(f"verify={ways.verify!r} is unknown.", hint='Use "full" or "off".')
    known = ", ".join(benchmark_names())
    if name in benchmark_names():
        if config is not None:
            raise ErcSynthError(f"{name} has no configs; got {config!r}.", hint="Use variant=... instead.")
        if revision is not None:
            raise ErcSynthError(f"{name} is a benchmark and has no revisions.", hint="Leave the revision out.")
        return _load_benchmark(name, data_dir, variant, ways)
    if variant is not None:
        raise ErcSynthError(f"variant is for benchmarks; {name!r} is none.", hint=f"They are {known}.")
    if not Path(name).expanduser().is_dir() and (name.count("/") != 1 or name.startswith((".", "/", "~"))):
        hint = f"Known: {known}, a repo folder that exists, a Hub id like org/name."
        raise ErcSynthError(f"Unknown data set {name!r}.", hint=hint)
    return load_repo(name, config, revision, ways)


def _load_benchmark(name: str, data_dir: str | Path | None, variant: str | None, how: How) -> DatasetDict:
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
    build = builder(spec, folder, verify=how.verify, cache_dir=how.cache_dir)
    try:
        return prepared(build, how)
    except DatasetGenerationError as error:
        if isinstance(error.__cause__, ErcSynthError):
            raise error.__cause__ from None
        raise ErcSynthError(
            f"The rows of {name} could not be put into the cache: {first_line(error)}",
            hint="Is there room in $HF_HOME? Another reason is a mistake in the reader.",
        ) from error


def fingerprint(dataset: Dataset) -> str:
    """Hash of the rows and the label order of one split; independent of paths and cache."""
    digest = hashlib.sha256(json.dumps(list(label_set_of(dataset).labels)).encode())
    for column in ("dialogue_id", "utterance_id", "speaker", "text", "emotion"):
        alone = dataset.with_format(None).select_columns([column])
        for start in range(0, len(alone), 10_000):
            values = alone[start : start + 10_000][column]
            digest.update(json.dumps(values).encode())
    return digest.hexdigest()[:16]
