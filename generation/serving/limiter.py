"""How many requests may be in flight, and to which endpoint: adaptive, with an injected clock.

Two signals. A server that refuses (429, 503, time-outs): multiplicative decrease once per cooldown,
then additive increase; Retry-After is honoured. A server that queues instead of refusing: its latency
grows with the requests in flight and its throughput does not, so the limit settles where more
requests stop to pay. An endpoint that fails is left out for a while and tried again.
Not covered: sending and retrying (`runner`), errors (`transport`).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

DECREASE = 0.75
DEAD_AFTER = 3  # connection failures in a row
REST = 1.0  # seconds until a dead endpoint is tried again; doubles up to MAX_REST
MAX_REST = 60.0

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
    successes: int = 0
    failures: int = 0
    paused_until: float = 0.0
    cut_at: float = field(default=float("-inf"))
    rest: float = REST

    def free(self, now: float) -> bool:
        """True when one more request may go out; one that was dead is tried with a single request."""
        room = 1 if self.failures >= DEAD_AFTER else int(self.limit)
        return now >= self.paused_until and self.in_flight < room


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
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._waking = False
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

    def acquire(self) -> Endpoint | None:
        """An endpoint with room, counted as in flight; `None` when all are full or resting."""
        now = self._clock()
        free = [endpoint for endpoint in self.endpoints if endpoint.free(now)]
        if not free:
            return None
        chosen = min(free, key=lambda endpoint: endpoint.in_flight)
        chosen.in_flight += 1
        return chosen

    async def room(self, seconds: float) -> None:
        """Wait, first come first served, until a request may go out; `seconds` at most."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        resting = max(0.0, min(endpoint.paused_until for endpoint in self.endpoints) - self._clock())
        try:
            async with asyncio.timeout(min(seconds, resting) if resting else seconds):
                await turn
        except TimeoutError:
            if turn in self._waiting:
                self._waiting.remove(turn)

    def _done(self, endpoint: Endpoint) -> None:
        """One request less is out; who had it may take the next at once, only then those who wait are looked at."""
        endpoint.in_flight -= 1
        if self._waiting and not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        """As many of those who wait go on as there is room for."""
        self._waking = False
        free = self.limit - self.in_flight
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1

    def success(self, endpoint: Endpoint, tokens: int = 1) -> None:
        """One answer came, of so many tokens: the limit may rise."""
        in_flight = endpoint.in_flight
        endpoint.failures = 0
        endpoint.rest = REST
        if endpoint.cut_at == float("-inf"):  # it never refused: its throughput tells what it can do
            endpoint.limit = float(endpoint.gauge.answered(int(endpoint.limit), in_flight, tokens, self._clock()))
        else:
            endpoint.successes += 1
            if endpoint.successes >= endpoint.limit:
                endpoint.successes = 0
                endpoint.limit = min(endpoint.ceiling, endpoint.limit + 1)
        self._done(endpoint)

    def overload(self, endpoint: Endpoint, retry_after: float | None = None) -> None:
        """The server has too much: cut the limit once per cooldown, pause as long as it asks."""
        endpoint.successes = 0
        now = self._clock()
        if now - endpoint.cut_at >= self._cooldown:
            endpoint.limit = max(1.0, endpoint.limit * DECREASE)
            endpoint.cut_at = now
        if retry_after is not None:
            endpoint.paused_until = max(endpoint.paused_until, now + retry_after)
        self._done(endpoint)

    def failure(self, endpoint: Endpoint, *, connection: bool) -> None:
        """A request failed; an endpoint that cannot be reached several times in a row rests."""
        now = self._clock()
        if connection and now >= endpoint.paused_until:  # one that rests is not punished for the requests still out
            endpoint.failures += 1
            if endpoint.failures >= DEAD_AFTER:
                endpoint.paused_until = now + endpoint.rest * self._jitter.uniform(0.8, 1.2)
                endpoint.rest = min(MAX_REST, endpoint.rest * 2)
        self._done(endpoint)

    def release(self, endpoint: Endpoint) -> None:
        """A request was given up without an outcome."""
        self._done(endpoint)


@dataclass(slots=True)
class StopRule:
    """Stop with what is there: no success for a while, or too few of the last answers parse."""

    patience: float = 600.0  # seconds without one success
    floor: float = 0.0  # least parse rate over the last `window` answers; 0 is off
    window: int = 200
    clock: Callable[[], float] = time.monotonic
    _last: float = field(default=float("nan"), init=False)
    _recent: deque[bool] = field(default_factory=deque, init=False)

    def start(self) -> None:
        """Begin to count time."""
        self._last = self.clock()

    def answered(self, parsed: bool) -> None:
        """The server answered; `parsed` says whether the answer was a dialogue."""
        self._last = self.clock()
        self._recent.append(parsed)
        if len(self._recent) > self.window:
            self._recent.popleft()

    def silence(self) -> str | None:
        """Why to stop although requests are out, or `None`: nothing has come for too long."""
        silent = self.clock() - self._last
        return f"no answer for {silent:.0f} seconds" if silent > self.patience else None

    def reason(self) -> str | None:
        """Why to stop now, or `None`."""
        if self.floor and len(self._recent) >= self.window:
            rate = sum(self._recent) / len(self._recent)
            if rate < self.floor:
                return f"only {rate:.0%} of the last {self.window} answers were dialogues"
        return self.silence()
