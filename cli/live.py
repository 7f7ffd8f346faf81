"""What `generate` shows: one live line while it runs, a table at the end.

Input: the live counts of a run. Output: standard error (the line), standard output (the table).
rich is imported when the first run begins, so `--help` stays quick.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from erc_synth.generation.runs.run import Run
    from erc_synth.generation.runs.tally import Tally
    from erc_synth.generation.serving.limiter import Limiter

PLAIN_EVERY = 10.0  # seconds between two lines where there is no terminal


class LiveLine:
    """One line that renews itself on a terminal, a plain line every ten seconds elsewhere."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._name = name
        self._console = Console(stderr=True)
        self._spinner = Spinner("dots", text=f"{name}: asking the server who it is")
        self._live = Live(self._spinner, console=self._console, transient=True) if self._console.is_terminal else None
        self._shown = time.monotonic()

    def __enter__(self) -> LiveLine:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, tally: Tally, limiter: Limiter) -> None:
        """Called a few times per second."""
        from rich.text import Text

        if self._live:
            self._spinner.update(text=Text(f"{self._name}: {tally.line(limiter)}"))
        elif time.monotonic() - self._shown >= PLAIN_EVERY:
            self._shown = time.monotonic()
            self.say(f"{self._name}: {tally.line(limiter)}")

    def say(self, sentence: str) -> None:
        """A sentence that stays; above the live line when there is one."""
        if self._live:
            self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)
        else:
            print(sentence, file=sys.stderr, flush=True)


def summary(runs: list[Run]) -> None:
    """Table of runs, with the shares of their labels."""
    if not runs:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("recipe")
    numbers = "dialogues", "per second", "parsed", "rejected", "retries", "given up", "tokens", "tokens/s", "seconds"
    for heading in numbers:
        table.add_column(heading, justify="right")
    table.add_column("labels")
    for run in runs:
        tally = run.tally
        reason = tally.rejected.most_common(1)
        rejected = f"{tally.rejected.total()} ({reason[0][0]} {reason[0][1]})" if reason else "0"
        total = tally.labels.total()
        table.add_row(
            run.recipe.name,
            f"{tally.accepted}/{tally.wanted}",
            f"{tally.new / tally.seconds:.2f}",
            "-" if tally.parse_rate is None else f"{tally.parse_rate:.0%}",
            rejected,
            str(tally.errors.total()),
            str(tally.given_up),
            f"{tally.completion_tokens:,}",
            f"{tally.completion_tokens / tally.seconds:.0f}",
            f"{tally.seconds:.0f}",
            " ".join(f"{label} {count / total:.0%}" for label, count in tally.labels.most_common()),
        )
    console.print(table, highlight=False)
