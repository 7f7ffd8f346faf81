"""`erc-synth show ID`: one dialogue in the terminal.

Output: its turns with their labels on standard output. Not covered: a page of all (`erc-synth browse`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from erc_synth.cli.browse import CURATED, SOURCES


def show(
    dialogue_id: Annotated[str, typer.Argument(help="Id of a dialogue, or config/id.")],
    paths: Annotated[list[str] | None, SOURCES] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Benchmark files.")] = None,
) -> None:
    """Print one dialogue; it is looked for in curated/ when no place is named."""
    from erc_synth.dataset_cards.browse import as_text
    from erc_synth.dataset_cards.shown import find
    from erc_synth.loaders.errors import ErcSynthError

    places = paths or [CURATED]
    everything = [one for path in places for one in find(path, data_dir)]
    found = [
        one
        for one in everything
        if dialogue_id in (one.dialogue.dialogue_id, f"{one.config}/{one.dialogue.dialogue_id}")
    ]
    if not found:
        ids = ", ".join(one.dialogue.dialogue_id for one in everything[:3])
        raise ErcSynthError(f"No dialogue has the id {dialogue_id!r} in {', '.join(places)}.", hint=f"Ids: {ids}, ...")
    for one in found:
        for line in as_text(one):
            typer.echo(line)
