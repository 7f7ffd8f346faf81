"""The one error class of this stage: `stats` imports nothing of ours, the command line knows it by its attributes."""

from __future__ import annotations


class StatsError(Exception):
    """Bad input of the statistics; same attributes as the error class of the other stages."""

    def __init__(self, message: str, *, hint: str = "", exit_code: int = 2) -> None:
        super().__init__(f"{message} {hint}".rstrip())
        self.hint = hint
        self.exit_code = exit_code
