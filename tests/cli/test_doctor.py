"""`erc-synth doctor` says what is there, and its exit code says whether something must be mended first."""

import json
import sys

import pytest

from erc_synth.cli import doctor
from erc_synth.cli.main import main
from fakes.llm_server import LlmServer


def asked(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["erc-synth", "doctor", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().out


@pytest.fixture(autouse=True)
def no_servers(monkeypatch):
    for variable in doctor.SERVERS:
        monkeypatch.delenv(variable, raising=False)


def test_nothing_missing_ends_with_a_verdict_and_0(monkeypatch, capsys):
    code, said = asked(monkeypatch, capsys)
    assert code == 0
    assert said.splitlines()[-1].startswith("Ready")


@pytest.mark.parametrize(("flavour", "dialect"), [("tgi", "openai/tgi-messages"), ("vllm", "openai/vllm")])
def test_a_server_is_asked_in_its_own_dialect(monkeypatch, capsys, flavour, dialect):
    with LlmServer(flavour=flavour) as server:
        code, said = asked(monkeypatch, capsys, "--json", "--endpoint", server.url)
    told = json.loads(said)
    (line,) = [line for line in told["Engines"] if line["subject"] == "--endpoint"]
    assert (code, line["mark"]) == (0, "ok")
    assert f": {dialect}, " in line["finding"]


def test_a_server_that_does_not_answer_must_be_mended_first(monkeypatch, capsys):
    code, said = asked(monkeypatch, capsys, "--endpoint", "http://127.0.0.1:9")
    assert code == 4
    assert said.splitlines()[-1] == "Mend first: --endpoint."


def test_a_missing_package_must_be_mended_first(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CORE", ("datasets", "no-such-package"))
    code, said = asked(monkeypatch, capsys)
    assert code == 4
    assert "pip install no-such-package" in said


def test_every_benchmark_says_how_it_is_had(monkeypatch, capsys, tmp_path):
    code, said = asked(monkeypatch, capsys, "--json", "--data-dir", str(tmp_path))
    assert code == 0
    lines = json.loads(said)["Benchmarks"]
    assert {line["subject"] for line in lines} >= {"meld", "emorynlp", "iemocap"}
    assert all(line["mark"] == "none" and line["finding"] for line in lines)
