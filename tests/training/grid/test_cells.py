"""Cells: every number names its run, its settings and its data; nothing finished is passed off or lost."""

import json

import pytest

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.stats.analysis import analyse
from erc_synth.stats.cells import grid_table
from erc_synth.training.grid import cells
from fakes.contracts import check, schema


def read_all(grid):
    return {path.name: json.loads(path.read_text()) for path in grid.folders.results.glob("*.json")}


def test_cells_feed_the_statistics(grid):
    assert grid.run(grid.plan()) == []
    result = analyse(grid_table(grid.folders.results))
    assert len(result["models"]) == 6
    assert set(result["blocks"]) == {"MELD/Org", "MELD/Nat", "MELD/Bal"}
    assert all(len(seeds) == 2 for seeds in result["seeds"].values())


def test_cells_fit_their_contract(grid):
    grid.run(grid.plan(benchmarks=("meld", "iemocap"), seeds=(0,)))
    found = read_all(grid).values()
    assert {cell["status"] for cell in found} == {"done", "failed"}
    for cell in found:
        check("cell", cell)
        assert set(cell) == set(schema("cell")["required"])


def test_every_number_names_its_run_and_its_data(grid):
    grid.run(grid.plan(variants=("nat",)))
    for cell in read_all(grid).values():
        metrics = json.loads((grid.folders.results / cell["metrics"]).read_text())
        assert cell["score"] in {e["weighted_f1"] for e in metrics["evaluations"]}
        assert set(cell["fingerprints"]) >= {"meld_natural/train", "meld/train"}
        assert len(cell["fingerprints"]) == 3


def test_finished_trainings_are_not_run_again(grid):
    plan = grid.plan()
    grid.run(plan)
    assert grid.open(plan, grid.prints(plan)) == []
    grid.run(plan)
    assert len(grid.calls()) == 12


def test_cells_of_other_options_are_not_passed_off(grid):
    grid.run(grid.plan(extra=("--backbone", "minilm", "--data-dir", "here")))
    assert grid.open(grid.plan(extra=("--backbone", "minilm", "--data-dir", "there", "--accumulate", "2"))) == []
    with pytest.raises(ErcSynthError, match=r"made with other options: .*--backbone minilm"):
        grid.open(grid.plan(extra=("--backbone", "roberta-large")))


@pytest.mark.parametrize("split", ["train", "test"])
def test_cells_of_other_data_are_refused_with_both_fingerprints_and_a_way_out(grid, split):
    plan = grid.plan(variants=("nat",))
    grid.run(plan)
    data = grid.prints(plan)
    data["./dist/erc-synth:meld_natural"][split] = "f-rebuilt"
    with pytest.raises(ErcSynthError, match=rf"meld_natural/{split} was f-\S+, now it is f-rebuilt.*--overwrite"):
        grid.open(plan, data)


def test_a_foreign_cell_behind_an_open_one_is_seen(grid):
    plan = grid.plan(models=("compm",), variants=("org",), seeds=(0,))
    grid.run(plan)
    (grid.folders.results / "compm-meld-org-s0-on-org.json").unlink()
    data = grid.prints(plan)
    data["./dist/erc-synth:meld_balanced"]["test"] = "f-rebuilt"
    with pytest.raises(ErcSynthError, match="from other data"):
        grid.open(plan, data)


def test_a_cell_that_names_no_data_is_not_taken_on_trust(grid):
    plan = grid.plan(models=("compm",), variants=("org",), seeds=(0,))
    grid.run(plan)
    path = grid.folders.results / "compm-meld-org-s0-on-bal.json"
    cell = json.loads(path.read_text())
    del cell["fingerprints"]
    path.write_text(json.dumps(cell))
    with pytest.raises(ErcSynthError, match="does not say which data"):
        grid.open(plan, grid.prints(plan))


def test_a_failed_retry_leaves_finished_cells(grid, tmp_path):
    plan = grid.plan(models=("compm",), variants=("org",), seeds=(0,))
    grid.run(plan)
    before = read_all(grid)
    (grid.folders.results / "compm-meld-org-s0-on-bal.json").write_text("{")  # the cell that a crash cut
    (tmp_path / "trainer.py").write_text("import sys; sys.exit('Error: no memory.')")
    assert [reason for _, reason in grid.run(plan)] == ["no memory."]
    after = read_all(grid)
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ["compm-meld-org-s0-on-bal.json"]
    assert after[changed[0]]["status"] == "failed"
    assert [t.name for t in grid.open(plan)] == ["compm-meld-org-s0"]


def test_costs_come_from_finished_runs(grid):
    grid.run(grid.plan(models=("compm",)))
    slow = grid.folders.outputs / "slow" / "metrics.json"
    slow.parent.mkdir()
    slow.write_text(json.dumps({"run": {"model": "compm", "recipe": "tstr"}, "cost": {"seconds": 50.0}}))
    found = cells.expected_seconds(grid.plan(variants=("org", "tstr-nat"), seeds=(0,)), grid.folders.outputs)
    assert {t.name: seconds for t, seconds in found.items()} == {
        "compm-meld-org-s0": pytest.approx((6 * 2 + 50) / 7), "compm-meld-tstr-nat-s0": 50.0,
    }  # fmt: skip
