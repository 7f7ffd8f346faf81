"""The experiment grid: from names to table cells, one subprocess per training.

Input: a `Plan` (models, benchmarks, variants, seeds). Output: `results/<cell>.json` (contract in
CONTRIBUTING.md), one per test set of each trained model. Finished cells are skipped, a failed run is
recorded with its reason and the rest goes on. Engines for clusters are existing ones (Ray, submitit).
Not covered: training itself (`run`), statistics (`erc_synth.stats`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from erc_synth.loaders.errors import ErcSynthError

VARIANTS = ("org", "nat", "bal", "tstr-nat", "tstr-bal")
TEST_SETS = ("org", "nat", "bal")
KINDS = {"nat": "natural", "bal": "balanced"}
LAUNCHERS = ("local", "ray", "slurm")


def launch_words(jobs: int = 1) -> tuple[str, ...]:
    """`accelerate launch` of one training; the processors are shared among the jobs (its default is one)."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    return (
        sys.executable, "-m", "accelerate.commands.launch", "--num_machines", "1", "--num_processes", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--num_cpu_threads_per_process", str(threads),
        "-m", "erc_synth.training.run",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Training:
    """One final model: what it trains on and the three test sets that it is scored on."""

    model: str
    benchmark: str
    variant: str
    seed: int
    repo: str

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return f"{self.model}-{self.benchmark}-{self.variant}-s{self.seed}"

    def synthetic(self, kind: str) -> str:
        """Name of the synthetic sibling of the benchmark: ``nat`` or ``bal``."""
        return f"{self.repo}:{self.benchmark}_{KINDS[kind]}"

    def test_name(self, test_set: str) -> str:
        """Data set name of a test set."""
        return self.benchmark if test_set == "org" else self.synthetic(test_set)

    def words(self) -> list[str]:
        """Flags of `training/run.py`: scratch, pretrain then fine-tune, or synthetic only (TSTR)."""
        if self.variant == "org":
            train = ["--train", self.benchmark]
        else:
            train = ["--train", self.synthetic(self.variant.removeprefix("tstr-"))]
            if not self.variant.startswith("tstr-"):
                train += ["--finetune", self.benchmark]
        tests = [self.test_name(test_set) for test_set in TEST_SETS]
        return ["--model", self.model, *train, "--eval", *tests, "--seed", str(self.seed)]

    def cell(self, test_set: str) -> str:
        """File name of a cell."""
        return f"{self.name}-on-{test_set}.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which models to train; `extra` are flags handed to every training."""

    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    repo: str
    extra: tuple[str, ...] = ()

    def trainings(self) -> list[Training]:
        """Distinct trainings in table order.

        Raises:
            ErcSynthError: An unknown variant.
        """
        unknown = [variant for variant in self.variants if variant not in VARIANTS]
        if unknown:
            raise ErcSynthError(f"Unknown variant {unknown[0]!r}.", hint=f"Known: {', '.join(VARIANTS)}.")
        chosen = product(self.models, self.benchmarks, self.variants, self.seeds)
        return list(dict.fromkeys(Training(m, b, v, s, self.repo) for m, b, v, s in chosen))


def open_trainings(plan: Plan, results: Path) -> list[Training]:
    """Trainings of which some cell is not done."""
    return [
        training
        for training in plan.trainings()
        if any(_status(results / training.cell(test_set)) != "done" for test_set in TEST_SETS)
    ]


def _status(cell: Path) -> str:
    try:
        return str(json.loads(cell.read_text("utf-8"))["status"])
    except (OSError, ValueError, KeyError):
        return "open"


def command_of(training: Training, plan: Plan, outputs: Path, launch: Sequence[str]) -> list[str]:
    """The whole command line of one training."""
    return [*launch, *training.words(), *plan.extra, "--out", str(outputs / training.name)]


def execute(training: Training, plan: Plan, results: Path, outputs: Path, launch: Sequence[str]) -> str | None:
    """Run one training and write its cells; returns why it failed, or `None`.

    The log of the process is `<outputs>/<run>/log.txt`.
    """
    folder = outputs / training.name
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    with log.open("ab") as sink:
        done = subprocess.run(
            command_of(training, plan, outputs, launch), stdout=sink, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode in (130, -2):
        raise KeyboardInterrupt
    reason = None if done.returncode == 0 else _reason(log, done.returncode)
    metrics = _read(folder / "metrics.json") if reason is None else None
    if reason is None and metrics is None:
        reason = "the training wrote no metrics.json"
    for test_set in TEST_SETS:
        write_cell(training, test_set, results, outputs, metrics, reason)
    return reason


def _reason(log: Path, code: int) -> str:
    """The sentence that the training ended with."""
    lines = log.read_text("utf-8", "replace").splitlines()
    for line in reversed(lines):
        if line.startswith("Error: "):
            return line.removeprefix("Error: ")
    return f"exit code {code}; see {log}"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _name_of(evaluation: dict[str, Any]) -> str:
    config = evaluation.get("config")
    return f"{evaluation['dataset']}:{config}" if config else str(evaluation["dataset"])


def write_cell(
    training: Training, test_set: str, results: Path, outputs: Path, metrics: dict[str, Any] | None, reason: str | None
) -> None:
    """Write one cell, whole or not at all; a number always names the metrics.json it is from."""
    wanted = training.test_name(test_set)
    found = next((e for e in (metrics or {}).get("evaluations", []) if _name_of(e) == wanted), None)
    if metrics is not None and found is None:
        reason = f"metrics.json has no score of {wanted}"
    source = outputs / training.name / "metrics.json"
    cell = {
        "schema_version": 1, "model": training.model, "variant": training.variant, "benchmark": training.benchmark,
        "test_set": test_set, "seed": training.seed, "score": found["weighted_f1"] if found else None,
        "status": "done" if found else "failed", "reason": reason,
        "recipe": (metrics or {}).get("run", {}).get("recipe"),
        "metrics": os.path.relpath(source, results), "examples": found["examples"] if found else None,
    }  # fmt: skip
    results.mkdir(parents=True, exist_ok=True)
    path = results / training.cell(test_set)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(cell, indent=1), "utf-8")
    temporary.replace(path)


def run_plan(
    plan: Plan,
    results: Path,
    outputs: Path,
    *,
    jobs: int = 1,
    launcher: str = "local",
    launch: Sequence[str] = (),
    ended: Callable[[Training, str | None], None] = lambda training, reason: None,
) -> list[tuple[Training, str]]:
    """Run all open trainings; returns those that failed with their reasons.

    Args:
        plan: What to train.
        results: Folder of the cells.
        outputs: Folder of the runs.
        jobs: Trainings at the same time (local).
        launcher: local, ray or slurm.
        launch: Command that starts a training; `launch_words` by default.
        ended: Called after each training, with the reason of a failure.
    """
    todo = open_trainings(plan, results)
    failed: list[tuple[Training, str]] = []
    launch = launch or launch_words(jobs)
    for training, reason in _engine(launcher)(todo, plan, results, outputs, jobs, launch):
        ended(training, reason)
        if reason:
            failed.append((training, reason))
    return failed


Outcome = Iterable[tuple[Training, str | None]]


def _engine(launcher: str) -> Callable[[list[Training], Plan, Path, Path, int, Sequence[str]], Outcome]:
    engines = {"local": _local, "ray": _ray, "slurm": _slurm}
    if launcher not in engines:
        raise ErcSynthError(f"Unknown launcher {launcher!r}.", hint=f"Known: {', '.join(LAUNCHERS)}.")
    return engines[launcher]


def _local(todo: list[Training], plan: Plan, results: Path, outputs: Path, jobs: int, launch: Sequence[str]) -> Outcome:
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        waiting = {pool.submit(execute, training, plan, results, outputs, launch): training for training in todo}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # running trainings end on the same Ctrl-C
            raise


def _ray(todo: list[Training], plan: Plan, results: Path, outputs: Path, jobs: int, launch: Sequence[str]) -> Outcome:
    try:
        import ray
    except ImportError as error:
        raise ErcSynthError("The launcher ray needs Ray.", hint="pip install 'erc-synth[ray]'") from error
    ray.init(ignore_reinit_error=True)
    task = ray.remote(execute)
    waiting = {task.remote(t, plan, results.resolve(), outputs.resolve(), launch): t for t in todo}
    while waiting:
        (done,), _ = ray.wait(list(waiting))
        yield waiting.pop(done), ray.get(done)


def _slurm(todo: list[Training], plan: Plan, results: Path, outputs: Path, jobs: int, launch: Sequence[str]) -> Outcome:
    try:
        import submitit
    except ImportError as error:
        raise ErcSynthError("The launcher slurm needs submitit.", hint="pip install submitit") from error
    executor = submitit.AutoExecutor(folder=str(outputs / "slurm"))
    executor.update_parameters(slurm_array_parallelism=max(1, jobs), gpus_per_node=1)
    submitted = [
        executor.submit(execute, training, plan, results.resolve(), outputs.resolve(), launch) for training in todo
    ]
    for training, job in zip(todo, submitted, strict=True):
        yield training, job.result()


def known_seconds(outputs: Path) -> dict[str, float]:
    """Mean wall seconds of finished runs per model: the costs that `--dry-run` prints."""
    seen: dict[str, list[float]] = {}
    for path in outputs.glob("*/metrics.json"):
        metrics = _read(path)
        if metrics:
            seen.setdefault(metrics["run"]["model"], []).append(float(metrics["cost"]["seconds"]))
    return {model: sum(times) / len(times) for model, times in seen.items()}
