"""`erc-synth browse PATH...`: a page to read dialogues.

Output: one HTML file, or the folder of a static Space. Not covered: the page (`dataset_cards.browse`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from erc_synth.dataset_cards.shown import Shown

SOURCES = typer.Argument(help="Curated folder or .jsonl file, repo (folder or Hub id, :config), or benchmark.")
CURATED = "curated"


def browse(
    paths: Annotated[list[str] | None, SOURCES] = None,
    against: Annotated[str | None, typer.Option(help="Benchmark to read beside, e.g. meld.")] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Folder of a training that was tested on them, or JSON lines of erc-synth predict."),
    ] = None,
    first: Annotated[int | None, typer.Option(min=1, help="Keep the first N dialogues of each config.")] = None,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("browse.html"),
    space: Annotated[Path | None, typer.Option(help="Write a static Space folder instead of a page.")] = None,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Dialogues",
    data_dir: Annotated[Path | None, typer.Option(help="Benchmark files.")] = None,
) -> None:
    """Write one HTML page to read dialogues in: no server, no network."""
    from erc_synth.dataset_cards import browse as stage
    from erc_synth.dataset_cards.shown import find, with_guesses, with_leaks
    from erc_synth.dataset_cards.space import check_space, write_space

    if space:
        check_space(space)
    else:
        stage.check_target(out)
    beside = find(against, data_dir) if against else []
    shown = [one for path in paths or [CURATED] for one in find(path, data_dir)]
    if first:
        shown = _first(shown, first)
    if beside:
        shown = with_leaks(shown, beside)
    if predictions:
        shown = with_guesses(shown, predictions)
    text = stage.page(shown, beside, title=title)
    if space:
        write_space(space, text, title)
    else:
        stage.write_page(out, text)
    typer.echo(f"{len(shown)} dialogues, {len(text.encode()) / 1e6:.1f} MB: {space / 'index.html' if space else out}")


def _first(shown: list[Shown], count: int) -> list[Shown]:
    """The first dialogues of each config."""
    seen: dict[str, int] = {}
    kept = []
    for one in shown:
        seen[one.config] = seen.get(one.config, 0) + 1
        if seen[one.config] <= count:
            kept.append(one)
    return kept
