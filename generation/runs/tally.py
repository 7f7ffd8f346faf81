"""Live counts of one run and the rates that follow from them; how they are shown is the command's.

Input: outcomes as they come. Output: `Tally`, `State`. Not covered: the manifest's counts, which come from the
journal (`folder`).
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from erc_synth.generation.serving.limiter import Limiter
from erc_synth.generation.serving.session import Completion


@dataclass(slots=True)
class Tally:
    """Live counts of one run."""

    wanted: int
    accepted: int = 0
    attempts: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    given_up: int = 0
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    accepted_before: int = 0

    def resumed(self, accepted: int, labels: Counter[str]) -> None:
        """What an earlier session left."""
        self.accepted = self.accepted_before = accepted
        self.labels.update(labels)

    def answered(self, answer: Completion, labels: Counter[str], reason: str | None) -> None:
        """One answer: its labels when it was a dialogue, else the reason why not."""
        self.prompt_tokens += answer.prompt_tokens
        self.completion_tokens += answer.completion_tokens
        if reason is None:
            self.accepted += 1
            self.labels.update(labels)
        else:
            self.rejected[reason] += 1

    @property
    def seconds(self) -> float:
        """Since the run began, until now or its end."""
        return max((self.ended or time.monotonic()) - self.started, 1e-6)

    @property
    def new(self) -> int:
        """Dialogues accepted in this session."""
        return self.accepted - self.accepted_before

    @property
    def answers(self) -> int:
        """Answers of this session, dialogues or not."""
        return self.new + self.rejected.total()

    @property
    def parse_rate(self) -> float | None:
        """Share of this session's answers that were dialogues; `None` before the first."""
        return self.new / self.answers if self.answers else None

    @property
    def left(self) -> float | None:
        """Seconds until all wanted dialogues are there, at the present rate; `None` when unknown."""
        return (self.wanted - self.accepted) * self.seconds / self.new if self.new else None

    def line(self, limiter: Limiter) -> str:
        """One line: rates, parse rate, labels, in flight and limit, retries, time left."""
        resting = limiter.resting
        waiting = f"  the server is left alone for {resting:.0f} s" if 0.5 < resting < float("inf") else ""
        labels = " ".join(f"{label} {count}" for label, count in self.labels.most_common())
        parsed = f"{self.parse_rate:.0%}" if self.parse_rate is not None else "-"
        return (
            f"{self.accepted}/{self.wanted} dialogues  {self.new / self.seconds:.2f}/s  "
            f"{self.completion_tokens / self.seconds:.0f} tok/s  parsed {parsed}  "
            f"in flight {limiter.in_flight}/{limiter.limit}  retries {sum(self.errors.values())}  "
            f"left {duration(self.left)}{waiting}  [{labels}]"
        )


def duration(seconds: float | None) -> str:
    """`40 s`, `12 min`, `3.5 h`; `?` for unknown."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
