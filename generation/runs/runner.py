"""Plan and run the jobs of a recipe: keep the server full, journal every attempt, end with a manifest.

Input: `Recipe`, `Options`, endpoints. Output: `runs/<recipe>/journal.jsonl` and `manifest.json`.
Interrupted at any moment it goes on where it stopped. Not covered: curation, splits.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp

from erc_synth.generation.parsing import Rejection, parse
from erc_synth.generation.prompts import Prompt, build, seed_of, wanted_emotion
from erc_synth.generation.recipe import Profile, Recipe, checked_sampling
from erc_synth.generation.runs.folder import write_manifest
from erc_synth.generation.runs.journal import Journal, Progress, read_records, scan
from erc_synth.generation.runs.tally import Tally
from erc_synth.generation.serving.limiter import DEAD_AFTER, Endpoint, Limiter, StopRule
from erc_synth.generation.serving.transport import (
    Completion,
    Identity,
    Transport,
    TransportError,
    identify_all,
    new_session,
)
from erc_synth.loaders.errors import ErcSynthError

MAX_ATTEMPTS = 8  # answers asked of the model per job before it is given up
RETRY_BASE = 0.5  # seconds; doubles per try, with jitter, up to RETRY_CAP
RETRY_CAP = 30.0
MAX_TRIES = 50  # of one request that meets retryable errors; the stop rule usually comes first
FEW_TRIES = 10  # of one request that the server fails at (424, 500, broken answers): it may be the request's fault
TICK = 0.25  # seconds between two looks at progress and the stop rule


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a recipe; what shapes the text is part of the run's fingerprint."""

    profile: Profile
    sampling: dict[str, float]
    run_seed: int = 0
    dialogues: int = 1
    few_shot: int = 0
    constrain: bool = False
    turns: tuple[int, int] | None = None
    concurrency: int = 128
    resume: str = "auto"
    strict_sampling: bool = False
    any_model: bool = False
    timeout: float = 600.0
    patience: float = 600.0
    parse_floor: float = 0.0

    def fingerprint(self, recipe: Recipe) -> str:
        """Recipe fingerprint plus what else shapes a dialogue."""
        shape = [recipe.fingerprint, self.profile.name, sorted(self.sampling.items()), self.run_seed,
                 self.few_shot, self.constrain, self.turns]  # fmt: skip
        return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]


class Run:
    """One recipe on one set of endpoints; used once.

    Args:
        show: Gets the live counts and the limiter a few times per second.
        say: Gets sentences the user must see.
    """

    def __init__(
        self,
        recipe: Recipe,
        options: Options,
        transport: Transport,
        urls: list[str],
        out: Path,
        *,
        show: Callable[[Tally, Limiter], None] = lambda tally, limiter: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.recipe = recipe
        self.options = options
        self.transport = transport
        self.urls = urls
        self.folder = out / recipe.name
        self.show = show
        self.say = say
        self.tally = Tally(options.dialogues)
        self.stop = StopRule(options.patience, options.parse_floor)
        self.stopped: str | None = None
        self._fingerprint = recipe.fingerprint
        self._jitter = random.Random(options.run_seed)
        self._asked: Counter[str | None] = Counter()  # emotions asked for and not yet answered
        self._session: aiohttp.ClientSession
        self._journal: Journal
        self._limiter: Limiter
        self._met: dict[str, Identity] = {}

    async def execute(self) -> Path:
        """Run all open jobs; returns the manifest's path.

        Raises:
            ErcSynthError: Bad input (exit code 2), or stopped early with what is there (exit code 3).
        """
        started = datetime.now(UTC)
        self._journal = self._open_journal()
        async with new_session(self.options.concurrency, self.options.timeout) as self._session:
            self._met = await identify_all(self.transport, self._session, self.urls)
            identity = next(iter(self._met.values()))
            self._check(identity)
            asked = self._asked_for()
            self._limiter = self._new_limiter(identity)
            with self._journal:
                progress = scan(self._journal.path, self.options.dialogues)
                self._begin(identity, asked, progress)
                try:
                    await self._work(progress)
                finally:
                    self.tally.ended = time.monotonic()
                    self._journal.sync()
                    path = write_manifest(
                        self.folder, self.recipe, self.options.profile, identity, asked,
                        jobs=self.options.dialogues, started=started,
                    )  # fmt: skip
        if self.stopped:
            raise ErcSynthError(
                f"{self.recipe.name}: stopped, {self.stopped}; "
                f"{self.tally.accepted} of {self.tally.wanted} dialogues are kept.",
                hint="Look at the server, then run the same command again.",
                exit_code=3,
            )
        return path

    # --- set-up ---------------------------------------------------------------------------------

    def _open_journal(self) -> Journal:
        """The journal to append to; another fingerprint or `--resume never` begins a new file."""
        path = self.folder / "journal.jsonl"
        fingerprint = self.options.fingerprint(self.recipe)
        old = next(iter(read_records(path)), None) if path.exists() and path.stat().st_size else None
        if old is None:
            return Journal(path)
        changed = old.get("fingerprint") != fingerprint
        if changed and self.options.resume == "always":
            raise ErcSynthError(
                f"{path} was written by another recipe or other options (fingerprint {old.get('fingerprint')}, "
                f"now {fingerprint}).",
                hint="Use --resume auto to begin a new journal beside it, or the old options.",
            )
        if changed or self.options.resume == "never":
            aside = path.with_name(f"journal-{old.get('fingerprint')}-{int(path.stat().st_mtime)}.jsonl")
            why = "the recipe or its options changed" if changed else "--resume never"
            self.say(f"NEW JOURNAL for {self.recipe.name}: {why}. The old one is kept as {aside.name}.")
            return Journal(path, aside=aside)
        return Journal(path)

    def _check(self, identity: Identity) -> None:
        wanted = self.options.profile.id
        embedded = self.options.profile.embedded and identity.dialect == "openai/llama.cpp"
        if wanted and not embedded and not self.options.any_model and identity.model_id != wanted:
            raise ErcSynthError(
                f"The server hosts {identity.model_id!r}, the profile {self.options.profile.name} wants {wanted!r}.",
                hint="Use another --profile, or --any-model.",
            )
        need = self.options.sampling["max_new_tokens"]
        if identity.max_total_tokens and need >= identity.max_total_tokens:
            raise ErcSynthError(
                f"max_new_tokens {need:.0f} does not fit the server's limit of {identity.max_total_tokens} tokens.",
                hint="Lower it with --max-new-tokens.",
            )

    def _asked_for(self) -> dict[str, Any]:
        """What this session asks for, as journal and manifest say it."""
        sent, dropped = self.transport.wire(self.options.sampling, self.options.constrain)
        if dropped and self.options.strict_sampling:
            raise ErcSynthError(
                f"This server does not take {', '.join(dropped)}.",
                hint="Leave --strict-sampling out, or use TGI.",
            )
        if dropped:
            self.say(f"This server does not take {', '.join(dropped)}: not sent, and recorded in the manifest.")
        return {
            "sampling_sent": sent,
            "dropped_parameters": dropped,
            "few_shot": self.options.few_shot,
            "constrained": self.options.constrain,
            "run_seed": self.options.run_seed,
        }

    def _new_limiter(self, identity: Identity) -> Limiter:
        """A server that states its limit is filled at once; one that does not is tried from half."""
        ceiling = min(self.options.concurrency, identity.max_concurrent or self.options.concurrency)
        limiter = Limiter(self.urls, ceiling, start=ceiling if identity.max_concurrent else max(8, ceiling // 2))
        for endpoint in limiter.endpoints:
            if endpoint.url not in self._met:  # it did not answer: one request at a time, until one succeeds
                endpoint.failures = DEAD_AFTER
        return limiter

    def _begin(self, identity: Identity, asked: dict[str, Any], progress: Progress) -> None:
        self.tally.resumed(len(progress.accepted), progress.labels)
        if progress.accepted:
            self.say(f"{self.recipe.name}: going on, {self.tally.accepted} of {self.tally.wanted} are there.")
        self._journal.append(
            {
                "type": "run",
                "fingerprint": self.options.fingerprint(self.recipe),
                "recipe": self.recipe.name,
                "source": self.recipe.source,
                "profile": self.options.profile.name,
                "server": identity.to_json(),
                **asked,
                "sampling": self.options.sampling,
                "turns": self.options.turns,
                "started": datetime.now(UTC).isoformat(),
                "erc_synth": version("erc-synth"),
            }
        )
        self.stop.start()

    # --- work -----------------------------------------------------------------------------------

    async def _work(self, progress: Progress) -> None:
        """Keep as many workers alive as may be in flight; jobs are drawn lazily, so memory is flat."""
        jobs = iter(i for i in range(self.options.dialogues) if i not in progress.accepted)
        count = min(self.options.concurrency * len(self.urls), self.options.dialogues)
        workers = {asyncio.create_task(self._worker(jobs, progress.next_attempt)) for _ in range(count)}
        pending = workers
        try:
            while pending:
                done, pending = await asyncio.wait(pending, timeout=TICK, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    task.result()  # one worker's error is the run's
                self.show(self.tally, self._limiter)
                silence = self.stop.silence()
                if silence and pending:  # requests are out that are never answered
                    self.stopped = self.stopped or silence
                    return
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(self, jobs: Iterator[int], next_attempt: dict[int, int]) -> None:
        for index in jobs:  # one shared iterator: each job goes to exactly one worker
            if self.stopped:
                return
            await self._job(index, next_attempt.get(index, 0))

    async def _job(self, index: int, attempt: int) -> None:
        """Ask until a dialogue parses; each new attempt has a new seed."""
        while attempt < MAX_ATTEMPTS and not self.stopped:
            prompt = self._prompt(index, attempt)
            self._asked[prompt.emotion] += 1
            try:
                accepted = await self._send(index, attempt, prompt)
            finally:
                self._asked[prompt.emotion] -= 1
            if accepted:
                return
            if accepted is None:
                break
            attempt += 1
        if not self.stopped:
            self.tally.given_up += 1

    def _prompt(self, index: int, attempt: int) -> Prompt:
        recipe, options = self.recipe, self.options
        emotion = wanted_emotion(recipe, index)
        if recipe.balanced and recipe.balance == "adaptive":
            # Those in flight count too: a burst of requests must not all ask for the same emotion.
            emotion = min(recipe.labels.labels, key=lambda label: self.tally.labels[label] + self._asked[label])
        seed = seed_of(options.run_seed, self._fingerprint, index, attempt)
        return build(
            recipe, seed=seed, emotion=emotion, few_shot=options.few_shot,
            constrain=options.constrain, turns=options.turns,
        )  # fmt: skip

    async def _send(self, index: int, attempt: int, prompt: Prompt) -> bool | None:
        """One attempt, with retries on the wire: True accepted, False rejected, None without an answer."""
        faults = 0
        for number in range(MAX_TRIES):
            endpoint = await self._slot()
            if endpoint is None:
                return None
            clock = time.monotonic()
            facts: dict[str, Any] = {
                "seed": prompt.seed, "emotion": prompt.emotion, "try": number, "endpoint": endpoint.url,
                "prompt_hash": prompt.hash, "sent": datetime.now(UTC).isoformat(),
            }  # fmt: skip
            try:
                await self._meet(endpoint)
                answer = await self.transport.complete(self._session, endpoint.url, prompt, self.options.sampling)
            except TransportError as error:
                facts["seconds"] = round(time.monotonic() - clock, 3)
                self._failed(endpoint, error, index, attempt, facts)
                faults += error.kind in ("server", "generation", "bad_body")
                if faults == FEW_TRIES or await self._rest(number, error.retry_after):
                    return None
            except BaseException:
                self._limiter.release(endpoint)
                raise
            else:
                self._limiter.success(endpoint, max(1, answer.completion_tokens))
                facts["seconds"] = round(time.monotonic() - clock, 3)
                return self._answered(index, attempt, answer, facts)
        return None

    async def _meet(self, endpoint: Endpoint) -> None:
        """An endpoint that did not answer at start says who it is before it gets work."""
        if endpoint.url in self._met:
            return
        identity = await self.transport.identify(self._session, endpoint.url)
        first = next(iter(self._met.values()))
        if (identity.model_id, identity.model_sha) != (first.model_id, first.model_sha):
            endpoint.paused_until = float("inf")
            self.say(f"{endpoint.url} serves {identity.model_id!r}, not {first.model_id!r}: it is left out.")
            raise TransportError("other_model", f"{endpoint.url} serves {identity.model_id!r}.", retryable=True)
        self._met[endpoint.url] = identity

    async def _slot(self) -> Endpoint | None:
        while not self.stopped:
            endpoint = self._limiter.acquire()
            if endpoint is not None:
                return endpoint
            self.stopped = self.stop.reason()
            await self._limiter.room(0.5)
        return None

    async def _rest(self, tries: int, asked: float | None) -> bool:
        """Back off with jitter; True when the stop rule says to give up."""
        pause = min(RETRY_CAP, RETRY_BASE * 2**tries) * self._jitter.uniform(0.5, 1.0)
        end = time.monotonic() + max(pause, asked or 0.0)
        while time.monotonic() < end:
            self.stopped = self.stopped or self.stop.reason()
            if self.stopped:
                return True
            await asyncio.sleep(min(0.2, max(0.0, end - time.monotonic())))
        return False

    def _failed(
        self, endpoint: Endpoint, error: TransportError, index: int, attempt: int, facts: dict[str, Any]
    ) -> None:
        self.tally.errors[error.kind] += 1
        if error.kind in ("overloaded", "timeout"):
            self._limiter.overload(endpoint, error.retry_after)
        else:
            self._limiter.failure(endpoint, connection=error.kind == "connection")
        self._write(index, attempt, "error", {**facts, "error": error.kind, "message": str(error)})
        if not error.retryable:
            raise ErcSynthError(
                f"{self.recipe.name}: the server refused a request: {error}",
                hint="Mend the recipe's sampling or the server's limits, then run the same command again.",
            ) from error

    def _answered(self, index: int, attempt: int, answer: Completion, facts: dict[str, Any]) -> bool:
        outcome = parse(answer.text, self.recipe.format, cut=answer.finish_reason == "length")
        facts |= {"finish_reason": answer.finish_reason, "prompt_tokens": answer.prompt_tokens,
                  "completion_tokens": answer.completion_tokens, "server_seed": answer.seed}  # fmt: skip
        labels: Counter[str] = Counter()
        reason = outcome.reason if isinstance(outcome, Rejection) else None
        if isinstance(outcome, Rejection):
            facts["reason"] = reason
        else:
            labels.update(str(turn.emotion) for turn in outcome.utterances)
            facts["labels"] = dict(labels)
        self.tally.answered(answer, labels, reason)
        self._write(index, attempt, "rejected" if reason else "accepted", {**facts, "text": answer.text})
        self.stop.answered(reason is None)
        self.stopped = self.stopped or self.stop.reason()
        return reason is None

    def _write(self, index: int, attempt: int, outcome: str, facts: dict[str, Any]) -> None:
        self.tally.attempts += 1
        self._journal.append({"type": "attempt", "index": index, "attempt": attempt, "outcome": outcome, **facts})


def with_profile_defaults(options: Options, recipe: Recipe, **flags: float | None) -> Options:
    """Sampling by precedence: recipe < profile < flag (a flag of `None` is not given)."""
    given = {name: value for name, value in flags.items() if value is not None}
    sampling = checked_sampling({**recipe.sampling, **options.profile.sampling, **given}, "sampling")
    if options.turns and not 2 <= options.turns[0] <= options.turns[1]:
        raise ErcSynthError(
            f"--turns {options.turns[0]} {options.turns[1]} is no range.", hint="Give least and most, from 2."
        )
    return replace(options, sampling=sampling)
