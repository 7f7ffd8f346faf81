"""`erc-synth report`: one page about data, runs, tables and tests."""

from __future__ import annotations

import sys
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
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "erc-synth report",
    benchmark_text: Annotated[
        bool, typer.Option("--benchmark-text", help="Show benchmark dialogues too; mind their licences.")
    ] = False,
) -> None:
    """Write report.html, report.md, LaTeX tables and SVG figures; what is missing is said."""
    from erc_synth.loaders.describe import describe
    from erc_synth.loaders.names import find_data_dir, table_benchmarks
    from erc_synth.loaders.registry import load
    from erc_synth.stats.report.page import write_report
    from erc_synth.stats.report.sources import Inputs

    references: dict[str, dict[str, int]] = {}
    texts: dict[str, list[tuple[str, str]]] = {}
    for name in table_benchmarks():
        if not find_data_dir(name, data_dir):
            continue
        found = load(name, data_dir=data_dir, verify="off")
        references[name] = describe(found["train"])["labels"]
        for row in found["test"] if benchmark_text else ():
            texts.setdefault(row["dialogue_id"], []).append((row["speaker"], row["text"]))
    inputs = Inputs(results, outputs, curated, runs, stats, references, texts)
    page = write_report(inputs, out, title=title, command=("erc-synth", *sys.argv[1:]))
    typer.echo(f"Wrote {page}")
