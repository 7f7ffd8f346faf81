"""A run in shards: each is an ordinary run of some of the jobs, with a journal of its own; one command merges them.

Input: a run's folder. Output: `shards/<i>-of-<n>/journal.jsonl`; merged, the run's own `journal.jsonl` and manifest.
How a run is cut is no part of its identity: a job that any journal of the folder holds is asked for by no shard again,
however many there are. Nothing is removed: merged shards lie beside, in `merged-<number>`.
Not covered: starting shards on machines (`launchers`).
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from erc_synth.generation.recipe import load_profile, recipe_from_text
from erc_synth.generation.runs.folder import Session, write_manifest
from erc_synth.generation.runs.journal import Progress, free_name, is_accepted, read_records, scan, sole_writer
from erc_synth.generation.serving.session import Identity
from erc_synth.loaders.contracts import Asked, Counts, Manifest, RunRecord
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json, write_whole

PARTS = "shards"


@dataclass(frozen=True, slots=True)
class Shard:
    """Job `index` belongs to shard `index % count`, also when more dialogues are asked for later."""

    number: int = 0
    count: int = 1

    @staticmethod
    def read(text: str) -> Shard:
        """`2/8`: the third of eight, as array jobs of a cluster count from 0."""
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal() and int(number) < int(count)):
            raise ErcSynthError(f"--shard {text!r} is no shard.", hint="Give I/N with I from 0 to N - 1, e.g. 0/4.")
        return Shard(int(number), int(count))

    @property
    def whole(self) -> bool:
        """True when the run is not cut."""
        return self.count == 1

    def jobs(self, dialogues: int) -> range:
        """Its job indices of a run of so many dialogues."""
        return range(self.number, dialogues, self.count)

    def folder(self, run: Path) -> Path:
        """Where it writes."""
        return run if self.whole else run / PARTS / f"{self.number}-of-{self.count}"

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Shard()


def check_uncut(run: Path) -> None:
    """A whole run would ask again what shards have: they are merged first.

    Raises:
        ErcSynthError: There are shards.
    """
    if any(_parts(run)):
        raise ErcSynthError(f"{run} holds shards that are not merged.", hint=f"Run: erc-synth merge {run}")


def progress_of(run: Path, own: Path, fingerprint: str, shard: Shard, dialogues: int) -> Progress:
    """What is there of a shard's jobs, in its own journal and in all others of the same run."""
    progress = scan(own, dialogues)
    others = [] if shard.whole else [path for path in (run / "journal.jsonl", *_parts(run)) if path != own]
    for path in others:
        header = _header(path)
        if header is None or header["fingerprint"] != fingerprint:
            continue
        found = scan(path, dialogues)
        progress.accepted |= found.accepted
        progress.labels.update(found.labels)
        for index, attempt in found.next_attempt.items():
            progress.next_attempt[index] = max(progress.next_attempt.get(index, 0), attempt)
    if not shard.whole:
        progress.accepted.intersection_update(shard.jobs(dialogues))
    return progress


def merge(run: Path) -> Counts:
    """All shards of a run into its one journal, with its manifest; returns the manifest's counts.

    It may be killed at any moment and run again.

    Raises:
        ErcSynthError: No shards, one is still being written, or they are not of one run.
    """
    parts, whole = [path for path in _parts(run) if _header(path)], run / "journal.jsonl"
    if not parts:
        raise ErcSynthError(f"{run} holds no shards.", hint="Give the folder of a run, e.g. runs/meld_natural.")
    with contextlib.ExitStack() as locks:
        for path in (whole, *parts):
            locks.enter_context(sole_writer(path))
        headers = [header for header in map(_header, parts) if header]
        prints = sorted({str(header.get("fingerprint")) for header in headers})
        if len(prints) > 1:
            raise ErcSynthError(
                f"The shards of {run} were written by different recipes, options or models (fingerprints "
                f"{', '.join(prints)}).",
                hint="Move the odd ones out of its folder `shards`.",
            )
        kept = _header(whole)
        before = kept["fingerprint"] if kept else "unknown"
        if whole.exists() and before != prints[0]:
            whole.rename(free_name(whole, f"journal-{before}-{int(whole.stat().st_mtime)}"))
        write_whole(whole, _lines([whole, *parts] if whole.exists() else parts))
        counts = _merged_manifest(run, headers, [path.parent for path in parts])
    number = next(n for n in itertools.count() if not (run / f"merged-{n}").exists())
    (run / PARTS).rename(run / f"merged-{number}")
    return counts


def _parts(run: Path) -> list[Path]:
    return sorted(run.glob(f"{PARTS}/*-of-*/journal.jsonl"))


def _header(path: Path) -> RunRecord | None:
    """The first record; ``None`` for a file without one."""
    first = next(iter(read_records(path)), None) if path.exists() else None
    return first if first is not None and first["type"] == "run" else None


def _lines(paths: Sequence[Path]) -> Iterator[str]:
    """Every whole line once; of two dialogues for one job the first."""
    seen: set[bytes] = set()
    accepted: set[int] = set()
    for path in paths:
        with path.open("rb") as lines:
            for line in lines:
                mark = hashlib.blake2b(line, digest_size=16).digest()
                if mark in seen or not line.endswith(b"\n"):
                    continue
                seen.add(mark)
                index = is_accepted(line)
                if index in accepted:
                    continue
                if index is not None:
                    accepted.add(index)
                yield line.decode("utf-8")


def _merged_manifest(run: Path, headers: list[RunRecord], folders: list[Path]) -> Counts:
    header = headers[-1]
    told = (cast(Manifest, read_json(folder / "manifest.json", optional=True)) for folder in folders)
    jobs = max((manifest["counts"]["jobs"] for manifest in told if "counts" in manifest), default=0)
    asked = cast(Asked, {key: value for key, value in header.items() if key in Asked.__required_keys__})
    started = min(datetime.fromisoformat(entry["started"]) for entry in headers)
    recipe = recipe_from_text(header["source"], f"{folders[-1]}/journal.jsonl, line 1")
    session = Session(Identity(**header["server"]), asked, jobs, started)
    written = read_json(write_manifest(run, recipe, load_profile(header["profile"]), session))
    return cast(Manifest, written)["counts"]
