"""Two real processes over gloo: they agree on stopping and on the loss, and what is outside is done once."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from safetensors.torch import load_file

from fakes.hub import TOKEN, HubServer
from fakes.tiny_run import words

SLOW = ["--model", "baseline", "--epochs", "12", "--max-train-dialogues", "6", "--save-steps", "1"]
CREATE = "/api/repos/create"


def _start(given, folder, **more):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
              "-m", "erc_synth.training.run"]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", **more}
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen([*launch, *given], stdout=log, stderr=log, env=env)


def _finish(given, folder, **more):
    assert _start(given, folder, **more).wait(200) == 0, (folder / "log.txt").read_text()[-3000:]


def _metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def _ranks(parent):
    """Processes that torchrun started."""
    found = subprocess.run(["ps", "--ppid", str(parent), "-o", "pid="], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


@pytest.fixture(scope="module")
def undisturbed(tiny, repo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    _finish(words(tiny, repo_folder, folder / "r", *SLOW), folder)
    return folder / "r"


def test_a_stop_asked_of_one_process_stops_both_and_the_run_goes_on(tiny, repo_folder, tmp_path, undisturbed):
    given = words(tiny, repo_folder, tmp_path / "r", *SLOW)
    child = _start(given, tmp_path)
    state = tmp_path / "r" / "progress" / "0-train" / "checkpoint" / "state.json"
    for _ in range(1200):
        time.sleep(0.05)
        if state.exists():
            break
    os.kill(_ranks(child.pid)[-1], signal.SIGTERM)
    assert child.wait(100) != 0
    log = (tmp_path / "log.txt").read_text()
    assert log.count("Interrupted. The same command goes on where it stopped.") >= 1
    assert "gloo" not in log.lower()
    assert "Connection" not in log
    assert not (tmp_path / "r" / "metrics.json").exists()
    _finish(given, tmp_path)
    whole, again = (load_file(place / "model" / "model.safetensors") for place in (undisturbed, tmp_path / "r"))
    assert all((whole[name] == again[name]).all() for name in whole)
    losses = [[e["train_loss"] for e in _metrics(f)["stages"][0]["epochs"]] for f in (undisturbed, tmp_path / "r")]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_a_push_after_a_finished_run_is_made_once(tiny, repo_folder, tmp_path):
    given = [*words(tiny, repo_folder, tmp_path / "r", "--model", "baseline", "--epochs", "1")]
    _finish(given, tmp_path)
    with HubServer() as hub:
        endpoint = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN, "NO_PROXY": "*"}
        _finish([*given, "--push-to-hub", "org/classifier"], tmp_path, **endpoint)
        assert (tmp_path / "log.txt").read_text().count("is finished") == 1
        assert len(hub.repos["org/classifier"].commits) <= 2  # that of the new repo, and one push
        made = [path for method, path in hub.requests if (method, path.partition("?")[0]) == ("POST", CREATE)]
        assert len(made) == 1


class Phrases(BaseHTTPRequestHandler):
    """A chat server that keeps what it was asked."""

    asked: ClassVar[list[str]] = []

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(given["messages"][0]["content"])
        body = json.dumps({"choices": [{"message": {"content": "PersonX wanted: a nap"}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def phrases():
    Phrases.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Phrases)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_knowledge_is_asked_once_per_text_and_the_topics_are_trained_alike(tiny, repo_folder, tmp_path, phrases):
    more = ["--model", "todkat", "--mode", "paper", "--topic-epochs", "1", "--epochs", "1",
            "--max-train-dialogues", "4", "--max-eval-dialogues", "2", "--knowledge", phrases,
            "--knowledge-cache", str(tmp_path / "cache")]  # fmt: skip
    _finish(words(tiny, repo_folder, tmp_path / "r", *more), tmp_path)
    assert Phrases.asked
    assert len(Phrases.asked) == len(set(Phrases.asked))
    cached = [json.loads(line) for file in (tmp_path / "cache").iterdir() for line in file.read_text().splitlines()]
    assert len(cached) == len(Phrases.asked)
    assert _metrics(tmp_path / "r")["cost"]["processes"] == 2
