"""TODKAT's paper mode: topic layer and knowledge slot run end to end."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from safetensors.torch import load_file

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training import knowledge
from erc_synth.training.config import parse
from erc_synth.training.models import topics
from erc_synth.training.pipeline import run

pytestmark = pytest.mark.filterwarnings("ignore:.*has no train example of.*")
ATOMIC = "PersonX is happy to see PersonY\txReact\tjoyful\nPersonX is angry\toReact\tafraid\nx\txNeed\tcar\n"


def test_paper_mode_trains_with_topics_and_an_atomic_file(tiny, repo_folder, tmp_path):
    (tmp_path / "atomic.tsv").write_text(ATOMIC)
    words = ["--model", "todkat", "--mode", "paper", "--knowledge", str(tmp_path / "atomic.tsv"), "--epochs", "1"]
    words += ["--topic-epochs", "1", "--backbone", tiny, "--train", f"{repo_folder}:meld_balanced"]
    metrics = run(parse([*words, "--out", str(tmp_path / "r")]))
    assert metrics["evaluations"][0]["examples"] > 0


def test_topic_epochs_are_not_trained_again_after_a_kill(tiny, repo_folder, tmp_path, monkeypatch, capsys):
    words = ["--model", "todkat", "--mode", "paper", "--epochs", "1", "--topic-epochs", "2", "--backbone", tiny]
    words += ["--train", f"{repo_folder}:meld_balanced"]
    run(parse([*words, "--out", str(tmp_path / "whole")]))
    real = topics.checkpoints.save_checkpoint

    def killed(*given):
        real(*given)
        raise SystemError("killed")

    monkeypatch.setattr(topics.checkpoints, "save_checkpoint", killed)
    with pytest.raises(SystemError):
        run(parse([*words, "--out", str(tmp_path / "cut")]))
    monkeypatch.setattr(topics.checkpoints, "save_checkpoint", real)
    capsys.readouterr()
    run(parse([*words, "--out", str(tmp_path / "cut")]))
    said = capsys.readouterr().err
    assert "topics epoch 2/" in said
    assert "topics epoch 1/" not in said
    whole, again = (load_file(tmp_path / n / "model" / "model.safetensors") for n in ("whole", "cut"))
    assert all((whole[name] == again[name]).all() for name in whole)


def test_retrieval_takes_the_nearest_event(tmp_path):
    (tmp_path / "atomic.tsv").write_text(ATOMIC)
    found = knowledge._retrieved(["I am so angry", "zzz"], tmp_path / "atomic.tsv")
    assert found == ["PersonY will feel afraid.", ""]


def test_an_absent_file_is_said(tmp_path):
    with pytest.raises(ErcSynthError, match="absent"):
        knowledge._retrieved(["a"], tmp_path / "none.tsv")


def test_a_server_is_asked_once_per_text(tmp_path):
    from erc_synth.loaders.schema import Dialogue, Utterance

    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"choices": [{"message": {"content": "PersonX wanted: a\nnap"}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = knowledge.Source(f"http://127.0.0.1:{server.server_port}/v1", cache=str(tmp_path / "cache"))
    talk = [Dialogue("d", (Utterance("A", "Hi", None), Utterance("B", "Hi", None)))]
    assert knowledge.phrases(talk, options) == ["PersonX wanted: a nap"] * 2
    assert knowledge.phrases(talk, options) == ["PersonX wanted: a nap"] * 2
    server.shutdown()
    server.server_close()
    assert len(asked) == 1
