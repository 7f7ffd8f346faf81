"""Servers as they are: told apart by what they say, spoken to in their own words, with or without a chat template."""

import json

import pytest
from aiohttp import web

from erc_synth.generation.prompts import apply_template, stop_strings
from erc_synth.generation.recipe import load_profile
from erc_synth.generation.runs.folder import accepted_dialogues
from erc_synth.generation.serving.endpoints import who
from erc_synth.generation.serving.openai import OpenAITransport
from erc_synth.generation.serving.tgi import TgiTransport
from erc_synth.loaders.errors import ErcSynthError
from fakes.llm_server import MODEL, LlmServer
from fakes.served import RECIPE, attempts, generate, run

TGI_INFO = {  # router/src/lib.rs of TGI 3.3, struct Info: these and no more
    "model_id", "model_sha", "model_pipeline_tag", "max_concurrent_requests", "max_best_of", "max_stop_sequences",
    "max_input_tokens", "max_total_tokens", "validation_workers", "max_client_batch_size", "router", "version", "sha",
    "docker_label",
}  # fmt: skip


def _vicuna(**changes):
    return OpenAITransport(template="vicuna", wanted=MODEL, **changes)


# --- addresses and models -----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_an_endpoint_with_and_without_v1(tmp_path, ending):
    with LlmServer(flavour="vllm") as server:
        manifest, _ = run(None, tmp_path, urls=[server.url + ending], dialogues=2)
    assert manifest["counts"]["accepted"] == 2


def test_an_endpoint_without_a_scheme(tmp_path):
    with LlmServer(flavour="vllm") as server:
        manifest, _ = run(None, tmp_path, urls=[server.url.replace("http://127.0.0.1", "localhost")], dialogues=2)
    assert manifest["counts"]["accepted"] == 2


def test_one_of_several_models_is_chosen_by_name(tmp_path):
    with LlmServer(flavour="vllm", model="zz/first", more_models=("b/second",)) as server:
        with pytest.raises(ErcSynthError, match=r"several models; it lists: zz/first, b/second.*--model"):
            run(server, tmp_path, any_model=True)
        run(server, tmp_path, transport=OpenAITransport(model="b/second"), any_model=True, dialogues=1)
        assert server.requests[0]["model"] == "b/second"
        with pytest.raises(ErcSynthError, match=r"no model 'c/third'; it lists: zz/first"):
            run(server, tmp_path, transport=OpenAITransport(model="c/third"), any_model=True)


def test_the_profiles_model_is_chosen_where_a_server_has_it_among_others(tmp_path):
    with LlmServer(flavour="vllm", model="zz/first", more_models=(MODEL,)) as server:
        run(server, tmp_path, transport=_vicuna(), dialogues=1)
        assert server.requests[0]["model"] == MODEL


class Refusing(LlmServer):
    """Refuses every request but the first question for one token; `said` is status and body."""

    said = (500, {})

    async def _answer(self, request, body, prompt, drawn, shape):
        if drawn[1]:
            return await super()._answer(request, body, prompt, drawn, shape)
        self.requests.append(body)
        status, body = self.said
        return web.json_response(body, status=status)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (404, {"detail": "Not Found"}, "no such route or model"),
        (413, {"error": "Payload Too Large"}, "too large for the server"),
        # vLLM, llama.cpp, TGI, OpenAI: each in its own words
        (400, {"error": {"message": "This model's maximum context length is 4096 tokens. However, you requested 5000"}},
         "do not fit the model's context"),
        (400, {"error": {"message": "the request exceeds the available context size", "type":
                         "exceed_context_size_error"}}, "do not fit the model's context"),
        (422, {"error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000"},
         "do not fit the model's context"),
        (400, {"error": {"code": "context_length_exceeded", "message": "too many"}}, "do not fit the model's context"),
    ],
)  # fmt: skip
def test_what_no_second_try_can_mend_has_its_own_sentence(tmp_path, status, body, sentence):
    class Server(Refusing):
        said = (status, body)

    with Server(flavour="vllm") as server:
        with pytest.raises(ErcSynthError, match=sentence) as refused:
            run(server, tmp_path, dialogues=3, concurrency=1)
        assert len(server.requests) == 1
    assert refused.value.exit_code == 2
    assert refused.value.hint


# --- TGI ----------------------------------------------------------------------------------------------


def test_the_fake_tgi_says_what_tgi_says():
    with LlmServer() as server:
        assert set(server._pages()["/info"]) == TGI_INFO


@pytest.mark.tgi
def test_tokens_and_times_come_from_tgis_headers(tmp_path):
    with LlmServer() as server:
        manifest, _ = run(server, tmp_path, transport=TgiTransport("vicuna"), dialogues=3)
    assert (manifest["counts"]["prompt_tokens"], manifest["counts"]["completion_tokens"]) == (300, 180)
    assert manifest["server"]["dtype"] == ""
    assert {(r["compute_seconds"], r["queue_seconds"]) for r in attempts(tmp_path)} == {(0.25, 0.02)}


@pytest.mark.tgi
def test_a_proxy_that_takes_the_headers_away_does_not_stop_tgi(tmp_path):
    class Proxied(LlmServer):
        def _json(self, content):
            return web.json_response(content)

    with Proxied() as server:
        manifest, _ = run(server, tmp_path, transport=TgiTransport("vicuna"), dialogues=2)
    assert (manifest["counts"]["prompt_tokens"], manifest["counts"]["completion_tokens"]) == (0, 120)


@pytest.mark.tgi
def test_tgi_gets_the_stop_strings_of_the_template_and_they_are_taken_off(tmp_path):
    class Stopping(LlmServer):
        async def _answer(self, request, body, prompt, drawn, shape):
            def cut(text, seed):
                content = shape(f"{text}</s>", seed)
                content.get("details", {})["finish_reason"] = "stop_sequence"
                return content

            return await super()._answer(request, body, prompt, drawn, cut)

    with Stopping() as server:
        run(server, tmp_path, transport=TgiTransport("vicuna"), dialogues=1)
        assert server.requests[0]["parameters"]["stop"] == list(stop_strings("vicuna"))
    assert "</s>" not in attempts(tmp_path)[0]["text"]


# --- flavours -----------------------------------------------------------------------------------------

KNOWN = [("vllm", "vllm"), ("vllm-dev", "vllm"), ("sglang", "sglang"), ("llama.cpp", "llama.cpp"),
         ("tgi", "tgi-messages")]  # fmt: skip


@pytest.mark.parametrize(("server_is", "flavour"), KNOWN)
@pytest.mark.parametrize("owner", [None, "organization_owner", ""])
def test_a_server_is_told_by_what_it_says_and_shown(tmp_path, server_is, flavour, owner):
    with LlmServer(flavour=server_is, owner=owner) as server:
        manifest, said = run(server, tmp_path, dialogues=1)
    assert manifest["server"]["dialect"] == f"openai/{flavour}"
    assert any(line.startswith(f"{server.url}: openai/{flavour} ") for line in said)


def test_a_vllm_in_development_mode_gets_its_grammar(tmp_path):
    """It has SGLang's route /server_info; SGLang's field `regex` it would ignore."""
    with LlmServer(flavour="vllm-dev") as server:
        run(server, tmp_path, dialogues=1, constrain=True)
        assert "structured_outputs" in server.requests[0]
        assert "regex" not in server.requests[0]


def test_a_flavour_that_is_given_settles_it(tmp_path):
    with LlmServer(flavour="vllm", owner="someone") as server:
        assert generate(server, tmp_path, "--flavour", "sglang", "--constrain", dialogues=1) == 0
        assert "regex" in server.requests[0]


def test_an_unknown_flavour_lists_the_known_ones(tmp_path, capsys):
    with LlmServer(flavour="vllm") as server:
        assert generate(server, tmp_path, "--flavour", "vlm") == 2
    assert "--flavour vlm is unknown. Known: llama.cpp, tgi-messages, sglang, vllm, plain." in capsys.readouterr().err


def test_endpoints_of_mixed_flavours_are_each_spoken_to_in_their_own_words(tmp_path):
    with LlmServer(flavour="vllm", delay=0.02) as one, LlmServer(flavour="sglang", delay=0.02) as other:
        run(None, tmp_path, urls=[one.url, other.url], dialogues=12, constrain=True, concurrency=2)
        assert one.requests
        assert other.requests
        assert all("structured_outputs" in body and "regex" not in body for body in one.requests)
        assert all("regex" in body and "structured_outputs" not in body for body in other.requests)


def test_an_ignored_constraint_is_said_at_the_first_answer(tmp_path):
    with LlmServer(flavour="vllm") as server:  # it answers five lines whatever the grammar says
        _, said = run(server, tmp_path, dialogues=4, constrain=True, turns=(9, 9))
    assert sum("ignored the grammar" in line for line in said) == 1


def test_a_constraint_that_is_kept_is_not_doubted(tmp_path):
    class Obeying(LlmServer):
        async def _answer(self, request, body, prompt, drawn, shape):
            regex = body.get("structured_outputs", {}).get("regex", "")
            first = "Ross" if "(Ross)" in regex.split("\\n")[0] else regex.split("(")[1].split(")")[0]
            other = next(name for name in ("Monica", "Ross") if name != first)
            said = "The kite is up again"
            self.text = "".join(f"Speaker: {n} Utterance: {said}. Number: 0\n" for n in (first, other, first))
            return await super()._answer(request, body, prompt, drawn, shape)

    with Obeying(flavour="vllm") as server:
        _, said = run(server, tmp_path, dialogues=2, constrain=True, turns=(3, 3))
    assert not any("ignored the grammar" in line for line in said)


# --- templates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", ["vllm", "llama.cpp", "tgi"])
def test_a_model_without_a_chat_template_gets_raw_prompts_and_stop_strings(tmp_path, flavour):
    with LlmServer(flavour=flavour, chat=False) as server:
        manifest, said = run(server, tmp_path, transport=_vicuna(), dialogues=2)
        body = server.requests[0]
    assert body["prompt"].startswith("A chat between a curious user")
    assert body["prompt"].endswith("ASSISTANT:")
    assert body["stop"] == list(stop_strings("vicuna"))
    assert manifest["template"] == manifest["model"]["template"] == "vicuna"
    assert any("has no chat template: raw prompts in the form 'vicuna'" in line for line in said)


def test_raw_prompts_on_request(tmp_path):
    with LlmServer(flavour="vllm") as server:
        assert generate(server, tmp_path, "--raw-prompt") == 0
        assert all("prompt" in body and "messages" not in body for body in server.requests)


def test_no_template_at_all_is_one_sentence(tmp_path):
    refused = pytest.raises(ErcSynthError, match=r"no chat template for its model.*--raw-prompt")
    with LlmServer(flavour="vllm", chat=False) as server, refused:
        run(server, tmp_path / "out", dialogues=1)
    assert not (tmp_path / "out").exists()


def test_a_wrong_template_on_a_gguf_is_said(tmp_path):
    with LlmServer(flavour="llama.cpp") as server:  # ChatML, as llama.cpp takes where a GGUF of Vicuna has none
        _, said = run(server, tmp_path, transport=_vicuna(), dialogues=1)
    assert any(
        "uses a chat template of the form chatml" in line and "vicuna: use --raw-prompt" in line for line in said
    )


@pytest.mark.parametrize("template", ["vicuna", "chatml", "llama3"])
def test_no_template_holds_its_own_stop_string_where_the_answer_begins(template):
    prompt = apply_template(template, ({"role": "user", "content": "Hello"},))
    assert not any(prompt.endswith(stop) for stop in stop_strings(template))


# --- odd answers --------------------------------------------------------------------------------------


def test_an_error_of_null_in_an_answer_is_none(tmp_path):
    class Null(LlmServer):
        def _json(self, content):
            return web.json_response({**content, "error": None})

    with Null(flavour="vllm") as server:
        manifest, _ = run(server, tmp_path, dialogues=3)
    assert manifest["counts"]["errors"] == {}
    assert manifest["counts"]["accepted"] == 3


def test_a_retry_after_that_is_no_number_does_not_stop_the_run(tmp_path):
    class Odd(LlmServer):
        async def _answer(self, request, body, prompt, drawn, shape):
            if not drawn[1] and not self.requests:
                self.requests.append(body)
                header = {"Retry-After": "²"}
                return web.json_response({"error": "Model is overloaded"}, status=429, headers=header)
            return await super()._answer(request, body, prompt, drawn, shape)

    with Odd(flavour="vllm") as server:
        manifest, _ = run(server, tmp_path, dialogues=3)
    assert manifest["counts"]["accepted"] == 3
    assert manifest["counts"]["errors"] == {"overloaded": 1}


def test_who_answers_at_an_address_whatever_it_is():
    for flavour, dialect in (("tgi", "openai/tgi-messages"), ("llama.cpp", "openai/llama.cpp")):
        with LlmServer(flavour=flavour) as server:
            assert (who(server.url).dialect, who(server.url).model_id) == (dialect, MODEL)
    with pytest.raises(ErcSynthError, match="No endpoint answers"):
        who("http://127.0.0.1:9", timeout=1)


# --- a real server ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama():
    """llama.cpp's own server, as a user would start it beside: we know its address only."""
    pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")
    from erc_synth.generation.serving.embedded import EmbeddedServer

    try:
        server = EmbeddedServer(load_profile("smollm2-135m"))
    except ErcSynthError as error:
        pytest.skip(str(error))
    yield server
    server.close()


LLAMA = ("--profile", "smollm2-135m", "--any-model", "--few-shot", 0, "--turns", 2, 2, "--max-new-tokens", 400)


@pytest.mark.embedded
@pytest.mark.parametrize("words", [(), ("--raw-prompt",)])
def test_llama_cpps_own_server_as_any_openai_server(llama, tmp_path, words, capfd):
    assert generate(llama, tmp_path, *LLAMA, *words, dialogues=1) == 0
    manifest = json.loads((tmp_path / RECIPE.name / "manifest.json").read_text())
    assert manifest["server"]["dialect"] == "openai/llama.cpp"
    assert manifest["dropped_parameters"] == []
    assert manifest["counts"]["prompt_tokens"] > 50
    assert [len(dialogue) for dialogue in accepted_dialogues(tmp_path / RECIPE.name)] == [2]
    assert "ignored the grammar" not in capfd.readouterr().err


@pytest.mark.embedded
def test_llama_cpp_refuses_what_does_not_fit_its_context(llama, tmp_path, capfd):
    words = ("--profile", "smollm2-135m", "--any-model", "--few-shot", 10, "--no-constrain", "--max-new-tokens", 64)
    assert generate(llama, tmp_path, *words, dialogues=1) == 2
    assert "do not fit the model's context" in capfd.readouterr().err
