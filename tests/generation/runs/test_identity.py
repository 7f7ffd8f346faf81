"""Who wrote it: one model per journal, nothing asked twice, no journal lost, counts that add up."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from erc_synth.generation.runs import journal as journals
from erc_synth.generation.runs.folder import accepted_dialogues
from erc_synth.generation.runs.journal import read_records
from erc_synth.generation.serving import endpoints
from erc_synth.generation.serving.tgi import TgiTransport
from erc_synth.loaders.errors import ErcSynthError
from fakes.llm_server import MODEL, LlmServer
from fakes.served import RECIPE, accepted, attempts, generate, run


def _manifest(out):
    return json.loads((out / RECIPE.name / "manifest.json").read_text())


class Swapping(LlmServer):
    """Serves another model after `swap_after` answers, at the same address."""

    swap_after = 5

    async def _answer(self, *words):
        if self.served >= self.swap_after:
            self.model = "other/model"
        return await super()._answer(*words)


ENGINES = [("openai", "vllm"), ("openai", "llama.cpp"), ("openai", "sglang")]


@pytest.mark.parametrize(("engine", "flavour"), [*ENGINES, pytest.param("tgi", "tgi", marks=pytest.mark.tgi)])
def test_a_model_that_changes_in_mid_run_ends_the_run(tmp_path, capsys, monkeypatch, engine, flavour):
    monkeypatch.setattr(endpoints, "RECHECK", 0.0)  # TGI's answers name no model: it is asked in between
    with Swapping(flavour=flavour) as server:
        assert generate(server, tmp_path, "--concurrency", 1, engine=engine, dialogues=60) == 3
    assert "serves another model" in capsys.readouterr().err
    assert len(accepted(tmp_path)) == 5
    manifest = _manifest(tmp_path)
    assert (manifest["model"]["id"], manifest["counts"]["accepted"]) == (MODEL, 5)
    assert {d.generator for d in accepted_dialogues(tmp_path / RECIPE.name)} == {MODEL}


@pytest.mark.tgi
def test_a_change_after_the_last_answer_is_still_said(tmp_path):
    """TGI names no model in its answers: within the time between two questions a change would not be seen."""

    class Last(Swapping):
        swap_after = 11

    with Last() as server, pytest.raises(ErcSynthError, match="serves another model now; look at the last answers"):
        run(server, tmp_path, transport=TgiTransport("vicuna"), dialogues=12, concurrency=1)


@pytest.mark.parametrize(("model", "goes_on"), [(MODEL, True), ("other/model", False)])
def test_an_endpoint_that_was_away_is_asked_again(tmp_path, model, goes_on):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    first = LlmServer(flavour="vllm", port=port, delay=0.05).__enter__()
    again = LlmServer(flavour="vllm", port=port, model=model)

    def restart():
        while first.served < 4:
            time.sleep(0.02)
        first.__exit__()
        again.__enter__()

    restarting = threading.Thread(target=restart)
    restarting.start()
    refused = contextlib.nullcontext() if goes_on else pytest.raises(ErcSynthError, match="another model")
    with refused:
        run(first, tmp_path, dialogues=30, concurrency=2)
    restarting.join()
    again.__exit__()
    assert (len(accepted(tmp_path)) == 30) == goes_on
    assert {d.generator for d in accepted_dialogues(tmp_path / RECIPE.name)} == {MODEL}


def test_any_model_twice_makes_two_journals_and_names_each(tmp_path):
    for model in ("a/first", "b/second"):
        with LlmServer(flavour="vllm", model=model) as server:
            manifest, said = run(server, tmp_path, any_model=True, dialogues=3)
    assert any("NEW JOURNAL" in line and "model" in line for line in said)
    assert [entry["id"] for entry in manifest["models"]] == ["b/second"]
    assert manifest["counts"]["accepted"] == 3
    assert {d.generator for d in accepted_dialogues(tmp_path / RECIPE.name)} == {"b/second"}
    (aside,) = (tmp_path / RECIPE.name).glob("journal-*.jsonl")
    assert next(iter(read_records(aside)))["server"]["model_id"] == "a/first"
    assert sum(r["type"] == "attempt" for r in read_records(aside)) == 3


@pytest.mark.parametrize("change", [{"model": "a/model"}, {"flavour": "sglang"}])
def test_another_model_or_server_is_not_resumed_with_always(tmp_path, change):
    with LlmServer(flavour="vllm") as server:
        run(server, tmp_path, any_model=True, dialogues=2)
    with LlmServer(**{"flavour": "vllm", **change}) as server, pytest.raises(ErcSynthError, match="another model"):
        run(server, tmp_path, any_model=True, dialogues=2, resume="always")
    assert len(accepted(tmp_path)) == 2


def test_resume_never_twice_within_a_second_keeps_each_journal(tmp_path):
    with LlmServer(flavour="vllm") as server:
        for _ in range(4):
            run(server, tmp_path, dialogues=2, resume="never")
            os.utime(tmp_path / RECIPE.name / "journal.jsonl", (1_700_000_000, 1_700_000_000))
    files = sorted((tmp_path / RECIPE.name).glob("journal*.jsonl"))
    assert len(files) == 4
    assert all(sum(r["type"] == "attempt" for r in read_records(file)) == 2 for file in files)


def test_the_counts_add_up_when_fewer_dialogues_are_asked_for(tmp_path):
    with LlmServer(flavour="vllm") as server:
        run(server, tmp_path, dialogues=12)
        manifest, _ = run(server, tmp_path, dialogues=7)
        assert server.served == 12
    counts = manifest["counts"]
    assert counts["accepted"] == len(list(accepted_dialogues(tmp_path / RECIPE.name))) == 12
    assert counts["accepted"] <= counts["jobs"] == 12
    assert sum(manifest["label_counts"].values()) == 12 * 5


def test_sigterm_writes_a_manifest(tmp_path):
    with LlmServer(flavour="vllm", delay=0.1) as server:
        command = [sys.executable, "-m", "erc_synth.cli.main", "generate", RECIPE.name, "--engine", "openai"]
        command += ["--endpoint", server.url, "--dialogues", "2000", "--concurrency", "2", "--out", str(tmp_path)]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while server.served < 4 and child.poll() is None:
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        _, told = child.communicate(timeout=20)
    assert child.returncode == 3
    assert "ended from outside (SIGTERM)" in told
    assert _manifest(tmp_path)["counts"]["accepted"] == len(accepted(tmp_path)) >= 4


SEPARATORS = ["\u2028", "\u2029", "\u0085", "\u000b", "\u001c", "\r"]


@pytest.mark.parametrize("sign", SEPARATORS)
def test_a_text_with_another_line_end_is_not_asked_again(tmp_path, sign):
    lines = [f"Speaker: {name} Utterance: The kite{sign}is up. Number: 0" for name in ("Ross", "Monica", "Ross")]
    with LlmServer(flavour="vllm", text="\n".join(lines)) as server:
        run(server, tmp_path, dialogues=3)
        served = server.served
        run(server, tmp_path, dialogues=3)
        assert served == server.served or not accepted(tmp_path)
    assert (tmp_path / RECIPE.name / "journal.jsonl").read_bytes().count(b"\n") == len(attempts(tmp_path)) + 2
    assert journals.scan(tmp_path / RECIPE.name / "journal.jsonl").attempts == len(attempts(tmp_path))
