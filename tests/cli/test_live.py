"""The live line on a terminal and elsewhere, and the table at the end."""

import os
import pty
import subprocess
import sys

import pytest

from fakes.llm_server import LlmServer


def _generate(tmp_path, *words, **streams):
    with LlmServer(flavour="vllm", delay=0.05) as server:
        command = [sys.executable, "-m", "erc_synth.cli.main", "generate", "meld_natural", "--engine", "openai"]
        command += ["--endpoint", server.url, "--out", str(tmp_path), "--concurrency", "2", *words]
        return subprocess.run(command, check=False, timeout=60, text=True, **streams)


def test_a_terminal_gets_one_line_that_renews_itself(tmp_path):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    _generate(tmp_path, "--dialogues", "20", stderr=theirs, stdout=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    shown = os.read(ours, 1_000_000).decode()
    os.close(ours)
    for word in ("dialogues", "tok/s", "parsed 100%", "in flight", "retries 0", "left", "neutral"):
        assert word in shown
    assert "\x1b[2K" in shown  # erased and written anew


def test_elsewhere_there_are_no_control_codes_and_a_table_ends_the_run(tmp_path):
    done = _generate(tmp_path, "--dialogues", "4", capture_output=True)
    assert "\x1b" not in done.stdout + done.stderr
    assert "typical_p" in done.stderr  # what the server does not take is still said
    assert done.stdout.split().count("meld_natural") == 1
    for word in ("4/4", "100%", "tokens/s", "neutral"):
        assert word in done.stdout


@pytest.mark.parametrize("words", [("--dialogues", "400", "--parse-floor", "1.1")])
def test_a_run_that_stops_early_still_shows_its_table(tmp_path, words):
    done = _generate(tmp_path, *words, "--concurrency", "64", capture_output=True)
    assert done.returncode == 3
    assert "meld_natural" in done.stdout
    assert "are kept" in done.stderr
