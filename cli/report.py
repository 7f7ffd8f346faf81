"""`erc-synth report`: one page about data, runs, tables and tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    results: Annotated[Path | None, typer.Option(help="Folder of grid cells.")] = Path("results"),
    outputs: Annotated[Path | None, typer.Option(help="Folder of training runs.")] = Path("outputs"),
    curated: Annotated[Path | None, typer.Option(help="Folder of curated data.")] = Path("curated"),
    runs: Annotated[Path | None, typer.Option(help="Folder of generation runs.")] = Path("runs"),
    stats: Annotated[Path | None, typer.Option(help="stats.json of `erc-synth stats`.")] = Path("stats.json"),
    data_dir: Annotated[Path | None, typer.Option(help="Benchmark files, for the reference distributions.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("report"),
    title: Annotated[str, typer.Option()] = "erc-synth report",
) -> None:
    """Write report.html, report.md, LaTeX tables and SVG figures; what is missing is said."""
    import json

    from erc_synth.loaders.describe import describe
    from erc_synth.loaders.names import find_data_dir, table_benchmarks
    from erc_synth.loaders.registry import load
    from erc_synth.stats.inputs import Inputs
    from erc_synth.stats.report.page import write_report

    references = out / "references.json"
    counts = {
        name: describe(load(name, data_dir=data_dir, verify="off")["train"])["labels"]
        for name in table_benchmarks()
        if find_data_dir(name, data_dir)
    }
    out.mkdir(parents=True, exist_ok=True)
    references.write_text(json.dumps(counts), "utf-8")
    page = write_report(Inputs(results, outputs, curated, runs, stats, references), out, title=title)
    typer.echo(f"Wrote {page}")
