"""What a data set is called, and where the files of a benchmark are.

Input: names as users write them (``meld``, ``org/repo:config``, ``./folder:config``), ``$ERC_DATA``.
Output: the names of all benchmarks, path and config of a repo, the folder of a benchmark.
Not covered: loading (`registry`), the entries themselves (`benchmarks.specs`).
"""

from __future__ import annotations

import os
from pathlib import Path

from erc_synth.loaders.benchmarks.specs import local_files, specs
from erc_synth.loaders.errors import ErcSynthError

DEVELOPER_DATA = Path("..") / "shared" / "data"


def benchmark_names() -> tuple[str, ...]:
    """All corpora of `benchmarks.toml` and of the user's file, in file order."""
    return tuple(specs())


def table_benchmarks() -> tuple[str, ...]:
    """Those with a column in the tables (``tables = true``): the paper's in its order, then a user's."""
    return tuple(name for name, spec in specs().items() if spec.tables)


def how_to_get(name: str) -> str:
    """One line: how the files of a benchmark come to this machine."""
    spec = specs()[name]
    return "Downloaded on first use, or give its folder with --data-dir or $ERC_DATA." if spec.url else spec.apply


def parse_name(name: str) -> tuple[str, str | None]:
    """Split ``path:config``: ``org/erc-synth:meld_balanced`` -> ``("org/erc-synth", "meld_balanced")``."""
    path, colon, config = name.rpartition(":")
    if not colon or "/" in config or "\\" in config:  # "C:\\data" is a path
        return name, None
    return path, config or None


def find_data_dir(benchmark: str, data_dir: str | Path | None = None) -> Path | None:
    """Folder that holds the files of a benchmark, or ``None`` when the place named for them has none.

    The place is `data_dir`, else ``$ERC_DATA``, else ``../shared/data``: the first that is named decides, so
    that a wrong `data_dir` never loads other files. It may be the corpus folder itself or its parent.

    Raises:
        ErcSynthError: `data_dir` or ``$ERC_DATA`` is no folder.
    """
    place, said = _place(data_dir)
    if said and not place.is_dir():
        raise ErcSynthError(f"{said} {place} is not a folder.", hint="Give the folder that holds the benchmark files.")
    spec = specs()[benchmark]
    forms = [spec, *(spec.variant(name) for name in spec.variants)]
    for folder in (place / spec.folder, place):
        if folder.is_dir() and any(local_files(form, folder) for form in forms):
            return folder
    return None


def _place(data_dir: str | Path | None) -> tuple[Path, str]:
    """Where to look, and who named it."""
    if data_dir:
        return Path(data_dir), "--data-dir"
    if named := os.environ.get("ERC_DATA"):
        return Path(named), "$ERC_DATA"
    return DEVELOPER_DATA, ""
