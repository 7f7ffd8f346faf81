"""Plan and run the jobs of a recipe: keep the server full, journal every attempt, end with a manifest.

Input: `Recipe`, `Options`, endpoints. Output: `runs/<recipe>/journal.jsonl` and `manifest.json`.
Interrupted at any moment it goes on where it stopped. Not covered: curation, splits.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from erc_synth.generation.journal import Journal, read_attempts, read_records, scan
from erc_synth.generation.limiter import Endpoint, Limiter, StopRule
from erc_synth.generation.parsing import Parsed, Rejection, parse
from erc_synth.generation.prompts import Prompt, build, seed_of, sentences, wanted_emotion
from erc_synth.generation.recipe import Profile, Recipe, recipe_from_text
from erc_synth.generation.transport import (
    Completion,
    Identity,
    Transport,
    TransportError,
    identify_all,
    new_session,
)
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue

MAX_ATTEMPTS = 8  # answers asked of the model per job before it is given up
RETRY_BASE = 0.5  # seconds; doubles per try, with jitter, up to RETRY_CAP
RETRY_CAP = 30.0
MAX_TRIES = 50  # of one request that meets retryable errors; the stop rule usually comes first


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


@dataclass(slots=True)
class Tally:
    """Live counts of one run; `report` is called after each attempt."""

    wanted: int
    accepted: int = 0
    attempts: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    given_up: int = 0
    started: float = field(default_factory=time.monotonic)
    accepted_before: int = 0

    def line(self, limiter: Limiter) -> str:
        """One line: rates, parse rate, labels, in flight, retries, time left."""
        seconds = max(time.monotonic() - self.started, 1e-6)
        new = self.accepted - self.accepted_before
        answers = new + sum(self.rejected.values())
        rate = new / seconds
        left = (self.wanted - self.accepted) / rate if rate else float("inf")
        eta = f"{left / 60:.0f} min" if left > 90 else f"{left:.0f} s"
        labels = " ".join(f"{label} {count}" for label, count in self.labels.most_common(4))
        return (
            f"{self.accepted}/{self.wanted} dialogues  {rate:.2f}/s  {self.completion_tokens / seconds:.0f} tok/s  "
            f"parsed {new / answers if answers else 0:.0%}  [{labels}]  "
            f"in flight {limiter.in_flight}/{limiter.limit}  errors {sum(self.errors.values())}  "
            f"left {eta if rate else '?'}"
        )


class Run:
    """One recipe on one set of endpoints."""

    def __init__(
        self,
        recipe: Recipe,
        options: Options,
        transport: Transport,
        urls: list[str],
        out: Path,
        *,
        show: Callable[[str], None] = lambda line: None,
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
        self._jitter = random.Random(options.run_seed)
        self._asked: Counter[str | None] = Counter()  # emotions asked for and not yet answered

    async def execute(self) -> Path:
        """Run all open jobs; returns the manifest's path.

        Raises:
            ErcSynthError: Bad input (exit code 2), or stopped early with what is there (exit code 3).
        """
        started = datetime.now(UTC)
        journal = self._open_journal()
        async with new_session(self.options.concurrency, self.options.timeout) as session:
            identity = await identify_all(self.transport, session, self.urls)
            self._check(identity)
            sent, dropped = self._sampling()
            ceiling = min(self.options.concurrency, identity.max_concurrent or self.options.concurrency)
            # A server that states its limit may be filled at once; one that does not is tried from half.
            start = ceiling if identity.max_concurrent else max(8, ceiling // 2)
            limiter = Limiter(self.urls, ceiling, start=start)
            with journal:
                progress = scan(journal.path)
                self._begin(journal, identity, sent, dropped, progress.accepted)
                self.stop.start()
                try:
                    await self._work(session, journal, limiter, progress.next_attempt, progress.accepted)
                finally:
                    journal.sync()
                    path = self._manifest(identity, sent, dropped, started)
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
            path.rename(aside)
            why = "the recipe or its options changed" if changed else "--resume never"
            self.say(f"NEW JOURNAL for {self.recipe.name}: {why}. The old one is kept as {aside.name}.")
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

    def _sampling(self) -> tuple[dict[str, Any], list[str]]:
        sent, dropped = self.transport.wire(self.options.sampling, self.options.constrain)
        if dropped and self.options.strict_sampling:
            raise ErcSynthError(
                f"This server does not take {', '.join(dropped)}.",
                hint="Leave --strict-sampling out, or use TGI.",
            )
        if dropped:
            self.say(f"This server does not take {', '.join(dropped)}: not sent, and recorded in the manifest.")
        return sent, dropped

    def _begin(
        self,
        journal: Journal,
        identity: Identity,
        sent: dict[str, Any],
        dropped: list[str],
        accepted: set[int],
    ) -> None:
        for record in read_attempts(journal.path) if accepted else ():
            if record["outcome"] == "accepted" and record["index"] < self.options.dialogues:
                self.tally.labels.update(record["labels"])
        self.tally.accepted = self.tally.accepted_before = sum(i < self.options.dialogues for i in accepted)
        if accepted:
            self.say(f"{self.recipe.name}: going on, {self.tally.accepted} of {self.tally.wanted} are there.")
        journal.append(
            {
                "type": "run",
                "fingerprint": self.options.fingerprint(self.recipe),
                "recipe": self.recipe.name,
                "source": self.recipe.source,
                "run_seed": self.options.run_seed,
                "profile": self.options.profile.name,
                "server": identity.to_json(),
                "sampling_sent": sent,
                "dropped_parameters": dropped,
                "sampling": self.options.sampling,
                "few_shot": self.options.few_shot,
                "constrained": self.options.constrain,
                "turns": self.options.turns,
                "started": datetime.now(UTC).isoformat(),
                "erc_synth": version("erc-synth"),
            }
        )

    # --- work -----------------------------------------------------------------------------------

    async def _work(
        self,
        session: Any,
        journal: Journal,
        limiter: Limiter,
        next_attempt: dict[int, int],
        accepted: set[int],
    ) -> None:
        """Keep as many workers alive as the limiter allows; jobs are drawn lazily, so memory is flat."""
        jobs = iter(i for i in range(self.options.dialogues) if i not in accepted)
        workers = min(self.options.concurrency * len(self.urls), self.options.dialogues)

        async def worker() -> None:
            for index in jobs:  # one shared iterator: each job goes to exactly one worker
                if self.stopped:
                    return
                await self._job(session, journal, limiter, index, next_attempt.get(index, 0))
                self.show(self.tally.line(limiter))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(worker())
        except* ErcSynthError as refused:  # one worker's error is the run's; the group adds nothing
            raise refused.exceptions[0] from refused.exceptions[0].__cause__

    async def _job(self, session: Any, journal: Journal, limiter: Limiter, index: int, attempt: int) -> None:
        """Ask until a dialogue parses; each new attempt has a new seed."""
        while attempt < MAX_ATTEMPTS and not self.stopped:
            prompt = self._prompt(index, attempt)
            self._asked[prompt.emotion] += 1
            try:
                answered = await self._send(session, journal, limiter, index, attempt, prompt)
            finally:
                self._asked[prompt.emotion] -= 1
            if answered is None:
                return  # stopped
            if answered:
                return
            attempt += 1
        if attempt >= MAX_ATTEMPTS:
            self.tally.given_up += 1

    def _prompt(self, index: int, attempt: int) -> Prompt:
        recipe, options = self.recipe, self.options
        emotion = wanted_emotion(recipe, index)
        if recipe.balanced and recipe.balance == "adaptive":
            # Those in flight count too: a burst of requests must not all ask for the same emotion.
            emotion = min(recipe.labels.labels, key=lambda label: self.tally.labels[label] + self._asked[label])
        seed = seed_of(options.run_seed, recipe.fingerprint, index, attempt)
        return build(
            recipe, seed=seed, emotion=emotion, few_shot=options.few_shot,
            constrain=options.constrain, turns=options.turns,
        )  # fmt: skip

    async def _send(
        self, session: Any, journal: Journal, limiter: Limiter, index: int, attempt: int, prompt: Prompt
    ) -> bool | None:
        """One attempt, with retries on the wire: True accepted, False rejected, None stopped."""
        for tries in range(MAX_TRIES):
            endpoint = await self._slot(limiter)
            if endpoint is None:
                return None
            sent_at, clock = datetime.now(UTC), time.monotonic()
            base: dict[str, Any] = {"seed": prompt.seed, "emotion": prompt.emotion, "try": tries,
                    "endpoint": endpoint.url,
                    "prompt_hash": prompt.hash, "sent": sent_at.isoformat()}  # fmt: skip
            try:
                answer = await self.transport.complete(session, endpoint.url, prompt, self.options.sampling)
            except TransportError as error:
                self._failed(limiter, endpoint, error)
                base |= {
                    "seconds": round(time.monotonic() - clock, 3),
                    "error": error.kind,
                    "message": str(error),
                }
                self._write(journal, index, attempt, "error", base)
                if not error.retryable:
                    raise ErcSynthError(
                        f"{self.recipe.name}: the server refused a request: {error}",
                        hint="Mend the recipe's sampling or the server's limits, then run the same command again.",
                    ) from error
                if await self._rest(tries, error.retry_after):
                    return None
                continue
            except BaseException:
                limiter.release(endpoint)
                raise
            limiter.success(endpoint)
            base["seconds"] = round(time.monotonic() - clock, 3)
            return self._answered(journal, index, attempt, prompt, answer, base)
        return None

    async def _slot(self, limiter: Limiter) -> Endpoint | None:
        while not self.stopped:
            endpoint = limiter.acquire()
            if endpoint is not None:
                return endpoint
            self.stopped = self.stop.reason()
            await asyncio.sleep(min(max(limiter.wait_hint(), 0.002), 0.5))
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

    def _failed(self, limiter: Limiter, endpoint: Endpoint, error: TransportError) -> None:
        self.tally.errors[error.kind] += 1
        if error.kind in ("overloaded", "timeout"):
            limiter.overload(endpoint, error.retry_after)
        else:
            limiter.failure(endpoint, connection=error.kind == "connection")

    def _answered(
        self,
        journal: Journal,
        index: int,
        attempt: int,
        prompt: Prompt,
        answer: Completion,
        base: dict[str, Any],
    ) -> bool:
        outcome = parse(answer.text, self.recipe.format, cut=answer.finish_reason == "length")
        accepted = isinstance(outcome, Parsed)
        self.stop.answered(accepted)
        self.tally.prompt_tokens += answer.prompt_tokens
        self.tally.completion_tokens += answer.completion_tokens
        base |= {"finish_reason": answer.finish_reason, "prompt_tokens": answer.prompt_tokens,
                 "completion_tokens": answer.completion_tokens, "server_seed": answer.seed}  # fmt: skip
        if isinstance(outcome, Rejection):
            self.tally.rejected[outcome.reason] += 1
            base["reason"] = outcome.reason
        else:
            labels = Counter(str(turn.emotion) for turn in outcome.utterances)
            self.tally.labels.update(labels)
            self.tally.accepted += 1
            base["labels"] = dict(labels)
        self._write(journal, index, attempt, "accepted" if accepted else "rejected", {**base, "text": answer.text})
        self.stopped = self.stopped or self.stop.reason()
        return accepted

    def _write(self, journal: Journal, index: int, attempt: int, outcome: str, rest: dict[str, Any]) -> None:
        self.tally.attempts += 1
        journal.append({"type": "attempt", "index": index, "attempt": attempt, "outcome": outcome, **rest})

    # --- end ------------------------------------------------------------------------------------

    def _manifest(self, identity: Identity, sent: dict[str, Any], dropped: list[str], started: datetime) -> Path:
        """Facts of all sessions of this journal, counted from the journal itself."""
        recipe, options, profile = self.recipe, self.options, self.options.profile
        ask = sentences(recipe, None)
        manifest = {
            "schema_version": 1,
            "recipe": {
                "name": recipe.name,
                "label_set": recipe.label_set,
                "kind": recipe.kind,
                "language": recipe.language,
                "balance": recipe.balance,
                "fingerprint": recipe.fingerprint,
                "prompt": list(ask),
                "balanced_ending": recipe.prompt["balanced_ending"] if recipe.balanced else None,
                "labels": dict(recipe.format.numbers),
                "sampling": recipe.sampling,
                "splits": recipe.splits,
                "source": recipe.source,
            },
            "model": {
                "profile": profile.name,
                "id": profile.id or identity.model_id,
                "revision": identity.model_sha or None,
                "template": profile.template if identity.dialect == "tgi" else "the server's own",
                "licence": profile.licence,
            },
            "server": identity.to_json(),
            "sampling_sent": sent,
            "dropped_parameters": dropped,
            "few_shot": options.few_shot,
            "constrained": options.constrain,
            "run_seed": options.run_seed,
            **journal_counts(self.folder / "journal.jsonl", options.dialogues),
            "started": started.isoformat(),
            "finished": datetime.now(UTC).isoformat(),
            "erc_synth": version("erc-synth"),
        }
        path = self.folder / "manifest.json"
        write_json(path, manifest)
        return path


def journal_counts(path: Path, jobs: int) -> dict[str, Any]:
    """`counts`, `label_counts` and `seconds` (summed over requests) of a whole journal."""
    rejected: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    attempts, seconds, prompt_tokens, completion_tokens = 0, 0.0, 0, 0
    accepted: set[int] = set()
    for record in read_attempts(path):
        attempts += 1
        seconds += record.get("seconds", 0.0)
        prompt_tokens += record.get("prompt_tokens", 0)
        completion_tokens += record.get("completion_tokens", 0)
        if record["outcome"] == "accepted":
            accepted.add(record["index"])
            labels.update(record["labels"])
        elif record["outcome"] == "rejected":
            rejected[record["reason"]] += 1
        else:
            errors[record["error"]] += 1
    counts = {
        "jobs": jobs, "attempts": attempts, "accepted": len(accepted), "rejected": dict(rejected),
        "errors": dict(errors), "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
    }  # fmt: skip
    return {"counts": counts, "label_counts": dict(labels), "seconds": round(seconds, 1)}


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file so that it is either the old one or the whole new one."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def recipe_of(run_dir: Path) -> Recipe:
    """The recipe that a run was made with, from its journal."""
    path = run_dir / "journal.jsonl"
    if not path.exists():
        raise ErcSynthError(f"{run_dir} holds no journal.jsonl.", hint="Run `erc-synth generate` first.")
    header = next(iter(read_records(path)), None)
    if header is None or header.get("type") != "run":
        raise ErcSynthError(f"{path} does not begin with a run record.", hint="Is it a journal of erc-synth?")
    return recipe_from_text(header["source"], f"{path}, line 1")


def accepted_dialogues(run_dir: Path) -> Iterator[Dialogue]:
    """Dialogues of a run, one per accepted job in job order, parsed anew from the raw text."""
    recipe = recipe_of(run_dir)
    generator = ""
    best: dict[int, Dialogue] = {}
    for record in read_records(run_dir / "journal.jsonl"):
        if record["type"] == "run":
            generator = record["server"].get("model_id") or record["profile"]
            with contextlib.suppress(ErcSynthError):
                from erc_synth.generation.recipe import load_profile

                generator = load_profile(record["profile"]).id or generator
            continue
        if record["outcome"] == "error" or record["index"] in best:
            continue
        parsed = parse(record["text"], recipe.format, cut=record.get("finish_reason") == "length")
        if isinstance(parsed, Parsed):
            index = record["index"]
            best[index] = Dialogue(
                f"{recipe.name}-{index:06d}", parsed.utterances, seed=record["seed"],
                target_emotion=record["emotion"], recipe=recipe.name, generator=generator,
            )  # fmt: skip
    for index in sorted(best):
        yield best[index]


def with_profile_defaults(options: Options, recipe: Recipe, **flags: float | None) -> Options:
    """Sampling by precedence: recipe < profile < flag (a flag of `None` is not given)."""
    given = {name: value for name, value in flags.items() if value is not None}
    return replace(options, sampling={**recipe.sampling, **options.profile.sampling, **given})
