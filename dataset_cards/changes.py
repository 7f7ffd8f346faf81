"""What a publication would change: the files of a folder beside those of a repo on the Hub.

Input: a folder, a repo id, a revision. Output: a `Change` for each file. Not covered: sending them (`sending`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from erc_synth.dataset_cards.folder import files_below, read_marker

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

KEEP = (".gitattributes",)  # the Hub's own file


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a publication: `add`, `update`, `delete` or `same`."""

    path: str
    kind: str
    size: int


def local_files(folder: Path) -> dict[str, Path]:
    """Files to publish, by their path in the repo: those that the build wrote; hidden ones stay here."""
    marker = read_marker(folder)
    names = sorted(marker["files"]) if marker else files_below(folder)
    return {name: folder / name for name in names if not any(part.startswith(".") for part in Path(name).parts)}


def git_blob_id(path: Path) -> str:
    """Id of a file as git stores it."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def compare(api: HfApi, repo_id: str, folder: Path, revision: str) -> list[Change]:
    """What a publication would change at a revision."""
    remote = {
        entry.path: entry
        for entry in api.list_repo_tree(repo_id, repo_type="dataset", revision=revision, recursive=True)
        if hasattr(entry, "blob_id")
    }
    files = local_files(folder)
    changes = []
    for path, file in files.items():
        there = remote.get(path)
        kind = "add" if there is None else "same" if _equal(file, there) else "update"
        changes.append(Change(path, kind, file.stat().st_size))
    gone = [path for path in remote if path not in files and path not in KEEP]
    return changes + [Change(path, "delete", 0) for path in sorted(gone)]


def _equal(file: Path, there: RepoFile) -> bool:
    if there.lfs is not None:
        with file.open("rb") as content:
            return bool(hashlib.file_digest(content, "sha256").hexdigest() == there.lfs.sha256)
    return bool(git_blob_id(file) == there.blob_id)
