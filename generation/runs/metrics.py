"""Figures of running runs for operators, as Prometheus text over HTTP; needs the extra `metrics`.

Input: the runs of a command, as they come. Output: `http://<host>:<port>/metrics`, made when it is asked for: a run
pays nothing for it. Not covered: the live line (`cli.live`), the counts of the journal (`folder`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from erc_synth.generation.runs.run import Run
from erc_synth.loaders.errors import ErcSynthError

LOOPBACK = "127.0.0.1"


class Exporter:
    """Serves the figures from `open` until `close`; use it as a context manager.

    Args:
        runs: Of this command; the list grows.
        port: 0 for any free one.
        host: Address to listen at; anything but loopback shows the figures to the network.

    Raises:
        ErcSynthError: The package prometheus-client is absent, or the port is taken.
    """

    def __init__(self, runs: Sequence[Run], port: int, host: str = LOOPBACK) -> None:
        try:
            self._client: Any = import_module("prometheus_client")
            self._core: Any = import_module("prometheus_client.core")
        except ImportError as error:
            raise ErcSynthError(
                "--metrics-port needs the package prometheus-client.", hint="pip install 'erc-synth[metrics]'"
            ) from error
        self._runs = runs
        registry = self._client.CollectorRegistry()
        registry.register(self)
        try:
            self._server, self._thread = self._client.start_http_server(port, host, registry)
        except (OSError, OverflowError) as error:
            raise ErcSynthError(
                f"Figures cannot be served at {host}:{port} ({error}).", hint="Give another --metrics-port."
            ) from error
        self.url = f"http://{host}:{self._server.server_port}/metrics"

    def __enter__(self) -> Exporter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def collect(self) -> Iterator[Any]:
        """The figures of all runs, called by the client library."""
        yield from self._counts()
        yield from self._endpoints()

    def _counts(self) -> Iterator[Any]:
        counter = self._core.CounterMetricFamily
        wanted = self._core.GaugeMetricFamily("erc_synth_wanted", "Dialogues asked for.", labels=["recipe"])
        answers = counter("erc_synth_answers", "Answers, by what became of them.", labels=["recipe", "outcome"])
        tokens = counter("erc_synth_tokens", "Tokens as the server counts them.", labels=["recipe", "kind"])
        refusals = counter("erc_synth_refusals", "Requests without an answer.", labels=["recipe", "kind"])
        for run in self._runs:
            name, tally = run.recipe.name, run.tally
            wanted.add_metric([name], tally.wanted)
            answers.add_metric([name, "accepted"], tally.new)
            for reason, count in tuple(tally.rejected.items()):
                answers.add_metric([name, reason], count)
            tokens.add_metric([name, "prompt"], tally.prompt_tokens)
            tokens.add_metric([name, "completion"], tally.completion_tokens)
            for kind, count in tuple(tally.errors.items()):
                refusals.add_metric([name, kind], count)
        yield from (wanted, answers, tokens, refusals)

    def _endpoints(self) -> Iterator[Any]:
        gauge, labels = self._core.GaugeMetricFamily, ["recipe", "endpoint"]
        limit = gauge("erc_synth_limit", "Requests allowed in flight.", labels=labels)
        flight = gauge("erc_synth_in_flight", "Requests in flight.", labels=labels)
        wait = gauge("erc_synth_wait_seconds", "Seconds that a server is still left alone.", labels=labels)
        for run in self._runs:
            if run.limiter is None or run.tally.ended:
                continue
            for endpoint, seconds in run.limiter.waits():
                at = [run.recipe.name, endpoint.url]
                limit.add_metric(at, int(endpoint.limit))
                flight.add_metric(at, endpoint.in_flight)
                wait.add_metric(at, seconds)
        yield from (limit, flight, wait)
