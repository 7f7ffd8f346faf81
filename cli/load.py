"""`erc-synth load`: a data set by name, described or exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from erc_synth.loaders.describe import Description


def load(
    name: Annotated[str, typer.Argument(help="A benchmark (meld, ...), org/repo:config or ./folder:config")],
    data_dir: Annotated[Path | None, typer.Option(help="Folder with benchmark files.")] = None,
    variant: Annotated[str | None, typer.Option(help="Published form: small, official, 9way, ...")] = None,
    revision: Annotated[str | None, typer.Option(help="Tag or commit of a Hub repo.")] = None,
    label_map: Annotated[str | None, typer.Option(help="sentiment3, core4, core5, wide, feeling_wheel9")] = None,
    verify: Annotated[str, typer.Option(help="full or off")] = "full",
    to: Annotated[str | None, typer.Option(help="Export: jsonl, csv, parquet or convokit.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the export.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Load a data set by name, print what it holds, or export it."""
    import json

    from erc_synth.loaders import registry
    from erc_synth.loaders.describe import describe
    from erc_synth.loaders.export import check_target, export
    from erc_synth.loaders.labels import label_set_of, map_labels, map_named

    if label_map:
        map_named(label_map)
    folder = (
        check_target(to, out or Path(f"{name.replace('/', '_').replace(':', '-').strip('.')}-{to}")) if to else None
    )
    splits = registry.load(name, data_dir=data_dir, variant=variant, revision=revision, verify=verify)
    dropped: dict[str, dict[str, int]] = {}
    if label_map:
        for split, rows in splits.items():
            splits[split], dropped[split] = map_labels(rows, label_map)
    facts = {str(split): describe(rows) for split, rows in splits.items()}
    if to and folder:
        export(splits, to, folder)
    if as_json:
        labels = label_set_of(next(iter(splits.values())))
        prints = {str(split): registry.fingerprint(rows) for split, rows in splits.items()}
        found = {"name": name, "label_set": {"name": labels.name, "labels": labels.labels}, "splits": facts}
        typer.echo(
            json.dumps({**found, "fingerprints": prints, "unmapped": dropped, "exported": folder and str(folder)})
        )
        return
    for split, fact in facts.items():
        if dropped.get(split):
            typer.echo(f"{split}: {sum(dropped[split].values())} rows have no partner in {label_map}: {dropped[split]}")
        _say(split, fact)
    if folder:
        typer.echo(f"Exported to {folder}")


def _say(split: str, facts: Description) -> None:
    typer.echo(
        f"{split:<11}{facts['dialogues']:>7} dialogues {facts['utterances']:>8} utterances "
        f"{facts['speakers']:>5} speakers {facts['words_per_utterance']:6.2f} words each"
    )
    total = max(sum(facts["labels"].values()), 1)
    typer.echo("           " + "  ".join(f"{k} {n} ({n / total:.0%})" for k, n in facts["labels"].items()))
