"""`erc-synth demo`: the main job end to end on the embedded engine, small but real in every stage.

Input: sizes as arguments. Output: a folder with runs, curated data, the dataset repo, trained models,
results, statistics and `report/report.html`. Each step is an ordinary command, printed before it runs;
what is finished is skipped, so the demo can be interrupted and goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

LOAD = "from datasets import load_dataset; print(load_dataset({folder!r}, 'meld_balanced', cache_dir={cache!r}))"


def demo(
    out: Annotated[Path, typer.Option(help="Folder of everything the demo writes.")] = Path("demo"),
    dialogues: Annotated[int, typer.Option(min=6, help="Dialogues to generate per recipe.")] = 8,
    turns: Annotated[tuple[int, int], typer.Option(help="Turns per dialogue.")] = (4, 7),
    train_dialogues: Annotated[int, typer.Option(min=1, help="Train dialogues per stage.")] = 40,
    eval_dialogues: Annotated[int, typer.Option(min=1, help="Dialogues per dev and test split.")] = 20,
    epochs: Annotated[int, typer.Option(min=1)] = 3,
    max_tokens: Annotated[int, typer.Option(min=8, help="Longest encoder input.")] = 64,
    model: Annotated[str, typer.Option(help="compm, emoone, todkat or baseline.")] = "compm",
    backbone: Annotated[str, typer.Option()] = "minilm",
    seed: Annotated[int, typer.Option()] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Folder with meld/ and emorynlp/.")] = None,
) -> int:
    """Generate, curate, build, load, train, test and report: small, but real in every stage."""
    began = time.monotonic()
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    repo = out / "dist" / "erc-synth"
    data = ["--data-dir", str(data_dir)] if data_dir else []
    have_meld = _have_meld(data_dir)
    steps = [
        _erc("generate", "all", "--out", out / "runs", "--dialogues", dialogues, "--turns", *turns, "--seed", seed),
        # The 135M model repeats itself: its repetitions are counted but kept, or little would be left.
        _erc("curate", out / "runs", "--out", out / "curated", "--seed", seed, "--keep", "repeated_lines",
             "--keep", "copied_example", *data),
        _erc("build", "--curated", out / "curated", "--runs", out / "runs", "--out", repo, *data),
        [sys.executable, "-c", LOAD.format(folder=str(repo), cache=str(out / "cache"))],
        _training(out, repo, model, seed, _sizes(backbone, epochs, train_dialogues, eval_dialogues, max_tokens), data,
                  have_meld),
    ]  # fmt: skip
    if have_meld:
        steps.append(_erc("stats", out / "results", "--out", out / "stats.json"))
    steps.append(
        _erc("report", "--results", out / "results", "--outputs", out / "outputs", "--curated", out / "curated",
             "--runs", out / "runs", "--stats", out / "stats.json", "--out", out / "report",
             "--title", "erc-synth demo", *data)
    )  # fmt: skip
    for number, step in enumerate(steps, start=1):
        code = _run(number, len(steps), step)
        if code:
            return code
    typer.echo(f"\nThe demo took {(time.monotonic() - began) / 60:.1f} minutes. Open {out / 'report' / 'report.html'}")
    return 0


def _have_meld(data_dir: Path | None) -> bool:
    """Whether MELD is here or can be downloaded; says in one line when it cannot be had."""
    from erc_synth.loaders import registry
    from erc_synth.loaders.errors import ErcSynthError

    try:
        registry.load("meld", data_dir=data_dir)
    except ErcSynthError as error:
        typer.echo(f"MELD could not be had, going on with the synthetic test split: {error}", err=True)
        return False
    return True


def _erc(*words: object) -> list[str]:
    return [sys.executable, "-m", "erc_synth.cli.main", *map(str, words)]


def _sizes(backbone: str, epochs: int, train: int, most: int, tokens: int) -> list[object]:
    # So little data needs small batches and a high learning rate to leave the majority class.
    return ["--backbone", backbone, "--epochs", epochs, "--learning-rate", 1e-4, "--batch-size", 8,
            "--max-train-dialogues", train, "--max-eval-dialogues", most, "--max-tokens", tokens]  # fmt: skip


def _training(
    out: Path, repo: Path, model: str, seed: int, sizes: list[object], data: list[str], have_meld: bool
) -> list[str]:
    """All trainings on MELD (org, nat, bal, TSTR), or one on synthetic data alone."""
    if have_meld:
        variants = "org nat bal tstr-nat tstr-bal"
        return _erc("grid", "--models", model, "--benchmarks", "meld", "--variants", variants, "--seeds", seed,
                    "--repo", repo, "--out", out / "results", "--outputs", out / "outputs", *sizes, *data)  # fmt: skip
    synthetic = f"{repo}:meld_natural"
    return _erc("train", "--model", model, "--train", synthetic, "--eval", synthetic, f"{repo}:meld_balanced",
                "--seed", seed, "--out", out / "outputs" / f"{model}-synthetic-s{seed}", *sizes)  # fmt: skip


def _run(number: int, total: int, command: list[str]) -> int:
    """Run one step in a process of its own; its exit code."""
    shown = " ".join(command).replace(f"{sys.executable} -m erc_synth.cli.main", "erc-synth")
    typer.echo(f"\n[{number}/{total}] {shown.replace(sys.executable, 'python')}")
    began = time.monotonic()
    child = subprocess.Popen(command)
    try:
        code = child.wait()
    except KeyboardInterrupt:
        child.wait()  # it got the same Ctrl-C, and saves what it has
        raise
    typer.echo(f"      {time.monotonic() - began:.0f} s")
    return code
