"""How many requests may be in flight, and to which endpoint: adaptive, with an injected clock.

Additive increase after a full window of successes, multiplicative decrease on overload (429, 503,
time-outs) once per cooldown; Retry-After is honoured; an endpoint that fails is left out for a
while and tried again. Not covered: sending and retrying (`runner`), errors (`transport`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

DECREASE = 0.75
DEAD_AFTER = 3  # connection failures in a row
REST = 1.0  # seconds until a dead endpoint is tried again; doubles up to MAX_REST
MAX_REST = 60.0


@dataclass(slots=True)
class Endpoint:
    """One server address and its own limit."""

    url: str
    ceiling: int
    limit: float = 1.0
    in_flight: int = 0
    successes: int = 0
    failures: int = 0
    paused_until: float = 0.0
    cut_at: float = field(default=float("-inf"))
    rest: float = REST

    def free(self, now: float) -> bool:
        """True when one more request may go out."""
        return now >= self.paused_until and self.in_flight < int(self.limit)


class Limiter:
    """Chooses the endpoint with the fewest requests in flight among those with room.

    Args:
        urls: Endpoints of one model.
        ceiling: Most requests in flight per endpoint (from the server, or the user).
        start: First limit per endpoint; it grows to the ceiling while answers succeed.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        urls: list[str],
        ceiling: int,
        *,
        start: int = 8,
        cooldown: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        self._clock = clock
        self._cooldown = cooldown
        self._jitter = jitter or random.Random()
        first = float(max(1, min(start, ceiling)))
        self.endpoints = [Endpoint(url, max(1, ceiling), first) for url in urls]

    @property
    def in_flight(self) -> int:
        """Requests out now, all endpoints together."""
        return sum(endpoint.in_flight for endpoint in self.endpoints)

    @property
    def limit(self) -> int:
        """Requests allowed now, all endpoints together."""
        return sum(int(endpoint.limit) for endpoint in self.endpoints)

    def acquire(self) -> Endpoint | None:
        """An endpoint with room, counted as in flight; `None` when all are full or resting."""
        now = self._clock()
        free = [endpoint for endpoint in self.endpoints if endpoint.free(now)]
        if not free:
            return None
        chosen = min(free, key=lambda endpoint: endpoint.in_flight)
        chosen.in_flight += 1
        return chosen

    def wait_hint(self) -> float:
        """Seconds until a resting endpoint may be tried; 0 when one only waits for a slot."""
        now = self._clock()
        waits = [endpoint.paused_until - now for endpoint in self.endpoints]
        return max(0.0, min(waits))

    def success(self, endpoint: Endpoint) -> None:
        """One answer came: a whole window of them raises the limit (doubling at first, then by one)."""
        endpoint.in_flight -= 1
        endpoint.failures = 0
        endpoint.rest = REST
        endpoint.successes += 1
        never_cut = endpoint.cut_at == float("-inf")
        if never_cut:
            endpoint.limit = min(endpoint.ceiling, endpoint.limit + 1)
        elif endpoint.successes >= endpoint.limit:
            endpoint.successes = 0
            endpoint.limit = min(endpoint.ceiling, endpoint.limit + 1)

    def overload(self, endpoint: Endpoint, retry_after: float | None = None) -> None:
        """The server has too much: cut the limit once per cooldown, pause as long as it asks."""
        endpoint.in_flight -= 1
        endpoint.successes = 0
        now = self._clock()
        if now - endpoint.cut_at >= self._cooldown:
            endpoint.limit = max(1.0, endpoint.limit * DECREASE)
            endpoint.cut_at = now
        if retry_after is not None:
            endpoint.paused_until = max(endpoint.paused_until, now + retry_after)

    def failure(self, endpoint: Endpoint, *, connection: bool) -> None:
        """A request failed; an endpoint that cannot be reached several times in a row rests."""
        endpoint.in_flight -= 1
        if not connection:
            return
        endpoint.failures += 1
        if endpoint.failures >= DEAD_AFTER:
            endpoint.paused_until = self._clock() + endpoint.rest * self._jitter.uniform(0.8, 1.2)
            endpoint.rest = min(MAX_REST, endpoint.rest * 2)

    def release(self, endpoint: Endpoint) -> None:
        """A request was given up without an outcome."""
        endpoint.in_flight -= 1


@dataclass(slots=True)
class StopRule:
    """Stop with what is there: no success for a while, or too few of the last answers parse."""

    patience: float = 600.0  # seconds without one success
    floor: float = 0.0  # least parse rate over the last `window` answers; 0 is off
    window: int = 200
    clock: Callable[[], float] = time.monotonic
    _last: float = field(default=float("nan"), init=False)
    _recent: list[bool] = field(default_factory=list, init=False)

    def start(self) -> None:
        """Begin to count time."""
        self._last = self.clock()

    def answered(self, parsed: bool) -> None:
        """The server answered; `parsed` says whether the answer was a dialogue."""
        self._last = self.clock()
        self._recent.append(parsed)
        del self._recent[: -self.window]

    def reason(self) -> str | None:
        """Why to stop now, or `None`."""
        silent = self.clock() - self._last
        if silent > self.patience:
            return f"no answer for {silent:.0f} seconds"
        if self.floor and len(self._recent) >= self.window:
            rate = sum(self._recent) / len(self._recent)
            if rate < self.floor:
                return f"only {rate:.0%} of the last {self.window} answers were dialogues"
        return None
