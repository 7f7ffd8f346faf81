"""The command `erc-synth`: one page of verbs.

Purpose: map words on the command line to the stages. Each verb lives in its own module of this
folder and imports its stage inside its function, so `--help` never imports torch.
Output: exit code 0; 2 bad input; 3 stopped early with what is there; 4 a check failed; 130 Ctrl-C.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from erc_synth.cli.browse import browse
from erc_synth.cli.build import build
from erc_synth.cli.curate import curate
from erc_synth.cli.demo import demo
from erc_synth.cli.doctor import doctor
from erc_synth.cli.generate import generate, merge, parse, replay
from erc_synth.cli.grid import LISTS, grid
from erc_synth.cli.load import load
from erc_synth.cli.predict import predict
from erc_synth.cli.publish import publish
from erc_synth.cli.quality import app as quality
from erc_synth.cli.report import report
from erc_synth.cli.show import show
from erc_synth.cli.stats import stats
from erc_synth.cli.train import PASS_ON, train

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",  # options stand in groups
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("generate")(generate)
app.command("merge")(merge)
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
app.command("predict")(predict)
app.command("browse")(browse)
app.command("show")(show)
app.command("demo")(demo)
app.command("doctor")(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("erc-synth"))
        raise typer.Exit


def hush(quiet: bool) -> None:
    """No progress bars: when asked for, and where nobody watches (a pipe, a file, a batch job)."""
    if quiet or not sys.stderr.isatty():
        for variable in BARS_OFF:
            os.environ.setdefault(variable, "1")


@app.callback()
def erc_synth(
    _: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the traceback of an error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bars.")] = False,
) -> None:
    """Synthetic data for emotion recognition in conversations, from prompt to p-value."""
    if verbose:
        os.environ["ERC_VERBOSE"] = "1"  # child processes of a verb are as talkative
    else:
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # what the Hub did not answer is said once, by us
    hush(quiet)


# tqdm's own switch, which the live line of `generate` obeys too, and those of the Hugging Face libraries.
BARS_OFF = ("TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS")
INTERRUPTED = "Interrupted. The same command goes on where it stopped."
MENDS = {
    errno.ENOSPC: "Free some space and run the same command again: it goes on where it stopped.",
    errno.EACCES: "Check the permissions of that path.",
    errno.ENOENT: "Check the path.",
}


def guarded(command: Callable[[], object]) -> int:
    """Run a command; a known error becomes one sentence on standard error and an exit code."""
    try:
        outcome = command()
        # Typer turns Ctrl-C into this exit code and says nothing.
        return _say(INTERRUPTED, 130) if outcome == 130 else outcome if isinstance(outcome, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _say(INTERRUPTED, 130)
    except BrokenPipeError:  # `erc-synth ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        sentence = f"{error.strerror or error}{where}. {MENDS.get(error.errno or 0, '')}".rstrip()
        return _say(sentence, getattr(error, "exit_code", 2), error)
    except Exception as error:
        # By duck type: `stats` imports nothing of ours and has an error class of its own.
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int):
            raise
        if hasattr(error, "show"):  # Typer's own: wrong words on the command line
            error.show()
            return code
        return _say(str(error), code, error)


def _say(sentence: str, code: int, error: BaseException | None = None) -> int:
    if error is not None and os.environ.get("ERC_VERBOSE"):
        traceback.print_exception(error)
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
