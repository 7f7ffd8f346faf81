"""`erc-synth predict MODEL SOURCE`: the emotion of every turn by a trained classifier.

Output: a table, JSON lines or CSV on standard output or in a file. Not covered: the model (`training.predict`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from erc_synth.loaders.schema import Dialogue
    from erc_synth.training.contracts import Scores
    from erc_synth.training.predict import Classifier
    from erc_synth.training.prediction_files import Record

INPUT, OUTPUT = "What is read", "What is written"


def predict(
    model: Annotated[str, typer.Argument(help="Folder of a run or of a saved model, or a Hub id.")],
    source: Annotated[str, typer.Argument(help="File, - for standard input, or the name of a data set.")] = "-",
    form: Annotated[
        str | None,
        typer.Option("--format", help="Of the source: text, jsonl or csv; told by itself.", rich_help_panel=INPUT),
    ] = None,
    split: Annotated[str, typer.Option(help="Split of a data set.", rich_help_panel=INPUT)] = "test",
    data_dir: Annotated[Path | None, typer.Option(help="Benchmark files.", rich_help_panel=INPUT)] = None,
    revision: Annotated[
        str | None, typer.Option(help="Tag or commit of a model on the Hub.", rich_help_panel=INPUT)
    ] = None,
    knowledge: Annotated[
        str | None, typer.Option(help="Phrases for a TODKAT trained with them: file or URL.", rich_help_panel=INPUT)
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; a GPU when there is one.")] = None,
    to: Annotated[str | None, typer.Option(help="table, jsonl or csv.", rich_help_panel=OUTPUT)] = None,
    out: Annotated[Path | None, typer.Option(help="File instead of standard output.", rich_help_panel=OUTPUT)] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object with all predictions.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Say the emotion of every turn of conversations, with its probability."""
    from erc_synth.loaders.files import write_whole
    from erc_synth.training.prediction_files import FORMS, SUFFIXES, lines

    chosen = to or SUFFIXES.get(out.suffix.lower() if out else "", "table")
    _check_form(chosen, FORMS)
    dialogues = _dialogues(source, form, split, data_dir)
    from erc_synth.training.predict import load_classifier

    classifier = load_classifier(model, device=device, revision=revision, knowledge=knowledge)
    records = _predicted(classifier, dialogues)
    if as_json:
        _print_json(classifier, list(records))
        return
    seen: list[Record] = []

    def text() -> Iterator[str]:
        for found in records:
            yield from lines(chosen, found, classifier.labels, first=not seen)
            seen.append(found)

    if out:
        write_whole(out, text())
        typer.echo(f"{sum(map(len, dialogues))} turns of {len(dialogues)} conversations: {out}", err=True)
    else:
        for line in text():
            sys.stdout.write(line)
    _tell_scores(classifier, seen)


def _check_form(chosen: str, known: tuple[str, ...]) -> None:
    from erc_synth.loaders.errors import ErcSynthError

    if chosen not in known:
        raise ErcSynthError(f"Unknown form --to {chosen!r}.", hint=f"Known: {', '.join(known)}.")


def _dialogues(source: str, form: str | None, split: str, data_dir: Path | None) -> list[Dialogue]:
    """Conversations of a file, of standard input, or of a split of a data set."""
    from erc_synth.loaders import registry
    from erc_synth.loaders.errors import ErcSynthError
    from erc_synth.loaders.schema import to_dialogues
    from erc_synth.training.conversations import read

    path = Path(source).expanduser()
    if source == "-":
        return read(None, sys.stdin.buffer.read(), form)
    if path.is_file():
        return read(path, path.read_bytes(), form)
    if path.suffix.lower() in (".txt", ".jsonl", ".json", ".csv") and not path.exists():
        raise ErcSynthError(f"{source} is missing.", hint="Check the path.")
    splits = registry.load(source, data_dir=data_dir)
    if split not in splits:
        raise ErcSynthError(f"{source} has no split {split!r}.", hint=f"It has: {', '.join(map(str, splits))}.")
    return to_dialogues(splits[split])


def _predicted(classifier: Classifier, dialogues: list[Dialogue]) -> Iterator[Record]:
    from tqdm import tqdm

    from erc_synth.training.prediction_files import record

    with tqdm(total=sum(map(len, dialogues)), unit="turn", disable=None, leave=False, file=sys.stderr) as bar:
        for dialogue, chances in classifier.stream(dialogues):
            bar.update(len(dialogue))
            yield record(classifier, dialogue, chances)


def _scores(classifier: Classifier, found: Iterable[Record]) -> Scores | None:
    """Scores where all gold labels are labels of the classifier; ``None`` without gold labels."""
    from erc_synth.training import scoring

    pairs = [(u["gold"], u["emotion"]) for record in found for u in record["utterances"] if u["gold"] is not None]
    if not pairs or any(gold not in classifier.labels for gold, _ in pairs):
        return None
    places = {label: i for i, label in enumerate(classifier.labels)}
    gold, guess = ([places[str(pair[i])] for pair in pairs] for i in (0, 1))
    return scoring.scores(scoring.confusion(gold, guess, len(places)), classifier.labels)


def _tell_scores(classifier: Classifier, found: list[Record]) -> None:
    scores = _scores(classifier, found)
    if scores is not None:
        typer.echo(
            f"Against the {scores['examples']} gold labels: weighted F1 {scores['weighted_f1']:.4f}, "
            f"accuracy {scores['accuracy']:.4f}.",
            err=True,
        )


def _print_json(classifier: Classifier, found: list[Record]) -> None:
    import json

    told = {
        "model": classifier.name,
        "weights": classifier.fingerprint,
        "labels": classifier.labels,
        "dialogues": found,
        "scores": _scores(classifier, found),
    }
    typer.echo(json.dumps(told, ensure_ascii=False))
