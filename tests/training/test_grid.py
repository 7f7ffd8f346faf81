"""The grid with a small real trainer process: every cell once, failures recorded, restarts cheap."""

import json
import sys

import pytest

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.stats.friedman import analyse
from erc_synth.stats.table import grid_table
from erc_synth.training.grid import Plan, cluster_options, expected_seconds, open_trainings, run_plan

TRAINER = """
import json, pathlib, sys, zlib
words = sys.argv[1:]
out = pathlib.Path(words[words.index("--out") + 1])
start = words.index("--eval") + 1
names = []
while start < len(words) and not words[start].startswith("--"):
    names.append(words[start]); start += 1
with open(out.parent.parent / "calls.txt", "a") as calls:
    calls.write(" ".join(words) + "\\n")
if "iemocap" in words:
    print("Error: iemocap is not on this machine.", file=sys.stderr); sys.exit(2)
def score(name):
    path, _, config = name.rpartition(":") if ":" in name else (name, "", "")
    f1 = zlib.crc32((str(out) + name).encode()) % 997 / 997
    return {"dataset": path, "config": config or None, "weighted_f1": f1, "examples": 3}
metrics = {"run": {"recipe": "x", "model": words[words.index("--model") + 1]}, "cost": {"seconds": 2.0},
           "evaluations": [score(n) for n in names]}
out.mkdir(parents=True, exist_ok=True)
(out / "metrics.json").write_text(json.dumps(metrics))
"""


@pytest.fixture
def trainer(tmp_path):
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER)
    return (sys.executable, str(script))


def _plan(**changes):
    base = {"models": ("compm", "emoone"), "benchmarks": ("meld",), "variants": ("org", "nat", "bal"), "seeds": (0, 1)}
    return Plan(**{**base, **changes}, repo="./dist/erc-synth")


def _run(plan, tmp_path, trainer, **options):
    return run_plan(plan, tmp_path / "results", tmp_path / "outputs", launch=trainer, **options)


def test_the_papers_plan_has_27_models_and_81_cells(tmp_path):
    plan = _plan(models=("compm", "emoone", "todkat"), benchmarks=("meld", "emorynlp", "iemocap"), seeds=(1,))
    assert len(plan.trainings()) == 27
    assert len({t.cell(s) for t in plan.trainings() for s in ("org", "nat", "bal")}) == 81


def test_variants_become_the_three_recipes():
    by_variant = {
        t.variant: " ".join(t.words()) for t in _plan(variants=("org", "nat", "tstr-bal"), seeds=(0,)).trainings()
    }
    assert "--train meld --eval" in by_variant["org"]
    assert "--train ./dist/erc-synth:meld_natural --finetune meld --eval" in by_variant["nat"]
    assert "--train ./dist/erc-synth:meld_balanced --eval" in by_variant["tstr-bal"]
    assert all("--seed 0" in words for words in by_variant.values())


def test_cells_feed_the_statistics(tmp_path, trainer):
    assert _run(_plan(), tmp_path, trainer) == []
    result = analyse(grid_table(tmp_path / "results"))
    assert result["models"] == [f"{m} {v}" for m in ("CoMPM", "EmoOne") for v in ("Org", "Nat", "Bal")]
    assert set(result["blocks"]) == {"MELD/Org", "MELD/Nat", "MELD/Bal"}
    assert all(len(seeds) == 2 for seeds in result["seeds"].values())


def test_every_number_names_its_run(tmp_path, trainer):
    _run(_plan(), tmp_path, trainer)
    for path in (tmp_path / "results").glob("*.json"):
        cell = json.loads(path.read_text())
        metrics = json.loads((tmp_path / "results" / cell["metrics"]).read_text())
        assert cell["score"] in {e["weighted_f1"] for e in metrics["evaluations"]}


def test_finished_trainings_are_not_run_again(tmp_path, trainer):
    _run(_plan(), tmp_path, trainer)
    _run(_plan(), tmp_path, trainer)
    assert len((tmp_path / "calls.txt").read_text().splitlines()) == 12


def test_a_failed_training_is_recorded_and_the_rest_goes_on(tmp_path, trainer):
    failed = _run(_plan(benchmarks=("iemocap", "meld")), tmp_path, trainer, jobs=2)
    assert {reason for _, reason in failed} == {"iemocap is not on this machine."}
    cells = [json.loads(path.read_text()) for path in (tmp_path / "results").glob("*.json")]
    assert {c["status"] for c in cells if c["benchmark"] == "meld"} == {"done"}
    assert {(c["status"], c["score"]) for c in cells if c["benchmark"] == "iemocap"} == {("failed", None)}
    assert {t.benchmark for t in open_trainings(_plan(benchmarks=("iemocap", "meld")), tmp_path / "results")} == {
        "iemocap"
    }


def test_costs_come_from_finished_runs(tmp_path, trainer):
    _run(_plan(models=("compm",)), tmp_path, trainer)
    slow = tmp_path / "outputs" / "slow" / "metrics.json"
    slow.parent.mkdir()
    slow.write_text(json.dumps({"run": {"model": "compm", "recipe": "tstr"}, "cost": {"seconds": 50.0}}))
    found = expected_seconds(_plan(variants=("org", "tstr-nat"), seeds=(0,)), tmp_path / "outputs")
    assert {t.name: seconds for t, seconds in found.items()} == {
        "compm-meld-org-s0": pytest.approx((6 * 2 + 50) / 7), "compm-meld-tstr-nat-s0": 50.0,
    }  # fmt: skip


def test_unknown_variant_and_launcher_are_refused(tmp_path, trainer):
    with pytest.raises(ErcSynthError, match="Unknown variant"):
        _plan(variants=("best",)).trainings()
    with pytest.raises(ErcSynthError, match="Unknown launcher"):
        _run(_plan(), tmp_path, trainer, launcher="cron")


def test_leave_out_trains_on_the_other_benchmarks_only():
    plan = _plan(benchmarks=("meld", "emorynlp", "iemocap"), variants=("leave-out",), seeds=(0,), models=("compm",))
    words = {t.benchmark: " ".join(t.words()) for t in plan.trainings()}
    assert "--train meld --finetune emorynlp --label-map core4 --drop-leaks --eval iemocap" in words["iemocap"]
    assert "--train emorynlp --finetune iemocap" in words["meld"]
    with pytest.raises(ErcSynthError, match="trains on one or two other benchmarks"):
        _plan(variants=("leave-out",)).trainings()


def test_cells_of_other_options_are_not_passed_off(tmp_path, trainer):
    _run(_plan(extra=("--backbone", "minilm", "--data-dir", "here")), tmp_path, trainer)
    assert open_trainings(_plan(extra=("--backbone", "minilm", "--data-dir", "there")), tmp_path / "results") == []
    with pytest.raises(ErcSynthError, match=r"made with other options: .*--backbone minilm"):
        open_trainings(_plan(extra=("--backbone", "roberta-large")), tmp_path / "results")


def test_a_reason_is_of_the_last_try(tmp_path, trainer):
    folder = tmp_path / "outputs" / "compm-meld-org-s0"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("Error: an old reason\n")
    (tmp_path / "broken.py").write_text("import sys; sys.exit(1)")
    plan = _plan(models=("compm",), variants=("org",), seeds=(0,))
    ((_, reason),) = _run(plan, tmp_path, (sys.executable, str(tmp_path / "broken.py")))
    assert "exit code 1" in reason


def test_cluster_words_become_options():
    assert cluster_options(["slurm_partition=gpu", "timeout_min=600"]) == {
        "slurm_partition": "gpu", "timeout_min": 600,
    }  # fmt: skip
    with pytest.raises(ErcSynthError, match="NAME=VALUE"):
        cluster_options(["gpu"])


ENGINES = {"ray": ("ray", {"num_cpus": 2, "include_dashboard": False}), "slurm": ("submitit", {"cluster": "local"})}


@pytest.mark.parametrize("launcher", ENGINES)
def test_a_missing_cluster_engine_is_one_sentence(tmp_path, trainer, launcher, monkeypatch):
    package, options = ENGINES[launcher]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ErcSynthError, match=f"The launcher {launcher} needs .*pip install"):
        _run(_plan(), tmp_path, trainer, launcher=launcher, cluster=options)


@pytest.mark.parametrize("launcher", ENGINES)
@pytest.mark.filterwarnings("default")  # of Ray and submitit, which are not ours
def test_a_cluster_engine_runs_the_same_plan(tmp_path, trainer, launcher):
    package, options = ENGINES[launcher]
    pytest.importorskip(package, reason=f"{package} is not installed")
    plan = _plan(models=("compm",), benchmarks=("meld", "iemocap"), variants=("org",), seeds=(0,))
    failed = _run(plan, tmp_path, trainer, launcher=launcher, cluster=options, jobs=2)
    assert [(t.benchmark, reason) for t, reason in failed] == [("iemocap", "iemocap is not on this machine.")]
    statuses = {p.name: json.loads(p.read_text())["status"] for p in (tmp_path / "results").glob("*.json")}
    assert sorted(statuses.values()) == ["done"] * 3 + ["failed"] * 3
    assert [t.benchmark for t in open_trainings(plan, tmp_path / "results")] == ["iemocap"]


def test_two_stage_trainings_start_from_the_plans_tstr_run(tmp_path, trainer):
    plan = _plan(models=("compm",), variants=("nat", "bal", "tstr-nat"), seeds=(0,))
    _run(plan, tmp_path, trainer)
    calls = (tmp_path / "calls.txt").read_text().splitlines()
    first = f"--pretrained {tmp_path / 'outputs' / 'compm-meld-tstr-nat-s0'}"
    assert len(calls) == 3
    assert "--finetune" not in calls[0]
    assert ["meld_natural --finetune meld" in line for line in calls if line.endswith(first)] == [True]
