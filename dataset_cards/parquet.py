"""Curated dialogues to the data files of a dataset repo: Parquet, one folder per config.

Input: `curated/<config>.jsonl` (contract in CONTRIBUTING.md). Output:
`<config>/<split>-00000-of-00001.parquet` with the features in the Arrow schema, and the figures that
the card's `dataset_info` needs. Memory stays flat: rows are streamed in groups.
Not covered: the card (`dataset_cards`), the Hub.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import SPLITS, Dialogue, LabelSet, features, utterance_rows

ROW_GROUP = 20_000
SHARD_ROWS = 5_000_000  # about 400 MB of utterances; below the Hub's advice of 500 MB a file


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


def curated_dialogues(path: Path) -> Iterator[tuple[str, Dialogue]]:
    """(split, dialogue) of each line of a curated file.

    Raises:
        ErcSynthError: A line that is no curated dialogue; names file and line.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                split = record["split"]
                dialogue = Dialogue.from_json(record)
            except (ValueError, KeyError, TypeError) as error:
                raise ErcSynthError(
                    f"{path}, line {number}: not a curated dialogue ({type(error).__name__}: {error}).",
                    hint="Run `erc-synth curate` again.",
                ) from error
            if split not in SPLITS:
                raise ErcSynthError(f"{path}, line {number}: unknown split {split!r}.", hint=f"Known: {SPLITS}.")
            yield split, dialogue


def write_config(curated: Path, labels: LabelSet, out: Path, *, shard_rows: int = SHARD_ROWS) -> ConfigData:
    """Write one config's Parquet files afresh below `out`; the config's name is the file's stem.

    Raises:
        ErcSynthError: An unknown label, a dialogue twice or in two splits, or an empty split.
    """
    folder = out / curated.stem
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    _check_ids(curated)
    splits = {}
    for split in SPLITS:
        mine = (dialogue for where, dialogue in curated_dialogues(curated) if where == split)
        data = _write_split(mine, labels, folder, split, shard_rows)
        if data.rows == 0:
            raise ErcSynthError(
                f"The {split} split of {curated.stem} is empty.",
                hint="Generate more dialogues, or undo some drops with `erc-synth curate --keep REASON`.",
            )
        splits[split] = data
    size = sum((out / file).stat().st_size for data in splits.values() for file in data.files)
    return ConfigData(curated.stem, labels.labels, splits, size)


def _check_ids(curated: Path) -> None:
    seen: dict[str, str] = {}
    for split, dialogue in curated_dialogues(curated):
        if dialogue.dialogue_id in seen:
            raise ErcSynthError(
                f"{curated}: dialogue {dialogue.dialogue_id!r} is there twice "
                f"({seen[dialogue.dialogue_id]} and {split}).",
                hint="Run `erc-synth curate` again.",
            )
        seen[dialogue.dialogue_id] = split


def _write_split(
    dialogues: Iterable[Dialogue], labels: LabelSet, folder: Path, split: str, shard_rows: int
) -> SplitData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = features(labels, provenance=True).arrow_schema
    rows = utterance_rows(dialogues, labels, provenance=True)
    written: list[Path] = []
    total = num_bytes = in_shard = 0
    writer: pq.ParquetWriter | None = None
    while group := list(islice(rows, ROW_GROUP)):
        if writer is None or in_shard >= shard_rows:
            if writer:
                writer.close()
            written.append(folder / f"{split}-{len(written):05d}.parquet")
            # Fixed options: the same rows give the same bytes, and every reader takes them.
            writer = pq.ParquetWriter(written[-1], schema, compression="snappy", version="2.6")
            in_shard = 0
        table = pa.Table.from_pylist(group, schema=schema)
        writer.write_table(table)
        total += len(group)
        in_shard += len(group)
        num_bytes += table.nbytes
    if writer:
        writer.close()
    names = []
    for number, path in enumerate(written):
        final = folder / f"{split}-{number:05d}-of-{len(written):05d}.parquet"
        path.rename(final)
        names.append(f"{folder.name}/{final.name}")
    return SplitData(tuple(names), total, num_bytes)


def yaml_features(labels: LabelSet) -> Any:
    """The features as the card's YAML wants them."""
    return features(labels, provenance=True)._to_yaml_list()
