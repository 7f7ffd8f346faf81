"""Runs end to end on a tiny backbone: recipes, resume, refusal."""

import json
import os
import shutil
from dataclasses import replace
from functools import partial

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import label_set, to_utterances
from erc_synth.training import corpus, loop
from erc_synth.training.pipeline import run
from fakes.tiny_model import build_tiny_model
from fakes.tiny_run import config

pytestmark = pytest.mark.filterwarnings("ignore:.*has no train example of.*")


@pytest.mark.parametrize(
    "more",
    [
        ["--model", "compm"],
        ["--model", "compm", "--memory", "legacy", "--shared-encoders"],
        ["--model", "emoone"],
        ["--model", "emoone", "--method", "future-self-adjust"],
        ["--model", "todkat"],
        ["--model", "todkat", "--preset", "paper", "--epochs", "1"],
        ["--model", "baseline"],
    ],
    ids=lambda more: "-".join(m.strip("-") for m in more),
)
def test_every_model_writes_the_contract(tiny, repo_folder, tmp_path, more):
    metrics = run(config(tiny, repo_folder, tmp_path / "r", *more))
    assert json.loads((tmp_path / "r" / "metrics.json").read_text()) == json.loads(json.dumps(metrics))
    found = metrics["evaluations"][0]
    table = pq.read_table(tmp_path / "r" / found["predictions"])
    gold, guess = table["gold"].to_pylist(), table["predicted"].to_pylist()
    assert found["weighted_f1"] == pytest.approx(f1_score(gold, guess, average="weighted", zero_division=0))
    assert metrics["run"]["recipe"] == "tstr"
    assert (tmp_path / "r" / "model" / "model.safetensors").exists()


def test_pretrain_finetune_has_two_stages_and_is_skipped_when_finished(tiny, repo_folder, tmp_path, capsys):
    wanted = config(tiny, repo_folder, tmp_path / "r", "--finetune", f"{repo_folder}:meld_natural")
    first = run(wanted)
    assert [s["name"] for s in first["stages"]] == ["pretrain", "finetune"]
    assert run(wanted)["stages"] == json.loads(json.dumps(first["stages"]))
    assert "skipped" in capsys.readouterr().err


def test_a_run_that_stopped_equals_an_undisturbed_one(tiny, repo_folder, tmp_path, monkeypatch):
    run(config(tiny, repo_folder, tmp_path / "whole"))
    real, calls = loop.Trainer._step, []

    def killed(self, *args):
        calls.append(1)
        if len(calls) == 7:
            raise SystemError("killed")
        return real(self, *args)

    monkeypatch.setattr(loop.Trainer, "_step", killed)
    broken = config(tiny, repo_folder, tmp_path / "broken", "--save-steps", 1)
    with pytest.raises(SystemError):
        run(broken)
    monkeypatch.setattr(loop.Trainer, "_step", real)
    run(broken)
    whole, again = (load_file(tmp_path / n / "model" / "model.safetensors") for n in ("whole", "broken"))
    assert all((whole[name] == again[name]).all() for name in whole)


def test_another_run_in_the_folder_is_refused(tiny, repo_folder, tmp_path):
    run(config(tiny, repo_folder, tmp_path / "r"))
    with pytest.raises(ErcSynthError, match="another run"):
        run(config(tiny, repo_folder, tmp_path / "r", "--seed", 1))


def test_accumulation_does_not_change_the_result(tiny, repo_folder, tmp_path):
    # Without dropout, whose masks depend on the parts, the two runs must agree to rounding.
    still = shutil.copytree(tiny, tmp_path / "still")
    shape = json.loads((still / "config.json").read_text())
    shape |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (still / "config.json").write_text(json.dumps(shape))
    losses = []
    for parts in (1, 2):
        more = ("--model", "baseline", "--accumulate", parts, "--epochs", 1)
        wanted = config(str(still), repo_folder, tmp_path / f"r{parts}", *more)
        losses.append(run(wanted)["stages"][0]["epochs"][0]["train_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


CODE = pytest.mark.skipif(
    shutil.which("g++") is None or not os.environ.get("ERC_SLOW"), reason="a minute of C++; $ERC_SLOW=1 asks for it"
)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo looks at every input's
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=CODE)])
def test_compiled_encoders_give_the_same_probabilities(repo_folder, tmp_path, monkeypatch, backend):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    tiny = str(build_tiny_model(tmp_path / "tiny", layers=1))  # each layer and each shape is C++ to compile
    found = []
    for more in ([], ["--compile"]):  # without a step away from the start, both runs score the same weights
        folder = tmp_path / f"r{len(more)}"
        more = ("--model", "baseline", "--epochs", "1", "--learning-rate", "0", "--max-train-dialogues", 1,
                "--max-eval-dialogues", 1, *more)  # fmt: skip
        name = run(config(tiny, repo_folder, folder, *more))["evaluations"][0]["predictions"]
        found.append(pq.read_table(folder / name).column("probabilities").to_pylist())
    assert found[1] == [pytest.approx(row, abs=1e-5) for row in found[0]]


def test_dialogues_that_leak_from_an_evaluated_test_are_dropped_and_counted(tiny, tmp_path, dialogues, write_repo):
    folder = tmp_path / "repo"
    write_repo(folder, "meld_balanced")
    leaked = dialogues("meld_balanced-test", 4)[2].utterances[0]
    train = dialogues("meld_balanced-train", 12)
    train[5] = replace(train[5], utterances=(*train[5].utterances, leaked))
    place = folder / "meld_balanced" / "train-00000-of-00001.parquet"
    to_utterances(train, label_set("meld")).to_parquet(str(place))
    metrics = run(config(tiny, str(folder), tmp_path / "r", "--drop-leaks", "--epochs", 1, "--model", "baseline"))
    assert metrics["stages"][0]["dialogues"] == 11
    assert list(metrics["stages"][0]["dropped_leaks"].values()) == [1]


def test_each_seed_trains_on_dialogues_of_its_own(tiny, repo_folder, tmp_path):
    def drawn(seed, *more):
        words = ("--model", "baseline", "--max-train-dialogues", 3, *more, "--seed", seed)
        found = corpus.load_all(config(tiny, repo_folder, tmp_path / "r", *words))
        return [d.dialogue_id for d in next(iter(found.values())).splits["train"]]

    assert drawn(1) == drawn(2)
    assert drawn(1, "--draw-train") == drawn(1, "--draw-train") != drawn(2, "--draw-train")
    with pytest.raises(ErcSynthError, match="--draw-train needs --max-train-dialogues"):
        config(tiny, repo_folder, tmp_path / "r", "--draw-train")


def test_without_the_flag_nothing_is_dropped(tiny, repo_folder, tmp_path):
    metrics = run(config(tiny, repo_folder, tmp_path / "r", "--epochs", 1, "--model", "baseline"))
    assert metrics["stages"][0]["dialogues"] == 12
