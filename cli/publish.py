"""`erc-synth publish`: a repo folder to the Hub in one commit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from erc_synth.dataset_cards.publish import Published


def publish(
    repo_id: Annotated[str | None, typer.Option(help="org/name on the Hub, as the folder was built for.")] = None,
    folder: Annotated[Path, typer.Option(help="Built by `erc-synth build`.")] = Path("dist/erc-synth"),
    check: Annotated[Path | None, typer.Option(help="Only lint and load this folder.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Create the repo private.")] = False,
    gated: Annotated[str | None, typer.Option(help="auto or manual.")] = None,
    tag: Annotated[str | None, typer.Option(help="v and the version of the card, which is the default.")] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say every file, size and change; do nothing.")] = False,
    allow_delete: Annotated[
        bool, typer.Option("--allow-delete", help="Files that the folder lacks may go; so may a card that is not ours.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: print one JSON object.")] = False,
) -> None:
    """Lint, load, publish in one atomic commit, reload and compare, tag."""
    import json
    import sys

    from huggingface_hub.utils import disable_progress_bars

    from erc_synth.dataset_cards import publish as stage
    from erc_synth.dataset_cards.space import is_space
    from erc_synth.loaders.errors import ErcSynthError

    if check is not None:
        stage.check(check)
        typer.echo(json.dumps({"folder": str(check), "problems": []}) if as_json else f"{check} may be published.")
        return
    if not repo_id:
        raise ErcSynthError("No repo id was given.", hint="Use --repo-id org/erc-synth, or --check FOLDER.")
    if gated not in (None, "auto", "manual"):
        raise ErcSynthError(f"--gated {gated} is unknown.", hint="Use auto or manual.")
    if is_space(folder):
        unfit = {"--gated": gated, "--tag": tag, "--create-pr": create_pr, "--allow-delete": allow_delete}
        _publish_space(folder, repo_id, [flag for flag, value in unfit.items() if value], private, dry_run)
        return
    disable_progress_bars()  # one line says what is sent; a bar for each file says less
    confirm = typer.confirm if sys.stdin.isatty() else lambda question: True
    result = stage.publish(
        folder,
        repo_id,
        say=typer.echo,
        confirm=confirm,
        private=private,
        gated=gated,
        tag=tag,
        create_pr=create_pr,
        dry_run=dry_run,
        allow_delete=allow_delete,
    )
    _say(result, repo_id, dry_run=dry_run)


def _publish_space(folder: Path, repo_id: str, unfit: list[str], private: bool, dry_run: bool) -> None:
    """The page of `erc-synth browse --space`."""
    from erc_synth.dataset_cards.space import publish_space
    from erc_synth.loaders.errors import ErcSynthError

    if unfit:
        raise ErcSynthError(f"{unfit[0]} is for data sets; {folder} is a Space.", hint="Leave it out.")
    result = publish_space(folder, repo_id, private=private, dry_run=dry_run, say=typer.echo)
    _say(result, f"spaces/{repo_id}", dry_run=dry_run)


def _say(result: Published, repo_id: str, *, dry_run: bool) -> None:
    for change in result.changes:
        if dry_run or change.kind != "same":
            typer.echo(f"{change.kind:<7}{change.size:>12,}  {change.path}")
    if dry_run:
        typer.echo("Dry run: nothing was sent.")
    elif result.pull_request:
        typer.echo(f"Pull request: {result.pull_request} (the tag is for when it is merged)")
    else:
        state = "One commit" if result.committed else "Nothing changed, no commit"
        typer.echo(f"{state}: {repo_id} at {result.revision}" + (f", tag {result.tag}" if result.tag else ""))
