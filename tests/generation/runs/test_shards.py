"""A run in shards: the same jobs, each once, whoever is killed; and one journal in the end."""

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_synth.generation.runs.folder import accepted_dialogues
from erc_synth.generation.runs.journal import read_attempts, read_records, sole_writer
from erc_synth.generation.runs.launchers import Job, share
from erc_synth.generation.runs.shards import Shard, merge
from erc_synth.generation.serving.engines import Wish
from erc_synth.loaders.errors import ErcSynthError
from fakes.llm_server import LlmServer
from fakes.served import RECIPE, accepted, erc, generate, options, run

FAULTS = ("429", "500", "reset", "cut", "garbage")


@given(st.integers(1, 40), st.integers(0, 200))
def test_every_job_is_in_one_shard(count, dialogues):
    jobs = [index for number in range(count) for index in Shard(number, count).jobs(dialogues)]
    assert sorted(jobs) == list(range(dialogues))


@given(st.integers(1, 12), st.integers(1, 24), st.integers(1, 300))
def test_no_server_gets_more_from_shards_than_from_a_whole_run(servers, count, width):
    wish = Wish(options().profile, tuple(f"http://h{n}" for n in range(servers)))
    job = Job(RECIPE, options(concurrency=width), "openai", wish, None, count)
    asked = dict.fromkeys(wish.addresses, 0)
    for number in range(count):
        part = share(job, Shard(number, count))
        assert part.wish.addresses
        for url in part.wish.addresses:
            asked[url] += part.options.concurrency
    assert all(0 < total <= max(width, -(-count // servers)) for total in asked.values())


@pytest.mark.parametrize("text", ["4/4", "a/b", "1", "-1/3", "1/0", "1/2/3"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ErcSynthError, match="is no shard"):
        Shard.read(text)


def _shards(server, out, count, **changes):
    for number in range(count):
        run_in_part(server, out, Shard(number, count), **changes)


def run_in_part(server, out, shard, **changes):
    import asyncio

    from erc_synth.generation.runs.run import Run
    from fakes.served import opened

    asyncio.run(Run(RECIPE, options(shard=shard, **changes), opened([server.url]), out).execute())


def test_merged_shards_are_the_run_in_one_piece(tmp_path):
    with LlmServer(flavour="vllm") as server:
        whole, _ = run(server, tmp_path / "whole", dialogues=21)
        _shards(server, tmp_path / "cut", 4, dialogues=21)
        assert server.served == 42
    assert erc("merge", tmp_path / "cut" / RECIPE.name) == 0
    merged = json.loads((tmp_path / "cut" / RECIPE.name / "manifest.json").read_text())
    for key in ("recipe", "model", "models", "fingerprint", "label_counts", "sampling_sent"):
        assert merged[key] == whole[key], key
    assert {**merged["counts"], "attempts": 0} == {**whole["counts"], "attempts": 0}
    once, cut = (list(accepted_dialogues(tmp_path / name / RECIPE.name)) for name in ("whole", "cut"))
    assert once == cut


def test_the_merged_run_goes_on_in_one_piece_or_in_other_shards(tmp_path):
    with LlmServer(flavour="vllm") as server:
        _shards(server, tmp_path, 3, dialogues=9)
        merge(tmp_path / RECIPE.name)
        run(server, tmp_path, dialogues=12)
        _shards(server, tmp_path, 2, dialogues=20)
        merge(tmp_path / RECIPE.name)
        assert server.served == 20
    assert sorted(record["index"] for record in accepted(tmp_path)) == list(range(20))
    assert (tmp_path / RECIPE.name / "merged-1").is_dir()


def test_shards_of_another_number_ask_nothing_again(tmp_path):
    with LlmServer(flavour="vllm") as server:
        run_in_part(server, tmp_path, Shard(0, 2), dialogues=12)
        _shards(server, tmp_path, 3, dialogues=12)
        assert server.served == 12
    assert merge(tmp_path / RECIPE.name)["accepted"] == 12
    assert len(accepted(tmp_path)) == 12


def test_a_whole_run_wants_the_shards_merged_first(tmp_path, capsys):
    with LlmServer(flavour="vllm") as server:
        _shards(server, tmp_path, 2, dialogues=4)
        assert generate(server, tmp_path) == 2
    assert "holds shards that are not merged. Run: erc-synth merge" in capsys.readouterr().err


def test_shards_of_two_models_are_not_merged(tmp_path):
    for number, model in enumerate(("a/first", "b/second")):
        with LlmServer(flavour="vllm", model=model) as server:
            run_in_part(server, tmp_path, Shard(number, 2), dialogues=4, any_model=True)
    with pytest.raises(ErcSynthError, match="different recipes, options or models"):
        merge(tmp_path / RECIPE.name)
    assert not (tmp_path / RECIPE.name / "journal.jsonl").exists()


def test_a_journal_of_another_model_is_set_aside_by_the_merge(tmp_path):
    with LlmServer(flavour="vllm", model="a/first") as server:
        run(server, tmp_path, dialogues=3, any_model=True)
    with LlmServer(flavour="vllm") as server:
        _shards(server, tmp_path, 2, dialogues=4)
        assert server.served == 4
    merge(tmp_path / RECIPE.name)
    (aside,) = (tmp_path / RECIPE.name).glob("journal-*.jsonl")
    assert next(iter(read_records(aside)))["server"]["model_id"] == "a/first"
    assert len(accepted(tmp_path)) == 4


def test_a_shard_that_is_still_written_is_not_merged(tmp_path):
    with LlmServer(flavour="vllm") as server:
        _shards(server, tmp_path, 2, dialogues=4)
    folder = tmp_path / RECIPE.name
    refused = pytest.raises(ErcSynthError, match="another process")
    with sole_writer(folder / "shards" / "1-of-2" / "journal.jsonl"), refused:
        merge(folder)
    assert merge(folder)["accepted"] == 4


def test_a_merge_that_was_killed_before_its_end_doubles_nothing(tmp_path):
    with LlmServer(flavour="vllm") as server:
        _shards(server, tmp_path, 2, dialogues=8)
    folder = tmp_path / RECIPE.name
    merge(folder)
    (folder / "merged-0").rename(folder / "shards")  # killed between the new journal and the last step
    assert merge(folder)["accepted"] == 8
    assert len(accepted(tmp_path)) == 8
    assert sum(record["type"] == "run" for record in read_records(folder / "journal.jsonl")) == 2


def test_a_folder_without_shards_is_refused(tmp_path):
    with pytest.raises(ErcSynthError, match="holds no shards"):
        merge(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--shards", 2), "--shards is for --launcher ray"),
        (("--launcher", "cron"), "Unknown launcher 'cron'"),
        (("--shard", "0/2", "--resume", "never"), "--resume never is for whole runs"),
    ],
)
def test_parts_that_make_no_sense_are_refused(tmp_path, capsys, words, said):
    with LlmServer(flavour="vllm") as server:
        assert generate(server, tmp_path / "out", *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_ray_that_is_not_installed_is_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with LlmServer(flavour="vllm") as server:
        assert generate(server, tmp_path / "out", "--launcher", "ray", "--shards", 2) == 2
    assert "The launcher ray needs the package ray. pip install 'erc-synth[ray]'" in capsys.readouterr().err


def _command(server, out, *words, dialogues):
    command = [sys.executable, "-m", "erc_synth.cli.main", "generate", RECIPE.name, "--engine", "openai"]
    given = ("--endpoint", server.url, "--dialogues", dialogues, "--concurrency", 2, "--out", out, *words)
    return [*command, *map(str, given)]


def _start(command):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_killed_shards_lose_and_double_nothing(tmp_path):
    draw = random.Random(1)
    with LlmServer(delay=0.02, faults=0.2, flavour="vllm", kinds=FAULTS) as server:
        commands = [_command(server, tmp_path, "--shard", f"{n}/2", dialogues=120) for n in range(2)]
        for _ in range(2):
            running = [_start(command) for command in commands]
            time.sleep(draw.uniform(1.5, 2.5))
            for child in running:
                child.kill()
                child.wait()
        for child in [_start(command) for command in commands]:
            assert child.wait(100) == 0
    assert merge(tmp_path / RECIPE.name)["accepted"] == 120
    assert sorted(record["index"] for record in accepted(tmp_path)) == list(range(120))


# --- Ray ----------------------------------------------------------------------------------------------

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed")


def _ray(server, out, dialogues):
    words = ["--launcher", "ray", "--shards", "4", "--cluster", "num_cpus=2", "--cluster", "include_dashboard=0"]
    return _command(server, out, *words, dialogues=dialogues)


def _workers_of(driver):
    """Processes of Ray below a driver that run a shard."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    parents = {int(pid): int(parent) for pid, parent, _ in rows}

    def below(pid):
        while pid in parents and pid != driver:
            pid = parents[pid]
        return pid == driver

    return [int(pid) for pid, _, words in rows if words.startswith("ray::_on_a_worker") and below(int(pid))]


def _so_far(out):
    return {
        record["index"]
        for path in (out / RECIPE.name).rglob("journal.jsonl")
        for record in read_attempts(path)
        if record["outcome"] == "accepted"
    }


@needs_ray
def test_ray_runs_the_shards_from_a_relative_path_and_merges_them(tmp_path):
    with LlmServer(flavour="vllm", delay=0.01) as server:
        done = subprocess.run(_ray(server, "runs", 40), cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert server.served == 40
    assert sorted(record["index"] for record in accepted(tmp_path / "runs")) == list(range(40))
    assert "40 dialogues of 40 jobs" in done.stdout


@needs_ray
def test_killing_workers_and_driver_of_ray_loses_and_doubles_nothing(tmp_path):
    with LlmServer(flavour="vllm", delay=0.05) as server:

        def served(count):
            until = time.monotonic() + 60
            while server.served < count:
                assert time.monotonic() < until
                time.sleep(0.02)

        driver = _start(_ray(server, tmp_path, 240))
        served(20)
        workers, before = _workers_of(driver.pid), _so_far(tmp_path)
        assert workers
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        served(60)  # Ray has begun them again
        before |= _so_far(tmp_path)
        driver.kill()
        driver.wait()
        assert _start(_ray(server, tmp_path, 240)).wait(120) == 0
    indices = [record["index"] for record in accepted(tmp_path)]
    assert before <= set(indices)
    assert sorted(indices) == list(range(240))
