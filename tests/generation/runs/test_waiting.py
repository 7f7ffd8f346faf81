"""What is said while a server makes us wait, and how a run that gets nothing ends."""

import asyncio

import pytest
from aiohttp import web

from erc_synth.generation.runs.run import Run, Watch
from erc_synth.generation.runs.tally import Tally
from erc_synth.generation.serving.limiter import Limiter
from erc_synth.loaders.errors import ErcSynthError
from fakes.llm_server import LlmServer
from fakes.served import RECIPE, accepted, attempts, generate, opened, options, run


def test_a_server_that_asks_to_wait_an_hour_is_quoted(tmp_path):
    with LlmServer(flavour="vllm", limit=0, retry_after=3600) as server, pytest.raises(ErcSynthError) as stop:
        run(server, tmp_path, dialogues=3, patience=1.0)
    assert stop.value.exit_code == 3
    assert "no answer but refusals" in str(stop.value)
    assert "HTTP 429: Model is overloaded; it asked to wait 3600 seconds" in str(stop.value)


def test_the_hour_is_said_once_while_it_is_waited_for(tmp_path):
    said = []
    with LlmServer(flavour="vllm", limit=0, retry_after=3600) as server:
        work = Run(RECIPE, options(dialogues=30, patience=1.0), opened([server.url]), tmp_path, Watch(say=said.append))
        with pytest.raises(ErcSynthError):
            asyncio.run(work.execute())
    told = [line for line in said if "asks to wait 3600 seconds" in line]
    assert len(told) == 1
    assert "the run stops after 1 without an answer" in told[0]


def test_a_back_off_that_outlasts_the_patience_is_no_silence(tmp_path):
    """Without Retry-After: the server answered, and we slept."""
    with LlmServer(flavour="vllm", limit=0) as server, pytest.raises(ErcSynthError, match="but refusals for") as stop:
        run(server, tmp_path, dialogues=3, patience=1.0)
    assert "429" in str(stop.value)


def test_the_live_line_says_how_long_a_server_is_left_alone():
    limiter = Limiter(["a"], 8, start=8, clock=lambda: 0.0)
    for endpoint in [limiter.acquire() for _ in range(8)]:
        limiter.overload(endpoint, 90)
    assert "the server is left alone for 90 s" in Tally(5).line(limiter)


@pytest.mark.parametrize("text", ["", " \n "])
def test_a_server_that_answers_only_empty_text_ends_with_3(tmp_path, capsys, text):
    with LlmServer(flavour="vllm", text=text) as server:
        assert generate(server, tmp_path, dialogues=2) == 3
    assert "the server answers only empty text" in capsys.readouterr().err
    assert accepted(tmp_path) == []


def test_an_empty_answer_among_others_is_no_reason_to_stop(tmp_path):
    class Sometimes(LlmServer):
        async def _answer(self, *words):
            self.text = "" if self.served == 0 else None
            return await super()._answer(*words)

    with Sometimes(flavour="vllm") as server:
        manifest, _ = run(server, tmp_path, dialogues=3, concurrency=1)
    assert manifest["counts"]["accepted"] == 3
    assert manifest["counts"]["rejected"] == {"empty": 1}


def test_a_resting_job_holds_no_place(tmp_path):
    """One of two requests is told to wait two seconds; the others go on in its place."""

    class Once(LlmServer):
        async def _answer(self, request, body, prompt, drawn, shape):
            if not drawn[1] and not self.requests:
                self.requests.append(body)
                return web.json_response({"error": "busy"}, status=429, headers={"Retry-After": "2"})
            return await super()._answer(request, body, prompt, drawn, shape)

    with Once(flavour="vllm", delay=0.05) as server:
        work = Run(RECIPE, options(dialogues=40, concurrency=2), opened([server.url]), tmp_path)
        asyncio.run(work.execute())
    (refused,) = (number for number, record in enumerate(attempts(tmp_path)) if record["outcome"] == "error")
    assert len(accepted(tmp_path)) == 40
    assert attempts(tmp_path)[-1]["index"] == attempts(tmp_path)[refused]["index"]  # all others came before it
    assert server.peak == 2  # both places were used although one job rested
