"""Run the jobs of a recipe: keep the servers full, journal every attempt, end with a manifest.

Input: `Recipe`, `Options`, opened servers, a folder. Output: `runs/<recipe>/journal.jsonl` and `manifest.json`.
Interrupted at any moment it goes on where it stopped. Not covered: one attempt (`worker`), curation, splits.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import cast

from erc_synth.generation.recipe import Recipe
from erc_synth.generation.runs.folder import Session as RunSession
from erc_synth.generation.runs.folder import write_manifest
from erc_synth.generation.runs.journal import Journal, Progress, read_records
from erc_synth.generation.runs.options import Options
from erc_synth.generation.runs.plan import Item, Plan, Prompts
from erc_synth.generation.runs.shards import check_uncut, progress_of
from erc_synth.generation.runs.tally import Tally
from erc_synth.generation.runs.worker import AGAIN, Tools, Worker
from erc_synth.generation.serving.endpoints import Roster
from erc_synth.generation.serving.engines import Opened
from erc_synth.generation.serving.limiter import DEAD_AFTER, Endpoint, Limiter
from erc_synth.generation.serving.session import Identity, Session
from erc_synth.generation.serving.stopping import StopRule
from erc_synth.loaders.contracts import Asked, Server
from erc_synth.loaders.errors import ErcSynthError

TICK = 0.25  # seconds between two looks at progress and the stop rule
RESTING = 4  # times the limit: so many jobs may rest before no new ones are begun


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on.

    Attributes:
        show: Gets the live counts and the limiter a few times per second.
        say: Gets sentences the user must see.
    """

    show: Callable[[Tally, Limiter], None] = lambda tally, limiter: None
    say: Callable[[str], None] = lambda line: None


class Run:
    """One recipe on one set of servers; used once."""

    def __init__(
        self, recipe: Recipe, options: Options, servers: Opened, out: Path, watch: Watch | None = None
    ) -> None:
        self.recipe = recipe
        self.options = options
        self.limiter: Limiter | None = None  # once the servers have said who they are
        self._run_folder = out / recipe.name
        self.folder = options.shard.folder(self._run_folder)
        self.tally = Tally(len(options.shard.jobs(options.dialogues)))
        self._servers = servers
        self._watch = watch or Watch()

    async def execute(self) -> Path:
        """Run all open jobs; returns the manifest's path.

        Raises:
            ErcSynthError: Bad input (exit code 2), or stopped early with what is there (exit code 3).
        """
        started = datetime.now(UTC)
        options, access = self.options, self._servers.access
        if options.shard.whole:
            check_uncut(self._run_folder)
        async with Session(options.concurrency, options.timeout, access) as session:
            roster = Roster(self._servers.transport, session, access.urls, self._watch.say)
            await roster.meet()
            self._check(roster.identity)
            asked = self._asked_for(roster)
            journal = self._open_journal(asked["fingerprint"])
            self.limiter = self._new_limiter(roster)
            with journal:
                progress = progress_of(
                    self._run_folder, journal.path, asked["fingerprint"], options.shard, options.dialogues
                )
                self._begin(journal, asked, progress)
                work = self._work(journal, session, (roster, self.limiter), progress)
                try:
                    await work.run()
                finally:
                    self.tally.ended = time.monotonic()
                    journal.sync()
                    path = write_manifest(
                        self.folder,
                        self.recipe,
                        options.profile,
                        RunSession(roster.identity, asked, options.dialogues, started),
                    )
        if work.stopped:
            raise ErcSynthError(
                f"{self.recipe.name}: stopped, {work.stopped}; "
                f"{self.tally.accepted} of {self.tally.wanted} dialogues are kept.",
                hint="Look at the server, then run the same command again.",
                exit_code=3,
            )
        return path

    def _check(self, identity: Identity) -> None:
        profile = self.options.profile
        if profile.id and not self.options.any_model and identity.model_id != profile.id:
            raise ErcSynthError(
                f"The server hosts {identity.model_id!r}, the profile {profile.name} wants {profile.id!r}.",
                hint="Use another --profile, or --any-model.",
            )
        need = self.options.sampling["max_new_tokens"]
        if identity.max_total_tokens and need >= identity.max_total_tokens:
            raise ErcSynthError(
                f"max_new_tokens {need:.0f} does not fit the server's limit of {identity.max_total_tokens} tokens.",
                hint="Lower it with --max-new-tokens.",
            )

    def _asked_for(self, roster: Roster) -> Asked:
        """What this session asks for, as journal and manifest say it."""
        options, transport = self.options, self._servers.transport
        wires = [transport.wire(options.sampling, options.constrain, url) for url in roster.identities]
        dropped = list(dict.fromkeys(name for _, names in wires for name in names))
        if dropped and options.strict_sampling:
            raise ErcSynthError(
                f"This server does not take {', '.join(dropped)}.", hint="Leave --strict-sampling out, or use TGI."
            )
        if dropped:
            self._watch.say(f"This server does not take {', '.join(dropped)}: not sent, and recorded in the manifest.")
        template = transport.template(next(iter(roster.identities)))
        return {
            "fingerprint": options.fingerprint(self.recipe, roster.identity, template),
            "template": template,
            "server": cast(Server, roster.identity.to_json()),
            "sampling_sent": wires[0][0],
            "dropped_parameters": dropped,
            "few_shot": options.few_shot,
            "constrained": options.constrain,
            "run_seed": options.run_seed,
        }

    def _open_journal(self, fingerprint: str) -> Journal:
        """The journal to append to; another fingerprint or `--resume never` begins a new file."""
        path = self.folder / "journal.jsonl"
        old = next(iter(read_records(path)), None) if path.exists() and path.stat().st_size else None
        if old is None:
            return Journal(path)
        changed = old.get("fingerprint") != fingerprint
        if changed and self.options.resume == "always":
            raise ErcSynthError(
                f"{path} was written by another recipe, other options or another model (fingerprint "
                f"{old.get('fingerprint')}, now {fingerprint}).",
                hint="Use --resume auto to begin a new journal beside it, or the old options.",
            )
        if not changed and self.options.resume != "never":
            return Journal(path)
        why = "the recipe, its options or the model changed" if changed else "--resume never"
        aside = f"journal-{old.get('fingerprint')}-{int(path.stat().st_mtime)}"
        self._watch.say(f"NEW JOURNAL for {self.recipe.name}: {why}. The old one is kept beside it as {aside}*.jsonl.")
        return Journal(path, aside=aside)

    def _new_limiter(self, roster: Roster) -> Limiter:
        """A server that states its limit is filled at once; one that does not is tried from half."""
        stated = roster.identity.max_concurrent
        ceiling = min(self.options.concurrency, stated or self.options.concurrency)
        limiter = Limiter(self._servers.access.urls, ceiling, start=ceiling if stated else max(8, ceiling // 2))
        for endpoint in limiter.endpoints:
            if endpoint.url not in roster.identities:  # one request at a time, until one succeeds
                endpoint.failures = DEAD_AFTER
        return limiter

    def _begin(self, journal: Journal, asked: Asked, progress: Progress) -> None:
        self.tally.resumed(len(progress.accepted), progress.labels)
        if progress.accepted:
            self._watch.say(f"{self.recipe.name}: going on, {self.tally.accepted} of {self.tally.wanted} are there.")
        journal.append(
            {
                "type": "run",
                "recipe": self.recipe.name,
                "source": self.recipe.source,
                "profile": self.options.profile.name,
                **asked,
                "sampling": self.options.sampling,
                "turns": list(self.options.turns) if self.options.turns else None,
                "started": datetime.now(UTC).isoformat(),
                "erc_synth": version("erc-synth"),
            }
        )

    def _work(self, journal: Journal, session: Session, who: tuple[Roster, Limiter], progress: Progress) -> Work:
        options, (roster, limiter) = self.options, who
        tools = Tools(
            options,
            self._servers.transport,
            session,
            roster,
            limiter,
            journal,
            Prompts(self.recipe, options, self.tally),
            self.tally,
            StopRule(options.patience, options.parse_floor),
            self._watch.say,
        )
        jobs = (
            Item(index, progress.next_attempt.get(index, 0))
            for index in options.shard.jobs(options.dialogues)
            if index not in progress.accepted
        )
        return Work(tools, Worker(tools, self.recipe.name, self.recipe.format), jobs, self._watch)


class Work:
    """Items to endpoints: whoever ends takes the next at once; more go out when there is room and something to do."""

    def __init__(self, tools: Tools, worker: Worker, jobs: Iterator[Item], watch: Watch) -> None:
        self.stopped: str | None = None
        self._tools, self._worker, self._watch = tools, worker, watch
        self._limiter, self._stop = tools.limiter, tools.stop
        widest = sum(endpoint.ceiling for endpoint in self._limiter.endpoints)
        self._plan = Plan(jobs, RESTING * widest)
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Until nothing is left, the stop rule says so, or SIGTERM comes."""
        self._stop.start()
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # another thread, or Windows
            loop.add_signal_handler(signal.SIGTERM, self._end, "ended from outside (SIGTERM)")
        try:
            while not self._failure:
                self._fill()
                if not self.stopped and not self._tasks and not self._plan.waits:
                    break
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), TICK)
                self._watch.show(self._tools.tally, self._limiter)
                self._look()
                if self.stopped:
                    return
            if self._failure:
                raise self._failure
            await self._look_back()
        finally:
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
                loop.remove_signal_handler(signal.SIGTERM)
            await self._cancel()

    def _end(self, reason: str) -> None:
        self.stopped = self.stopped or reason
        self._wake.set()

    def _look(self) -> None:
        """Whether to stop although requests are out that may never be answered."""
        self.stopped = self.stopped or self._stop.silence()
        if self._limiter.resting == float("inf"):
            self.stopped = self.stopped or "every endpoint serves another model now"

    async def _look_back(self) -> None:
        """After the last answer: was it the same model to the end, and did anything come?"""
        changed = await self._tools.roster.changed() if self._tools.tally.new else []
        if changed:
            self.stopped = f"{', '.join(changed)} serves another model now; look at the last answers"
        elif self._worker.only_silence:
            self.stopped = "the server answers only empty text"

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- items to endpoints ---------------------------------------------------------------------

    def _next(self) -> tuple[Item, Endpoint] | None:
        """Something to do and a place for it."""
        if self.stopped or self._failure:
            return None
        endpoint = self._limiter.acquire()
        if endpoint is None:
            return None
        item = self._plan.take()
        if item is None:
            self._limiter.release(endpoint)
            return None
        return item, endpoint

    def _fill(self) -> None:
        while pair := self._next():
            task = asyncio.create_task(self._carry(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            self._failure = self._failure or task.exception()
        if self._failure or not self._tasks:
            self._wake.set()

    async def _carry(self, item: Item, endpoint: Endpoint) -> None:
        """Attempts one after the other, as long as there is room."""
        while True:
            verdict = await self._worker.attempt(item, endpoint)
            if verdict == AGAIN:
                self._plan.back(item)
            elif isinstance(verdict, float):
                self._rest(item, verdict)
            else:
                self.stopped = self.stopped or self._stop.reason()
            pair = self._next()
            if pair is None:
                return
            item, endpoint = pair
            if self._limiter.in_flight < self._limiter.limit:  # the limit has risen
                self._fill()

    def _rest(self, item: Item, seconds: float) -> None:
        self._plan.resting += 1
        asyncio.get_running_loop().call_later(seconds, self._rested, item)

    def _rested(self, item: Item) -> None:
        self._plan.rested(item)
        if self._limiter.in_flight < self._limiter.limit:
            self._fill()
