"""A repo folder to the Hub: one atomic commit, a tag, and a reload that compares.

Input: a linted folder, a repo id, a token from the environment or the usual login. Output: a
`Published`. One `create_commit` holds every addition and deletion, with the head just read as its
parent: on any failure the head is untouched. Unchanged content makes no commit.
Not covered: building the folder (`card`, `loaders.synthetic`).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erc_synth.dataset_cards.lint import front_matter_of, problems
from erc_synth.loaders.errors import ErcSynthError

ATTEMPTS = 4  # of a commit whose parent was overtaken
KEEP = (".gitattributes",)  # the Hub's own file
ROWS = 50_000  # compared at a time after a publication


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a publication: `add`, `update`, `delete` or `same`."""

    path: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Published:
    """What happened: the commit now on the Hub, whether it is new, its tag, the pull request if any."""

    revision: str
    committed: bool
    tag: str | None
    pull_request: str | None
    changes: tuple[Change, ...]


def check(folder: Path) -> None:
    """Refuse a folder that must not reach the Hub.

    Raises:
        ErcSynthError: Exit code 4; names the first problem and how many there are.
    """
    found = problems(folder)
    if found:
        more = f" ({len(found) - 1} more problems)" if len(found) > 1 else ""
        raise ErcSynthError(found[0] + more, hint="Build the folder again with `erc-synth build`.", exit_code=4)


def local_files(folder: Path) -> dict[str, Path]:
    """Files to publish, by their path in the repo."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def git_blob_id(path: Path) -> str:
    """Id of a file as git stores it."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def hub_errors(repo_id: str) -> Iterator[None]:
    """Map the Hub clients' errors (both generations) to one sentence each; the token is never in it."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ErcSynthError(f"{repo_id} is gated.", hint="Ask for access on its page, then log in.") from error
    except errors.RepositoryNotFoundError as error:
        raise ErcSynthError(
            f"{repo_id} was not found, or this login may not see it.", hint="Check the name and the login."
        ) from error
    except errors.HFValidationError as error:
        raise ErcSynthError(f"{repo_id!r} is not a repo id.", hint="Use the form org/name.") from error
    except errors.LocalTokenNotFoundError as error:
        raise ErcSynthError("No Hub token was found.", hint="Run `hf auth login`, or set HF_TOKEN.") from error
    except errors.HfHubHTTPError as error:
        raise _http(repo_id, error) from error
    except RuntimeError as error:  # an upload's own wrapper; what happened is its cause
        if isinstance(error.__cause__, errors.HfHubHTTPError):
            raise _http(repo_id, error.__cause__) from error
        raise _network(repo_id, error.__cause__ or error) from error
    except (OSError, ValueError) as error:
        raise _network(repo_id, error) from error
    except Exception as error:
        # hub 2 raises its HTTP library's own connection errors, hub 0.36 those of requests (OSErrors).
        if type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "requests", "urllib3"):
            raise _network(repo_id, error) from error
        raise


def _network(repo_id: str, error: BaseException) -> ErcSynthError:
    reason = str(error).splitlines()[0][:200] if isinstance(error, ValueError) else type(error).__name__
    return ErcSynthError(
        f"The Hub could not be used for {repo_id} ({reason}).",
        hint="Nothing was changed there; check the network and run the same command again.",
        retryable=True,
    )


def _http(repo_id: str, error: Any) -> ErcSynthError:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    sentences = {
        401: ("The Hub does not accept the token.", "Run `hf auth login` again, or set HF_TOKEN."),
        403: (f"This token may not write to {repo_id}.", "Use a token with write permission for that name."),
        412: (f"{repo_id} was changed by somebody else at the same time.", "Run the same command again."),
        413: ("The Hub refuses the size of this upload.", "Publish smaller files."),
    }
    message, hint = sentences.get(status, (f"The Hub answered {status} for {repo_id}.", "Run the same command again."))
    return ErcSynthError(message, hint=f"{hint} Nothing was half-published.", retryable=status >= 500 or status == 412)


def compare(api: Any, repo_id: str, folder: Path, revision: str) -> list[Change]:
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


def _equal(file: Path, there: Any) -> bool:
    if there.lfs is not None:
        with file.open("rb") as content:
            return bool(hashlib.file_digest(content, "sha256").hexdigest() == there.lfs.sha256)
    return bool(git_blob_id(file) == there.blob_id)


def publish(
    folder: Path,
    repo_id: str,
    *,
    private: bool = False,
    gated: str | None = None,
    tag: str | None = None,
    create_pr: bool = False,
    dry_run: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Published:
    """Publish a folder: lint, one commit, tag, reload and compare.

    Args:
        folder: Built by `erc-synth build`.
        repo_id: ``org/name``.
        private: Create the repo private.
        gated: ``auto`` or ``manual``.
        tag: For example ``v1.0.0``; set on the commit, refused when it points elsewhere.
        create_pr: Open a pull request instead of committing to main.
        dry_run: Only say what would change.
        say: Receives progress lines.

    Raises:
        ErcSynthError: Lint, permission, network (exit code 2), or a reload that differs (exit code 4).
    """
    from huggingface_hub import HfApi

    check(folder)
    api = HfApi()
    with hub_errors(repo_id):
        exists = api.repo_exists(repo_id, repo_type="dataset")
        if dry_run and not exists:
            files = local_files(folder)
            return Published("", False, None, None, tuple(Change(p, "add", f.stat().st_size) for p, f in files.items()))
        if not exists:
            api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        if gated and not dry_run:
            api.update_repo_settings(repo_id, repo_type="dataset", gated=gated)
        result = _commit(api, folder, repo_id, create_pr=create_pr, dry_run=dry_run, say=say)
        if dry_run:
            return result
        if tag and not create_pr:
            _tag(api, repo_id, tag, result.revision)
    if not create_pr:
        verify(folder, repo_id, result.revision, say=say)
    return Published(result.revision, result.committed, tag, result.pull_request, result.changes)


def _commit(
    api: Any, folder: Path, repo_id: str, *, create_pr: bool, dry_run: bool, say: Callable[[str], None]
) -> Published:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.errors import HfHubHTTPError

    for attempt in range(1, ATTEMPTS + 1):
        head = str(api.dataset_info(repo_id, revision="main").sha)
        changes = compare(api, repo_id, folder, head)
        real = [change for change in changes if change.kind != "same"]
        if dry_run or not real:
            return Published(head, False, None, None, tuple(changes))
        operations: list[Any] = [
            CommitOperationDelete(path_in_repo=change.path)
            if change.kind == "delete"
            else CommitOperationAdd(path_in_repo=change.path, path_or_fileobj=str(folder / change.path))
            for change in real
        ]
        version = _version_of(folder)
        try:
            info = api.create_commit(
                repo_id, operations, repo_type="dataset", parent_commit=head, create_pr=create_pr,
                commit_message=f"Publish erc-synth data {version}",
            )  # fmt: skip
        except HfHubHTTPError as error:
            overtaken = getattr(getattr(error, "response", None), "status_code", 0) == 412
            if not overtaken or attempt == ATTEMPTS:
                raise
            say(f"Somebody else committed to {repo_id} meanwhile; reading it again ({attempt} of {ATTEMPTS - 1}).")
            continue
        return Published(str(info.oid), True, None, info.pr_url, tuple(changes))
    raise AssertionError("unreachable")


def _version_of(folder: Path) -> str:
    configs = front_matter_of(folder / "README.md").get("configs") or [{}]
    return str(configs[0].get("version", ""))


def _tag(api: Any, repo_id: str, tag: str, revision: str) -> None:
    known = {entry.name: entry.target_commit for entry in api.list_repo_refs(repo_id, repo_type="dataset").tags}
    if tag not in known:
        api.create_tag(repo_id, tag=tag, revision=revision, repo_type="dataset")
    elif known[tag] != revision:
        raise ErcSynthError(
            f"The tag {tag} of {repo_id} already points at another commit.", hint="Use a new version with --tag."
        )


def verify(folder: Path, repo_id: str, revision: str, *, say: Callable[[str], None] = lambda line: None) -> None:
    """Load every config at a revision into a fresh cache and compare it row by row with the folder.

    Raises:
        ErcSynthError: A config differs or cannot be loaded (exit code 4).
    """
    from datasets import load_dataset

    names = [config["config_name"] for config in front_matter_of(folder / "README.md")["configs"]]
    with tempfile.TemporaryDirectory() as remote, tempfile.TemporaryDirectory() as local:
        for name in names:
            try:
                there = load_dataset(repo_id, name, revision=revision, cache_dir=remote)
                here = load_dataset(str(folder), name, cache_dir=local)
            except Exception as error:
                raise ErcSynthError(
                    f"{name} was published at {revision} but cannot be loaded ({type(error).__name__}).",
                    hint="Run the same command again to compare once more.",
                    exit_code=4,
                ) from error
            for split in here:
                if split not in there or here[split].features != there[split].features:
                    raise _differs(name, str(split), revision, "features")
                if not _same_rows(here[split], there[split]):
                    raise _differs(name, str(split), revision, "rows")
            say(f"{name}: reloaded and equal")


def _same_rows(here: Any, there: Any) -> bool:
    """Compared as Arrow, a part at a time: a million rows never stand in memory as Python objects."""
    parts = (rows.with_format("arrow").iter(batch_size=ROWS) for rows in (here, there))
    return len(here) == len(there) and all(ours.equals(theirs) for ours, theirs in zip(*parts, strict=True))


def _differs(config: str, split: str, revision: str, what: str) -> ErcSynthError:
    return ErcSynthError(
        f"The {what} of {config} ({split}) at {revision} differ from the folder.",
        hint="Bump the version, build and publish again.",
        exit_code=4,
    )
