"""The command `erc-synth`: one page of verbs.

Purpose: map words on the command line to the stages. Each verb lives in its own module of this
folder and imports its stage inside its function, so `--help` never imports torch.
Output: exit code 0; 2 bad input; 3 stopped early with what is there; 4 a check failed; 130 Ctrl-C.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from erc_synth.cli.build import build
from erc_synth.cli.curate import curate
from erc_synth.cli.demo import demo
from erc_synth.cli.doctor import doctor
from erc_synth.cli.generate import generate, parse, replay
from erc_synth.cli.grid import LISTS, grid
from erc_synth.cli.load import load
from erc_synth.cli.publish import publish
from erc_synth.cli.quality import app as quality
from erc_synth.cli.report import report
from erc_synth.cli.stats import stats
from erc_synth.cli.train import PASS_ON, train

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("generate")(generate)
app.command("parse")(parse)
app.command("replay")(replay)
app.command("curate")(curate)
app.add_typer(quality, name="quality")
app.command("build")(build)
app.command("publish")(publish)
app.command("load")(load)
app.command("grid")(grid)
app.command("stats")(stats)
app.command("report")(report)
app.command("train", context_settings=PASS_ON)(train)
app.command("demo")(demo)
app.command("doctor")(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("erc-synth"))
        raise typer.Exit


@app.callback()
def erc_synth(
    _: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Synthetic data for emotion recognition in conversations, from prompt to p-value."""


MENDS = {
    errno.ENOSPC: "Free some space and run the same command again: it goes on where it stopped.",
    errno.EACCES: "Check the permissions of that path.",
    errno.ENOENT: "Check the path.",
}


def guarded(command: Callable[[], object]) -> int:
    """Run a command; a known error becomes one sentence on standard error and an exit code."""
    try:
        outcome = command()
        return outcome if isinstance(outcome, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _say("Interrupted. The same command goes on where it stopped.", 130)
    except BrokenPipeError:  # `erc-synth ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        code = getattr(error, "exit_code", 2)
        where = f": {error.filename}" if error.filename else ""
        return _say(f"{error.strerror or error}{where}. {MENDS.get(error.errno or 0, '')}".rstrip(), code)
    except Exception as error:
        # By duck type: `stats` imports nothing of ours and has an error class of its own.
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int):
            raise
        if hasattr(error, "show"):  # Typer's own: wrong words on the command line
            error.show()
            return code
        return _say(str(error), code)


def _say(sentence: str, code: int) -> int:
    print(f"Error: {sentence}" if code != 130 else sentence, file=sys.stderr)
    return code


def main() -> None:
    """Run the command line."""
    words = joined(sys.argv[1:], LISTS) if sys.argv[1:2] == ["grid"] else sys.argv[1:]
    sys.exit(guarded(lambda: app(words, standalone_mode=False)))


def joined(words: list[str], flags: frozenset[str]) -> list[str]:
    """`--seeds 1 2 3` as one value, which Typer knows no form for."""
    result: list[str] = []
    for word in words:
        if len(result) >= 2 and result[-2] in flags and not word.startswith("-"):
            result[-1] += f" {word}"
        else:
            result.append(word)
    return result


if __name__ == "__main__":
    main()
