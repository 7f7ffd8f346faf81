"""Figures for operators, over HTTP while a run runs."""

import socket
import sys
import threading
import urllib.request

import pytest

from erc_synth.generation.runs.run import Run
from erc_synth.loaders.errors import ErcSynthError
from fakes.llm_server import LlmServer
from fakes.served import RECIPE, generate, opened, options

pytest.importorskip("prometheus_client", reason="the extra `metrics` is not installed")
from erc_synth.generation.runs.metrics import Exporter


def _figures(url):
    """`name{labels}` -> value."""
    text = urllib.request.urlopen(url, timeout=5).read().decode()
    rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in rows}


def test_figures_of_a_run_while_it_runs(tmp_path):
    import asyncio

    runs = []
    with LlmServer(flavour="vllm", delay=0.1, faults=0.3, kinds=("500",), seed=3) as server, Exporter(runs, 0) as told:
        assert _figures(told.url) == {}
        runs.append(Run(RECIPE, options(dialogues=60, concurrency=6), opened([server.url]), tmp_path))
        working = threading.Thread(target=lambda: asyncio.run(runs[0].execute()))
        working.start()
        while server.served < 10:
            working.join(0.02)
        during = _figures(told.url)
        working.join()
        after = _figures(told.url)
    name, at = f'recipe="{RECIPE.name}"', f'endpoint="{server.url}"'
    assert during[f"erc_synth_limit{{{at},{name}}}"] == 6
    assert 1 <= during[f"erc_synth_in_flight{{{at},{name}}}"] <= 6
    assert during[f"erc_synth_wait_seconds{{{at},{name}}}"] == 0
    assert after[f"erc_synth_wanted{{{name}}}"] == 60
    assert after[f'erc_synth_answers_total{{outcome="accepted",{name}}}'] == 60
    assert after[f'erc_synth_tokens_total{{kind="completion",{name}}}'] == 3600
    assert after[f'erc_synth_tokens_total{{kind="prompt",{name}}}'] == 6000
    assert after[f'erc_synth_refusals_total{{kind="server",{name}}}'] == runs[0].tally.errors["server"] > 0


def test_the_command_says_where_the_figures_are_and_listens_on_loopback_only(tmp_path, capsys):
    with LlmServer(flavour="vllm") as server:
        assert generate(server, tmp_path, "--metrics-port", 0) == 0
    assert "Figures at http://127.0.0.1:" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_before_any_work(tmp_path, capsys):
    with socket.socket() as taken, LlmServer(flavour="vllm") as server:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert generate(server, tmp_path / "out", "--metrics-port", taken.getsockname()[1]) == 2
        assert server.probes == 0
    assert "Give another --metrics-port." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_the_package_it_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(
        ErcSynthError, match=r"needs the package prometheus-client\. pip install 'erc-synth\[metrics\]'"
    ):
        Exporter([], 0)
