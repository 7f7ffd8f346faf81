"""`erc-synth load`: a data set by name, described or exported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def load(
    name: Annotated[str, typer.Argument(help="meld, emorynlp, iemocap, org/repo:config or ./folder:config")],
    data_dir: Annotated[Path | None, typer.Option(help="Folder with benchmark files.")] = None,
    variant: Annotated[str | None, typer.Option(help="Published form: small, official, 9way, ...")] = None,
    revision: Annotated[str | None, typer.Option(help="Tag or commit of a Hub repo.")] = None,
    label_map: Annotated[str | None, typer.Option(help="sentiment3, core4, core5, wide, feeling_wheel9")] = None,
    verify: Annotated[str, typer.Option(help="full or off")] = "full",
    to: Annotated[str | None, typer.Option(help="Export: jsonl, csv, parquet or convokit.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the export.")] = None,
) -> None:
    """Load a data set by name, print what it holds, or export it."""
    from erc_synth.loaders import registry
    from erc_synth.loaders.describe import describe
    from erc_synth.loaders.export import export
    from erc_synth.loaders.labels import map_labels

    splits = registry.load(name, data_dir=data_dir, variant=variant, revision=revision, verify=verify)
    for split, rows in splits.items():
        if label_map:
            rows, dropped = map_labels(rows, label_map)
            splits[split] = rows
            if dropped:
                typer.echo(f"{split}: {sum(dropped.values())} rows have no partner in {label_map}: {dropped}")
        facts = describe(rows)
        typer.echo(
            f"{split:<11}{facts['dialogues']:>7} dialogues {facts['utterances']:>8} utterances "
            f"{facts['speakers']:>5} speakers {facts['words_per_utterance']:6.2f} words each"
        )
        total = max(sum(facts["labels"].values()), 1)
        typer.echo("           " + "  ".join(f"{k} {n} ({n / total:.0%})" for k, n in facts["labels"].items()))
    if to:
        folder = export(splits, to, out or Path(f"{name.replace('/', '_').replace(':', '-').strip('.')}-{to}"))
        typer.echo(f"Exported to {folder}")
