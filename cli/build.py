"""`erc-synth build`: curated dialogues to a complete dataset repo folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def build(
    curated: Annotated[Path, typer.Option(help="Folder of the curated files.")] = Path("curated"),
    runs: Annotated[Path, typer.Option(help="Folder of the runs (manifests).")] = Path("runs"),
    out: Annotated[Path, typer.Option(help="Repo folder; an earlier build there is replaced.")] = Path(
        "dist/erc-synth"
    ),
    repo_id: Annotated[str, typer.Option(help="Name on the Hub, for the card's examples.")] = "org/erc-synth",
    version: Annotated[str, typer.Option(help="Version of the data, x.y.z; set it at each release.")] = "1.0.0",
    changes: Annotated[str, typer.Option(help="What is new in this version, for the card.")] = "",
    results: Annotated[Path | None, typer.Option(help="Cells of `erc-synth grid`, for the card's scores.")] = None,
    stats: Annotated[Path | None, typer.Option(help="stats.json of these cells, for the p-values.")] = None,
    max_shard_size: Annotated[str, typer.Option(help="Largest Parquet file, as 500MB or 2GB.")] = "500MB",
    data_dir: Annotated[Path | None, typer.Option(help="Benchmark files, for the reference figures.")] = None,
) -> None:
    """Write Parquet files, figures and the card of all configs."""
    from erc_synth.dataset_cards import build as stage
    from erc_synth.dataset_cards.card import default_config
    from erc_synth.dataset_cards.parquet import bytes_of

    plan = stage.Plan(
        curated, runs, out, repo_id, version, data_dir, changes, results, stats, shard_bytes=bytes_of(max_shard_size)
    )
    written = stage.build(plan)
    for config in written:
        sizes = " / ".join(f"{data.rows}" for data in config.splits.values())
        typer.echo(f"{config.name:<20} {sizes:>20} utterances  {config.download_size:>9,} bytes")
    typer.echo(f'Built {out}: load_dataset("{out}", "{default_config(written)}")')
