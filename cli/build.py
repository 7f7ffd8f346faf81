"""`erc-synth build`: curated dialogues to a complete dataset repo folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def build(
    curated: Annotated[Path, typer.Option(help="Folder of the curated files.")] = Path("curated"),
    runs: Annotated[Path, typer.Option(help="Folder of the runs (manifests).")] = Path("runs"),
    out: Annotated[Path, typer.Option(help="Repo folder; written afresh.")] = Path("dist/erc-synth"),
    repo_id: Annotated[str, typer.Option(help="Name on the Hub, for the card's examples.")] = "org/erc-synth",
    version: Annotated[str, typer.Option(help="Version of the data; set it at each release.")] = "1.0.0",
    data_dir: Annotated[Path | None, typer.Option(help="Benchmark files, for the reference figures.")] = None,
) -> None:
    """Write Parquet files, figures and the card of all configs."""
    import shutil
    import tempfile

    from erc_synth.dataset_cards.card import write_card
    from erc_synth.dataset_cards.facts import collect
    from erc_synth.dataset_cards.lint import problems
    from erc_synth.dataset_cards.parquet import write_config, yaml_features
    from erc_synth.loaders.errors import ErcSynthError

    facts = collect(curated, runs, data_dir)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Built beside the old folder and swapped in at the end: a failed build leaves the old one whole.
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        written = [write_config(curated / f"{c.name}.jsonl", c.labels, fresh) for c in facts.configs]
        yaml_of = {c.name: yaml_features(c.labels) for c in facts.configs}
        write_card(facts, written, yaml_of, fresh, repo_id=repo_id, version=version)
        found = problems(fresh)
        if found:
            raise ErcSynthError(f"The built folder is not publishable: {found[0]}", exit_code=4)
        fresh.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    for config in written:
        sizes = " / ".join(f"{data.rows}" for data in config.splits.values())
        typer.echo(f"{config.name:<20} {sizes:>20} utterances  {config.download_size:>9,} bytes")
    typer.echo(f'Built {out}: load_dataset("{out}", "{written[0].name}")')
