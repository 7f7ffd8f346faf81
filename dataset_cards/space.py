"""The page of `browse` as a static Space of the Hub.

Input: the page; later the folder and a Space id. Output: a folder with `index.html` and the card that the Hub reads
(`sdk: static`); one commit of these two files. Other files of the Space are left alone, and a Space that this
project did not write is not touched. Not covered: data sets (`publish`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from erc_synth.dataset_cards.browse import MARK, check_target, write_page
from erc_synth.dataset_cards.hub import limit_time, patiently
from erc_synth.dataset_cards.lint import front_matter_of, text_of
from erc_synth.dataset_cards.publish import Change, Published, git_blob_id
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_whole

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD, PAGE = "README.md", "index.html"
BODY = "One page to read the dialogues; it loads nothing from elsewhere.\n"


def is_space(folder: Path) -> bool:
    """Whether `write_space` wrote the folder."""
    try:
        header = front_matter_of(folder / CARD)
    except (OSError, ValueError, yaml.YAMLError):
        return False
    tags = header.get("tags")
    return header.get("sdk") == "static" and isinstance(tags, list) and MARK in tags


def check_space(folder: Path) -> None:
    """The folder is free, or a Space of ours.

    Raises:
        ErcSynthError: It holds something else.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not is_space(folder)):
        raise ErcSynthError(f"{folder} holds something else.", hint="Give a new folder to --space.")
    check_target(folder / PAGE)


def write_space(folder: Path, text: str, title: str) -> None:
    """Write page and card; `erc-synth publish --folder` sends them."""
    check_space(folder)
    head = {"title": title, "sdk": "static", "app_file": PAGE, "pinned": False, "tags": ["erc-synth", MARK]}
    # The card first: it says whose folder this is, should the page be interrupted.
    write_whole(folder / CARD, [text_of(head, f"\n{BODY}")])
    write_page(folder / PAGE, text)


def publish_space(
    folder: Path, repo_id: str, *, private: bool = False, dry_run: bool = False, say: Callable[[str], None] = print
) -> Published:
    """Send page and card of a folder of `write_space` in one commit.

    Raises:
        ErcSynthError: The folder is incomplete, the Space is somebody else's, no login, or the network.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    missing = [name for name in (PAGE, CARD) if not (folder / name).is_file()]
    if missing:
        raise ErcSynthError(f"{folder / missing[0]} is missing.", hint="Write it with erc-synth browse --space.")
    limit_time()
    api = HfApi()
    there = patiently(lambda: api.repo_exists(repo_id, repo_type="space"), repo_id, say)
    if there:
        patiently(lambda: _check_owner(api, repo_id, private), repo_id, say)
    elif not dry_run:
        patiently(
            lambda: api.create_repo(repo_id, repo_type="space", space_sdk="static", private=private, exist_ok=True),
            repo_id,
            say,
        )
    head = str(patiently(lambda: api.space_info(repo_id), repo_id, say).sha) if there or not dry_run else ""
    changes = patiently(lambda: _changes(api, repo_id, folder, head), repo_id, say)
    real = [change for change in changes if change.kind != "same"]
    if dry_run or not real:
        return Published(head, False, None, None, tuple(changes))
    commit = patiently(
        lambda: api.create_commit(
            repo_id,
            [CommitOperationAdd(change.path, str(folder / change.path)) for change in real],
            repo_type="space",
            parent_commit=head,
            commit_message="A page to read the dialogues (erc-synth browse)",
        ),
        repo_id,
        say,
    )
    return Published(str(commit.oid), True, None, None, tuple(changes))


def _changes(api: HfApi, repo_id: str, folder: Path, head: str) -> list[Change]:
    """What the commit would change; everything, where there is no Space yet."""
    tree = api.list_repo_tree(repo_id, repo_type="space", revision=head) if head else ()
    there = {entry.path: entry for entry in tree if hasattr(entry, "blob_id")}
    found = []
    for name in (CARD, PAGE):
        path, old = folder / name, there.get(name)
        same = old is not None and old.lfs is None and old.blob_id == git_blob_id(path)
        found.append(Change(name, "same" if same else "update" if old else "add", path.stat().st_size))
    return found


def _check_owner(api: HfApi, repo_id: str, private: bool) -> None:
    """A Space with files must carry our mark, and is not private against its will."""
    info = api.space_info(repo_id)
    if private and not info.private:
        raise ErcSynthError(f"{repo_id} is public already.", hint="Leave --private out, or make it private first.")
    names = {entry.rfilename for entry in info.siblings or ()} - {".gitattributes"}
    if not names:
        return
    with tempfile.TemporaryDirectory() as place:
        if CARD in names:
            api.hf_hub_download(repo_id, CARD, repo_type="space", local_dir=place)
        if not is_space(Path(place)):
            raise ErcSynthError(
                f"The Space {repo_id} was not made by erc-synth browse.", hint="Give another --repo-id."
            )
