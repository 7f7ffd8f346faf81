"""`erc-synth grid`: train and score every cell of the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LISTS = frozenset({"--models", "--benchmarks", "--variants", "--seeds", "--cluster"})  # take several words


def grid(
    models: Annotated[str, typer.Option(help="Classifiers, separated by blanks or commas.")] = "compm emoone todkat",
    benchmarks: Annotated[str, typer.Option(help="Benchmarks, the same way.")] = "meld emorynlp iemocap",
    variants: Annotated[str, typer.Option(help="org, nat, bal, tstr-nat, tstr-bal, leave-out.")] = "org nat bal",
    seeds: Annotated[str, typer.Option(help="Seeds, the same way.")] = "1 2 3",
    repo: Annotated[str, typer.Option(help="Synthetic repo: Hub id or folder.")] = "./dist/erc-synth",
    out: Annotated[Path, typer.Option(help="Folder of the cells.")] = Path("results"),
    outputs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("outputs"),
    backbone: Annotated[str, typer.Option(help="Encoder of every classifier.")] = "roberta-large",
    data_dir: Annotated[Path | None, typer.Option(help="Benchmark files.")] = None,
    preset: Annotated[str | None, typer.Option(help="fast or paper.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1)] = None,
    max_train_dialogues: Annotated[int | None, typer.Option(min=1)] = None,
    max_eval_dialogues: Annotated[int | None, typer.Option(min=1)] = None,
    max_tokens: Annotated[int | None, typer.Option(min=8, help="Longest encoder input.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at the same time.")] = 1,
    launcher: Annotated[str, typer.Option(help="local, ray or slurm.")] = "local",
    cluster: Annotated[
        str, typer.Option(help="NAME=VALUE for ray.init or submitit, e.g. slurm_partition=gpu gpus_per_node=1.")
    ] = "",
    dry_run: Annotated[bool, typer.Option(help="Print the plan and its cost, run nothing.")] = False,
) -> None:
    """Train and score every cell of Tables 2 and 3; finished cells are skipped."""
    from tqdm import tqdm

    from erc_synth.loaders.errors import ErcSynthError
    from erc_synth.training import grid as plans

    given = {
        "--backbone": backbone, "--data-dir": data_dir, "--preset": preset, "--epochs": epochs,
        "--max-train-dialogues": max_train_dialogues, "--max-eval-dialogues": max_eval_dialogues,
        "--max-tokens": max_tokens, "--learning-rate": learning_rate,
        "--batch-size": batch_size,
    }  # fmt: skip
    extra = tuple(str(word) for flag, value in given.items() if value is not None for word in (flag, value))

    def words(text: str) -> tuple[str, ...]:
        return tuple(text.replace(",", " ").split())

    try:
        numbers = tuple(int(seed) for seed in words(seeds))
    except ValueError as error:
        raise ErcSynthError(f"--seeds {seeds!r}: seeds are whole numbers.") from error
    plan = plans.Plan(words(models), words(benchmarks), words(variants), numbers, repo, extra)
    todo = plans.open_trainings(plan, out)
    total = len(plan.trainings())
    typer.echo(f"{total} trainings, {total * len(plans.TEST_SETS)} cells; {total - len(todo)} trainings are done.")
    if dry_run:
        times = plans.expected_seconds(plan, outputs)
        for training in todo:
            cost = f"about {times[training]:.0f} s" if training in times else "cost not known yet"
            flags = " ".join(plans.command_of(training, plan, outputs, ()))
            typer.echo(f"{training.name:<32}{cost:<20}{flags}")
        known = [times[training] for training in todo if training in times]
        if known:
            typer.echo(
                f"{len(known)} of {len(todo)} trainings: about {sum(known) / jobs / 60:.0f} minutes, {jobs} at once."
            )
        return
    with tqdm(total=len(todo), unit="training", disable=not todo) as bar:

        def ended(training: plans.Training, reason: str | None) -> None:
            bar.update()
            if reason:
                bar.write(f"FAILED {training.name}: {reason}")

        failed = plans.run_plan(
            plan, out, outputs, jobs=jobs, launcher=launcher, cluster=plans.cluster_options(words(cluster)), ended=ended
        )
    if failed:
        raise ErcSynthError(
            f"{len(failed)} of {total} trainings failed, the first: {failed[0][1]}",
            hint=f"The other cells are in {out}; run the same command again to retry.",
            exit_code=3,
        )
    typer.echo(f"All cells are in {out}.")
