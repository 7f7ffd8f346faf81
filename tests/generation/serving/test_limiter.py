"""Adaptive concurrency with a clock of our own."""

import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_synth.generation.serving.limiter import LEAST, Limiter
from erc_synth.generation.serving.stopping import StopRule


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@given(
    st.lists(st.sampled_from(["acquire", "success", "overload", "failure", "tick"]), max_size=200), st.integers(1, 20)
)
def test_limit_stays_between_one_and_the_ceiling(actions, ceiling):
    clock = Clock()
    limiter = Limiter(["a", "b"], ceiling, clock=clock, jitter=random.Random(0))
    out = []
    for action in actions:
        if action == "acquire":
            endpoint = limiter.acquire()
            if endpoint:
                out.append(endpoint)
        elif action == "tick":
            clock.now += 3.0
        elif out:
            endpoint = out.pop()
            {"success": limiter.success, "overload": limiter.overload}.get(
                action, lambda e: limiter.failure(e, connection=True)
            )(endpoint)
        assert limiter.in_flight == len(out)
        assert all(1 <= int(e.limit) <= ceiling and 0 <= e.in_flight <= ceiling for e in limiter.endpoints)


def test_a_refusal_now_and_then_costs_no_limit():
    limiter = Limiter(["a"], 40, start=40, clock=Clock())
    for number in range(400):
        endpoint = limiter.acquire()
        limiter.overload(endpoint, retry_after=1) if number % 20 == 0 else limiter.success(endpoint)
    assert limiter.limit == 40
    assert limiter.acquire()


def test_a_server_that_refuses_above_its_size_is_found_and_kept_full():
    """32 of 128 are taken: when the refusals have drained, what is still out is what the server takes."""
    clock = Clock()
    limiter = Limiter(["a"], 128, start=128, clock=clock, jitter=random.Random(0))
    out = [limiter.acquire() for _ in range(128)]
    for endpoint in out[32:]:
        limiter.overload(endpoint, retry_after=1)
    assert limiter.acquire() is None  # nothing more until it is clear
    for endpoint in out[:1]:
        limiter.success(endpoint)
    assert 31 <= limiter.limit <= 33
    assert limiter.acquire()


def test_a_server_that_refuses_all_is_left_alone_as_long_as_it_asks():
    clock = Clock()
    limiter = Limiter(["a"], 20, start=20, clock=clock, jitter=random.Random(0))
    for endpoint in [limiter.acquire() for _ in range(20)]:
        limiter.overload(endpoint, retry_after=7)
    clock.now = 6.9
    assert limiter.acquire() is None
    clock.now = 7.0
    assert limiter.acquire()


def test_the_endpoint_with_the_fewest_in_flight_is_chosen():
    limiter = Limiter(["a", "b"], 8, clock=Clock())
    assert [limiter.acquire().url for _ in range(4)] == ["a", "b", "a", "b"]


def test_a_dead_endpoint_rests_and_is_tried_again():
    clock = Clock()
    limiter = Limiter(["a", "b"], 8, clock=clock, jitter=random.Random(0))
    for _ in range(3):
        limiter.failure(
            next(e for e in limiter.endpoints if e.url == "a" and not setattr(e, "in_flight", 1)), connection=True
        )
    assert {limiter.acquire().url for _ in range(6)} == {"b"}
    clock.now = 60
    assert "a" in {limiter.acquire().url for _ in range(2)}


def test_stop_after_silence_and_below_the_parse_floor():
    clock = Clock()
    rule = StopRule(patience=60, floor=0.5, window=4, clock=clock)
    rule.start()
    assert rule.reason() is None
    clock.now = 61
    assert "no answer" in rule.reason()
    for parsed in (True, False, False, False):
        rule.answered(parsed)
    assert "25%" in rule.reason()


def test_silence_is_a_reason_of_its_own():
    clock = Clock()
    rule = StopRule(patience=60, floor=1.0, window=1, clock=clock)
    rule.start()
    rule.answered(False)
    assert rule.reason()
    assert rule.silence() is None


def _settled(capacity, ceiling, start, *, answers=20_000, seed=0):
    """The limit that is found on a server which works on `capacity` requests at a time and queues the others."""
    clock, draw = Clock(), random.Random(seed)
    limiter = Limiter(["a"], ceiling, start=start, clock=clock)
    working, queue, limits = [], [], []
    for _ in range(answers):
        while endpoint := limiter.acquire():
            queue.append(endpoint)
        while queue and len(working) < capacity:
            tokens = draw.randint(150, 450)
            heapq.heappush(working, (clock.now + tokens / 300, len(working), tokens, queue.pop()))
        clock.now, _, tokens, endpoint = heapq.heappop(working)
        limiter.success(endpoint, tokens)
        limits.append(limiter.limit)
    return sorted(limits)[answers // 2]


@pytest.mark.parametrize("capacity", [20, 50, 100])
def test_a_server_that_queues_gets_about_what_it_works_on(capacity):
    assert capacity * 0.9 <= _settled(capacity, ceiling=512, start=256) <= 3.2 * capacity


@pytest.mark.parametrize("seed", range(5))
def test_a_server_that_takes_all_is_filled(seed):
    assert _settled(1000, ceiling=512, start=256, seed=seed) == 512


def _batching(ceiling, start, *, answers=1_500, seed=0):
    """The limit that is found on a server which gives a token to each request per step; larger batches step slower."""
    clock, draw = Clock(), random.Random(seed)
    limiter = Limiter(["a"], ceiling, start=start, clock=clock)
    working = []
    while answers > 0:
        while endpoint := limiter.acquire():
            tokens = draw.randint(60, 140)
            working.append([tokens, tokens, endpoint])
        clock.now += 0.01 * (1 + len(working) / 128)  # 128 instead of 64: 1.5 times the throughput
        for job in working:
            job[0] -= 1
        for _, tokens, endpoint in [job for job in working if not job[0]]:
            limiter.success(endpoint, tokens)
            answers -= 1
        working = [job for job in working if job[0]]
    return limiter.limit


@pytest.mark.parametrize("seed", range(4))
def test_a_server_that_batches_is_filled(seed):
    assert _batching(ceiling=128, start=64, seed=seed) == 128


def test_a_small_ceiling_is_reached_without_a_verdict():
    assert _settled(1, ceiling=16, start=8, answers=100) == 16


def test_no_server_gets_less_than_a_few():
    assert _settled(1, ceiling=512, start=256) == LEAST


def _all_lost():
    """An endpoint whose 20 requests all lost their connection."""
    clock = Clock()
    limiter = Limiter(["a"], 20, start=20, clock=clock, jitter=random.Random(0))
    for endpoint in [limiter.acquire() for _ in range(20)]:
        limiter.failure(endpoint, connection=True)
    return clock, limiter


def test_requests_still_out_do_not_prolong_the_rest():
    clock, limiter = _all_lost()
    clock.now = 1.3
    assert limiter.acquire()


def test_an_endpoint_that_was_dead_is_tried_with_one_request():
    clock, limiter = _all_lost()
    clock.now = 60
    probe = limiter.acquire()
    assert limiter.acquire() is None
    limiter.success(probe)
    assert [limiter.acquire().url for _ in range(2)] == ["a", "a"]
