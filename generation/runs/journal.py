"""The journal: an append-only JSONL file with one record per attempt; nothing paid for is lost.

Input: plain dicts. Output: `runs/<recipe>/journal.jsonl`. One writer (a lock file), fsync (in a thread) after
at most one second or 64 records, a tail cut at any byte is repaired when it is opened again.
The first record of each session is `{"type": "run", ...}` (what was asked for), the others are
`{"type": "attempt", ...}`. Not covered: what the records mean (`runner`).
"""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from filelock import BaseFileLock, FileLock, Timeout

from erc_synth.loaders.contracts import AttemptRecord, JournalRecord
from erc_synth.loaders.errors import ErcSynthError

SYNC_SECONDS = 1.0
SYNC_RECORDS = 64
# The keys that a resume needs stand first, so that a scan reads a few bytes of each line only.
_HEAD = re.compile(rb'\{"type": "attempt", "index": (\d+), "attempt": (\d+), "outcome": "(accepted|rejected|error)"')

_LABELS = re.compile(rb'"labels": (\{.*?\}), "text": "')  # quotes within a string are escaped: only keys match


class Journal:
    """Writer of one journal file; use it as a context manager.

    A record is with the operating system when `append` returns, so a killed process loses none. A thread of the
    journal's own carries them to the disk, so that the event loop never waits for it; only when `SYNC_RECORDS`
    wait for the disk does `append` wait too.

    Raises:
        ErcSynthError: Another process writes this journal.
        OSError: The disk is full or broken; raised by the next call after it was noticed.
    """

    def __init__(self, path: Path, *, aside: str = "") -> None:
        self.path = path
        self._aside = aside  # how an old journal is called from now on; only its writer may move it
        self._changed = threading.Condition()
        self._unsynced = 0
        self._failure: OSError | None = None
        self._hurry = False  # someone waits for the disk
        self._open = True

    def __enter__(self) -> Journal:
        self._lock = sole_writer(self.path)
        if self._aside and self.path.exists():
            self.path.rename(free_name(self.path, self._aside))
        repair_tail(self.path)
        self._file = self.path.open("ab")
        self._syncer = threading.Thread(target=self._sync_until_closed, name="journal", daemon=True)
        self._syncer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._open, self._hurry = False, True
            self._changed.notify_all()
        self._syncer.join()
        try:
            self._file.close()
        finally:
            self._lock.release()
        if self._failure and error is None:
            raise self._failure

    def append(self, record: JournalRecord) -> None:
        """Write one record; it is on disk after at most `SYNC_SECONDS` or `SYNC_RECORDS`."""
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._changed:
            self._changed.wait_for(lambda: self._unsynced < SYNC_RECORDS or self._failure)
            if self._failure:
                raise self._failure
            self._file.write(line)
            self._file.flush()
            self._unsynced += 1
            if self._unsynced in (1, SYNC_RECORDS // 2):  # else the thread sleeps on
                self._changed.notify_all()

    def sync(self) -> None:
        """Wait until all that was appended is on disk."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._unsynced or self._failure)
            self._hurry = False
            if self._failure:
                raise self._failure

    def _sync_until_closed(self) -> None:
        """Thread: fsync once half of the allowed records wait, or the first has waited half of the allowed time."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unsynced or not self._open)
                if not self._unsynced:
                    return
                self._changed.wait_for(
                    lambda: self._unsynced >= SYNC_RECORDS // 2 or self._hurry, timeout=SYNC_SECONDS / 2
                )
                written = self._unsynced
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                self._failure = error
            with self._changed:
                self._unsynced -= written
                self._changed.notify_all()
                if self._failure:
                    return


def sole_writer(path: Path) -> BaseFileLock:
    """The lock of a journal, taken; release it, or use it as a context manager.

    Raises:
        ErcSynthError: Another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ErcSynthError(
            f"{path} is being written by another process.", hint="Wait for it, or use another --out."
        ) from error
    return lock


def free_name(path: Path, aside: str) -> Path:
    """A file beside it that is not there yet: two journals set aside within a second are both kept."""
    names = (f"{aside}{f'-{number}' if number else ''}.jsonl" for number in itertools.count())
    return next(name for name in map(path.with_name, names) if not name.exists())


def is_accepted(line: bytes) -> int | None:
    """The job whose dialogue a line holds; `None` for any other line."""
    match = _HEAD.match(line)
    return int(match[1]) if match and match[3] == b"accepted" else None


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


def read_records(path: Path) -> Iterator[JournalRecord]:
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


def read_attempts(path: Path) -> Iterator[AttemptRecord]:
    """Records of attempts only."""
    return (record for record in read_records(path) if record["type"] == "attempt")


@dataclass(slots=True)
class Progress:
    """What a journal says about its jobs: accepted ones, and the next attempt number of the others."""

    accepted: set[int] = field(default_factory=set)
    labels: Counter[str] = field(default_factory=Counter)  # of the utterances of the accepted
    next_attempt: dict[int, int] = field(default_factory=dict)
    attempts: int = 0


def scan(path: Path, jobs: int | None = None) -> Progress:
    """Quick scan for a resume, of the first `jobs` jobs: head and labels of each line, not its text."""
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
            if jobs is not None and index >= jobs:
                continue
            if outcome == b"accepted":
                progress.accepted.add(index)
                if labels := _LABELS.search(line):
                    progress.labels.update(json.loads(labels[1]))
            elif outcome == b"rejected":  # an error never reached the model: the same attempt again
                progress.next_attempt[index] = max(progress.next_attempt.get(index, 0), attempt + 1)
    return progress
