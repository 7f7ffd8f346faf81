"""How many requests may be in flight, and to which endpoint: adaptive, with an injected clock.

Two signals. A server that is full refuses (429, 503, time-outs): a refusal now and then is noise and costs one request
its turn; when a good part of the last outcomes are refusals, nothing more is sent until the refusals have drained, and
what is then still in flight is what the server takes. A server that queues instead of refusing: its latency grows with
the requests in flight and its throughput does not, so the limit settles where more requests stop to pay.
An endpoint that fails is left out for a while and tried again.
Not covered: sending and retrying, and a refused request's own rest (`runs`).
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

DEAD_AFTER = 3  # connection failures in a row
REST = 1.0  # seconds until a dead endpoint is tried again; doubles up to MAX_REST
MAX_REST = 60.0
MANY = 10  # refusals, at least, among the last `WINDOW` outcomes to say that a server is full
WINDOW = 64
SHARE = 0.2  # of those outcomes
IN_A_ROW = 8  # refusals without an answer between say it sooner
STEP_BACK = 3  # refusals after a step above a limit that was found: the server is no larger yet
FIRST_HOLD = 2.0  # seconds until a limit found by refusals is tried again one higher; doubles up to `HOLD`

GAIN = 0.25  # of the growth of what is in flight, at least, must come back as throughput
LOSS = 0.05  # of the throughput, at most, may be lost when the limit is halved
SAMPLE = 64  # answers, at least, to judge a halved limit by
FEW = 32  # a ceiling that no server is flooded by: not judged
LEAST = 8  # the limit is not halved below
HOLD = 60.0  # seconds until a limit that was found is put to the test again


class Gauge:
    """The limit of one endpoint by its throughput: double while it pays, then halve while it costs nothing.

    By Little's law throughput = in flight / latency. Once the server is full, latency grows in proportion to
    what is in flight: the answers only wait longer, until a time-out throws them away. Throughput is
    measured in tokens per second over one generation of answers after the other. While it is measured the limit
    grows, one for each answer, so a server that can take more is not kept waiting for the verdict.
    """

    def __init__(self, limit: int, ceiling: int, now: float) -> None:
        self._ceiling = ceiling
        self._judges = ceiling > FEW and limit < ceiling
        self._hold = float("-inf")
        self._first = True
        self._best: tuple[int, float, float] | None = None  # limit, throughput, mean in flight
        self._measure(limit, now, up=True)

    def _measure(self, level: int, now: float, *, up: bool) -> int:
        self._level, self._up, self._began = level, up, now
        self._answers = self._tokens = self._flights = 0
        return level

    def answered(self, limit: int, in_flight: int, tokens: int, now: float) -> int:
        """The limit after one more answer.

        Args:
            limit: The limit now.
            in_flight: Requests out when the answer came, itself included.
            tokens: What the answer brought.
            now: Seconds.
        """
        if not self._judges:
            return min(limit + 1, self._ceiling)
        if now < self._hold:
            return limit
        wanted = min(2 * self._level, self._ceiling) if self._up else self._level
        if in_flight < 0.9 * self._level or (not self._up and in_flight > self._level):
            self._measure(self._level, now, up=self._up)  # too few jobs, or the answers to a higher limit still come
            return min(limit + 1, wanted)
        self._answers += 1
        self._tokens += tokens
        self._flights += self._level if self._first else in_flight  # the first were all sent at the first limit
        if self._answers < (self._level if self._up else max(self._level, SAMPLE)) or now <= self._began:
            return min(limit + 1, wanted)
        return self._judge(self._tokens / (now - self._began), self._flights / self._answers, now)

    def _judge(self, rate: float, flight: float, now: float) -> int:
        self._first, level = False, self._level
        best, before, flight_before = self._best or (level, 0.0, flight)
        if self._up and rate >= before * (1 + GAIN * (flight / flight_before - 1)):
            self._best = (level, rate, flight)
            if level == self._ceiling:
                return self._found(level, float("inf"))
            return self._measure(min(2 * level, self._ceiling), now, up=True)
        if not self._up and rate < before * (1 - LOSS):
            return self._found(best, now + HOLD)
        if not self._up:
            best = level
            self._best = (level, max(rate, before), flight)
        if best <= LEAST:
            return self._found(best, now + HOLD)
        return self._measure(max(best // 2, LEAST), now, up=False)

    def _found(self, level: int, hold: float) -> int:
        self._hold, self._best = hold, None
        return self._measure(level, hold, up=True)


@dataclass(slots=True)
class Endpoint:
    """One server address and its own limit."""

    url: str
    ceiling: int
    limit: float
    gauge: Gauge
    in_flight: int = 0
    failures: int = 0
    paused_until: float = 0.0
    rest: float = REST
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))  # outcomes, True for a refusal
    in_a_row: int = 0  # refusals without an answer between
    draining: bool = False  # full: nothing is sent until the next answer shows how much it holds
    found: float | None = None  # the limit that refusals have shown; `None` while it never was full
    asked: float = 0.0  # seconds that the last refusals asked for
    hold: float = FIRST_HOLD
    held_until: float = 0.0
    answers: int = 0  # since the limit was last touched
    step: int = 1

    def free(self, now: float) -> bool:
        """True when one more request may go out; one that was dead is tried with a single request."""
        room = 1 if self.failures >= DEAD_AFTER else int(self.limit)
        return now >= self.paused_until and not self.draining and self.in_flight < room

    def is_full(self) -> bool:
        """True when the last outcomes say that the server takes no more, beyond a refusal now and then."""
        refusals = sum(self.recent)
        if self.found is not None and self.limit > self.found:
            return refusals >= STEP_BACK and refusals >= SHARE * len(self.recent)
        return self.in_a_row >= IN_A_ROW or (refusals >= MANY and refusals >= SHARE * len(self.recent))

    def drained(self, now: float) -> None:
        """What is in flight now is what the server takes."""
        level = max(1.0, min(float(self.in_flight), self.ceiling))
        again = self.found is not None and level <= self.found + 1
        self.hold = min(HOLD, self.hold * 2) if again else FIRST_HOLD
        self.limit = self.found = level
        self.draining, self.answers, self.step, self.in_a_row = False, 0, 1, 0
        self.held_until = now + self.hold
        self.recent.clear()

    def grow(self, now: float) -> None:
        """One more answer after a limit was found: in time more is tried, in doubling steps while it goes well."""
        self.answers += 1
        if self.found is None or now < self.held_until or self.answers < self.limit or self.limit >= self.ceiling:
            return
        if self.limit > self.found:  # the last step went well
            self.found, self.hold = self.limit, FIRST_HOLD
            self.step *= 2
        self.limit = min(self.limit + self.step, self.ceiling)
        self.answers = 0
        self.recent.clear()


class Limiter:
    """Chooses the endpoint with the fewest requests in flight among those with room.

    Args:
        urls: Endpoints of one model.
        ceiling: Most requests in flight per endpoint (from the server, or the user).
        start: First limit per endpoint; it grows to the ceiling while that pays.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        urls: Sequence[str],
        ceiling: int,
        *,
        start: int = 8,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        self._clock = clock
        self._jitter = jitter or random.Random()
        ceiling = max(1, ceiling)
        first = float(max(1, min(start, ceiling)))
        self.endpoints = [Endpoint(url, ceiling, first, Gauge(int(first), ceiling, clock())) for url in urls]

    @property
    def in_flight(self) -> int:
        """Requests out now, all endpoints together."""
        return sum(endpoint.in_flight for endpoint in self.endpoints)

    @property
    def limit(self) -> int:
        """Requests allowed now, all endpoints together."""
        return sum(int(endpoint.limit) for endpoint in self.endpoints)

    @property
    def resting(self) -> float:
        """Seconds until an endpoint may be asked again; 0 when one may now, infinite when none ever will."""
        return max(0.0, min(endpoint.paused_until for endpoint in self.endpoints) - self._clock())

    def waits(self) -> list[tuple[Endpoint, float]]:
        """Each endpoint with the seconds that it is still left alone."""
        now = self._clock()
        return [(endpoint, max(0.0, endpoint.paused_until - now)) for endpoint in self.endpoints]

    def acquire(self) -> Endpoint | None:
        """An endpoint with room, counted as in flight; `None` when all are full or resting."""
        now = self._clock()
        if len(self.endpoints) == 1:
            chosen = self.endpoints[0]
            if not chosen.free(now):
                return None
        else:
            free = [endpoint for endpoint in self.endpoints if endpoint.free(now)]
            if not free:
                return None
            chosen = min(free, key=lambda endpoint: endpoint.in_flight)
        chosen.in_flight += 1
        return chosen

    def success(self, endpoint: Endpoint, tokens: int = 1) -> None:
        """One answer came, of so many tokens: the limit may rise."""
        now = self._clock()
        endpoint.recent.append(False)
        endpoint.failures = endpoint.in_a_row = 0
        endpoint.rest = REST
        if endpoint.draining:
            endpoint.drained(now)
        elif endpoint.found is None:  # it never was full: its throughput tells what it can do
            endpoint.limit = float(endpoint.gauge.answered(int(endpoint.limit), endpoint.in_flight, tokens, now))
        else:
            endpoint.grow(now)
        endpoint.in_flight -= 1

    def overload(self, endpoint: Endpoint, retry_after: float | None = None) -> None:
        """The server refused one request; how long it wants to be left alone counts once it takes nothing at all."""
        now = self._clock()
        endpoint.recent.append(True)
        endpoint.in_a_row += 1
        endpoint.in_flight -= 1
        endpoint.asked = max(endpoint.asked, retry_after or 0.0) if endpoint.draining else (retry_after or 0.0)
        endpoint.draining = endpoint.draining or endpoint.is_full()
        if endpoint.draining and endpoint.in_flight == 0:  # all was refused
            self._pause(endpoint, now, endpoint.asked)
            endpoint.drained(now)

    def failure(self, endpoint: Endpoint, *, connection: bool) -> None:
        """A request failed; an endpoint that cannot be reached several times in a row rests."""
        now = self._clock()
        endpoint.recent.append(False)
        endpoint.in_flight -= 1
        if connection and now >= endpoint.paused_until:  # one that rests is not punished for the requests still out
            endpoint.failures += 1
            if endpoint.failures >= DEAD_AFTER:
                self._pause(endpoint, now, 0.0)
        self._undrained(endpoint, now)

    def release(self, endpoint: Endpoint) -> None:
        """A request was given up without an outcome."""
        endpoint.in_flight -= 1
        self._undrained(endpoint, self._clock())

    def leave_out(self, endpoint: Endpoint) -> None:
        """This endpoint is not asked again."""
        endpoint.paused_until = float("inf")

    def _pause(self, endpoint: Endpoint, now: float, asked: float) -> None:
        """As long as the server asks, and longer each time in a row that nothing comes of it."""
        pause = max(asked, endpoint.rest * self._jitter.uniform(0.8, 1.2))
        endpoint.paused_until = max(endpoint.paused_until, now + pause)
        endpoint.rest = min(MAX_REST, endpoint.rest * 2)

    def _undrained(self, endpoint: Endpoint, now: float) -> None:
        """Nothing is out any more that could show how much the server takes: begin with one."""
        if endpoint.draining and endpoint.in_flight == 0:
            endpoint.drained(now)
