"""Check a dataset repo folder before anything reaches the Hub.

Input: a folder. Output: a list of problems, empty when it may be published. Catches the traps that
the Hub accepts silently: label order in YAML against Parquet, wrong counts, two defaults, patterns
without files, a loading script, mixed formats, placeholders. Not covered: the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from erc_synth.dataset_cards.card import HUB_LICENCES

MAX_FILE = 5 * 1024**3
MAX_CARD = 1_000_000
PLACEHOLDER = re.compile(r"\[More Information Needed\]|\{\{|\{%|TODO|Undefined")


def front_matter_of(card: Path) -> dict[str, Any]:
    """Parsed YAML header of a card; empty when there is none."""
    text = card.read_text("utf-8") if card.exists() else ""
    parts = text.split("---\n", 2)
    if len(parts) < 3 or parts[0]:
        return {}
    loaded = yaml.safe_load(parts[1])
    return loaded if isinstance(loaded, dict) else {}


def problems(folder: Path) -> list[str]:
    """Everything that is wrong with a repo folder, one sentence each."""
    if not folder.is_dir():
        return [f"{folder} is not a folder."]
    card = folder / "README.md"
    if not card.exists():
        return [f"{card} is missing."]
    try:
        header = front_matter_of(card)
    except yaml.YAMLError as error:
        return [f"{card}: the YAML header cannot be read: {error}."]
    if not header:
        return [f"{card} has no YAML header."]
    return [*_card(card, header), *_files(folder), *_configs(folder, header)]


def _card(card: Path, header: dict[str, Any]) -> Iterator[str]:
    text = card.read_text("utf-8")
    page = re.sub(r"^ {4}.*$", "", text.split("---\n", 2)[2], flags=re.MULTILINE)  # samples are data
    if match := PLACEHOLDER.search(page):
        yield f"{card} still holds the placeholder {match[0]!r}."
    if len(text) > MAX_CARD:
        yield f"{card} is {len(text):,} characters long; the Hub takes {MAX_CARD:,}."
    if header.get("license") not in HUB_LICENCES:
        yield f"{card}: the licence {header.get('license')!r} is not one the Hub knows."
    if header.get("license") == "other" and not header.get("license_name"):
        yield f"{card}: licence 'other' needs license_name."


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".py":
            yield f"{path} would be taken for a loading script; `datasets` refuses such repos."
        if path.suffix in (".json", ".jsonl", ".csv", ".arrow"):
            yield f"{path}: one repo holds one data format; this one is Parquet."
        if path.is_file() and path.stat().st_size > MAX_FILE:
            yield f"{path} is larger than {MAX_FILE:,} bytes."


def _configs(folder: Path, header: dict[str, Any]) -> Iterator[str]:
    configs = header.get("configs") or []
    infos = {info.get("config_name"): info for info in header.get("dataset_info") or []}
    if not configs:
        yield "The card names no configs: all data would merge into one."
    if sum(bool(config.get("default")) for config in configs) != 1:
        yield "Exactly one config must be the default."
    for config in configs:
        name = config["config_name"]
        if name not in infos:
            yield f"{name}: dataset_info is missing."
            continue
        yield from _splits(folder, config, infos[name])


def _splits(folder: Path, config: dict[str, Any], info: dict[str, Any]) -> Iterator[str]:
    import pyarrow.parquet as pq
    from datasets import Features

    name = config["config_name"]
    features = Features._from_yaml_list(info["features"])
    counts = {split["name"]: split["num_examples"] for split in info["splits"]}
    patterns = {entry["split"]: entry["path"] for entry in config["data_files"]}
    if set(counts) != set(patterns):
        yield f"{name}: configs and dataset_info name different splits."
    seen: dict[str, str] = {}
    for split, pattern in patterns.items():
        files = sorted(folder.glob(pattern))
        if not files:
            yield f"{name}: the pattern {pattern!r} matches no file."
            continue
        rows = 0
        for file in files:
            table = pq.ParquetFile(file)
            rows += table.metadata.num_rows
            stored = Features.from_arrow_schema(table.schema_arrow)
            if stored != features:
                yield f"{file}: the features differ from the card's (label names or order, or columns)."
            if "dialogue_id" not in stored:
                continue
            for dialogue_id in set(table.read(["dialogue_id"])["dialogue_id"].to_pylist()):
                if seen.setdefault(dialogue_id, split) != split:
                    yield f"{name}: dialogue {dialogue_id!r} is in both {seen[dialogue_id]} and {split}."
        if rows != counts.get(split):
            yield f"{name}: the {split} split has {rows} rows, the card says {counts.get(split)}."
