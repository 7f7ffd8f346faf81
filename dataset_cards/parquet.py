"""Curated dialogues to the data files of a dataset repo: Parquet, one folder per config.

Input: `curated/<config>.jsonl` (contract in CONTRIBUTING.md). Output:
`<config>/<split>-00000-of-00001.parquet` with the features in the Arrow schema, and the figures that
the card's `dataset_info` needs. Memory stays flat: rows are streamed in groups.
Not covered: reading curated files (`loaders.curated`), the card, the Hub.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from erc_synth.loaders.curated import curated_dialogues
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import SPLITS, Dialogue, LabelSet, Row, features, utterance_rows

ROW_GROUP = 20_000
SHARD_BYTES = 500_000_000  # the Hub's advice for one file


@dataclass(frozen=True, slots=True)
class SplitData:
    """One written split: file names relative to the repo folder, rows, bytes in memory."""

    files: tuple[str, ...]
    rows: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class ConfigData:
    """One written config; `labels` are its ClassLabel names in order."""

    name: str
    labels: tuple[str, ...]
    splits: dict[str, SplitData]
    download_size: int


def write_config(curated: Path, labels: LabelSet, out: Path, *, shard_bytes: int = SHARD_BYTES) -> ConfigData:
    """Write one config's Parquet files below `out`; the config's name is the file's stem.

    A file ends before `shard_bytes` (its footer of a few KB is not counted), unless one group of rows is larger.

    Raises:
        ErcSynthError: A line that is no curated dialogue, an unknown label, a dialogue twice, or an empty split.
    """
    folder = out / curated.stem
    folder.mkdir(parents=True)
    writers = {split: _SplitWriter(folder, split, labels, shard_bytes) for split in SPLITS}
    seen: dict[str, str] = {}
    for split, dialogue in curated_dialogues(curated, labels):
        if dialogue.dialogue_id in seen:
            raise ErcSynthError(
                f"{curated}: dialogue {dialogue.dialogue_id!r} is there twice "
                f"({seen[dialogue.dialogue_id]} and {split}).",
                hint="Run `erc-synth curate` again.",
            )
        seen[dialogue.dialogue_id] = split
        writers[split].add(dialogue)
    splits = {split: writer.close() for split, writer in writers.items()}
    if empty := [split for split, data in splits.items() if data.rows == 0]:
        raise ErcSynthError(
            f"The {empty[0]} split of {curated.stem} is empty.",
            hint="Generate more dialogues, or undo some drops with `erc-synth curate --keep REASON`.",
        )
    size = sum((out / file).stat().st_size for data in splits.values() for file in data.files)
    return ConfigData(curated.stem, labels.labels, splits, size)


def bytes_of(size: str) -> int:
    """Bytes of a size as `datasets` writes it: ``500MB``, ``2GiB`` or a number.

    Raises:
        ErcSynthError: It is no size.
    """
    from datasets.utils.py_utils import convert_file_size_to_int

    try:
        found = int(convert_file_size_to_int(int(size) if size.isdecimal() else size))
    except ValueError:
        found = 0
    if found <= 0:
        raise ErcSynthError(f"{size!r} is no size of a file.", hint="Give it as 500MB, 2GB or a number of bytes.")
    return found


class _SplitWriter:
    """The Parquet files of one split; rows are written in groups, so that memory stays flat."""

    def __init__(self, folder: Path, split: str, labels: LabelSet, shard_bytes: int) -> None:
        self._folder, self._split, self._labels, self._shard_bytes = folder, split, labels, shard_bytes
        self._schema = features(labels, provenance=True).arrow_schema
        self._rows: list[Row] = []
        self._shards: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._total = self._bytes = self._written = self._group = 0  # bytes of the file, and of its last group

    def add(self, dialogue: Dialogue) -> None:
        self._rows += utterance_rows([dialogue], self._labels, provenance=True)
        while len(self._rows) >= ROW_GROUP:
            self._write(self._rows[:ROW_GROUP])
            del self._rows[:ROW_GROUP]

    def close(self) -> SplitData:
        if self._rows:
            self._write(self._rows)
        if self._writer:
            self._writer.close()
        names = []
        for number, path in enumerate(self._shards):
            final = self._folder / f"{self._split}-{number:05d}-of-{len(self._shards):05d}.parquet"
            path.rename(final)
            names.append(f"{self._folder.name}/{final.name}")
        return SplitData(tuple(names), self._total, self._bytes)

    def _write(self, group: list[Row]) -> None:
        if self._writer is None or self._written + self._group > self._shard_bytes:
            self._next_shard()
        table = pa.Table.from_pylist(group, schema=self._schema)
        self._writer.write_table(table)  # type: ignore[union-attr]
        size = self._shards[-1].stat().st_size
        self._written, self._group = size, size - self._written
        self._total += len(group)
        self._bytes += table.nbytes

    def _next_shard(self) -> None:
        if self._writer:
            self._writer.close()
        self._shards.append(self._folder / f"{self._split}-{len(self._shards):05d}.parquet")
        # Fixed options: the same rows give the same bytes, and every reader takes them.
        self._writer = pq.ParquetWriter(self._shards[-1], self._schema, compression="snappy", version="2.6")
        self._written = 0


def yaml_features(labels: LabelSet) -> list[dict[str, object]]:
    """The features as the card's YAML wants them."""
    made: list[dict[str, object]] = features(labels, provenance=True)._to_yaml_list()
    return made
