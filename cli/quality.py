"""`erc-synth quality DATASET`, `quality sheet DATASET`, `quality score-sheet ANSWERS`.

Output: a table on standard output and a JSON file. Not covered: the measures (`generation.quality`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from erc_synth.generation.quality.answers import ReaderScores
    from erc_synth.generation.quality.labels import Annotator
    from erc_synth.generation.quality.subject import Subject
    from erc_synth.loaders.schema import LabelSet


class _MeasureByDefault(TyperGroup):
    """`quality NAME` means `quality measure NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["measure", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_MeasureByDefault,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure a data set: `quality DATASET`. Print a blind sheet for people, score it.",
)

DATASET = typer.Argument(
    help="meld, org/repo:config, ./folder:config as in every verb; or a curated config, or its .jsonl file."
)
CURATED = typer.Option(help="Folder with curated files.")
DATA_DIR = typer.Option(help="Folder of the benchmarks, one folder each (meld/ ...).")
JSON = typer.Option("--json", help="Print one JSON object and nothing else.")
JUDGE = "A language model as annotator"


@app.command("measure")
def measure(
    dataset: Annotated[str, DATASET],
    against: Annotated[
        str | None, typer.Option(help="Reference; the benchmark with the same labels when left out, or none.")
    ] = None,
    curated: Annotated[Path, CURATED] = Path("curated"),
    split: Annotated[str | None, typer.Option(help="One split only; all when left out.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    data_dir: Annotated[Path | None, DATA_DIR] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every draw.")] = 0,
    encoder: Annotated[bool, typer.Option(help="Use the sentence encoder (meaning, label check).")] = True,
    annotator: Annotated[
        list[str] | None,
        typer.Option(help="A trained classifier (folder or Hub id) to check labels with (repeatable)."),
    ] = None,
    mauve: Annotated[bool, typer.Option("--mauve", help="MAUVE as well; needs the extra mauve.")] = False,
    paraphrases: Annotated[
        bool,
        typer.Option("--paraphrases", help="Benchmark dialogues told in other words (encodes the benchmarks)."),
    ] = False,
    as_json: Annotated[bool, JSON] = False,
    judge: Annotated[
        str | None,
        typer.Option(help="A language model as annotator: tgi, openai or embedded.", rich_help_panel=JUDGE),
    ] = None,
    judge_endpoint: Annotated[
        list[str] | None, typer.Option(help="Server address of the judge (repeatable).", rich_help_panel=JUDGE)
    ] = None,
    judge_model: Annotated[str, typer.Option(help="Which of a server's models.", rich_help_panel=JUDGE)] = "",
    judge_profile: Annotated[
        str | None, typer.Option(help="Model profile; default by engine.", rich_help_panel=JUDGE)
    ] = None,
    judge_weights: Annotated[
        Path | None, typer.Option(help="GGUF file for the embedded engine.", rich_help_panel=JUDGE)
    ] = None,
    judge_key_env: Annotated[
        str | None, typer.Option(help="Variable that holds the judge's key.", rich_help_panel=JUDGE)
    ] = None,
    judge_key_file: Annotated[
        Path | None, typer.Option(help="File that holds the judge's key.", rich_help_panel=JUDGE)
    ] = None,
) -> None:
    """Measure a data set: diversity, likeness to real data, labels, leaks."""
    from erc_synth.generation.curation.leaks import benchmark_splits
    from erc_synth.generation.quality.likeness import sentence_encoder
    from erc_synth.generation.quality.measure import Extras, measure_quality
    from erc_synth.generation.quality.subjects import default_reference, find_subject
    from erc_synth.generation.quality.table import table
    from erc_synth.loaders.errors import ErcSynthError
    from erc_synth.loaders.files import write_json

    if paraphrases and not encoder:
        raise ErcSynthError("--paraphrases needs the sentence encoder.", hint="Leave --no-encoder out.")
    subject = find_subject(dataset, curated, data_dir, split)
    path = _writable(out or _out_of(subject, curated, split))
    reference = _reference(against, subject, curated, data_dir) if against else default_reference(subject, data_dir)
    benchmarks = benchmark_splits(data_dir)
    llm = _Llm(judge, judge_endpoint or [], judge_model, judge_profile, judge_weights, judge_key_env, judge_key_file)
    with llm.opened(subject.labels) as judges:
        content = measure_quality(
            subject,
            reference,
            benchmarks=benchmarks,
            encode=sentence_encoder() if encoder else None,
            seed=seed,
            extras=Extras(
                (*_annotators(annotator or ()), *judges),
                mauve,
                paraphrases,
                lambda step: typer.echo(f"measuring {step} ...", err=True),
            ),
        )
    write_json(path, content)
    typer.echo(json.dumps(content, ensure_ascii=False) if as_json else f"{table(content)}\n\nwritten: {path}")


def _out_of(subject: Subject, curated: Path, split: str | None) -> Path:
    """Where figures go; those of one split never take the place of the whole set's."""
    part = f".{split}" if split else ""
    return curated / f"{subject.name}{part}.quality.json" if subject.curated else Path(f"quality{part}.json")


def _writable(path: Path) -> Path:
    """The path, when a file can be written there; found out before minutes of measuring."""
    from erc_synth.loaders.errors import ErcSynthError

    above = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir() or not above.is_dir() or not os.access(above, os.W_OK):
        raise ErcSynthError(f"{path} cannot be written.", hint="Give --out a file in a folder of yours.")
    return path


@dataclass(frozen=True, slots=True)
class _Llm:
    """The options of the language model as annotator."""

    engine: str | None
    endpoints: Sequence[str]
    model: str
    profile: str | None
    weights: Path | None
    key_env: str | None
    key_file: Path | None

    @contextmanager
    def opened(self, labels: LabelSet) -> Iterator[tuple[Annotator, ...]]:
        """The judge, which has said who it is; none when none was asked for."""
        from erc_synth.loaders.errors import ErcSynthError

        if self.engine is None:
            if any((self.endpoints, self.model, self.profile, self.weights, self.key_env, self.key_file)):
                raise ErcSynthError("--judge-... options need --judge.", hint="For example --judge openai.")
            yield ()
            return
        from erc_synth.generation.quality.llm_judge import LlmJudge
        from erc_synth.generation.recipe import load_profile
        from erc_synth.generation.serving.access import Secrets
        from erc_synth.generation.serving.engines import Wish, engine_of

        engine = engine_of(self.engine)
        secrets = Secrets(self.key_env, self.key_file)
        profile = load_profile(self.profile or engine.profile)
        with engine.open(Wish(profile, tuple(self.endpoints), secrets, self.weights, model=self.model)) as servers:
            yield (LlmJudge.meet(servers, labels.labels),)


def _annotators(names: Sequence[str]) -> tuple[Annotator, ...]:
    """Trained classifiers by name; torch is loaded only when there is one."""
    if not names:
        return ()
    from erc_synth.training.predict import load_classifier

    return tuple(load_classifier(name) for name in names)


def _reference(against: str, subject: Subject, curated: Path, data_dir: Path | None) -> Subject | None:
    from erc_synth.generation.quality.subjects import find_subject

    if against == "none":
        return None
    return subject if against == subject.name else find_subject(against, curated, data_dir)


@app.command("sheet")
def sheet(
    dataset: Annotated[str, DATASET],
    out: Annotated[Path, typer.Option(help="Stem: OUT.csv, OUT.html and OUT.key.json are written.")] = Path("sheet"),
    lines: Annotated[int, typer.Option(min=1, help="Number of lines.")] = 100,
    curated: Annotated[Path, CURATED] = Path("curated"),
    split: Annotated[str | None, typer.Option(help="One split only; all when left out.")] = None,
    data_dir: Annotated[Path | None, DATA_DIR] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the lines.")] = 0,
) -> None:
    """Write a blind sheet for people: CSV, HTML form, and the key."""
    from erc_synth.generation.quality.sheet import draw_items, write_sheet
    from erc_synth.generation.quality.subjects import find_subject

    subject = find_subject(dataset, curated, data_dir, split)
    for path in write_sheet(draw_items(subject.dialogues, lines, seed), subject.labels, subject.name, out):
        typer.echo(f"written: {path}")


@app.command("score-sheet")
def score_sheet(
    answers: Annotated[list[Path], typer.Argument(help="Filled sheets (CSV), one per reader.")],
    key: Annotated[Path, typer.Option(help="The key of the sheet.")] = Path("sheet.key.json"),
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Compare filled sheets with the generated labels and with each other."""
    from erc_synth.generation.quality.answers import score_sheets
    from erc_synth.loaders.files import write_json

    if out:
        _writable(out)
    scores = score_sheets(answers, key)
    if out:
        write_json(out, scores)
    if as_json:
        typer.echo(json.dumps(scores, ensure_ascii=False))
        return
    for reader in scores["readers"]:
        _say_reader(reader)
    if scores["kappa_between_readers"] is not None:
        typer.echo(f"between readers: kappa {scores['kappa_between_readers']:.2f}")


def _say_reader(reader: ReaderScores) -> None:
    kappa = reader["kappa"]
    unsure = f", unsure of {reader['unsure']}" if reader["unsure"] else ""
    typer.echo(
        f"{reader['file']}: {reader['answered']} answers{unsure}, agreement {reader['agreement']:.0%}, "
        f"kappa {kappa['value']:.2f} [{kappa['low']:.2f}, {kappa['high']:.2f}]"
    )
    for label, value in reader["kappa_by_label"].items():
        typer.echo(f"  {label:<12} {value:.2f}")
    if reader["twice"]:
        typer.echo(f"  answered twice, both times alike: {', '.join(reader['twice'])}")
