"""The journal: an append-only JSONL file with one record per attempt; nothing paid for is lost.

Input: plain dicts. Output: `runs/<recipe>/journal.jsonl`. One writer (a lock file), fsync after at
most one second or 64 records, a tail cut at any byte is repaired when it is opened again.
The first record of each session is `{"type": "run", ...}` (what was asked for), the others are
`{"type": "attempt", ...}`. Not covered: what the records mean (`runner`).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from erc_synth.loaders.errors import ErcSynthError

SYNC_SECONDS = 1.0
SYNC_RECORDS = 64
# The keys that a resume needs stand first, so that a scan reads a few bytes of each line only.
_HEAD = re.compile(rb'\{"type": "attempt", "index": (\d+), "attempt": (\d+), "outcome": "(accepted|rejected|error)"')


class Journal:
    """Writer of one journal file; use it as a context manager.

    Raises:
        ErcSynthError: Another process writes this journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(f"{path}.lock")
        self._unsynced = 0
        self._synced_at = time.monotonic()

    def __enter__(self) -> Journal:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise ErcSynthError(
                f"{self.path} is being written by another process.", hint="Wait for it, or use another --out."
            ) from error
        repair_tail(self.path)
        self._file = self.path.open("ab")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.sync()
            self._file.close()
        finally:
            self._lock.release()

    def append(self, record: dict[str, Any]) -> None:
        """Write one record; it is on disk after at most `SYNC_SECONDS` or `SYNC_RECORDS`."""
        self._file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        self._unsynced += 1
        if self._unsynced >= SYNC_RECORDS or time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Flush and fsync what was appended."""
        if self._unsynced:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._unsynced = 0
        self._synced_at = time.monotonic()


def repair_tail(path: Path) -> int:
    """Cut a half-written last line off; returns the number of bytes removed."""
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        keep = size
        while keep:
            start = max(keep - 65536, 0)
            file.seek(start)
            newline = file.read(keep - start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            keep = start
        file.truncate(keep)
        return size - keep


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """All whole records in order; a broken line in the middle is an error with its number."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return  # being written, or cut: `repair_tail` removes it
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise ErcSynthError(
                    f"{path}, line {number}: not a journal record.", hint="Move that line to another file."
                ) from error


def read_attempts(path: Path) -> Iterator[dict[str, Any]]:
    """Records of attempts only."""
    return (record for record in read_records(path) if record.get("type") == "attempt")


@dataclass(slots=True)
class Progress:
    """What a journal says about its jobs: accepted ones, and the next attempt number of the others."""

    accepted: set[int] = field(default_factory=set)
    next_attempt: dict[int, int] = field(default_factory=dict)
    attempts: int = 0


def scan(path: Path) -> Progress:
    """Quick scan for a resume: reads the head of each line, parses no JSON."""
    progress = Progress()
    if not path.exists():
        return progress
    with path.open("rb") as lines:
        for line in lines:
            match = _HEAD.match(line)
            if match is None or not line.endswith(b"\n"):
                continue
            index, attempt, outcome = int(match[1]), int(match[2]), match[3]
            progress.attempts += 1
            if outcome == b"accepted":
                progress.accepted.add(index)
            elif outcome == b"rejected":  # an error never reached the model: the same attempt again
                progress.next_attempt[index] = max(progress.next_attempt.get(index, 0), attempt + 1)
    return progress
