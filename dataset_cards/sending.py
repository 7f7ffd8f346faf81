"""The steps of one publication on the Hub, each call tried patiently.

One `create_commit` holds every change, with the head just read as its parent: on any failure the head is untouched.
The tag comes last, after a reload that compares. Input: a `Plan`. Output: a `Published`, and in `Sent` what has been
done so far. Not covered: what is looked at before (`publish`), faults of the network (`hub`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TypeVar

from erc_synth.dataset_cards.changes import Change, compare, local_files
from erc_synth.dataset_cards.hub import patiently
from erc_synth.dataset_cards.lint import front_matter_of
from erc_synth.dataset_cards.reload import verify
from erc_synth.loaders.errors import ErcSynthError

ATTEMPTS = 4  # of a commit whose parent was overtaken
OURS = "erc-synth"  # tag of every card that the build writes

Answer = TypeVar("Answer")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Published:
    """What happened: the commit now on the Hub, whether it is new, its tag, the pull request if any."""

    revision: str
    committed: bool
    tag: str | None
    pull_request: str | None
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be published where.

    Attributes:
        private: Create the repo private; refused for a public one that exists.
        gated: ``auto`` or ``manual``.
        tag: Must be ``v`` and the version of the card, which is also what is taken when none is given.
        create_pr: Open a pull request instead of committing to main; the tag is for later.
        dry_run: Only say what would change.
        allow_delete: Files of the repo that the folder lacks may go, and a repo of others may be taken over.
    """

    folder: Path
    repo_id: str
    private: bool = False
    gated: str | None = None
    tag: str | None = None
    create_pr: bool = False
    dry_run: bool = False
    allow_delete: bool = False


@dataclass(slots=True)
class Sent:
    """What this command has done on the Hub so far."""

    created: bool = False
    gated: str = ""
    sending: bool = False
    commit: str = ""
    tag: str = ""
    pull_request: str = ""

    def sentence(self) -> str:
        """What is on the Hub now, for an error."""
        access = f" Its access is set to {self.gated!r}." if self.gated else ""
        return self._content() + access

    def _content(self) -> str:
        if self.pull_request:
            return f"On the Hub now: the pull request {self.pull_request}; main is as it was."
        if self.commit:
            tag = f"with the tag {self.tag}" if self.tag else "without a tag"
            return f"On the Hub now: the new commit {self.commit} on main, {tag}."
        if self.sending:
            return "Whether the commit reached the Hub is not known: the same command tells, and finishes it."
        if self.created:
            return "On the Hub now: the repo that this command made, without data."
        return "On the Hub now: the data as they were." if self.gated else "This command changed nothing on the Hub."


def version_of(folder: Path) -> str:
    """Version of the data, from the card; empty when it names none."""
    configs = front_matter_of(folder / "README.md").get("configs")
    return str(configs[0].get("version") or "") if configs else ""


class Publication:
    """One publication: the steps in order, each call tried patiently."""

    def __init__(self, plan: Plan, say: Say, confirm: Callable[[str], bool], sent: Sent) -> None:
        from huggingface_hub import HfApi

        self.plan, self.say, self.confirm, self.sent = plan, say, confirm, sent
        self.api = HfApi()
        self.title = f"Publish erc-synth data {version_of(plan.folder)}".strip()

    def run(self) -> Published:
        """Plan, send, compare, tag."""
        plan = self.plan
        if not self._call(lambda: self.api.repo_exists(plan.repo_id, repo_type="dataset")):
            if plan.dry_run:
                files = local_files(plan.folder)
                added = tuple(Change(path, "add", file.stat().st_size) for path, file in files.items())
                return Published("", False, None, None, added)
            self._call(
                lambda: self.api.create_repo(plan.repo_id, repo_type="dataset", private=plan.private, exist_ok=True)
            )
            self.sent.created = True
        else:
            self._check_visibility()
        head, changes = self._look()
        self._check_tag(changes)
        self._check_losses(head, changes)
        if plan.dry_run:
            return Published(head, False, None, None, tuple(changes))
        if plan.gated:
            self._call(lambda: self.api.update_repo_settings(plan.repo_id, repo_type="dataset", gated=plan.gated))
            self.sent.gated = plan.gated
        result = self._commit(head, changes)
        if result.pull_request or plan.create_pr:
            return result
        verify(plan.folder, plan.repo_id, result.revision, say=self.say)
        self._tag(result.revision)
        return replace(result, tag=plan.tag)

    def _call(self, action: Callable[[], Answer]) -> Answer:
        return patiently(action, self.plan.repo_id, self.say)

    def _look(self) -> tuple[str, list[Change]]:
        """Head of main and what would change there."""
        plan = self.plan
        head = str(self._call(lambda: self.api.dataset_info(plan.repo_id, revision="main").sha))
        return head, self._call(lambda: compare(self.api, plan.repo_id, plan.folder, head))

    def _check_visibility(self) -> None:
        info = self._call(lambda: self.api.dataset_info(self.plan.repo_id))
        if self.plan.private and not info.private:
            raise ErcSynthError(
                f"{self.plan.repo_id} is public already: --private would publish publicly.",
                hint="Make it private on its page first, or leave --private out.",
            )

    def _check_tag(self, changes: list[Change]) -> None:
        """A tag that exists must hold what the folder holds."""
        plan, there = self.plan, self._tags().get(self.plan.tag or "")
        if there is None or (all(change.kind == "same" for change in changes)):
            return
        at_tag = self._call(lambda: compare(self.api, plan.repo_id, plan.folder, there))
        if any(change.kind != "same" for change in at_tag):
            raise ErcSynthError(
                f"The tag {plan.tag} of {plan.repo_id} exists and holds other data.",
                hint="Build the folder with a new --version.",
            )

    def _check_losses(self, head: str, changes: list[Change]) -> None:
        """What would be deleted, or taken over from others, must be allowed."""
        plan = self.plan
        gone = [change.path for change in changes if change.kind == "delete"]
        foreign = any(change.kind == "update" and change.path == "README.md" for change in changes) and not self._ours(
            head
        )
        if not gone and not foreign:
            return
        what = (
            f"{len(gone)} file{'s' if len(gone) != 1 else ''} would be deleted: {', '.join(gone[:5])}" if gone else ""
        )
        more = f" and {len(gone) - 5} more" if len(gone) > 5 else ""
        whose = "its card is not one of erc-synth" if foreign else ""
        said = f"In {plan.repo_id} {' and '.join(part for part in (what + more, whose) if part)}."
        if plan.dry_run:
            self.say(said)
        elif not plan.allow_delete:
            raise ErcSynthError(said, hint="Use --allow-delete when this is meant, or another --repo-id.")
        elif not self.confirm(f"{said} Go on?"):
            raise ErcSynthError("Not published, as you said.")

    def _ours(self, head: str) -> bool:
        """True when the card on the Hub was written by `erc-synth build`."""
        from huggingface_hub import hf_hub_download

        with tempfile.TemporaryDirectory() as cache:
            path = self._call(
                lambda: hf_hub_download(
                    self.plan.repo_id, "README.md", repo_type="dataset", revision=head, cache_dir=cache
                )
            )
            try:
                header = front_matter_of(Path(path))
            except Exception:  # a card that cannot be read is not ours
                return False
        return bool(header.get("pretty_name") == OURS)

    def _commit(self, head: str, changes: list[Change]) -> Published:
        """One commit; a parent that was overtaken is planned again, what came in meanwhile is left alone."""
        may_go = {change.path for change in changes if change.kind == "delete"}
        for attempt in range(1, ATTEMPTS + 1):
            real = [c for c in changes if c.kind != "same" and (c.kind != "delete" or c.path in may_go)]
            if not real:
                if self.sent.sending:  # an earlier try arrived, though its answer did not
                    self.sent.commit = head
                return Published(head, self.sent.sending, None, None, tuple(changes))
            if self.plan.create_pr and (url := self._open_request()):
                self.say(f"A pull request with this title is open already: {url}")
                return Published(head, False, None, url, tuple(changes))
            try:
                oid, request = self._send(real, head)
            except ErcSynthError as error:
                if attempt == ATTEMPTS or _status(error) != 412:
                    raise
                self.say(f"Somebody else committed to {self.plan.repo_id} meanwhile; reading it again.")
                head, changes = self._look()
                continue
            self.sent.commit = "" if request else oid
            self.sent.pull_request = request or ""
            return Published(oid, True, None, request, tuple(changes))
        raise AssertionError("unreachable")

    def _send(self, real: list[Change], head: str) -> tuple[str, str | None]:
        """Commit and, when one was asked for, address of the pull request."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        plan = self.plan
        size = sum(change.size for change in real)
        self.say(f"Sending {len(real)} changes, {size:,} bytes, to {plan.repo_id}.")
        self.sent.sending = True

        tries = count()

        def commit() -> tuple[str, str | None]:
            if next(tries) and plan.create_pr and (url := self._open_request()):
                return head, url  # the first try had opened it; only its answer was lost
            operations = [
                CommitOperationDelete(path_in_repo=change.path)
                if change.kind == "delete"
                else CommitOperationAdd(path_in_repo=change.path, path_or_fileobj=str(plan.folder / change.path))
                for change in real
            ]
            info = self.api.create_commit(
                plan.repo_id,
                operations,
                repo_type="dataset",
                parent_commit=head,
                create_pr=plan.create_pr,
                commit_message=self.title,
            )
            return str(info.oid), info.pr_url

        try:
            return self._call(commit)
        except ErcSynthError as error:
            # Did a commit arrive whose answer was lost? A 412 may be our own commit, seen by the second try.
            if _status(error) != 412 and (not error.retryable or self._nothing_arrived(head)):
                self.sent.sending = False
            raise

    def _nothing_arrived(self, head: str) -> bool:
        """True when the Hub, asked once, shows neither our commit nor our pull request."""
        try:
            if self.plan.create_pr:
                return self._request_now() is None
            return str(self.api.dataset_info(self.plan.repo_id, revision="main").sha) == head
        except Exception:  # only a better sentence is at stake
            return False

    def _open_request(self) -> str | None:
        """Address of an open pull request with our title."""
        return self._call(self._request_now)

    def _request_now(self) -> str | None:
        """The same, asked once."""
        for entry in self.api.get_repo_discussions(self.plan.repo_id, repo_type="dataset"):
            if entry.is_pull_request and entry.status == "open" and entry.title == self.title:
                return f"{self.api.endpoint}/datasets/{self.plan.repo_id}/discussions/{entry.num}"
        return None

    def _tags(self) -> dict[str, str]:
        refs = self._call(lambda: self.api.list_repo_refs(self.plan.repo_id, repo_type="dataset"))
        return {entry.name: str(entry.target_commit) for entry in refs.tags}

    def _tag(self, revision: str) -> None:
        tag = self.plan.tag
        if not tag or tag in self._tags():
            return

        def make() -> None:
            if tag not in {
                entry.name for entry in self.api.list_repo_refs(self.plan.repo_id, repo_type="dataset").tags
            }:
                self.api.create_tag(self.plan.repo_id, tag=tag, revision=revision, repo_type="dataset")

        self._call(make)
        self.sent.tag = tag


def _status(error: BaseException) -> int:
    """HTTP status behind an error; 0 when there is none."""
    return int(getattr(getattr(error.__cause__, "response", None), "status_code", 0) or 0)
