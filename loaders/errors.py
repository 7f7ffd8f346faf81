"""The one error type that every stage raises for bad input, and its exit codes.

Purpose: an error is data: a sentence, a hint how to mend it, and the exit code of the command.
Input: raised anywhere below `erc_synth`. Output: caught once, in `cli/main.py` and `training/run.py`.
Not covered: programming errors, which keep their traceback; `stats`, which imports nothing of ours
and raises its own error with the same attributes.
"""

from __future__ import annotations


class ErcSynthError(Exception):
    """Something the user can mend.

    Args:
        message: One sentence: what is wrong and where.
        hint: One sentence: how to mend it.
        retryable: True when the same call may succeed later (network, overload).
        exit_code: 2 bad input; 3 stopped early with partial results; 4 a check after the fact failed.
    """

    def __init__(self, message: str, *, hint: str = "", retryable: bool = False, exit_code: int = 2) -> None:
        super().__init__(message)
        self.hint = hint
        self.retryable = retryable
        self.exit_code = exit_code

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} {self.hint}" if self.hint else message
