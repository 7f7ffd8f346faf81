"""Shards of a run on the machines of a Ray cluster that share a file system.

Each shard is an ordinary run with its own journal: what Ray tries again goes on where it stopped, so a killed worker,
driver or head loses nothing that arrived and doubles nothing. Input: `Job`. Output: shards, then the merged run.
Keys are read on each machine, from its own variables or a shared file; they do not travel.
Not covered: object stores (a journal is appended to and locked), what a run does (`run`).
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from erc_synth.generation.recipe import Recipe
from erc_synth.generation.runs.options import Options
from erc_synth.generation.runs.run import Run, Watch
from erc_synth.generation.runs.shards import Shard
from erc_synth.generation.serving.engines import Wish, engine_of
from erc_synth.loaders.errors import ErcSynthError

LAUNCHERS = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Job:
    """One recipe, to be run in shards.

    Attributes:
        cluster: Options of `ray.init`.
    """

    recipe: Recipe
    options: Options
    engine: str
    wish: Wish
    out: Path
    shards: int = 1
    cluster: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a shard ended: `code` as the command line has it, 0 when all is there."""

    shard: Shard
    code: int = 0
    said: str = ""


def check(launcher: str) -> None:
    """Refuse an unknown launcher, or one whose package is absent (`ErcSynthError`)."""
    if launcher not in LAUNCHERS:
        raise ErcSynthError(f"Unknown launcher {launcher!r}.", hint=f"Known: {', '.join(LAUNCHERS)}.")
    if launcher == "ray" and not _has_ray():
        raise ErcSynthError("The launcher ray needs the package ray.", hint="pip install 'erc-synth[ray]'")


def _has_ray() -> bool:
    try:
        return importlib.util.find_spec("ray") is not None
    except ValueError:  # of a name that was imported as nothing
        return False


def share(job: Job, shard: Shard) -> Job:
    """A shard's part of the work and of the servers: no server gets more requests than from a run in one piece."""
    addresses, width = job.wish.addresses, job.options.concurrency
    if addresses and shard.count >= len(addresses):
        server = shard.number % len(addresses)
        sharers = len(range(server, shard.count, len(addresses)))
        addresses, width = (addresses[server],), max(1, width // sharers)
    elif addresses:
        addresses = addresses[shard.number :: shard.count]
    options = replace(job.options, concurrency=width, shard=shard)
    return replace(job, options=options, wish=replace(job.wish, addresses=addresses))


def execute(job: Job) -> Ended:
    """One shard, here."""
    shard, name = job.options.shard, job.recipe.name

    def say(line: str) -> None:
        print(f"{name} {shard}: {line}", flush=True)

    try:
        with engine_of(job.engine).open(job.wish) as servers:
            asyncio.run(Run(job.recipe, job.options, servers, job.out, Watch(say=say)).execute())
    except ErcSynthError as error:
        return Ended(shard, error.exit_code, str(error))
    return Ended(shard)


def _on_a_worker(job: Job) -> Ended:
    """In a thread: signals of the process are Ray's, which ends it and tries the task again elsewhere."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(execute, job).result()


def run_on_ray(job: Job, ended: Callable[[Ended], None] = lambda ended: None) -> None:
    """All shards of a job on the cluster; each machine takes as many as it has processors.

    Raises:
        ErcSynthError: A shard stopped early; the others were finished.
    """
    import ray

    shards = [share(job, Shard(number, job.shards)) for number in range(job.shards)]
    ray.init(ignore_reinit_error=True, **job.cluster)
    try:
        task: Any = ray.remote(num_cpus=1, max_retries=-1)(_on_a_worker)
        waiting = [task.remote(shard) for shard in shards]
        stopped: list[Ended] = []
        while waiting:
            (done,), waiting = ray.wait(waiting)
            outcome: Ended = ray.get(done)
            ended(outcome)
            stopped += [outcome] if outcome.code else []
    finally:
        ray.shutdown()  # ends what still runs
    if stopped:
        raise ErcSynthError(
            f"{len(stopped)} of {job.shards} shards of {job.recipe.name} stopped: {stopped[0].said}",
            hint="The same command again goes on.",
            exit_code=max(outcome.code for outcome in stopped),
        )
