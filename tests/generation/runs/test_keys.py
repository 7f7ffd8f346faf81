"""Servers that want a key: what is sent, what is said, and that the key is written nowhere."""

import pytest
from aiohttp import web

from fakes.llm_server import LlmServer
from fakes.served import attempts, generate, written

KEY = "sk-invented-4242"
DIALECTS = [
    pytest.param("tgi", "tgi", marks=pytest.mark.tgi), ("openai", "tgi"), ("openai", "vllm"), ("openai", "sglang"),
    ("openai", "llama.cpp"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("ERC_API_KEY", "HF_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def _everything(out, capsys):
    """All that a run has written or shown."""
    shown = capsys.readouterr()
    return written(out) + shown.out + shown.err


@pytest.mark.parametrize(("engine", "flavour"), DIALECTS)
def test_a_key_opens_the_server_and_is_written_nowhere(tmp_path, monkeypatch, capsys, engine, flavour):
    monkeypatch.setenv("ERC_API_KEY", KEY)
    with LlmServer(flavour=flavour, key=KEY) as server:
        assert generate(server, tmp_path, engine=engine) == 0
    assert len(attempts(tmp_path)) == 4
    assert KEY not in _everything(tmp_path, capsys)


@pytest.mark.parametrize(("engine", "flavour"), DIALECTS)
@pytest.mark.parametrize(("given", "said"), [("", "wants a key"), ("sk-wrong-1111", "refuses the key")])
def test_no_key_and_a_wrong_key_have_a_sentence_each(tmp_path, monkeypatch, capsys, engine, flavour, given, said):
    if given:
        monkeypatch.setenv("ERC_API_KEY", given)
    with LlmServer(flavour=flavour, key=KEY) as server:
        assert generate(server, tmp_path / "out", engine=engine) == 2
        assert server.served == 0
    assert not (tmp_path / "out").exists()
    told = capsys.readouterr().err
    assert said in told
    assert "--api-key-env" in told
    assert "sk-" not in told


class Forbidding(LlmServer):
    """403 to whatever is asked, as a gateway answers a key without the right."""

    async def _models(self, request):
        return web.json_response({"error": f"no right for {request.headers.get('Authorization')}"}, status=403)


def test_a_key_without_the_right_is_refused_with_its_own_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ERC_API_KEY", KEY)
    with Forbidding(flavour="vllm") as server:
        assert generate(server, tmp_path) == 2
    told = capsys.readouterr().err
    assert "refuses the key" in told
    assert "HTTP 403" in told
    assert KEY not in told


@pytest.mark.parametrize(("engine", "flavour"), DIALECTS)
def test_a_key_that_ends_in_mid_run_is_said(tmp_path, monkeypatch, capsys, engine, flavour):
    class Expiring(LlmServer):
        async def _answer(self, *words):
            answer = await super()._answer(*words)
            if self.served == 3:
                self.key = "sk-next-2222"
            return answer

    monkeypatch.setenv("ERC_API_KEY", KEY)
    with Expiring(flavour=flavour, key=KEY) as server:
        assert generate(server, tmp_path, "--concurrency", 1, engine=engine, dialogues=40) == 2
    assert len([r for r in attempts(tmp_path) if r["outcome"] == "accepted"]) >= 2  # what was paid for is kept
    told = _everything(tmp_path, capsys)
    assert "refuses the key" in told
    assert "Mend the recipe's sampling" not in told
    assert KEY not in told


def test_a_key_that_the_server_repeats_is_not_journalled(tmp_path, monkeypatch, capsys):
    class Repeating(LlmServer):
        async def _answer(self, request, *words):
            if self.requests and len(self.requests) < 3:
                self.requests.append({})
                said = f"cannot serve {request.headers['Authorization']}"
                return web.json_response({"error": {"message": said}}, status=500)
            return await super()._answer(request, *words)

    monkeypatch.setenv("ERC_API_KEY", KEY)
    with Repeating(flavour="vllm", key=KEY) as server:
        assert generate(server, tmp_path, "--concurrency", 1) == 0
    assert any("***" in record.get("message", "") for record in attempts(tmp_path))
    assert KEY not in _everything(tmp_path, capsys)


def test_a_token_of_the_hub_is_not_sent_to_another_server(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_invented1234")
    with LlmServer(flavour="vllm") as server:
        assert generate(server, tmp_path) == 0
        assert not any("Authorization" in headers for headers in server.headers)


def test_key_and_headers_from_files(tmp_path, capsys):
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "headers").write_text("X-Team: ada-7777\n")
    with LlmServer(flavour="vllm", key=KEY) as server:
        files = ("--api-key-file", tmp_path / "key", "--headers-file", tmp_path / "headers")
        assert generate(server, tmp_path / "out", *files) == 0
        assert server.headers[0]["X-Team"] == "ada-7777"
    told = _everything(tmp_path / "out", capsys)
    assert KEY not in told
    assert "ada-7777" not in told


def test_a_password_in_the_address_is_written_nowhere(tmp_path, capsys):
    with LlmServer(flavour="vllm") as server:
        plain = server.url
        server.url = plain.replace("//", "//ada:geheim7@")
        assert generate(server, tmp_path) == 0
        assert server.headers[0]["Authorization"].startswith("Basic ")
    told = _everything(tmp_path, capsys)
    assert "geheim7" not in told
    assert "YWRhOmdlaGVpbTc" not in told  # nor in base64
    assert plain in told
