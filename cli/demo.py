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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

LOAD = "from datasets import load_dataset; print(load_dataset({folder!r}, 'meld_balanced', cache_dir={cache!r}))"
VARIANTS = "org nat bal tstr-nat tstr-bal"
# The 135M model repeats itself: its repetitions are counted but kept, or little would be left.
KEPT = ("--keep", "repeated_lines", "--keep", "copied_example")


@dataclass(frozen=True, slots=True)
class Training:
    """How a classifier is trained here: so little data needs small batches and a high rate to leave one class."""

    model: str
    backbone: str
    seed: int
    epochs: int
    train_dialogues: int
    eval_dialogues: int
    max_tokens: int

    def words(self) -> list[object]:
        """The options that `train` and `grid` share."""
        return [
            *("--backbone", self.backbone, "--epochs", self.epochs, "--learning-rate", 1e-4, "--batch-size", 8),
            *("--max-train-dialogues", self.train_dialogues, "--max-eval-dialogues", self.eval_dialogues),
            *("--max-tokens", self.max_tokens),
        ]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the demo writes, and the words that name the benchmark files."""

    out: Path
    data: tuple[str, ...]

    @property
    def repo(self) -> Path:
        """The dataset repo folder."""
        return self.out / "dist" / "erc-synth"


def demo(
    out: Annotated[Path, typer.Option(help="Folder of everything the demo writes.")] = Path("demo"),
    dialogues: Annotated[int, typer.Option(min=6, help="Dialogues to generate per recipe.")] = 8,
    turns: Annotated[tuple[int, int], typer.Option(help="Turns per dialogue.")] = (4, 7),
    train_dialogues: Annotated[int, typer.Option(min=1, help="Train dialogues per stage.")] = 40,
    eval_dialogues: Annotated[int, typer.Option(min=1, help="Dialogues per dev and test split.")] = 20,
    epochs: Annotated[int, typer.Option(min=1, help="Of each training.")] = 3,
    max_tokens: Annotated[int, typer.Option(min=8, help="Longest encoder input.")] = 64,
    model: Annotated[str, typer.Option(help="compm, emoone, todkat or baseline.")] = "compm",
    backbone: Annotated[str, typer.Option(help="Encoder of the classifiers.")] = "minilm",
    seed: Annotated[int, typer.Option(min=0, help="Of generation and training.")] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Folder with meld/ and emorynlp/.")] = None,
) -> int:
    """Generate, curate, build, load, train, test and report: small, but real in every stage."""
    from erc_synth.training.backbones import load_tokenizer
    from erc_synth.training.models import registry

    began = time.monotonic()
    registry.find(model)  # unknown names are refused before minutes of generation
    load_tokenizer(backbone)
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    places = Places(out, ("--data-dir", str(data_dir)) if data_dir else ())
    training = Training(model, backbone, seed, epochs, train_dialogues, eval_dialogues, max_tokens)
    steps = [*_making(places, dialogues, turns, seed), *_proving(places, training, have_meld=_have_meld(data_dir))]
    for number, step in enumerate(steps, start=1):
        code = _run(number, len(steps), step)
        if code:
            return code
    typer.echo(f"\nThe demo took {(time.monotonic() - began) / 60:.1f} minutes. Open {out / 'report' / 'report.html'}")
    return 0


def _making(places: Places, dialogues: int, turns: tuple[int, int], seed: int) -> Iterator[list[str]]:
    """From recipes to a data set that `datasets` alone has loaded."""
    out, data = places.out, places.data
    yield _erc("generate", "all", "--out", out / "runs", "--dialogues", dialogues, "--turns", *turns, "--seed", seed)
    yield _erc("curate", out / "runs", "--out", out / "curated", "--seed", seed, *KEPT, *data)
    yield _erc("build", "--curated", out / "curated", "--runs", out / "runs", "--out", places.repo, *data)
    yield [sys.executable, "-c", LOAD.format(folder=str(places.repo), cache=str(out / "cache"))]


def _proving(places: Places, training: Training, *, have_meld: bool) -> Iterator[list[str]]:
    """All trainings on MELD (org, nat, bal, TSTR), or one on synthetic data alone; then what they show."""
    out, data, repo = places.out, places.data, places.repo
    outputs, results, statistics = out / "outputs", out / "results", out / "stats.json"
    which = ("--models", training.model, "--benchmarks", "meld", "--variants", VARIANTS, "--seeds", training.seed)
    if have_meld:
        where = ("--repo", repo, "--out", results, "--outputs", outputs)
        yield _erc("grid", *which, *where, *training.words(), *data)
        yield _erc("stats", results, "--out", statistics)
    else:
        synthetic = f"{repo}:meld_natural"
        to = outputs / f"{training.model}-synthetic-s{training.seed}"
        sets = ("--train", synthetic, "--eval", synthetic, f"{repo}:meld_balanced")
        yield _erc("train", "--model", training.model, *sets, "--seed", training.seed, "--out", to, *training.words())
    made = ("--results", results, "--outputs", outputs, "--curated", out / "curated", "--runs", out / "runs")
    to = out / "report"
    yield _erc("report", *made, "--stats", statistics, "--out", to, "--title", "erc-synth demo", *data)


def _have_meld(data_dir: Path | None) -> bool:
    """Whether MELD is here or can be downloaded; says in one line when it cannot be had."""
    from erc_synth.loaders import registry
    from erc_synth.loaders.errors import ErcSynthError
    from erc_synth.loaders.names import find_data_dir

    find_data_dir("meld", data_dir)  # a wrong --data-dir is refused; only a missing MELD is gone on without
    try:
        registry.load("meld", data_dir=data_dir)
    except ErcSynthError as error:
        typer.echo(f"MELD could not be had, going on with the synthetic test split: {error}", err=True)
        return False
    return True


def _erc(*words: object) -> list[str]:
    return [sys.executable, "-m", "erc_synth.cli.main", *map(str, words)]


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
