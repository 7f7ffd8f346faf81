"""A run is settings, data and backbone: when one of them differs, nothing is skipped or resumed in silence."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import label_set, to_utterances
from erc_synth.training import checkpoints, evaluation, loop, pipeline
from erc_synth.training.config import parse
from erc_synth.training.pipeline import run
from fakes import tiny_run
from fakes.tiny_model import build_tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:.*has no train example of.*")
BASE = ["--train", "meld", "--out", "o"]


def config(*given):
    return tiny_run.config(*given, "--model", "baseline")


@pytest.fixture
def own(tmp_path, write_repo):
    """A repo folder that a test may rebuild."""
    write_repo(tmp_path / "repo", "meld_balanced")
    return tmp_path / "repo"


def _rebuild(own, dialogues):
    place = own / "meld_balanced" / "train-00000-of-00001.parquet"
    to_utterances(dialogues("meld_balanced-train", 12, seed=1), label_set("meld")).to_parquet(str(place))


def test_a_finished_run_on_rebuilt_data_is_refused_with_both_fingerprints(tiny, own, tmp_path, dialogues):
    first = run(config(tiny, own, tmp_path / "r"))
    _rebuild(own, dialogues)
    with pytest.raises(ErcSynthError, match="was trained on other data") as caught:
        run(config(tiny, own, tmp_path / "r"))
    assert first["stages"][0]["fingerprint"] in str(caught.value)
    assert "--overwrite" in caught.value.hint


def test_an_interrupted_run_is_not_resumed_on_rebuilt_data(tiny, own, tmp_path, dialogues, monkeypatch):
    monkeypatch.setattr(loop.Trainer, "_end_epoch", lambda *_: (_ for _ in ()).throw(SystemError("killed")))
    wanted = config(tiny, own, tmp_path / "r", "--save-steps", 1)
    with pytest.raises(SystemError):
        run(wanted)
    _rebuild(own, dialogues)
    with pytest.raises(ErcSynthError, match=r"other data: .*/train had the fingerprint"):
        run(wanted)


def test_another_backbone_in_the_same_folder_is_refused(tiny, repo_folder, tmp_path):
    copy = shutil.copytree(tiny, tmp_path / "copy")
    run(config(str(copy), repo_folder, tmp_path / "r"))
    shutil.rmtree(copy)
    copy.mkdir()
    build_tiny_model(copy, hidden=64)
    with pytest.raises(ErcSynthError, match="other backbone"):
        run(config(str(copy), repo_folder, tmp_path / "r"))


def test_how_work_is_cut_is_no_part_of_a_run():
    plain = parse(BASE).fingerprint()
    for more in (
        ["--accumulate", "4"],
        ["--save-steps", "3"],
        ["--compile"],
        ["--data-dir", "d"],
        ["--preset", "fast"],
    ):
        assert parse([*BASE, *more]).fingerprint() == plain
    for more in (["--precision", "bf16"], ["--batch-size", "3"], ["--eval", "emorynlp"]):
        assert parse([*BASE, *more]).fingerprint() != plain


def test_the_hint_for_too_little_memory_can_be_followed(tiny, repo_folder, tmp_path, monkeypatch):
    real = loop.Trainer._loss
    monkeypatch.setattr(loop.Trainer, "_loss", lambda *_: torch.empty(2**50))
    with pytest.raises(ErcSynthError, match="--accumulate"):
        run(config(tiny, repo_folder, tmp_path / "r"))
    monkeypatch.setattr(loop.Trainer, "_loss", real)
    assert run(config(tiny, repo_folder, tmp_path / "r", "--accumulate", 2))["evaluations"]


def test_a_failed_start_does_not_refuse_the_corrected_command(tiny, repo_folder, tmp_path):
    with pytest.raises(ErcSynthError):
        run(config(str(tmp_path / "none"), repo_folder, tmp_path / "r"))
    assert not (tmp_path / "r").exists()
    assert run(config(tiny, repo_folder, tmp_path / "r"))["evaluations"]


def test_overwrite_removes_what_a_run_wrote_and_nothing_else(tiny, repo_folder, tmp_path):
    run(config(tiny, repo_folder, tmp_path / "r"))
    (tmp_path / "r" / "notes.txt").write_text("mine")
    run(config(tiny, repo_folder, tmp_path / "r", "--seed", 3, "--overwrite"))
    assert (tmp_path / "r" / "notes.txt").read_text() == "mine"
    assert json.loads((tmp_path / "r" / "run.json").read_text())["config"]["seed"] == 3


def test_a_kill_behind_the_patience_stop_adds_no_epoch(tiny, repo_folder, tmp_path, monkeypatch):
    wanted = config(tiny, repo_folder, tmp_path / "r", "--epochs", 6, "--patience", 2, "--learning-rate", 0)
    real = loop.write_json
    monkeypatch.setattr(loop, "write_json", lambda *_: (_ for _ in ()).throw(SystemError("killed")))
    with pytest.raises(SystemError):
        run(wanted)
    monkeypatch.setattr(loop, "write_json", real)
    assert len(run(wanted)["stages"][0]["epochs"]) == 3


def test_an_optimiser_is_let_go_with_its_stage(tiny, repo_folder, tmp_path, monkeypatch):
    held = []
    real = loop.Trainer.fit

    def fit(self, *given):
        done = real(self, *given)
        held.append(len(self.accelerator._optimizers) + len(self.accelerator._models))
        return done

    monkeypatch.setattr(loop.Trainer, "fit", fit)
    second = ("--finetune", f"{repo_folder}:meld_natural", "--epochs", 1)
    run(tiny_run.config(tiny, repo_folder, tmp_path / "r", "--model", "emoone", *second))
    assert held == [0, 0, 0, 0]


def test_prediction_files_of_two_names_differ():
    names = ["./a/b:c", "./a-b:c", "a/b:c", "meld", "Meld", "a-b-c"]
    assert len({evaluation.file_part(name).lower() for name in names}) == len(names)
    assert evaluation.file_part("meld") == "meld"


def test_another_content_of_a_file_that_is_read_is_refused(tiny, repo_folder, tmp_path):
    vectors = tmp_path / "words.vec"
    given = [tiny, repo_folder, tmp_path / "r", "--model", "emoone", "--method", "word", "--word-vectors", vectors]
    names = label_set("meld").labels
    vectors.write_text("\n".join(f"{name} {i} 1" for i, name in enumerate(names)))
    run(tiny_run.config(*given, "--epochs", 1))
    vectors.write_text("\n".join(f"{name} 1 {i}" for i, name in enumerate(names)))
    with pytest.raises(ErcSynthError, match="other files: word_vectors"):
        run(tiny_run.config(*given, "--epochs", 1))


def test_tokens_are_counted_as_whole_numbers(tiny, repo_folder, tmp_path, monkeypatch):
    many = 2**24 + 1  # float32 holds no such number
    real = pipeline.Stages.run

    def counted(self):
        real(self)
        self.tokens = many

    monkeypatch.setattr(pipeline.Stages, "run", counted)
    monkeypatch.setattr(pipeline, "tokens_of", lambda _: 0)
    assert run(config(tiny, repo_folder, tmp_path / "r", "--epochs", 1))["cost"]["tokens"] == many


def test_metrics_carry_the_fingerprints_of_run_json(tiny, repo_folder, tmp_path):
    metrics = run(config(tiny, repo_folder, tmp_path / "r", "--epochs", 1))
    told = json.loads((tmp_path / "r" / "run.json").read_text())
    assert metrics["run"]["fingerprint"] == told["fingerprint"]
    assert metrics["run"]["data"] == told["data"]
    assert {name.rpartition("/")[2] for name in told["data"]} == {"train", "validation", "test"}


def test_a_checkpoint_survives_beside_an_unfinished_one(tiny, tmp_path):
    network = torch.nn.Linear(2, 2)
    optim = torch.optim.AdamW(network.parameters())
    checkpoints.save_checkpoint(tmp_path / "c", network, optim, {"n": 1})
    (tmp_path / "c.part").mkdir()
    assert checkpoints.load_checkpoint(tmp_path / "c", network, optim) == {"n": 1}
    assert set(load_file(tmp_path / "c" / "model.safetensors")) == {"weight", "bias"}
