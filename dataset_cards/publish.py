"""A repo folder to the Hub: one atomic commit, a reload that compares, then the tag.

Input: a folder, a repo id, a token from the environment or the usual login. Output: a `Published`.
Before anything is sent the folder is linted and loaded, and card, repo id, version and tag must agree.
Every error says what is on the Hub now. Not covered: building the folder (`build`), the requests (`sending`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from erc_synth.dataset_cards.changes import Change, compare, git_blob_id, local_files
from erc_synth.dataset_cards.folder import read_marker
from erc_synth.dataset_cards.hub import limit_time
from erc_synth.dataset_cards.lint import front_matter_of, problems
from erc_synth.dataset_cards.sending import Plan, Publication, Published, Say, Sent, version_of
from erc_synth.loaders.errors import ErcSynthError

__all__ = ["Change", "Plan", "Published", "check", "compare", "git_blob_id", "local_files", "publish", "version_of"]


class Wishes(TypedDict, total=False):
    """Further keywords of `publish`, as fields of `Plan`."""

    private: bool
    gated: str | None
    tag: str | None
    create_pr: bool
    dry_run: bool
    allow_delete: bool


def check(folder: Path) -> None:
    """Refuse a folder that must not reach the Hub, or that `datasets` cannot load.

    Raises:
        ErcSynthError: Exit code 4; names the first problem and how many there are. Exit code 2: no folder.
    """
    from erc_synth.loaders.repos import How, load_repo

    if not folder.is_dir():
        raise ErcSynthError(f"{folder} is not a folder.", hint="Build it with `erc-synth build`.")
    found = problems(folder)
    if found:
        more = f" ({len(found) - 1} more problems)" if len(found) > 1 else ""
        raise ErcSynthError(found[0] + more, hint="Build the folder again with `erc-synth build`.", exit_code=4)
    with tempfile.TemporaryDirectory() as cache:
        for config in front_matter_of(folder / "README.md")["configs"]:
            try:
                load_repo(str(folder), config["config_name"], None, How(cache_dir=cache))
            except ErcSynthError as error:
                raise ErcSynthError(str(error.args[0]), hint=error.hint, exit_code=4) from error


def publish(
    folder: Path,
    repo_id: str,
    *,
    say: Say = lambda line: None,
    confirm: Callable[[str], bool] = lambda question: True,
    **wishes: Unpack[Wishes],
) -> Published:
    """Publish a folder: lint, load, one commit, reload and compare, tag.

    Args:
        folder: Built by `erc-synth build`.
        repo_id: ``org/name``; the one that the folder was built for.
        say: Receives progress lines.
        confirm: Asked before something is deleted or a repo of others is taken over, when that is allowed.
        wishes: See `Plan`.

    Raises:
        ErcSynthError: Lint, disagreement, permission, network (exit code 2), or a folder or reload that differs
            (exit code 4). Its hint says what is on the Hub now.
    """
    plan = Plan(folder, repo_id, **wishes)
    check(folder)
    plan = _agreed(plan)
    limit_time()
    sent = Sent()
    try:
        return Publication(plan, say, confirm, sent).run()
    except ErcSynthError as error:
        hint = f"{error.hint} {sent.sentence()}".strip()
        raise ErcSynthError(
            str(error.args[0]), hint=hint, retryable=error.retryable, exit_code=error.exit_code
        ) from error


def _agreed(plan: Plan) -> Plan:
    """The plan with its tag, when card, repo id, version and tag say the same."""
    marker, version = read_marker(plan.folder), version_of(plan.folder)
    if marker and marker["repo_id"] != plan.repo_id:
        raise ErcSynthError(
            f"{plan.folder} was built for {marker['repo_id']}, which its card's examples name; not for {plan.repo_id}.",
            hint=f"Build it with --repo-id {plan.repo_id}.",
        )
    if version and plan.tag not in (None, f"v{version}"):
        raise ErcSynthError(
            f"The card says version {version}, so the tag is v{version}, not {plan.tag}.",
            hint="Build the folder with --version, or leave --tag out.",
        )
    return replace(plan, tag=plan.tag or (f"v{version}" if version else None))
