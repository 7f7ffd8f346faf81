"""Addresses as users write them, and which key goes to which server."""

import base64

import pytest

from erc_synth.generation.serving.access import Secrets, read_access
from erc_synth.loaders.errors import ErcSynthError

KEY = "sk-invented-1234"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("ERC_API_KEY", "HF_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("gpu7:8000", "http://gpu7:8000"),
        ("http://gpu7:8000/", "http://gpu7:8000"),
        ("http://gpu7:8000/v1", "http://gpu7:8000"),
        ("http://gpu7:8000/v1/", "http://gpu7:8000"),
        ("http://gpu7:8000/v1/chat/completions", "http://gpu7:8000"),
        ("http://gpu7:8000/generate", "http://gpu7:8000"),
        ("https://host.example/api/v1", "https://host.example/api"),
        ("api.host.example/v1", "https://api.host.example"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("http://[::1]:8080/v1", "http://[::1]:8080"),
        (" http://gpu7:8000 ", "http://gpu7:8000"),
    ],
)
def test_an_address_in_its_plain_form(given, url):
    assert read_access([given]).urls == (url,)


@pytest.mark.parametrize(
    "given", ["ftp://host", "http://", "http://host:port", "http://host/?key=sk-invented", "http://host/#x", ""]
)
def test_what_is_no_address_is_one_sentence_without_the_query(given):
    with pytest.raises(ErcSynthError, match="is no address of a server") as refused:
        read_access([given])
    assert "sk-invented" not in str(refused.value)


def test_a_password_in_an_address_goes_to_the_wire_only():
    access = read_access(["http://ada:pass%2Fword@gpu7:8000/v1"])
    (url,) = access.urls
    assert url == "http://gpu7:8000"
    assert access.of(url) == {"Authorization": f"Basic {base64.b64encode(b'ada:pass/word').decode()}"}
    assert "pass" not in repr(access)


def test_a_bad_address_with_a_password_is_shown_without_it():
    with pytest.raises(ErcSynthError) as refused:
        read_access(["http://ada:geheim@gpu7:port"])
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "url", "sent"),
    [
        ("ERC_API_KEY", "http://127.0.0.1:8000", True),
        ("HF_TOKEN", "https://x.endpoints.huggingface.cloud", True),
        ("HF_TOKEN", "https://router.huggingface.co/v1", True),
        ("HF_TOKEN", "http://router.huggingface.co/v1", False),  # unencrypted
        ("HF_TOKEN", "https://huggingface.co.evil.example", False),
        ("HF_TOKEN", "https://evilhuggingface.co", False),
        ("HF_TOKEN", "http://127.0.0.1:8000", False),
        ("OPENAI_API_KEY", "https://api.openai.com/v1", True),
        ("OPENAI_API_KEY", "https://x.endpoints.huggingface.cloud", False),
    ],
)
def test_a_key_goes_to_the_hosts_that_it_is_for(monkeypatch, variable, url, sent):
    monkeypatch.setenv(variable, KEY)
    access = read_access([url])
    assert access.of(access.urls[0]) == ({"Authorization": f"Bearer {KEY}"} if sent else {})
    assert KEY not in repr(access)


def test_a_named_variable_and_a_file_come_before_the_default(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("sk-from-file\n")
    monkeypatch.setenv("ERC_API_KEY", KEY)
    monkeypatch.setenv("OTHER", "sk-other")
    url = "http://127.0.0.1:8000"
    assert read_access([url], Secrets("OTHER")).of(url)["Authorization"] == "Bearer sk-other"
    assert read_access([url], Secrets(key_file=tmp_path / "key")).of(url)["Authorization"] == "Bearer sk-from-file"


def test_a_named_variable_that_is_not_set_is_refused(monkeypatch):
    with pytest.raises(ErcSynthError, match="variable OTHER is not set"):
        read_access(["http://127.0.0.1"], Secrets("OTHER"))


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_what_is_no_key_is_refused_without_being_shown(monkeypatch, key):
    monkeypatch.setenv("OTHER", key)
    with pytest.raises(ErcSynthError, match="OTHER holds no key") as refused:
        read_access(["http://127.0.0.1"], Secrets("OTHER"))
    assert key not in str(refused.value)


def test_further_headers_come_from_a_file(tmp_path):
    (tmp_path / "headers").write_text("# ours\n\nX-Team: ada\nx-billing: 7: b\n")
    access = read_access(["http://h"], Secrets(headers_file=tmp_path / "headers"))
    assert access.of("http://h") == {"X-Team": "ada", "x-billing": "7: b"}


@pytest.mark.parametrize("line", ["no colon", "bad name: x", ": x"])
def test_a_line_that_is_no_header_is_named_by_its_number_only(tmp_path, line):
    (tmp_path / "headers").write_text(f"X-Team: ada\n{line}\n")
    with pytest.raises(ErcSynthError, match="line 2: no header") as refused:
        read_access(["http://h"], Secrets(headers_file=tmp_path / "headers"))
    assert line not in str(refused.value)


def test_a_secret_that_a_server_repeats_is_hidden(monkeypatch):
    monkeypatch.setenv("ERC_API_KEY", KEY)
    access = read_access(["http://127.0.0.1"])
    assert access.redacted(f"Incorrect API key provided: {KEY}.") == "Incorrect API key provided: ***."
