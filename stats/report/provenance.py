"""Where the numbers of a report are from: command, commit, machine, data, models.

Input: runs and sets. Output: rows for the box on the page, and the record that the page carries with it.
Not covered: the journals of generation.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from erc_synth.stats.report.data import SyntheticSet
from erc_synth.stats.report.runs import Run, short_name


def installed_version() -> str:
    """Version of this package."""
    try:
        return version("erc-synth")
    except PackageNotFoundError:
        return "unknown"


def commit() -> str:
    """Commit of the checkout that this code runs from; nothing for an installed package."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return ""
    try:
        words = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def box(command: Sequence[str], runs: Iterable[Run], sets: Sequence[SyntheticSet]) -> list[tuple[str, list[str]]]:
    """(what, values) for the reader; what is not known is left out."""
    runs = list(runs)
    rows = {
        "Made by": [" ".join(part for part in ("erc-synth", installed_version(), commit()) if part)],
        "Command": [" ".join(command)],
        "Date": [datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")],
        "Machine": [f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}"],
        "Generator": _generators(sets),
        "Encoder": sorted({run.metrics["run"]["backbone"] for run in runs}),
        "Trained with": sorted({_libraries(run) for run in runs} - {""}),
        "Data": _fingerprints(runs),
    }
    return [(what, values) for what, values in rows.items() if any(values)]


def _generators(sets: Sequence[SyntheticSet]) -> list[str]:
    found = []
    for one in sets:
        model = one.manifest.get("model") or {}
        name = model.get("id") or one.curation.get("generator") or ""
        found.append(f"{name} (revision {model['revision']})" if model.get("revision") else name)
    return sorted({name for name in found if name})


def _libraries(run: Run) -> str:
    versions = run.metrics["versions"]
    return ", ".join(f"{name} {versions[name]}" for name in ("torch", "transformers", "datasets") if name in versions)


def _fingerprints(runs: Sequence[Run]) -> list[str]:
    """Each data set with the fingerprints of what was trained and scored on; two of one kind are both shown."""
    found = dict.fromkeys(
        f"{short_name(part)} {what} {part['fingerprint']}"
        for run in runs
        for what, parts in (("train", run.metrics["stages"]), ("test", run.metrics["evaluations"]))
        for part in parts
    )
    return sorted(found)


def record(rows: Sequence[tuple[str, list[str]]], runs: Iterable[Run], sets: Sequence[SyntheticSet]) -> str:
    """JSON that the page carries with it; safe inside a script element."""
    content = {
        "report": dict(rows),
        "runs": {run.name: run.record() for run in runs},
        "sets": {one.name: {"curation": one.curation, "manifest": one.manifest} for one in sets},
    }
    return json.dumps(content).replace("<", "\\u003c")
