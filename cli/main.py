"""The command `erc-synth`: one page of verbs.

Purpose: map words on the command line to the stages. Each verb lives in its own module of this
folder and imports its stage inside its function, so `--help` never imports torch.
Output: exit code 0; 2 bad input; 3 stopped early with what is there; 4 a check failed; 130 Ctrl-C.
"""

from __future__ import annotations

import sys

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _known(error: BaseException) -> int | None:
    """Exit code of an error that carries its own sentence (by duck type: stats has its own class)."""
    code = getattr(error, "exit_code", None)
    return code if isinstance(code, int) and hasattr(error, "hint") else None


def main() -> None:
    """Run the command line and turn known errors into one sentence and an exit code."""
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("Interrupted. The same command goes on from here.", err=True)
        sys.exit(130)
    except OSError as error:
        typer.echo(f"Error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        sys.exit(2)
    except Exception as error:
        code = _known(error)
        if code is None:
            raise
        typer.echo(f"Error: {error}", err=True)
        sys.exit(code)


if __name__ == "__main__":
    main()
