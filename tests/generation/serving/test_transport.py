"""The wire: whatever a server answers is a completion or a mapped error, never a crash."""

import asyncio
import json
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.prompts import build
from erc_synth.generation.recipe import load_recipe
from erc_synth.generation.serving.errors import TransportError
from erc_synth.generation.serving.openai import OpenAITransport
from erc_synth.generation.serving.session import Completion, Identity, Session
from erc_synth.generation.serving.tgi import TgiTransport
from fakes.llm_server import LlmServer

MODEL = "lmsys/vicuna-13b-v1.5"
RECIPE = load_recipe("meld_natural")
PROMPT = build(RECIPE, seed=1, emotion=None)
KEYS = ("choices", "message", "content", "usage", "prompt_tokens", "details", "generated_text", "generated_tokens",
        "finish_reason", "prefill", "data", "id", "error")  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("9" * 5000)
ANSWERS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)


def _openai():
    return OpenAITransport(model=MODEL)


def _outcome(server, transport, method="complete", timeout=5):
    async def ask():
        async with Session(1, timeout) as session:
            try:
                if method == "identify":
                    return await transport.identify(session, server.url)
                return await transport.complete(session, server.url, PROMPT, RECIPE.sampling)
            except TransportError as error:
                return error

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def server():
    with LlmServer(flavour="vllm") as running:
        yield running


@pytest.mark.parametrize("engine", ["openai", pytest.param("tgi", marks=pytest.mark.tgi)])
@settings(max_examples=80, deadline=None)
@given(answer=ANSWERS)
def test_any_json_is_a_completion_or_a_mapped_error(server, engine, answer):
    server.answer = json.dumps(answer).encode()
    transport = _openai() if engine == "openai" else TgiTransport("vicuna")
    assert isinstance(_outcome(server, transport), Completion | TransportError)


@pytest.mark.parametrize("body", [b"[" * 200_000, b"9" * 10_000, b"\xff\xfe", b"", b"null", b"NaN"])
def test_hostile_bodies_are_bad_bodies(server, body):
    server.answer = body
    error = _outcome(server, _openai())
    assert (error.kind, error.retryable) == ("bad_body", True)


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 7, 7), (formatdate(4102444800, usegmt=True), 1e9, 4e9), ("soon", None, None)],
)
def test_retry_after_is_a_number_or_a_date(header, low, high):
    with LlmServer(flavour="vllm", limit=0, retry_after=header) as busy:
        error = _outcome(busy, _openai())
    assert error.kind == "overloaded"
    assert error.retry_after is None if low is None else low <= error.retry_after <= high


def test_an_identity_with_odd_limits_has_none():
    class Odd(LlmServer):
        async def _models(self, request):
            from aiohttp import web

            return web.json_response({"data": [{"id": "m", "max_model_len": "many"}]})

    with Odd(flavour="vllm") as odd:
        identity = _outcome(odd, OpenAITransport(), "identify")
    assert identity == Identity("openai/vllm", "m", version="0.32.0")


@pytest.mark.parametrize("engine", ["openai", pytest.param("tgi", marks=pytest.mark.tgi)])
def test_a_drip_without_end_is_cut(engine):
    transport = _openai() if engine == "openai" else TgiTransport("vicuna")
    with LlmServer(faults=1.0, kinds=("drip",)) as dripping:
        error = _outcome(dripping, transport, timeout=0.2)
    assert (error.kind, error.retryable) == ("timeout", True)
