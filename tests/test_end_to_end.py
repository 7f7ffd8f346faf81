"""The whole chain through the command line, from a server's answers to the report."""

import json
import os
import subprocess
import sys

import pytest

from fakes.benchmarks import write_meld
from fakes.llm_server import LlmServer
from fakes.tiny_model import build_tiny_model

ROWS = [
    (f"Who has the {thing} number {i}?", speaker, emotion, i, j)
    for i in range(6)
    for j, (thing, speaker, emotion) in enumerate([("kite", "Ada", "joy"), ("rope", "Ben", "fear")])
]


def _erc(*words, cwd, code=0):
    environment = {**os.environ, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    environment.pop("ERC_DATA", None)
    command = [sys.executable, "-m", "erc_synth.cli.main", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stderr[-2000:]
    return done


def test_from_a_server_to_the_report(tmp_path):
    with LlmServer(flavour="vllm") as server:
        _erc("generate", "meld_natural", "meld_balanced", "--engine", "openai", "--endpoint", server.url,
             "--dialogues", 20, cwd=tmp_path)  # fmt: skip
    _erc("curate", "runs", cwd=tmp_path)
    _erc("build", cwd=tmp_path)
    _erc("publish", "--check", "dist/erc-synth", cwd=tmp_path)
    code = "from datasets import load_dataset; print(load_dataset('dist/erc-synth', 'meld_balanced'))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "generator" in loaded.stdout

    backbone = build_tiny_model(tmp_path / "tiny")
    data = ["--train", "dist/erc-synth:meld_balanced", "--eval", "dist/erc-synth:meld_balanced",
            "dist/erc-synth:meld_natural"]  # fmt: skip
    options = ("--model", "compm", "--backbone", backbone, "--epochs", 1, "--out", "outputs/tstr")
    _erc("train", *options, *data, cwd=tmp_path)
    metrics = json.loads((tmp_path / "outputs/tstr/metrics.json").read_text())
    assert len(metrics["evaluations"]) == 2

    scores = tmp_path / "scores.csv"
    table = {"x": (3, 1, 2), "y": (3, 2, 1), "z": (2, 1, 3)}
    rows = [f"{m},{b},{s}" for b, line in table.items() for m, s in zip("abc", line, strict=True)]
    scores.write_text("\n".join(["model,block,score", *rows]) + "\n")
    _erc("stats", scores, "--family", "all", "--out", "stats.json", cwd=tmp_path)
    _erc("report", cwd=tmp_path)
    page = (tmp_path / "report/report.html").read_text()
    for piece in ("meld_balanced", "tstr", "Exact p", "Learning curves"):
        assert piece in page


def test_the_same_commands_again_do_nothing_twice(tmp_path):
    with LlmServer(flavour="vllm") as server:
        words = ("generate", "meld_natural", "--engine", "openai", "--endpoint", server.url, "--dialogues", 5)
        _erc(*words, cwd=tmp_path)
        served = server.served
        assert "5/5" in _erc(*words, cwd=tmp_path).stdout
        assert server.served == served


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("generate", "meld_natrual"), "Unknown recipe 'meld_natrual'"),
        (("generate", "all", "--engine", "tgi"), "needs an address"),
        (("generate", "all", "--engine", "gpt"), "Unknown engine"),
        (("curate", "nowhere"), "nowhere"),
        (("build",), "curated"),
        (("load", "mled"), "Unknown data set 'mled'"),
        (("load", "meld", "--data-dir", "nowhere"), "--data-dir nowhere is not a folder"),
        (("train", "--model", "bert", "--train", "meld", "--out", "x"), "bert"),
        (("stats", "nowhere.csv"), "does not exist"),
        (("publish", "--check", "nowhere"), "is not a folder"),
        (("parse", "nowhere/journal.jsonl"), "holds no journal"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, words, sentence):
    done = _erc(*words, cwd=tmp_path, code=2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def _proving(folder, *, have_meld):
    """The demo's steps after the data set is built, as words."""
    from erc_synth.cli import demo

    training = demo.Training("compm", "minilm", 0, 1, 8, 8, 64)
    return list(demo._proving(demo.Places(folder, ()), training, have_meld=have_meld))


def test_a_missing_benchmark_is_said_and_the_demo_plan_goes_on(tmp_path, monkeypatch):
    from erc_synth.cli import demo

    monkeypatch.delenv("ERC_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    assert demo._have_meld(None) is False
    train, report = _proving(tmp_path, have_meld=False)
    assert (train[3], report[3]) == ("train", "report")
    assert "meld" not in train


def test_demo_finds_the_benchmark_it_is_given(tmp_path):
    from erc_synth.loaders.names import find_data_dir

    write_meld(tmp_path / "meld", rows=ROWS)
    assert find_data_dir("meld", tmp_path)
    assert [words[3] for words in _proving(tmp_path, have_meld=True)] == ["grid", "stats", "report"]
