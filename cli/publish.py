"""`erc-synth publish`: a repo folder to the Hub in one commit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def publish(
    repo_id: Annotated[str | None, typer.Option(help="org/name on the Hub.")] = None,
    folder: Annotated[Path, typer.Option(help="Built by `erc-synth build`.")] = Path("dist/erc-synth"),
    check: Annotated[Path | None, typer.Option(help="Only lint this folder.")] = None,
    private: Annotated[bool, typer.Option(help="Create the repo private.")] = False,
    gated: Annotated[str | None, typer.Option(help="auto or manual.")] = None,
    tag: Annotated[str | None, typer.Option(help="For example v1.0.0.")] = None,
    create_pr: Annotated[bool, typer.Option(help="Open a pull request.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say every file, size and change; do nothing.")] = False,
) -> None:
    """Lint, publish in one atomic commit, tag, reload and compare."""
    from erc_synth.dataset_cards import publish as stage
    from erc_synth.loaders.errors import ErcSynthError

    if check is not None:
        stage.check(check)
        typer.echo(f"{check} may be published.")
        return
    if not repo_id:
        raise ErcSynthError("No repo id was given.", hint="Use --repo-id org/erc-synth, or --check FOLDER.")
    if gated not in (None, "auto", "manual"):
        raise ErcSynthError(f"--gated {gated} is unknown.", hint="Use auto or manual.")
    result = stage.publish(
        folder, repo_id, private=private, gated=gated, tag=tag, create_pr=create_pr, dry_run=dry_run, say=typer.echo
    )
    for change in result.changes:
        if dry_run or change.kind != "same":
            typer.echo(f"{change.kind:<7}{change.size:>12,}  {change.path}")
    if dry_run:
        typer.echo("Dry run: nothing was sent.")
    elif result.pull_request:
        typer.echo(f"Pull request: {result.pull_request}")
    else:
        state = "One commit" if result.committed else "Nothing changed, no commit"
        typer.echo(f"{state}: {repo_id} at {result.revision}" + (f", tag {result.tag}" if result.tag else ""))
