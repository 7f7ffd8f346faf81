"""A finished one-stage run in place of the first of two stages."""

import pytest
from safetensors.torch import load_file

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training.pipeline import run
from fakes.tiny_run import config

pytestmark = pytest.mark.filterwarnings("ignore:.*has no train example of.*")


@pytest.mark.parametrize("model", ["compm", "emoone", "todkat"])
def test_a_run_from_a_finished_first_stage_equals_an_undisturbed_one(tiny, repo_folder, tmp_path, model):
    second = ("--model", model, "--finetune", f"{repo_folder}:meld_natural")
    run(config(tiny, repo_folder, tmp_path / "first", "--model", model))
    whole = run(config(tiny, repo_folder, tmp_path / "whole", *second))
    taken = run(config(tiny, repo_folder, tmp_path / "taken", *second, "--pretrained", tmp_path / "first"))
    weights = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "taken")]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    assert [s["name"] for s in taken["stages"]] == [s["name"] for s in whole["stages"]]
    assert {s.get("from") for s in taken["stages"] if "pretrain" in s["name"]} == {"../first/metrics.json"}
    assert taken["cost"]["tokens"] < whole["cost"]["tokens"]


@pytest.mark.parametrize("other", [("--seed", 7), ("--learning-rate", 0.01), ("--epochs", 1)])
def test_another_first_stage_is_refused(tiny, repo_folder, tmp_path, other):
    run(config(tiny, repo_folder, tmp_path / "first", *other))
    second = ("--finetune", f"{repo_folder}:meld_natural", "--pretrained", tmp_path / "first")
    with pytest.raises(ErcSynthError, match=r"is not the first stage of this run: .*differ"):
        run(config(tiny, repo_folder, tmp_path / "second", *second))


def test_an_absent_first_stage_is_named(tiny, repo_folder, tmp_path):
    second = ("--finetune", f"{repo_folder}:meld_natural", "--pretrained", tmp_path / "none")
    with pytest.raises(ErcSynthError, match="holds no finished run"):
        run(config(tiny, repo_folder, tmp_path / "second", *second))
