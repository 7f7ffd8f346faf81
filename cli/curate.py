"""`erc-synth curate`: from runs to curated sets.

Output: files in `--out` and one table on standard output. Not covered: the rules (`generation.curation`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from erc_synth.loaders.contracts import Curation


def curate(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or a folder of them (runs).")],
    out: Annotated[Path, typer.Option(help="Folder for the curated files.")] = Path("curated"),
    seed: Annotated[int, typer.Option(min=0, help="Decides trimming and splitting.")] = 0,
    size: Annotated[int | None, typer.Option(help="Wanted dialogues per config; all when left out.")] = None,
    splits: Annotated[
        tuple[float, float, float] | None,
        typer.Option(help="Ratios of train, validation, test; the recipe's when left out."),
    ] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A reason that shall not drop (repeatable).")] = None,
    restore: Annotated[list[str] | None, typer.Option(help="A dialogue that no reason drops (repeatable).")] = None,
    drop_leaks: Annotated[str, typer.Option(help="test: hits of test splits; any: of all splits.")] = "test",
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the benchmarks, one folder each (meld/ ...).")
    ] = None,
    max_words: Annotated[int | None, typer.Option(min=1, help="Most words of a turn; else the recipe's, 100.")] = None,
    min_turns: Annotated[int | None, typer.Option(min=1, help="Fewest turns; else the recipe's, 2.")] = None,
    max_turns: Annotated[int | None, typer.Option(min=1, help="Most turns; else the recipe's, 40.")] = None,
) -> None:
    """Drop what is broken, copied or doubled, trim to size, split by dialogue."""
    from erc_synth.generation.curation.curate import Options
    from erc_synth.generation.curation.files import curate_runs, run_folders
    from erc_synth.generation.curation.leaks import LeakIndex, benchmark_splits
    from erc_synth.generation.curation.reasons import Limits

    given = {"max_words": max_words, "min_turns": min_turns, "max_turns": max_turns}
    options = Options(
        seed=seed,
        size=size,
        splits=splits or (0.8, 0.1, 0.1),
        keep=frozenset(keep or ()),
        restore=frozenset(restore or ()),
        drop_leaks=drop_leaks,
        limits=Limits(**{name: value for name, value in given.items() if value is not None}),
    )
    folders = run_folders(runs)
    leaks = LeakIndex(benchmark_splits(data_dir))
    if not leaks.sources:
        typer.echo("No benchmark files found: leaks are not checked (--data-dir or $ERC_DATA).", err=True)
    for _, report in curate_runs(folders, out, options, leaks, recipe_splits=splits is None):
        _say(report, out)


def _say(report: Curation, out: Path) -> None:
    config, kept, given = report["config"], report["kept"], report["input"]
    typer.echo(f"{config}: kept {kept['dialogues']} of {given['dialogues']} dialogues -> {out / config}.jsonl")
    sizes = ", ".join(f"{name} {size['dialogues']}" for name, size in report["splits"].items())
    typer.echo(f"  splits   {sizes}")
    for reason, count in report["dropped"].items():
        typer.echo(f"  dropped  {reason} {count}")
    for name, size in report["reported"].items():
        if size["dialogues"]:
            typer.echo(f"  reported {name}: {size['utterances']} turns in {size['dialogues']} dialogues (kept)")
    if len(report["generators"]) > 1:
        written = ", ".join(f"{name} {count}" for name, count in report["generators"].items())
        typer.echo(f"  models   {len(report['generators'])} wrote this set: {written}")
    for source, row in report["leaks"].items():
        if row["checked"] and (row["exact"] or row["ngram8"] or row["near_duplicate"]):
            counts = f"exact {row['exact']}, ngram8 {row['ngram8']}, near_duplicate {row['near_duplicate']}"
            typer.echo(
                f"  leaks    {source}: {counts}; dropped {row['dropped']}, kept {row.get('kept', 'not counted')}"
            )
    absent = sorted({source.split("/")[0] for source, row in report["leaks"].items() if not row["checked"]})
    if absent:
        typer.echo(f"  leaks    not checked: {', '.join(absent)}")
    if report["dropped"]:
        typer.echo(f"  undo     --keep REASON or --restore ID; the dialogues are in {out / config}.dropped.jsonl")
