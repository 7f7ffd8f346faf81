"""The synthetic sets: what was asked, what came, what was kept, how labels are spread, measures of quality.

Input: `curated/*.curation.json`, `*.quality.json`, manifests of the runs. Output: sheets and figures.
Not covered: training and scores (`tables`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from scipy import special

from erc_synth.stats.cells import Names
from erc_synth.stats.contracts import Curation, Manifest, Measure, Quality
from erc_synth.stats.files import read_json
from erc_synth.stats.report.figures import share_bars
from erc_synth.stats.report.sheet import DASH, Column, Item, Sheet, items
from erc_synth.stats.report.sources import Inputs
from erc_synth.stats.text import measure_text


@dataclass(frozen=True, slots=True)
class SyntheticSet:
    """One curated set."""

    curation: Curation
    manifest: Manifest
    labels: Mapping[str, int]
    reference: Mapping[str, int]

    @property
    def name(self) -> str:
        """Its config."""
        return self.curation["config"]

    @property
    def evenness(self) -> float:
        """Label entropy as a share of the largest possible: 1 is perfectly balanced."""
        counts = np.array(list(self.labels.values()), dtype=float)
        if len(counts) < 2 or not counts.sum():
            return 0.0
        return float(special.entr(counts / counts.sum()).sum() / np.log(len(counts)))

    @property
    def losses(self) -> str:
        """What was rejected and dropped, and why."""
        rejected = (self.manifest.get("counts") or {}).get("rejected") or {}
        parts = [
            f"{what} {', '.join(f'{reason} {n}' for reason, n in reasons.items())}"
            for what, reasons in (("answers rejected:", rejected), ("dropped in curation:", self.curation["dropped"]))
            if reasons
        ]
        return "; ".join(parts)

    def figure(self) -> str:
        """Label shares beside the reference's."""
        return share_bars(self.name, self.labels, self.reference)


def read_sets(inputs: Inputs, names: Names) -> list[SyntheticSet]:
    """All curated sets, in the paper's order, natural before balanced."""
    paths = inputs.curated.glob("*.curation.json") if inputs.curated and inputs.curated.is_dir() else ()
    return [_read_set(path, inputs) for path in sorted(paths, key=lambda path: _order(path, names))]


def _order(path: Path, names: Names) -> tuple[object, ...]:
    config = path.name.split(".")[0]
    return names.place(config.split("_")[0]), "balanced" in config, config


def _read_set(path: Path, inputs: Inputs) -> SyntheticSet:
    curation = cast("Curation", read_json(path))
    manifest_path = inputs.runs / curation["recipe"] / "manifest.json" if inputs.runs else None
    manifest = cast("Manifest", read_json(manifest_path) if manifest_path and manifest_path.exists() else {})
    recipe = manifest.get("recipe") or {}
    reference = inputs.references.get(recipe.get("label_set", curation["config"].split("_")[0]), {})
    counts: dict[str, int] = {}
    for split in curation["label_counts"].values():
        for label, count in split.items():
            counts[label] = counts.get(label, 0) + count
    # The fixed label list, so that a label nobody used still has its row (and counts as uneven).
    known = reference or recipe.get("labels") or counts
    labels = {label: counts.get(label, 0) for label in dict.fromkeys((*known, *counts))}
    return SyntheticSet(curation, manifest, labels, reference)


def sets_sheet(sets: Sequence[SyntheticSet]) -> Sheet | None:
    """What was asked for, what came, what was kept."""
    if not sets:
        return None
    names = ("Jobs", "Answers", "Accepted", "Parse yield", "Dialogues", "Utterances", "Train / val / test", "Evenness")
    heads = [Column("Config", text=True), *map(Column, names)]
    notes = ["Evenness: label entropy divided by the largest possible; 1 is perfectly balanced."]
    authors = sorted({one.curation.get("generator") or "unknown" for one in sets})
    notes.append(f"Written by {', '.join(authors)}.")
    return Sheet("data", "Synthetic sets", heads, [_set_row(one) for one in sets], notes=notes)


def _set_row(one: SyntheticSet) -> list[Item]:
    counts, curation = one.manifest.get("counts") or {}, one.curation
    accepted = counts.get("accepted")
    answers = (accepted or 0) + sum((counts.get("rejected") or {}).values())
    splits = " / ".join(str(split["dialogues"]) for split in curation["splits"].values())
    share = f"{100 * (accepted or 0) / answers:.0f} %" if answers else None
    kept = curation["kept"]
    told = items(
        one.name, counts.get("jobs"), answers or None, accepted, share, kept["dialogues"], kept.get("utterances")
    )
    return [*told, *items(splits or None, f"{one.evenness:.2f}")]


def quality_sheet(inputs: Inputs, names: Names) -> Sheet | None:
    """The measures of all `<config>.quality.json` side by side: rows measures, columns sets."""
    paths = inputs.curated.glob("*.quality.json") if inputs.curated and inputs.curated.is_dir() else ()
    found = [cast("Quality", read_json(path)) for path in sorted(paths, key=lambda path: _order(path, names))]
    if not found:
        return None
    readings: dict[str, str] = {}
    for one in found:
        readings |= {name: measure.get("reading") or "" for name, measure in one["measures"].items()}
    heads = [Column("Measure", text=True), *(Column(one["dataset"]) for one in found)]
    rows = [
        [Item(name, [reading] if reading else []), *(_measure_item(one["measures"].get(name)) for one in found)]
        for name, reading in readings.items()
    ]
    against = [f"{one['dataset']} against {one['reference']}" for one in found if one.get("reference")]
    notes = [f"References: {', '.join(against)}."] if against else []
    if any(m["low"] is not None for one in found for m in one["measures"].values()):
        notes.append("Brackets: 95 % bootstrap interval over dialogues.")
    notes += dict.fromkeys(note for one in found for note in one.get("notes") or [])
    return Sheet("quality", "Quality of the synthetic sets", heads, rows, notes=notes)


def _measure_item(measure: Measure | None) -> Item:
    if measure is None:
        return DASH
    told = []
    if measure["low"] is not None and measure["high"] is not None:
        told.append(f"[{measure_text(measure['low'])}, {measure_text(measure['high'])}]")
    if measure["reference"]:
        told.append(f"reference {measure_text(measure['reference']['value'])}")
    return Item(measure_text(measure["value"]), told)
