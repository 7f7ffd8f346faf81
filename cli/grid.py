"""`erc-synth grid`: train and score every cell of the tables.

Output: cells in --results, runs in --outputs. Not covered: the plan and its launchers (`training.grid`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from erc_synth.training.grid.cells import Folders
    from erc_synth.training.grid.launchers import Launch
    from erc_synth.training.grid.plan import Plan, Training

LISTS = frozenset({"--models", "--benchmarks", "--variants", "--seeds", "--cluster"})  # take several words
WHAT, HOW, WHERE, RUN = "What is trained", "How it is trained", "Where it is read and written", "How it is run"


def grid(
    models: Annotated[
        str, typer.Option(help="Classifiers, separated by blanks or commas.", rich_help_panel=WHAT)
    ] = "compm emoone todkat",
    benchmarks: Annotated[
        str, typer.Option(help="Benchmarks, the same way; those of the tables when left out.", rich_help_panel=WHAT)
    ] = "",
    variants: Annotated[
        str, typer.Option(help="org, nat, bal, tstr-nat, tstr-bal, leave-out.", rich_help_panel=WHAT)
    ] = "org nat bal",
    seeds: Annotated[str, typer.Option(help="Seeds, the same way.", rich_help_panel=WHAT)] = "1 2 3",
    repo: Annotated[
        str, typer.Option("--repo-id", "--repo", help="Synthetic repo: Hub id or folder.", rich_help_panel=WHERE)
    ] = "./dist/erc-synth",
    out: Annotated[Path, typer.Option("--results", "--out", help="Folder of the cells.", rich_help_panel=WHERE)] = Path(
        "results"
    ),
    outputs: Annotated[Path, typer.Option(help="Folder of the runs.", rich_help_panel=WHERE)] = Path("outputs"),
    data_dir: Annotated[Path | None, typer.Option(help="Benchmark files.", rich_help_panel=WHERE)] = None,
    backbone: Annotated[str, typer.Option(help="Encoder of every classifier.", rich_help_panel=HOW)] = "roberta-large",
    preset: Annotated[str | None, typer.Option(help="fast or paper.", rich_help_panel=HOW)] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each stage.", rich_help_panel=HOW)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.", rich_help_panel=HOW)] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Targets per step.", rich_help_panel=HOW)] = None,
    max_train_dialogues: Annotated[
        int | None, typer.Option(min=1, help="Keep the first N.", rich_help_panel=HOW)
    ] = None,
    draw_train: Annotated[
        bool, typer.Option("--draw-train", help="Draw these N by each seed.", rich_help_panel=HOW)
    ] = False,
    max_eval_dialogues: Annotated[
        int | None, typer.Option(min=1, help="Keep the first N of validation and test.", rich_help_panel=HOW)
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=8, help="Longest encoder input.", rich_help_panel=HOW)] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at the same time.", rich_help_panel=RUN)] = 1,
    launcher: Annotated[str, typer.Option(help="local, ray or slurm.", rich_help_panel=RUN)] = "local",
    cluster: Annotated[
        str,
        typer.Option(
            help="NAME=VALUE for ray.init or submitit, e.g. slurm_partition=gpu gpus_per_node=1.", rich_help_panel=RUN
        ),
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Train every cell again.", rich_help_panel=RUN)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its cost, run nothing.", rich_help_panel=RUN)
    ] = False,
) -> None:
    """Train and score every cell of Tables 2 and 3; finished cells are skipped."""
    from erc_synth.loaders.names import table_benchmarks
    from erc_synth.training.grid.cells import Folders, open_trainings
    from erc_synth.training.grid.checks import check_names, fingerprints
    from erc_synth.training.grid.launchers import Launch, cluster_options
    from erc_synth.training.grid.plan import Plan

    launch = Launch(launcher, jobs, cluster=cluster_options(_words(cluster)))
    launch.check()
    settings = {
        "--backbone": backbone,
        "--data-dir": data_dir,
        "--preset": preset,
        "--epochs": epochs,
        "--max-train-dialogues": max_train_dialogues,
        "--max-eval-dialogues": max_eval_dialogues,
        "--max-tokens": max_tokens,
        "--learning-rate": learning_rate,
        "--batch-size": batch_size,
    }
    chosen = _words(benchmarks) or table_benchmarks()
    extra = (*_flags(settings), *(["--draw-train"] if draw_train else []))
    plan = Plan(_words(models), chosen, _words(variants), _numbers(seeds), repo, extra)
    check_names(plan)
    data = fingerprints(plan, data_dir)
    folders = Folders(out, outputs)
    todo = plan.trainings() if overwrite else open_trainings(plan, out, data)
    total = len(plan.trainings())
    typer.echo(f"{total} trainings, {total * 3} cells; {total - len(todo)} trainings are done.")
    if dry_run:
        _tell_cost(plan, todo, folders, jobs)
        return
    _train(plan, todo, folders, launch, overwrite)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _numbers(seeds: str) -> tuple[int, ...]:
    from erc_synth.loaders.errors import ErcSynthError

    try:
        return tuple(int(seed) for seed in _words(seeds))
    except ValueError as error:
        raise ErcSynthError(f"--seeds {seeds!r}: seeds are whole numbers.", hint="e.g. --seeds 1 2 3") from error


def _flags(settings: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(str(word) for flag, value in settings.items() if value is not None for word in (flag, value))


def _tell_cost(plan: Plan, todo: list[Training], folders: Folders, jobs: int) -> None:
    from erc_synth.training.grid.cells import expected_seconds
    from erc_synth.training.grid.launchers import command_of

    times = expected_seconds(plan, folders.outputs)
    for training in todo:
        cost = f"about {times[training]:.0f} s" if training in times else "cost not known yet"
        typer.echo(f"{training.name:<32}{cost:<20}{' '.join(command_of(training, plan, folders.outputs))}")
    known = [times[training] for training in todo if training in times]
    if known:
        minutes = sum(known) / jobs / 60
        typer.echo(f"{len(known)} of {len(todo)} trainings: about {minutes:.0f} minutes, {jobs} at once.")


def _train(plan: Plan, todo: list[Training], folders: Folders, launch: Launch, overwrite: bool) -> None:
    import sys
    from dataclasses import replace

    from tqdm import tqdm

    from erc_synth.loaders.errors import ErcSynthError
    from erc_synth.training.grid.launchers import run_trainings

    if overwrite:
        plan = replace(plan, extra=(*plan.extra, "--overwrite"))
    with tqdm(total=len(todo), unit="training", disable=None if todo else True, file=sys.stderr) as bar:

        def ended(training: Training, reason: str | None) -> None:
            bar.update()
            if reason:
                bar.write(f"FAILED {training.name}: {reason}", file=sys.stderr)

        failed = run_trainings(plan, todo, folders, launch, ended)
    if failed:
        raise ErcSynthError(
            f"{len(failed)} of {len(plan.trainings())} trainings failed, the first: {failed[0][1]}",
            hint=f"The other cells are in {folders.results}; run the same command again to retry.",
            exit_code=3,
        )
    typer.echo(f"All cells are in {folders.results}.")
