"""Launchers with a small real trainer process: failures recorded, restarts cheap, nothing left running."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training.grid.launchers import Launch, cluster_options


def test_a_failed_training_is_recorded_and_the_rest_goes_on(grid):
    plan = grid.plan(benchmarks=("iemocap", "meld"))
    failed = grid.run(plan, Launch(jobs=2))
    assert {reason for _, reason in failed} == {"iemocap is not on this machine."}
    cells = [json.loads(path.read_text()) for path in grid.folders.results.glob("*.json")]
    assert {c["status"] for c in cells if c["benchmark"] == "meld"} == {"done"}
    assert {(c["status"], c["score"]) for c in cells if c["benchmark"] == "iemocap"} == {("failed", None)}
    assert {t.benchmark for t in grid.open(plan)} == {"iemocap"}


def test_a_reason_is_of_the_last_try(grid, tmp_path):
    folder = grid.folders.outputs / "compm-meld-org-s0"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("Error: an old reason\n")
    (tmp_path / "broken.py").write_text("import sys; sys.exit(1)")
    plan = grid.plan(models=("compm",), variants=("org",), seeds=(0,))
    ((_, reason),) = grid.run(plan, Launch(command=(sys.executable, str(tmp_path / "broken.py"))))
    assert "exit code 1" in reason


def test_a_training_that_clears_its_folder_still_has_a_log_and_a_reason(grid, tmp_path):
    script = tmp_path / "clears.py"
    script.write_text("import shutil, sys; shutil.rmtree(sys.argv[sys.argv.index('--out') + 1]); sys.exit('Error: x.')")
    plan = grid.plan(models=("compm",), variants=("org",), seeds=(0,))
    assert [reason for _, reason in grid.run(plan, Launch(command=(sys.executable, str(script))))] == ["x."]
    assert (grid.folders.outputs / "compm-meld-org-s0" / "log.txt").read_text() == "Error: x.\n"


def test_two_stage_trainings_start_from_the_plans_tstr_run(grid):
    grid.run(grid.plan(models=("compm",), variants=("nat", "bal", "tstr-nat"), seeds=(0,)))
    first = f"--pretrained {grid.folders.outputs / 'compm-meld-tstr-nat-s0'}"
    calls = grid.calls()
    assert len(calls) == 3
    assert "--finetune" not in calls[0]
    assert ["meld_natural --finetune meld" in line for line in calls if line.endswith(first)] == [True]


def test_cluster_words_become_options():
    assert cluster_options(["slurm_partition=gpu", "timeout_min=600"]) == {
        "slurm_partition": "gpu", "timeout_min": 600,
    }  # fmt: skip
    with pytest.raises(ErcSynthError, match="NAME=VALUE"):
        cluster_options(["gpu"])


def test_an_unknown_launcher_is_refused():
    with pytest.raises(ErcSynthError, match="Unknown launcher 'cron'"):
        Launch("cron").check()


ENGINES = {"ray": ("ray", {"num_cpus": 2, "include_dashboard": False}), "slurm": ("submitit", {"cluster": "local"})}


@pytest.mark.parametrize("launcher", ENGINES)
def test_a_missing_cluster_engine_is_found_before_any_work(grid, launcher, monkeypatch):
    package, options = ENGINES[launcher]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ErcSynthError, match=f"The launcher {launcher} needs .*pip install"):
        grid.run(grid.plan(), Launch(launcher, cluster=options))
    assert not grid.folders.outputs.exists()


@pytest.mark.parametrize("launcher", ENGINES)
@pytest.mark.filterwarnings("default")  # of Ray and submitit, which are not ours
def test_a_cluster_engine_runs_the_same_plan_from_the_same_folder(grid, launcher, monkeypatch):
    package, options = ENGINES[launcher]
    pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.chdir(grid.folder)
    plan = grid.plan(models=("compm",), benchmarks=("meld", "iemocap"), variants=("org",), seeds=(0,))
    failed = grid.run(plan, Launch(launcher, 2, cluster=options))
    assert [(t.benchmark, reason) for t, reason in failed] == [("iemocap", "iemocap is not on this machine.")]
    statuses = {p.name: json.loads(p.read_text())["status"] for p in grid.folders.results.glob("*.json")}
    assert sorted(statuses.values()) == ["done"] * 3 + ["failed"] * 3
    assert [t.benchmark for t in grid.open(plan)] == ["iemocap"]
    assert {line.split()[0] for line in grid.calls()} == {str(grid.folder)}  # ./dist/erc-synth means the same there


TREE = """
import pathlib, subprocess, sys, time
if sys.argv[1] == "script":
    import os, signal
    def stop(*_):
        pathlib.Path("checkpoint").touch(); sys.exit(130)
    signal.signal(signal.SIGTERM, stop)
    pathlib.Path("pid").write_text(str(os.getpid()))
    time.sleep(60)
else:  # as accelerate: the script is a child
    sys.exit(subprocess.call([sys.executable, __file__, "script"]))
"""
ASKER = """
import pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
from erc_synth.training.grid.cells import Folders
from erc_synth.training.grid.launchers import Launch, run_trainings
from erc_synth.training.grid.plan import Plan
plan = Plan(("compm",), ("meld",), ("org",), (0,), "r")
folders = Folders(pathlib.Path("cells"), pathlib.Path("runs"))
run_trainings(plan, plan.trainings(), folders, Launch(command=(sys.executable, "tree.py")))
"""


def wait_for(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:  # one that nobody waits for is dead all the same
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks at processes as Linux shows them")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_grid_that_is_killed_leaves_no_training(tmp_path, how):
    (tmp_path / "tree.py").write_text(TREE)
    asker = subprocess.Popen([sys.executable, "-c", ASKER], cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    script = int((tmp_path / "pid").read_text())
    asker.send_signal(how)
    asker.wait(30)
    wait_for(lambda: not lives(script))
    assert (tmp_path / "checkpoint").exists()  # it was asked, not shot
