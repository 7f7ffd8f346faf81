"""Runs against a real HTTP server: nothing lost, nothing twice, everything said."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from erc_synth.generation.recipe import load_profile
from erc_synth.generation.runs.folder import accepted_dialogues
from erc_synth.generation.runs.journal import read_attempts, read_records
from erc_synth.generation.runs.options import with_profile_defaults
from erc_synth.generation.runs.run import Run
from erc_synth.generation.serving.openai import OpenAITransport
from erc_synth.generation.serving.tgi import TgiTransport
from erc_synth.loaders.errors import ErcSynthError
from fakes.llm_server import FAULTS, LlmServer
from fakes.served import RECIPE, accepted, opened, options, run


@pytest.mark.tgi
def test_tgi_run_sends_the_vicuna_prompt_and_the_sampling(tmp_path):
    with LlmServer() as server:
        manifest, _ = run(server, tmp_path, transport=TgiTransport("vicuna"))
        body = server.requests[0]
    assert body["inputs"].endswith(" ASSISTANT:")
    assert "USER: Write a natural dialogue" in body["inputs"]
    sent = body["parameters"]
    assert (sent["top_p"], sent["typical_p"], sent["top_k"], sent["do_sample"]) == (0.95, 0.95, 100, True)
    assert manifest["counts"]["accepted"] == 20
    assert manifest["server"]["model_sha"] == manifest["model"]["revision"] == "abc123"
    assert manifest["dropped_parameters"] == []


@pytest.mark.tgi
def test_neutral_values_are_left_out_because_tgi_refuses_them(tmp_path):
    sampling = {**RECIPE.sampling, "top_p": 1.0, "typical_p": 1.0, "top_k": 0}
    with LlmServer() as server:
        manifest, _ = run(server, tmp_path, transport=TgiTransport("vicuna"), sampling=sampling, dialogues=2)
        assert not {"top_p", "typical_p", "top_k"} & {k for k, v in server.requests[0]["parameters"].items() if v}
    assert manifest["counts"]["accepted"] == 2


@pytest.mark.tgi
def test_constraint_reaches_tgi_as_a_regex_grammar(tmp_path):
    with LlmServer() as server:
        run(server, tmp_path, transport=TgiTransport("vicuna"), constrain=True, dialogues=1)
        assert server.requests[0]["parameters"]["grammar"]["type"] == "regex"


@pytest.mark.tgi
def test_a_refused_request_stops_at_once_with_the_servers_words(tmp_path):
    class Naive(TgiTransport):
        def wire(self, sampling, constrained, url=""):
            return {"do_sample": True, "max_new_tokens": 5}, []

    with LlmServer(faults=1.0, kinds=("422",)) as server:
        with pytest.raises(ErcSynthError, match="refused a request: HTTP 422: too long"):
            run(server, tmp_path, transport=Naive("vicuna"), dialogues=1)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("changes", "flags", "message"),
    [
        ({"turns": (6, 2)}, {}, "--turns 6 2 is no range"),
        ({"turns": (1, 3)}, {}, "--turns 1 3 is no range"),
        ({}, {"temperature": 0.0}, "temperature = 0.0"),
        ({}, {"top_p": 1.5}, "top_p = 1.5"),
    ],
)
def test_options_out_of_bounds_are_refused(changes, flags, message):
    with pytest.raises(ErcSynthError, match=message):
        with_profile_defaults(options(**changes), RECIPE, **flags)


def test_no_server_is_one_sentence(tmp_path):
    with pytest.raises(ErcSynthError, match=r"No endpoint answers: .*Start the server"):
        run(None, tmp_path, urls=["http://127.0.0.1:9"])


@pytest.mark.parametrize(
    ("flavour", "sent", "dropped"),
    [
        ("vllm", {"top_k": 100, "repetition_penalty": 1.0}, ["typical_p"]),
        ("sglang", {"top_k": 100, "repetition_penalty": 1.0}, ["typical_p"]),
        ("llama.cpp", {"top_k": 100, "typical_p": 0.95, "repeat_penalty": 1.0}, []),
        ("tgi", {}, ["top_k", "typical_p"]),
    ],
)
def test_each_flavour_is_known_and_says_what_it_drops(tmp_path, flavour, sent, dropped):
    with LlmServer(flavour=flavour) as server:
        manifest, said = run(server, tmp_path, dialogues=2)
        body = server.requests[0]
    assert {name: body[name] for name in sent} == sent
    assert manifest["dropped_parameters"] == dropped
    assert any("does not take" in line for line in said) == bool(dropped)


def test_strict_sampling_refuses_a_server_that_drops(tmp_path):
    with LlmServer(flavour="vllm") as server, pytest.raises(ErcSynthError, match="does not take typical_p"):
        run(server, tmp_path, strict_sampling=True)


@pytest.mark.parametrize(
    ("flavour", "key"),
    [("vllm", "structured_outputs"), ("sglang", "regex"), ("llama.cpp", "grammar"), ("tgi", "response_format")],
)
def test_constraint_in_each_flavours_own_field(tmp_path, flavour, key):
    with LlmServer(flavour=flavour) as server:
        run(server, tmp_path, dialogues=1, constrain=True)
        assert key in server.requests[0]


def test_a_wrong_model_is_refused_unless_told_otherwise(tmp_path):
    with LlmServer(model="other/model", flavour="vllm") as server:
        with pytest.raises(ErcSynthError, match="hosts 'other/model'"):
            run(server, tmp_path)
        manifest, _ = run(server, tmp_path, any_model=True, dialogues=1)
    assert manifest["server"]["model_id"] == manifest["model"]["id"] == "other/model"
    assert manifest["model"]["licence"]["id"] == "unknown"
    assert {d.generator for d in accepted_dialogues(tmp_path / RECIPE.name)} == {"other/model"}


def test_balanced_asks_for_each_emotion_equally_often(tmp_path):
    with LlmServer(flavour="vllm") as server:
        run(server, tmp_path, dialogues=21)
    emotions = [record["emotion"] for record in accepted(tmp_path)]
    assert {emotions.count(emotion) for emotion in RECIPE.labels.labels} == {3}


def test_adaptive_balance_is_more_even_than_round_robin(tmp_path):
    class Biased(LlmServer):
        """Writes neutral, and the asked emotion once."""

        async def _answer(self, request, body, prompt, seed, shape):
            import re

            asked = re.search(r"expressing (\w+)\.", prompt)[1]
            number = dict(RECIPE.format.numbers)[asked]
            self.text = "\n".join(f"Speaker: {n} Utterance: Hi. Number: {k}" for n, k in
                                  [("Ross", 0), ("Monica", number), ("Ross", number if number > 3 else 0)])  # fmt: skip
            return await super()._answer(request, body, prompt, seed, shape)

    spread = {}
    for balance in ("round-robin", "adaptive"):
        recipe = replace(RECIPE, balance=balance, source=RECIPE.source.replace("round-robin", balance))
        with Biased(flavour="vllm") as server:
            manifest, _ = run(server, tmp_path / balance, recipe=recipe, dialogues=70, concurrency=1)
        counts = [manifest["label_counts"].get(label, 0) for label in RECIPE.labels.labels if label != "neutral"]
        spread[balance] = max(counts) - min(counts)
    assert spread["adaptive"] <= 2 < spread["round-robin"]


def test_adaptive_balance_does_not_burst(tmp_path):
    recipe = replace(RECIPE, balance="adaptive", source=RECIPE.source.replace("round-robin", "adaptive"))
    with LlmServer(flavour="vllm", delay=0.3) as server:
        run(server, tmp_path, recipe=recipe, dialogues=7, concurrency=7)
    assert {record["emotion"] for record in accepted(tmp_path)} == set(RECIPE.labels.labels)


@pytest.mark.parametrize(("variable", "engine"), [("TGI_URL", "tgi"), ("OPENAI_URL", "openai")])
def test_a_real_server_when_one_is_named(tmp_path, variable, engine):
    """The same run against a real server; its model need not be Vicuna."""
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"${variable} names no server")
    transport = TgiTransport("vicuna") if engine == "tgi" else OpenAITransport()
    manifest, _ = run(None, tmp_path, transport=transport, urls=[url], dialogues=2, any_model=True, few_shot=1,
                       constrain=True)  # fmt: skip
    assert manifest["counts"]["accepted"] == 2
    assert manifest["server"]["model_id"]


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_is_survived(tmp_path, kind):
    with LlmServer(faults=0.3, kinds=(kind,), flavour="vllm", seed=2) as server:
        manifest, _ = run(server, tmp_path, dialogues=12)
    assert manifest["counts"]["accepted"] == 12
    assert sum(manifest["counts"]["errors"].values()) > 0


def test_overload_lowers_the_pressure_and_all_jobs_end(tmp_path):
    with LlmServer(limit=3, delay=0.01, flavour="vllm") as server:
        manifest, _ = run(server, tmp_path, dialogues=40)
    assert manifest["counts"]["accepted"] == 40
    assert server.peak <= 3


def test_a_dead_endpoint_is_left_out(tmp_path):
    with LlmServer(flavour="vllm") as alive, LlmServer(flavour="vllm", dead=True) as dead:
        manifest, _ = run(alive, tmp_path, urls=[alive.url, dead.url], dialogues=40)
        assert alive.served == 40
    assert manifest["counts"]["accepted"] == 40


@pytest.mark.parametrize(("model", "served"), [("lmsys/vicuna-13b-v1.5", True), ("other/model", False)])
def test_an_endpoint_that_comes_late_says_first_who_it_is(tmp_path, model, served):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    late = LlmServer(flavour="vllm", model=model, port=port)
    with LlmServer(flavour="vllm", delay=0.1) as early:
        starter = threading.Timer(0.3, late.__enter__)
        starter.start()
        manifest, said = run(early, tmp_path, urls=[early.url, f"http://127.0.0.1:{port}"], dialogues=36,
                              concurrency=2)  # fmt: skip
        starter.join()
    late.__exit__()
    assert manifest["counts"]["accepted"] == 36
    assert bool(late.served) == served
    assert any("it is left out" in line for line in said) != served


def test_a_server_that_queues_is_not_flooded(tmp_path):
    with LlmServer(flavour="vllm", slots=4, delay=0.05) as server:
        run = Run(RECIPE, options(dialogues=240, concurrency=64), opened([server.url]), tmp_path)
        asyncio.run(run.execute())
    assert server.peak == 64  # it was tried
    assert run.tally.accepted == 240
    assert run.limiter.limit < 64  # and then it came down; how far is a matter of the clock (test_limiter has its own)


def test_requests_that_are_never_answered_stop_therun(tmp_path):
    with LlmServer(flavour="vllm", delay=30) as server, pytest.raises(ErcSynthError, match="no answer for") as stop:
        run(server, tmp_path, patience=0.5, dialogues=3)
    assert stop.value.exit_code == 3


def test_a_request_the_server_always_fails_at_is_given_up_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("erc_synth.generation.runs.worker.RETRY_BASE", 0.001)
    with LlmServer(flavour="vllm", faults=1.0, kinds=("500",)) as server:
        run = Run(RECIPE, options(dialogues=2), opened([server.url]), tmp_path)
        asyncio.run(run.execute())
        assert len(server.requests) == 20
    assert run.tally.given_up == 2


def test_endpoints_of_different_models_are_refused(tmp_path):
    with (
        LlmServer(flavour="vllm") as one,
        LlmServer(flavour="vllm", model="b") as other,
        pytest.raises(ErcSynthError, match="different models"),
    ):
        run(one, tmp_path, urls=[one.url, other.url])


def test_unparsed_answers_are_kept_with_reason_and_text(tmp_path):
    with LlmServer(text="I cannot do that.", flavour="vllm") as server:
        manifest, _ = run(server, tmp_path, dialogues=1)
    records = list(read_attempts(tmp_path / RECIPE.name / "journal.jsonl"))
    assert len(records) == 8
    assert {(r["outcome"], r["reason"], r["text"]) for r in records} == {("rejected", "no_turns", "I cannot do that.")}
    assert len({r["seed"] for r in records}) == 8
    assert manifest["counts"]["rejected"] == {"no_turns": 8}


def test_parse_floor_stops_with_exit_code_3_and_keeps_what_is_there(tmp_path):
    with LlmServer(text="no", flavour="vllm") as server, pytest.raises(ErcSynthError, match="are kept") as stop:
        run(server, tmp_path, dialogues=400, parse_floor=0.5)
    assert stop.value.exit_code == 3
    assert (tmp_path / RECIPE.name / "manifest.json").exists()


def test_silence_stops_with_exit_code_3(tmp_path):
    with LlmServer(faults=1.0, kinds=("503",), flavour="vllm") as server, pytest.raises(ErcSynthError) as stop:
        run(server, tmp_path, patience=1.0, dialogues=3)
    assert stop.value.exit_code == 3


def test_the_same_command_again_asks_nothing_twice(tmp_path):
    with LlmServer(flavour="vllm") as server:
        run(server, tmp_path, dialogues=10)
        before = server.served
        manifest, _ = run(server, tmp_path, dialogues=15)
        assert server.served - before == 5
    assert manifest["counts"]["accepted"] == 15
    assert len({r["index"] for r in accepted(tmp_path)}) == len(accepted(tmp_path)) == 15


def test_changed_options_begin_a_new_journal_loudly_and_always_refuses(tmp_path):
    with LlmServer(flavour="vllm") as server:
        run(server, tmp_path, dialogues=3)
        with pytest.raises(ErcSynthError, match="another recipe, other options or another model"):
            run(server, tmp_path, dialogues=3, run_seed=1, resume="always")
        _, said = run(server, tmp_path, dialogues=3, run_seed=1)
    assert any("NEW JOURNAL" in line for line in said)
    assert len(list((tmp_path / RECIPE.name).glob("journal*.jsonl"))) == 2


def test_dialogues_carry_their_provenance(tmp_path):
    with LlmServer(flavour="vllm") as server:
        run(server, tmp_path, dialogues=9)
    dialogues = list(accepted_dialogues(tmp_path / RECIPE.name))
    assert [d.dialogue_id for d in dialogues] == [f"meld_balanced-{i:06d}" for i in range(9)]
    assert {d.generator for d in dialogues} == {"lmsys/vicuna-13b-v1.5"}
    by_index = {r["index"]: r for r in accepted(tmp_path)}
    assert all(
        d.seed == by_index[i]["seed"] and d.target_emotion == by_index[i]["emotion"] for i, d in enumerate(dialogues)
    )


def test_the_token_never_reaches_journal_or_manifest(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    with LlmServer(flavour="vllm") as server:
        run(server, tmp_path, dialogues=2)
    assert all("hf_secret" not in path.read_text() for path in (tmp_path / RECIPE.name).glob("*.json*"))


def test_kill_at_random_moments_loses_and_doubles_nothing(tmp_path):
    """Three kill -9 under faults; the full-size run is tests/benchmarks/bench_generation.py."""
    faults = ("429", "500", "reset", "cut", "garbage")
    with LlmServer(delay=0.02, faults=0.2, flavour="vllm", kinds=faults) as server:
        command = [sys.executable, "-m", "erc_synth.cli.main", "generate", RECIPE.name, "--engine", "openai"]
        command += ["--endpoint", server.url, "--dialogues", "150", "--concurrency", "4", "--out", str(tmp_path)]
        accepted_before: set[int] = set()
        for pause in (1.5, 1.9, 1.3):
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(pause)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            journal = tmp_path / RECIPE.name / "journal.jsonl"
            if journal.exists():
                whole = [r for r in read_records(journal) if r.get("outcome") == "accepted"]
                assert accepted_before <= {r["index"] for r in whole}
                accepted_before = {r["index"] for r in whole}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=100)
    indices = [r["index"] for r in accepted(tmp_path)]
    assert sorted(indices) == list(range(150))


def test_replay_rebuilds_the_same_request(tmp_path):
    from erc_synth.generation.runs.replay import rebuild, recorded, send_again

    with LlmServer(flavour="vllm") as server:
        run(server, tmp_path, dialogues=4)
        journal = tmp_path / RECIPE.name / "journal.jsonl"
        header, record = recorded(journal, 2)
        assert rebuild(header, record).hash == record["prompt_hash"]
        before, after = asyncio.run(send_again(journal, 2, lambda _: opened([server.url])))
    assert before == after == record["text"]


@pytest.mark.embedded
def test_embedded_engine_writes_constrained_dialogues(tmp_path):
    pytest.importorskip("xllamacpp")
    from erc_synth.generation.serving.embedded import EmbeddedServer, EmbeddedTransport

    profile = load_profile("smollm2-135m")
    server = EmbeddedServer(profile)
    wanted = options(profile=profile, dialogues=2, few_shot=1, constrain=True, turns=(3, 3),
                     sampling={**RECIPE.sampling, **profile.sampling}, timeout=200, patience=200)  # fmt: skip
    transport = EmbeddedTransport(profile, server.weights_sha256)
    asyncio.run(Run(RECIPE, wanted, opened([server.url], transport), tmp_path).execute())
    dialogues = list(accepted_dialogues(tmp_path / RECIPE.name))
    assert [len(d) for d in dialogues] == [3, 3]
