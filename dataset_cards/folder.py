"""The built repo folder: which files are ours, and how a new one takes the place of the old one.

Input: folders. Output: the marker file, which lists every file of a build; the swap.
Only a folder with the marker is replaced, and only the files that it lists are removed: nothing of the user's goes.
Not covered: what stands in the files (`build`), whether they may be published (`lint`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json, write_json

MARKER = ".erc-synth-build.json"


class FileEntry(TypedDict):
    """Size in bytes and SHA-256 of one built file."""

    size: int
    sha256: str


class Marker(TypedDict):
    """The content of `MARKER`: for whom the folder was built, every file of it, and version -> what changed in it."""

    repo_id: str
    version: str
    changes: NotRequired[dict[str, str]]
    files: dict[str, FileEntry]


def read_marker(folder: Path) -> Marker | None:
    """What the build wrote there; ``None`` for a folder that it did not write."""
    content = read_json(folder / MARKER, optional=True, hint="Build the folder again.")
    return cast(Marker, content) if isinstance(content.get("files"), dict) else None


def files_below(folder: Path) -> list[str]:
    """Paths of all files below a folder, the marker's aside; links are files and not followed."""
    found = []
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        found += [Path(place, name).relative_to(folder).as_posix() for name in [*names, *links]]
    return sorted(path for path in found if path != MARKER)


def check_replaceable(out: Path) -> None:
    """The place of the new folder is free, empty, or holds what an earlier build wrote and nothing else.

    Raises:
        ErcSynthError: It holds something else; names it.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ErcSynthError(f"{out} is no folder.", hint="Give another --out.")
    if not out.exists() or not any(out.iterdir()):
        return
    marker = read_marker(out)
    if marker is None:
        raise ErcSynthError(
            f"{out} was not written by erc-synth build ({MARKER} is not there).",
            hint="Give another --out, or move that folder away yourself.",
        )
    strange = [path for path in files_below(out) if path not in marker["files"]]
    if strange:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        raise ErcSynthError(
            f"{out} holds {strange[0]}{more}, which the build did not write.", hint="Move it out of that folder."
        )


def mark(folder: Path, *, repo_id: str, version: str, changes: Mapping[str, str]) -> None:
    """Write every file to the disk for good, and the marker that lists them."""
    files = {}
    for name in files_below(folder):
        with (folder / name).open("rb") as content:
            os.fsync(content.fileno())
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        files[name] = FileEntry(size=(folder / name).stat().st_size, sha256=digest)
    write_json(folder / MARKER, Marker(repo_id=repo_id, version=version, changes=dict(changes), files=files))


def _old(out: Path) -> Path:
    """Where the old folder waits while the new one moves in."""
    return out.with_name(f".{out.name}.old")


def recover(out: Path) -> None:
    """Finish what a killed build left: put the old folder back, or remove it when the new one is in place."""
    old = _old(out)
    if not old.exists():
        return
    if not out.exists():
        old.rename(out)
    elif read_marker(out) is not None:
        _remove(old)


def swap(fresh: Path, out: Path) -> None:
    """Put a new folder in the place of the old one, which is removed last."""
    old = _old(out)
    if old.exists():
        raise ErcSynthError(f"{old} is in the way.", hint="Look what it holds, then move it away.")
    if out.exists() and not any(out.iterdir()):
        out.rmdir()
    if out.exists():
        out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    if old.exists():
        _remove(old)


def _remove(folder: Path) -> None:
    """Remove the files that the marker lists, the marker last; whatever else is there stays."""
    marker = read_marker(folder)
    if marker is None:
        return
    for name in marker["files"]:
        (folder / name).unlink(missing_ok=True)
    for place, _, _ in os.walk(folder, topdown=False):
        if Path(place) != folder and not any(Path(place).iterdir()):
            Path(place).rmdir()
    if all(path.name == MARKER for path in folder.iterdir()):
        (folder / MARKER).unlink()
        folder.rmdir()
