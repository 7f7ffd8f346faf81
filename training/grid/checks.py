"""What a grid needs is looked at before it writes a file or starts a process.

Input: a `Plan`. Output: fingerprints of all data that it reads. Not covered: what only a training can find out.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from erc_synth.loaders import registry
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.names import benchmark_names
from erc_synth.training.config import parse
from erc_synth.training.grid.cells import Fingerprints
from erc_synth.training.grid.plan import Plan


def check_names(plan: Plan) -> None:
    """Refuse unknown benchmarks, and whatever a training would refuse of its own words (`ErcSynthError`)."""
    known = benchmark_names()
    for name in plan.benchmarks:
        if name not in known:
            raise ErcSynthError(f"Unknown benchmark {name!r}.{_meant(name, known)}", hint=f"Known: {', '.join(known)}.")
    for training in plan.trainings():
        parse([*training.words(), *plan.extra, "--out", training.name])


def fingerprints(plan: Plan, data_dir: Path | None) -> Fingerprints:
    """Fingerprints of every split of every data set of the plan.

    Raises:
        ErcSynthError: A benchmark's files, the synthetic repo or a config of it is not there.
    """
    found: dict[str, dict[str, str]] = {}
    for name in plan.data():
        splits = registry.load(name, data_dir=data_dir if name in plan.benchmarks else None)
        missing = [split for split in ("train", "test") if split not in splits]
        if missing:
            raise ErcSynthError(f"{name} has no split {missing[0]!r}.", hint="Build the repo again.")
        found[name] = {str(split): registry.fingerprint(rows) for split, rows in splits.items()}
    return found


def _meant(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]}?" if near else ""
