"""Running the trainings of a grid: each in a process of its own, here or on a cluster.

Purpose: a failed training is recorded with its reason and the rest goes on. Engines for clusters are existing ones
(Ray, submitit). Input: a `Plan`. Output: run folders and cells; the failures.
Not covered: what is trained (`plan`), the files (`cells`), training itself (`training.run`).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training.grid import cells
from erc_synth.training.grid.cells import Folders
from erc_synth.training.grid.plan import Plan, Training

PACKAGES = {"local": None, "ray": "ray", "slurm": "submitit"}  # launcher -> what it needs
INTERRUPTED = 130
# What a process on another machine must know of this one; secrets are left to the machine itself.
HANDED_ON = ("ERC_DATA", "ERC_BENCHMARKS", "ERC_MODELS")


@dataclass(frozen=True, slots=True)
class Launch:
    """How trainings are started.

    Attributes:
        launcher: local, ray or slurm.
        jobs: Trainings at the same time.
        command: Command that starts a training; `launch_words` when empty.
        cluster: Options of the engine: of `ray.init`, or of submitit's `update_parameters`
            (and `cluster`: slurm, local or debug).
    """

    launcher: str = "local"
    jobs: int = 1
    command: tuple[str, ...] = ()
    cluster: Mapping[str, int | str] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse an unknown launcher, or one whose package is absent (`ErcSynthError`)."""
        if self.launcher not in PACKAGES:
            raise ErcSynthError(f"Unknown launcher {self.launcher!r}.", hint=f"Known: {', '.join(PACKAGES)}.")
        package = PACKAGES[self.launcher]
        if package and not _installed(package):
            raise ErcSynthError(
                f"The launcher {self.launcher} needs the package {package}.",
                hint=f"pip install 'erc-synth[{self.launcher}]'",
            )


@dataclass(frozen=True, slots=True)
class Job:
    """One training, ready to run on any machine that shares the files.

    Attributes:
        training: What is trained.
        options: Its settings, for the cells.
        folders: Where it writes.
        command: The whole command line.
        start: Folder that relative paths of the command begin in.
        environment: Variables that the machine must have.
    """

    training: Training
    options: list[str]
    folders: Folders
    command: list[str]
    start: Path
    environment: dict[str, str]


def launch_words(jobs: int = 1) -> tuple[str, ...]:
    """`accelerate launch` of one training; the processors are shared among the jobs (its default is one)."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    accelerate = "-m accelerate.commands.launch --num_machines 1 --num_processes 1 --mixed_precision no"
    options = f"--dynamo_backend no --num_cpu_threads_per_process {threads} -m erc_synth.training.run"
    return (sys.executable, *accelerate.split(), *options.split())


def command_of(training: Training, plan: Plan, outputs: Path, launch: Sequence[str] = ()) -> list[str]:
    """The whole command line of one training; it starts from the plan's TSTR run where that has its weights."""
    words = [*training.words(), *plan.extra, "--out", str(outputs / training.name)]
    first = training.first_stage
    if first in {t.name for t in plan.trainings()} and (outputs / str(first) / "metrics.json").exists():
        words += ["--pretrained", str(outputs / str(first))]
    return [*launch, *words]


def execute(job: Job, started: Callable[[subprocess.Popen[bytes]], None] = lambda process: None) -> str | None:
    """Run one training and write its cells; returns why it failed, or `None`.

    The log of the process is `<outputs>/<run>/log.txt`. `started` gets the process: ending it ends the training.
    """
    folder = job.folders.run(job.training)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    guarded = [sys.executable, "-m", "erc_synth.training.grid.guard", str(os.getpid()), *job.command]
    with log.open("a+b") as sink:
        before = sink.tell()
        environment = {**os.environ, **job.environment}
        with subprocess.Popen(
            guarded, stdout=sink, stderr=subprocess.STDOUT, cwd=job.start, env=environment
        ) as process:
            started(process)
            try:
                code = process.wait()
            except BaseException:
                process.terminate()  # the guard ends the training, and is waited for
                raise
        sink.seek(before)  # what earlier tries left is not this one's
        said = sink.read()
    if not log.exists():  # --overwrite cleared the folder
        folder.mkdir(parents=True, exist_ok=True)
        log.write_bytes(said)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    reason = None if code == 0 else _reason(said, log, code)
    return cells.write(job.training, job.options, job.folders, reason)


def _reason(said: bytes, log: Path, code: int) -> str:
    """The sentence that the training ended with."""
    for line in reversed(said.decode("utf-8", "replace").splitlines()):
        if line.startswith("Error: "):
            return line.removeprefix("Error: ")
    return f"exit code {code}; see {log}"


def run_trainings(
    plan: Plan,
    todo: Sequence[Training],
    folders: Folders,
    launch: Launch = Launch(),
    ended: Callable[[Training, str | None], None] = lambda training, reason: None,
) -> list[tuple[Training, str]]:
    """Run trainings of a plan; returns those that failed, with their reasons.

    Args:
        plan: The whole plan.
        todo: What of it is open (`cells.open_trainings`).
        folders: Where cells and runs go.
        launch: How they are started.
        ended: Called after each training, with the reason of a failure.

    Raises:
        ErcSynthError: Unknown launcher, or its package is absent.
    """
    launch.check()
    folders = folders.resolved()
    failed: list[tuple[Training, str]] = []
    # One-stage runs first: the others start from them.
    for wave in ([t for t in todo if not t.first_stage], [t for t in todo if t.first_stage]):
        work = [_job(training, plan, folders, launch) for training in wave]
        for training, reason in ENGINES[launch.launcher](work, launch, folders.outputs) if work else ():
            ended(training, reason)
            if reason:
                failed.append((training, reason))
    return failed


def _job(training: Training, plan: Plan, folders: Folders, launch: Launch) -> Job:
    command = command_of(training, plan, folders.outputs, launch.command or launch_words(launch.jobs))
    told = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    return Job(training, plan.settings(training), folders, command, Path.cwd(), told)


Ended = Iterator[tuple[Training, str | None]]


def _local(work: list[Job], launch: Launch, outputs: Path) -> Ended:
    running: list[subprocess.Popen[bytes]] = []
    with ThreadPoolExecutor(max_workers=launch.jobs) as pool:
        waiting = {pool.submit(execute, job, running.append): job.training for job in work}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:
            for future in waiting:
                future.cancel()
            for process in running:  # one that has ended ignores it
                process.terminate()
            raise


def _ray(work: list[Job], launch: Launch, outputs: Path) -> Ended:
    import ray

    ray.init(ignore_reinit_error=True, **launch.cluster)
    try:
        # Without GPUs the processors of a machine are shared by `jobs` trainings.
        gpus = ray.cluster_resources().get("GPU", 0)
        share = max(1, (os.cpu_count() or 1) // launch.jobs)
        need: dict[str, float] = {"num_gpus": 1} if gpus else {"num_cpus": share}
        task = ray.remote(**need)(execute)
        waiting = {task.remote(job): job.training for job in work}
        while waiting:
            (done,), _ = ray.wait(list(waiting))
            yield waiting.pop(done), ray.get(done)
    finally:
        ray.shutdown()  # cancels what still runs


def _slurm(work: list[Job], launch: Launch, outputs: Path) -> Ended:
    import submitit

    options = dict(launch.cluster)
    executor = submitit.AutoExecutor(folder=str(outputs / "slurm"), cluster=options.pop("cluster", "slurm"))
    # submitit's own time limit is five minutes.
    executor.update_parameters(**{"timeout_min": 24 * 60, "slurm_array_parallelism": launch.jobs, **options})
    with executor.batch():  # one array job
        submitted = [executor.submit(execute, job) for job in work]
    try:
        for job, sent in zip(work, submitted, strict=True):
            yield job.training, sent.result()
    except BaseException:
        for sent in submitted:
            sent.cancel()
        raise


Engine = Callable[[list[Job], Launch, Path], Iterable[tuple[Training, str | None]]]
ENGINES: dict[str, Engine] = {"local": _local, "ray": _ray, "slurm": _slurm}


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # of a name that was imported as nothing
        return False


def cluster_options(words: Iterable[str]) -> dict[str, int | str]:
    """`NAME=VALUE` words as options of a cluster's engine; whole numbers become `int`.

    Raises:
        ErcSynthError: A word of another form.
    """
    options: dict[str, int | str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise ErcSynthError(f"--cluster {word!r} is not of the form NAME=VALUE.", hint="e.g. timeout_min=600")
        options[name] = int(value) if value.lstrip("-").isdigit() else value
    return options
