"""The verbs answer at once, and an error is one sentence with an exit code."""

import errno
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

from erc_synth.cli.main import app, guarded
from erc_synth.loaders.errors import ErcSynthError

HEAVY = {"torch", "transformers", "datasets", "accelerate", "scipy", "pandas", "pyarrow", "httpx", "numpy"}


def _run(*words, **environment):
    command = [sys.executable, "-m", "erc_synth.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def _verbs():
    return [entry.name for entry in (*app.registered_commands, *app.registered_groups)]


def test_importing_the_command_line_imports_nothing_heavy():
    code = "import sys, erc_synth.cli.main; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(loaded.split())


@pytest.mark.parametrize("verb", _verbs())
def test_help_of_every_verb_imports_nothing_heavy(verb):
    code = (
        "import sys\nfrom erc_synth.cli.main import main\n"
        f"sys.argv = ['erc-synth', {verb!r}, '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('LOADED', *sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    text, loaded = answer.split("LOADED")
    assert "usage" in text.lower()
    assert not HEAVY & set(loaded.split())


def test_known_error_is_one_sentence_with_its_hint(capsys):
    def fail():
        raise ErcSynthError("No recipe 'x'.", hint="Known: y.", exit_code=3)

    assert guarded(fail) == 3
    assert capsys.readouterr().err == "Error: No recipe 'x'. Known: y.\n"


def test_full_disk_says_how_to_go_on(capsys):
    def fail():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/x/journal.jsonl")

    assert guarded(fail) == 2
    message = capsys.readouterr().err
    assert "No space left on device: runs/x/journal.jsonl." in message
    assert "goes on where it stopped" in message


def test_unknown_errors_keep_their_traceback():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(fail)


def test_interrupt_exits_with_130():
    code = (
        # A shell's background jobs inherit a Ctrl-C that is ignored; this child must not.
        "import signal, sys, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from erc_synth.cli.main import guarded\n"
        "print('ready', flush=True)\nsys.exit(guarded(lambda: time.sleep(60)))"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdout.readline()
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, message = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "goes on where it stopped" in message
    assert "Traceback" not in message


@pytest.mark.parametrize(("words", "meant"), [(["doctr"], "doctor"), (["grid", "--bakbone", "x"], "--backbone")])
def test_wrong_word_is_named_with_what_was_meant_and_exit_code_2(words, meant):
    answer = _run(*words)
    assert answer.returncode == 2
    assert words[-1] in answer.stderr or words[-2] in answer.stderr
    assert meant in answer.stderr
    assert "Traceback" not in answer.stderr


def test_interrupt_inside_a_verb_is_said():
    code = (
        "import signal, sys, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from erc_synth.cli import main\n"
        "@main.app.command('sleep')\ndef sleep():\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "sys.argv = ['erc-synth', 'sleep']\nmain.main()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    _, message = child.communicate(timeout=20)
    assert child.returncode == 130
    assert message == "Interrupted. The same command goes on where it stopped.\n"


@pytest.mark.parametrize("words", [("-V",), ("--version",)])
def test_version(words):
    assert _run(*words).stdout.strip() == version("erc-synth")


def test_verbose_keeps_the_traceback():
    assert "Traceback" not in _run("load", "no-such-set").stderr
    assert "Traceback" in _run("-v", "load", "no-such-set").stderr


def test_no_progress_bars_where_nobody_watches():
    code = "import os; from erc_synth.cli.main import hush; hush(False); print(os.environ['TQDM_DISABLE'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "1"


def test_doctor_never_shows_the_token():
    environment = {**os.environ, "HF_TOKEN": "hf_secretsecretsecret"}
    answer = subprocess.run(
        [sys.executable, "-m", "erc_synth.cli.main", "doctor"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert "present" in answer.stdout
    assert "secret" not in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("word", "value"), [("--model", "foo"), ("--backbone", "./no-encoder"), ("--data-dir", "nope")]
)
def test_demo_refuses_before_it_writes(tmp_path, word, value):
    answer = subprocess.run(
        [sys.executable, "-m", "erc_synth.cli", "demo", word, value], capture_output=True, text=True, cwd=tmp_path
    )
    assert answer.returncode == 2
    assert value.removeprefix("./") in answer.stderr
    assert not list(tmp_path.iterdir())
