"""The experiment grid: from names to table cells, one subprocess per training.

Input: a `Plan` (models, benchmarks, variants, seeds). Output: `results/<cell>.json` (contract in
CONTRIBUTING.md), one per test set of each trained model. Finished cells are skipped, a failed run is
recorded with its reason and the rest goes on. Engines for clusters are existing ones (Ray, submitit).
A variant is a way to train: org (the benchmark), nat and bal (pretrained on a synthetic set, then
fine-tuned), tstr-nat and tstr-bal (the synthetic set alone), leave-out (the plan's other benchmarks).
Not covered: training itself (`run`), statistics (`erc_synth.stats`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_json

VARIANTS = ("org", "nat", "bal", "tstr-nat", "tstr-bal", "leave-out")
TEST_SETS = ("org", "nat", "bal")
KINDS = {"nat": "natural", "bal": "balanced"}
LAUNCHERS = ("local", "ray", "slurm")
JOINING_MAP = "core4"  # of leave-out: covers all three benchmarks, with the highest human agreement
LOCAL_FLAGS = frozenset({"--data-dir"})  # where things are on this machine changes no score


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
    others: tuple[str, ...] = ()  # the benchmarks that leave-out trains on

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return f"{self.model}-{self.benchmark}-{self.variant}-s{self.seed}"

    @property
    def recipe(self) -> str:
        """Recipe of the run, as metrics.json names it."""
        words = self._train_words()
        return (
            "pretrain-finetune" if "--finetune" in words else "tstr" if self.variant.startswith("tstr") else "scratch"
        )

    @property
    def first_stage(self) -> str | None:
        """Name of the TSTR run that is the same as the first of two stages."""
        return f"{self.model}-{self.benchmark}-tstr-{self.variant}-s{self.seed}" if self.variant in KINDS else None

    def synthetic(self, kind: str) -> str:
        """Name of the synthetic sibling of the benchmark: ``nat`` or ``bal``."""
        return f"{self.repo}:{self.benchmark}_{KINDS[kind]}"

    def test_name(self, test_set: str) -> str:
        """Data set name of a test set."""
        return self.benchmark if test_set == "org" else self.synthetic(test_set)

    def words(self) -> list[str]:
        """Flags of `training/run.py`."""
        tests = [self.test_name(test_set) for test_set in TEST_SETS]
        return ["--model", self.model, *self._train_words(), "--eval", *tests, "--seed", str(self.seed)]

    def _train_words(self) -> list[str]:
        if self.variant == "org":
            return ["--train", self.benchmark]
        if self.variant == "leave-out":
            finetune = ["--finetune", self.others[1]] if len(self.others) > 1 else []
            # MELD and EmoryNLP share scenes: what the left-out test holds must not be trained on.
            return ["--train", self.others[0], *finetune, "--label-map", JOINING_MAP, "--drop-leaks"]
        train = ["--train", self.synthetic(self.variant.removeprefix("tstr-"))]
        return train if self.variant.startswith("tstr-") else [*train, "--finetune", self.benchmark]

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
            ErcSynthError: An unknown variant, or nothing to leave out.
        """
        unknown = [variant for variant in self.variants if variant not in VARIANTS]
        if unknown:
            raise ErcSynthError(f"Unknown variant {unknown[0]!r}.", hint=f"Known: {', '.join(VARIANTS)}.")
        if "leave-out" in self.variants and not 2 <= len(set(self.benchmarks)) <= 3:
            raise ErcSynthError(
                f"leave-out trains on one or two other benchmarks; the plan has {len(set(self.benchmarks))}.",
                hint="Give two or three names to --benchmarks.",
            )
        chosen = product(self.models, self.benchmarks, self.variants, self.seeds)
        return list(dict.fromkeys(self._training(*words) for words in chosen))

    def _training(self, model: str, benchmark: str, variant: str, seed: int) -> Training:
        others = tuple(b for b in dict.fromkeys(self.benchmarks) if b != benchmark) if variant == "leave-out" else ()
        return Training(model, benchmark, variant, seed, self.repo, others)


def open_trainings(plan: Plan, results: Path) -> list[Training]:
    """Trainings of which some cell is not done.

    Raises:
        ErcSynthError: A finished cell was made with other options: it would be passed off as this plan's.
    """
    return [t for t in plan.trainings() if not all(_is_done(t, plan, results / t.cell(s)) for s in TEST_SETS)]


def _is_done(training: Training, plan: Plan, path: Path) -> bool:
    cell = _read(path)
    if cell is None or cell.get("status") != "done":
        return False
    options = options_of(training, plan)
    if cell.get("options", options) != options:
        raise ErcSynthError(
            f"{path} was made with other options: {' '.join(cell['options'])}.",
            hint="Use another --out and --outputs, or the same options.",
        )
    return True


def options_of(training: Training, plan: Plan) -> list[str]:
    """The words that decide a cell's score: all but those of `LOCAL_FLAGS`."""
    words = [*training.words(), *plan.extra]
    local = {i for i, word in enumerate(words) if word in LOCAL_FLAGS}
    return [word for i, word in enumerate(words) if i not in local and i - 1 not in local]


def command_of(training: Training, plan: Plan, outputs: Path, launch: Sequence[str]) -> list[str]:
    """The whole command line of one training; it starts from the plan's TSTR run where that has its weights."""
    words = [*training.words(), *plan.extra, "--out", str(outputs / training.name)]
    first = training.first_stage
    if first in {t.name for t in plan.trainings()} and (outputs / str(first) / "metrics.json").exists():
        words += ["--pretrained", str(outputs / str(first))]
    return [*launch, *words]


def execute(training: Training, plan: Plan, results: Path, outputs: Path, launch: Sequence[str]) -> str | None:
    """Run one training and write its cells; returns why it failed, or `None`.

    The log of the process is `<outputs>/<run>/log.txt`.
    """
    folder = outputs / training.name
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    with log.open("ab") as sink:
        before = sink.tell()
        done = subprocess.run(
            command_of(training, plan, outputs, launch), stdout=sink, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode in (130, -2):
        raise KeyboardInterrupt
    reason = None if done.returncode == 0 else _reason(log, before, done.returncode)
    metrics = _read(folder / "metrics.json") if reason is None else None
    if reason is None and metrics is None:
        reason = "the training wrote no metrics.json"
    for test_set in TEST_SETS:
        write_cell(training, test_set, plan, results, outputs, metrics, reason)
    return reason


def _reason(log: Path, start: int, code: int) -> str:
    """The sentence that the training ended with; the log before `start` bytes is of earlier tries."""
    lines = log.read_bytes()[start:].decode("utf-8", "replace").splitlines()
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
    training: Training, test_set: str, plan: Plan, results: Path, outputs: Path,
    metrics: dict[str, Any] | None, reason: str | None,
) -> None:  # fmt: skip
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
        "options": options_of(training, plan),
    }  # fmt: skip
    write_json(results / training.cell(test_set), cell)


def run_plan(
    plan: Plan,
    results: Path,
    outputs: Path,
    *,
    jobs: int = 1,
    launcher: str = "local",
    launch: Sequence[str] = (),
    cluster: Mapping[str, Any] | None = None,
    ended: Callable[[Training, str | None], None] = lambda training, reason: None,
) -> list[tuple[Training, str]]:
    """Run all open trainings; returns those that failed with their reasons.

    Args:
        plan: What to train.
        results: Folder of the cells.
        outputs: Folder of the runs.
        jobs: Trainings at the same time.
        launcher: local, ray or slurm.
        launch: Command that starts a training; `launch_words` by default.
        cluster: Options of the engine: of `ray.init`, or of submitit's `update_parameters`
            (and `cluster`: slurm, local or debug).
        ended: Called after each training, with the reason of a failure.

    Raises:
        ErcSynthError: Unknown launcher, or its package is absent.
    """
    engines: dict[str, Engine] = {"local": _local, "ray": _ray, "slurm": _slurm}
    if launcher not in engines:
        raise ErcSynthError(f"Unknown launcher {launcher!r}.", hint=f"Known: {', '.join(LAUNCHERS)}.")
    todo = open_trainings(plan, results)
    if launcher != "local":  # workers have folders of their own
        results, outputs = results.resolve(), outputs.resolve()
    work = [(training, (training, plan, results, outputs, launch or launch_words(jobs))) for training in todo]
    failed: list[tuple[Training, str]] = []
    # One-stage runs first: the others start from them.
    for wave in ([w for w in work if not w[0].first_stage], [w for w in work if w[0].first_stage]):
        for training, reason in engines[launcher](wave, jobs, outputs, dict(cluster or {})) if wave else ():
            ended(training, reason)
            if reason:
                failed.append((training, reason))
    return failed


Work = list[tuple[Training, tuple[Any, ...]]]  # a training and the arguments of its `execute`
Engine = Callable[[Work, int, Path, dict[str, Any]], Iterable[tuple[Training, str | None]]]


def _local(work: Work, jobs: int, outputs: Path, options: dict[str, Any]) -> Iterator[tuple[Training, str | None]]:
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        waiting = {pool.submit(execute, *arguments): training for training, arguments in work}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # running trainings end on the same Ctrl-C
            raise


def _ray(work: Work, jobs: int, outputs: Path, options: dict[str, Any]) -> Iterator[tuple[Training, str | None]]:
    try:
        import ray
    except ImportError as error:
        raise ErcSynthError("The launcher ray needs Ray.", hint="pip install 'erc-synth[ray]'") from error
    ray.init(ignore_reinit_error=True, **options)
    try:
        # Without GPUs the processors of a machine are shared by `jobs` trainings.
        gpus = ray.cluster_resources().get("GPU", 0)
        need: dict[str, float] = {"num_gpus": 1} if gpus else {"num_cpus": max(1, (os.cpu_count() or 1) // jobs)}
        task = ray.remote(**need)(execute)
        waiting = {task.remote(*arguments): training for training, arguments in work}
        while waiting:
            (done,), _ = ray.wait(list(waiting))
            yield waiting.pop(done), ray.get(done)
    finally:
        ray.shutdown()  # cancels what still runs


def _slurm(work: Work, jobs: int, outputs: Path, options: dict[str, Any]) -> Iterator[tuple[Training, str | None]]:
    try:
        import submitit
    except ImportError as error:
        raise ErcSynthError("The launcher slurm needs submitit.", hint="pip install 'erc-synth[slurm]'") from error
    executor = submitit.AutoExecutor(folder=str(outputs / "slurm"), cluster=options.pop("cluster", "slurm"))
    # submitit's own time limit is five minutes.
    executor.update_parameters(**{"timeout_min": 24 * 60, "slurm_array_parallelism": jobs, **options})
    with executor.batch():  # one array job
        submitted = [executor.submit(execute, *arguments) for _, arguments in work]
    try:
        for (training, _), job in zip(work, submitted, strict=True):
            yield training, job.result()
    except BaseException:
        for job in submitted:
            job.cancel()
        raise


def expected_seconds(plan: Plan, outputs: Path) -> dict[Training, float]:
    """Seconds of each training by the finished runs of its model: of the same recipe, or else of any.

    Trainings of a model that no run is finished of are left out. Start-up and loading are not counted.
    """
    seen: dict[tuple[str, str | None], list[float]] = {}
    for path in outputs.glob("*/metrics.json"):
        metrics = _read(path)
        if metrics:
            run, seconds = metrics["run"], float(metrics["cost"]["seconds"])
            seen.setdefault((run["model"], run.get("recipe")), []).append(seconds)
            seen.setdefault((run["model"], None), []).append(seconds)
    found = {}
    for training in plan.trainings():
        times = seen.get((training.model, training.recipe)) or seen.get((training.model, None))
        if times:
            found[training] = sum(times) / len(times)
    return found


def cluster_options(words: Iterable[str]) -> dict[str, Any]:
    """`NAME=VALUE` words as options of a cluster's engine; whole numbers become `int`.

    Raises:
        ErcSynthError: A word of another form.
    """
    options: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise ErcSynthError(f"--cluster {word!r} is not of the form NAME=VALUE.", hint="e.g. timeout_min=600")
        options[name] = int(value) if value.lstrip("-").isdigit() else value
    return options
