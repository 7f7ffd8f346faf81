"""What goes wrong in training: one clear sentence, and nothing trained is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training import grayscale, loop
from erc_synth.training.pipeline import run
from fakes import tiny_run
from fakes.hub import TOKEN, HubServer

pytestmark = pytest.mark.filterwarnings("ignore:.*has no train example of.*")


def words(*given):
    return tiny_run.words(*given, "--model", "baseline")


def config(*given):
    return tiny_run.config(*given, "--model", "baseline")


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tiny, repo_folder, tmp_path):
    with pytest.raises(ErcSynthError, match="not finite at step") as caught:
        run(config(tiny, repo_folder, tmp_path / "r", "--learning-rate", "1e30", "--warmup", 0, "--save-steps", 1))
    assert caught.value.exit_code == 3
    assert "--learning-rate" in caught.value.hint
    kept = load_file(tmp_path / "r" / "progress" / "0-train" / "checkpoint" / "model.safetensors")
    assert all(torch.isfinite(value).all() for value in kept.values())


def test_memory_that_runs_out_names_the_flag_to_lower(tiny, repo_folder, tmp_path, monkeypatch):
    # The allocator's own error, from an allocation that no machine can serve.
    monkeypatch.setattr(loop.Trainer, "_loss", lambda *_: torch.empty(2**50))
    with pytest.raises(ErcSynthError, match="Memory ran out") as caught:
        run(config(tiny, repo_folder, tmp_path / "r"))
    assert caught.value.exit_code == 3
    assert "--accumulate" in caught.value.hint


def test_an_empty_split_is_refused_before_training(tiny, repo_folder, tmp_path):
    folder = shutil.copytree(repo_folder, tmp_path / "repo")
    (folder / "meld_balanced" / "validation-00000-of-00001.parquet").unlink()
    card = folder / "README.md"
    lines = card.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if "meld_balanced/validation" in line)
    card.write_text("\n".join([*lines[: at - 1], *lines[at + 1 :], ""]))
    with pytest.raises(ErcSynthError, match="validation split"):
        run(config(tiny, folder, tmp_path / "r"))


@pytest.mark.filterwarnings("default:.*has no train example of.*")
def test_a_class_without_an_example_is_warned_of_and_keeps_its_index(tiny, repo_folder, tmp_path):
    with pytest.warns(UserWarning, match="no train example of: disgust"):
        metrics = run(config(tiny, repo_folder, tmp_path / "r", "--epochs", 1))
    found = metrics["evaluations"][0]
    assert found["labels"][1] == "disgust"
    assert found["per_class"]["disgust"]["support"] == 0
    assert len(found["confusion"]) == 7


def test_training_stops_early_without_a_better_dev_score(tiny, repo_folder, tmp_path):
    metrics = run(config(tiny, repo_folder, tmp_path / "r", "--epochs", 6, "--patience", 2, "--learning-rate", 0))
    assert len(metrics["stages"][0]["epochs"]) == 3
    assert metrics["stages"][0]["best_epoch"] == 1


def test_an_unknown_backbone_is_said_with_the_known_names(tiny, repo_folder, tmp_path):
    with pytest.raises(ErcSynthError, match=r"holds no config\.json"):
        run(config(str(tmp_path), repo_folder, tmp_path / "r"))


def test_fp16_without_a_gpu_is_refused(tiny, repo_folder, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ErcSynthError, match="fp16 needs a GPU"):
        run(config(tiny, repo_folder, tmp_path / "r", "--precision", "fp16"))


def test_bf16_trains_close_to_fp32_and_not_equal(tiny, repo_folder, tmp_path):
    losses = []
    for kind in ("no", "bf16"):
        AcceleratorState._reset_state(True)
        metrics = run(config(tiny, repo_folder, tmp_path / kind, "--precision", kind))
        losses.append(metrics["stages"][0]["epochs"][-1]["train_loss"])
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)


def test_a_tracker_that_is_not_installed_is_refused(tiny, repo_folder, tmp_path):
    with pytest.raises(ErcSynthError, match="wandb"):
        run(config(tiny, repo_folder, tmp_path / "r", "--trackers", "wandb"))


def test_tensorboard_gets_the_history(tiny, repo_folder, tmp_path):
    run(config(tiny, repo_folder, tmp_path / "r", "--trackers", "tensorboard"))
    events = [path.read_bytes() for path in (tmp_path / "r").rglob("events.out.tfevents*")]
    assert any(b"train/dev_weighted_f1" in content for content in events)


def test_word_vectors_give_the_cosines_and_a_missing_word_is_named(tmp_path):
    from erc_synth.loaders.schema import label_set

    labels = label_set("meld")
    path = tmp_path / "words.vec"
    rows = [f"{name} {' '.join('1' if i == j else '0' for j in range(7))}" for i, name in enumerate(labels.labels)]
    rows[0] = rows[0].replace("1 0", "1 1", 1)  # anger leans to the second label
    path.write_text("\n".join(["7 7", *rows]) + "\n")
    target = grayscale.word(torch.arange(7).numpy(), labels, path)
    cosine = 0.5**0.5
    assert target[0, :2] == pytest.approx([1 / (1 + cosine), cosine / (1 + cosine)])
    path.write_text("\n".join(rows[:-1]) + "\n")
    with pytest.raises(ErcSynthError, match=f"lacks vectors of: {labels.labels[-1]}"):
        grayscale.word(torch.arange(7).numpy(), labels, path)


@pytest.fixture(autouse=True)
def _own_accelerate():
    """`accelerate` keeps its precision for the whole process; a run normally has one of its own."""
    yield
    AcceleratorState._reset_state(True)


LONG = ["--epochs", "30", "--max-train-dialogues", "4", "--save-steps", "1"]


def _start(given, out, more=()):
    command = [sys.executable, "-m", "erc_synth.training.run", *given]
    with (out / "log.txt").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1", **dict(more)}
        )


@pytest.fixture(scope="module")
def undisturbed(tiny, repo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert _start(words(tiny, repo_folder, folder / "whole", *LONG), folder).wait(120) == 0
    return load_file(folder / "whole" / "model" / "model.safetensors")


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)])
def test_a_killed_run_goes_on_and_ends_with_the_same_weights(tiny, repo_folder, tmp_path, undisturbed, sign, code):
    given = words(tiny, repo_folder, tmp_path / "cut", *LONG)
    child = _start(given, tmp_path)
    state = tmp_path / "cut" / "progress" / "0-train" / "checkpoint" / "state.json"
    for _ in range(1200):
        time.sleep(0.05)
        if state.exists():
            break
    child.send_signal(sign)
    assert child.wait(60) == code, (tmp_path / "log.txt").read_text()
    assert not (tmp_path / "cut" / "metrics.json").exists()
    assert _start(given, tmp_path).wait(120) == 0, (tmp_path / "log.txt").read_text()
    again = load_file(tmp_path / "cut" / "model" / "model.safetensors")
    assert all((undisturbed[name] == again[name]).all() for name in undisturbed)
    epochs = json.loads((tmp_path / "cut" / "metrics.json").read_text())["stages"][0]["epochs"]
    assert [e["epoch"] for e in epochs] == list(range(1, 31))


def test_a_push_that_failed_is_made_up_for_without_training_again(tiny, repo_folder, tmp_path):
    given = [*words(tiny, repo_folder, tmp_path / "r"), "--push-to-hub", "org/classifier"]
    with HubServer() as hub:
        hub.fail["commit"] = 403
        endpoint = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN, "NO_PROXY": "*"}
        assert _start(given, tmp_path, endpoint).wait(120) == 3
        log = (tmp_path / "log.txt").read_text()
        assert "could not be pushed to org/classifier" in log
        assert TOKEN not in log
        trained = (tmp_path / "r" / "metrics.json").read_bytes()
        assert _start(given, tmp_path, endpoint).wait(120) == 0, (tmp_path / "log.txt").read_text()
        assert (tmp_path / "r" / "metrics.json").read_bytes() == trained
        files = hub.repos["org/classifier"].commits[-1][1]
    assert {"README.md", "model.safetensors", "erc.json", "config.json", "tokenizer.json"} <= set(files)
