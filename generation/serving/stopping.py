"""When a run stops with what is there.

Input: what came and what was said, as it happens. Output: a reason, or none. Not covered: acting on it (`runs`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class StopRule:
    """Stop with what is there: no success for a while, or too few of the last answers parse."""

    patience: float = 600.0  # seconds without one success
    floor: float = 0.0  # least parse rate over the last `window` answers; 0 is off
    window: int = 200
    clock: Callable[[], float] = time.monotonic
    _last: float = field(default=float("nan"), init=False)
    _recent: deque[bool] = field(default_factory=deque, init=False)
    _heard: str = field(default="", init=False)  # the last refusal since the last success

    def start(self) -> None:
        """Begin to count time."""
        self._last = self.clock()

    def answered(self, parsed: bool) -> None:
        """The server answered; `parsed` says whether the answer was a dialogue."""
        self._last = self.clock()
        self._heard = ""
        self._recent.append(parsed)
        if len(self._recent) > self.window:
            self._recent.popleft()

    def refused(self, message: str, asked: float | None) -> None:
        """The server answered, but with a refusal; `asked` is how long it wants to be left alone."""
        self._heard = message + (f"; it asked to wait {asked:.0f} seconds" if asked else "")

    def silence(self) -> str | None:
        """Why to stop although requests are out, or `None`: nothing has come for too long."""
        silent = self.clock() - self._last
        if silent <= self.patience:
            return None
        if self._heard:
            return f"no answer but refusals for {silent:.0f} seconds ({self._heard})"
        return f"no answer for {silent:.0f} seconds"

    def reason(self) -> str | None:
        """Why to stop now, or `None`."""
        if self.floor and len(self._recent) >= self.window:
            rate = sum(self._recent) / len(self._recent)
            if rate < self.floor:
                return f"only {rate:.0%} of the last {self.window} answers were dialogues"
        return self.silence()
