"""Configuration, tokens, scores and processes, one property each."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, Utterance, label_set
from erc_synth.training import backbones, batching, saved
from erc_synth.training.batching import Batch, Special
from erc_synth.training.config import parse
from erc_synth.training.loop import predict
from erc_synth.training.models import factory
from erc_synth.training.optimiser import factor
from erc_synth.training.pipeline import run

pytestmark = pytest.mark.filterwarnings("ignore:.*has no train example of.*")
BASE = ["--train", "meld", "--out", "o"]


def test_flag_beats_file_beats_preset(tmp_path):
    (tmp_path / "c.yaml").write_text("epochs: 3\nbatch_size: 9\n")
    found = parse([*BASE, "--config", str(tmp_path / "c.yaml"), "--epochs", "4"]).optimisation
    assert (found.epochs, found.batch_size, found.learning_rate) == (4, 9, 3e-5)


def test_an_unknown_key_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_text("epoks: 3\n")
    with pytest.raises(ErcSynthError, match="epoks"):
        parse([*BASE, "--config", str(tmp_path / "c.yaml")])


@pytest.mark.parametrize("words", [["--model", "bert"], ["--epochs", "0"], ["--recipe", "pretrain-finetune"]])
def test_bad_settings_are_refused(words):
    with pytest.raises(ErcSynthError):
        parse([*BASE, *words])


def test_a_seed_of_zero_is_a_seed():
    assert parse([*BASE, "--seed", "0"]).fingerprint() != parse([*BASE, "--seed", "1"]).fingerprint()


def test_warm_up_and_decay_are_linear():
    found = [factor(step, 10, 0.2) for step in range(11)]
    assert found[:3] == [0.0, 0.5, 1.0]
    assert found[-1] == 0.0


@pytest.fixture(scope="module")
def talk(tiny):
    texts = ["Hello there", "I'm angry, really!", "okay", "no yes " * 40, "Why?", "today  "]
    turns = tuple(Utterance("ABA"[i % 3], text, "joy") for i, text in enumerate(texts))
    tokenizer = backbones.load_tokenizer(tiny)
    dialogues = [Dialogue("a", turns), Dialogue("b", turns[:1]), Dialogue("c", turns[2:])]
    special = Special.of(tokenizer, 512, 512)
    return tokenizer, dialogues, batching.encode(dialogues, label_set("meld"), tokenizer, special)


def test_joined_pieces_equal_the_official_context_string(talk):
    tokenizer, dialogues, encoded = talk
    for number, dialogue in enumerate(dialogues):
        seen, string = {}, ""
        for turn, utterance in enumerate(dialogue.utterances):
            speaker = seen.setdefault(utterance.speaker, len(seen)) + 1
            string += f"<s{speaker}> {utterance.text.strip()} "
            ids = tokenizer(string.strip(), add_special_tokens=False)["input_ids"][-511:]
            assert encoded.context(number, turn).tolist() == [0, *ids]


def test_long_contexts_keep_the_last_tokens(talk):
    tokenizer, dialogues, _ = talk
    short = batching.encode(dialogues, label_set("meld"), tokenizer, Special(0, 2, 1, 8))
    full = batching.encode(dialogues, label_set("meld"), tokenizer, Special(0, 2, 1, 512))
    assert short.context(0, 5).tolist() == [0, *full.context(0, 5)[-7:].tolist()]


def test_padding_of_the_tokenizer_file_is_not_taken_over(tiny, talk):
    # MiniLM's tokenizer.json pads every text to 128 and cuts it there.
    _, dialogues, wanted = talk
    tokenizer = backbones.load_tokenizer(tiny)
    tokenizer.backend_tokenizer.enable_padding(length=128, pad_id=1, pad_token="<pad>")
    tokenizer.backend_tokenizer.enable_truncation(3)
    found = batching.encode(dialogues, label_set("meld"), tokenizer, wanted.special)
    assert found.pieces == wanted.pieces
    assert found.texts == wanted.texts


@given(size=st.integers(1, 9), seed=st.integers(0, 99), count=st.integers(1, 4))
def test_an_epoch_holds_every_target_once_and_parts_lose_none(size, seed, count):
    labels = np.zeros(12, dtype=np.int64)
    encoded = batching.Encoded(None, np.array([0, 5, 6, 12]), labels, labels, None, None)
    for unit, order in (("utterance", "dialogue"), ("utterance", "utterance"), ("dialogue", "dialogue")):
        steps = batching.epoch_batches(encoded, batching.Shuffle(unit, size, order, seed), 0)
        assert sorted(t for step in steps for t in step) == encoded.targets()
        for step in steps:
            cut = batching.parts(step, count, unit)
            assert sorted(t for part in cut for t in part) == sorted(step)


@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=9), size=st.integers(1, 5), most=st.integers(1, 4),
    unit=st.sampled_from(["utterance", "dialogue"]), order=st.sampled_from(["dialogue", "utterance"]),
    data=st.data(),
)  # fmt: skip
def test_the_steps_of_an_epoch_are_those_of_the_rule(lengths, size, most, unit, order, data):
    """The rule in plain lists: runs that were begun before steps were kept as row numbers go on as they began."""
    starts = np.cumsum([0, *lengths])
    turns = sum(lengths)
    labels = np.array(data.draw(st.lists(st.sampled_from([-1, 0]), min_size=turns, max_size=turns)), int)
    encoded = batching.Encoded(None, starts, labels, labels, None, None)
    groups = [[(d, t) for t in range(n) if labels[starts[d] + t] >= 0] for d, n in enumerate(lengths)]
    groups = [group for group in groups if group]
    random = np.random.default_rng([3, 1])
    groups = [groups[i] for i in random.permutation(len(groups))]
    flat = [target for group in groups for target in group]
    if unit == "dialogue":
        wanted = [tuple(t for g in groups[i : i + size] for t in g) for i in range(0, len(groups), size)]
    else:
        flat = [flat[i] for i in random.permutation(len(flat))] if order == "utterance" else flat
        wanted = [tuple(flat[i : i + size]) for i in range(0, len(flat), size)]
    steps = batching.epoch_batches(encoded, batching.Shuffle(unit, size, order, 3), 1)
    cut = [tuple(t for t in step if t[1] < most) for step in wanted]
    assert list(steps) == wanted
    assert list(batching.cut(steps, most)) == [step for step in cut if step]


def test_nothing_slow_is_imported_before_the_first_step():
    """`evaluate` alone imports all pipelines of transformers; the first score needs it, not the first step."""
    slow = ("evaluate", "sklearn", "transformers.pipelines", "matplotlib")
    code = f"import erc_synth.training.pipeline, sys; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["compm", "emoone", "todkat", "baseline"])
def test_eval_logits_do_not_depend_on_batch_or_order(tiny, talk, name):
    tokenizer, _, encoded = talk
    torch.manual_seed(0)
    config = parse([*BASE, "--model", name, "--backbone", tiny])
    model = factory.create(config, 7, tokenizer).eval()
    together = predict(None, model, encoded)
    with torch.no_grad():
        for row, target in reversed(list(enumerate(encoded.targets()))):
            alone = model(Batch(encoded, (target,))).numpy()[0]
            assert np.abs(alone - together[row]).max() < 1e-5


def test_no_model_but_todkat_and_the_future_view_sees_later_turns(tiny, talk):
    tokenizer, dialogues, encoded = talk
    torch.manual_seed(0)
    model = factory.create(parse([*BASE, "--model", "compm", "--backbone", tiny]), 7, tokenizer).eval()
    cut = [Dialogue("a", dialogues[0].utterances[:4])]
    short = batching.encode(cut, label_set("meld"), tokenizer, encoded.special)
    assert np.abs(predict(None, model, short) - predict(None, model, encoded)[:4]).max() < 1e-5


def test_a_saved_model_gives_the_same_logits(tiny, talk, tmp_path):
    tokenizer, _, encoded = talk
    model = factory.create(parse([*BASE, "--backbone", tiny]), 7, tokenizer)
    config = parse([*BASE, "--backbone", tiny])
    saved.save_model(tmp_path, model, tokenizer, config, list(label_set("meld").labels))
    again, _, _, labels = saved.load_model(tmp_path)
    assert labels == list(label_set("meld").labels)
    assert (predict(None, model, encoded) == predict(None, again, encoded)).all()


def test_different_label_sets_are_refused_with_the_maps(tiny, repo_folder, benchmark_data, tmp_path):
    words = ["--train", f"{repo_folder}:meld_natural", "--eval", "emorynlp", "--data-dir", str(benchmark_data)]
    with pytest.raises(ErcSynthError, match=r"--label-map .*core5"):
        run(parse([*words, "--backbone", tiny, "--out", str(tmp_path / "r")]))


def test_two_processes_score_as_one(tiny, repo_folder, tmp_path, repo):
    words = ["--train", f"{repo_folder}:meld_balanced", "--backbone", tiny, "--epochs", "1", "--learning-rate", "0"]
    found = []
    for count in ("1", "2"):
        # torchrun is what a multi-process `accelerate launch` starts.
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", count,
                  str(repo / "training" / "run.py")]  # fmt: skip
        env = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        done = subprocess.run(
            [*launch, *words, "--out", str(tmp_path / count)], capture_output=True, text=True, env=env, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        metrics = json.loads((tmp_path / count / "metrics.json").read_text())
        assert metrics["cost"]["processes"] == int(count)
        found.append([metrics["evaluations"][0], metrics["stages"][0]["epochs"][0]["dev_weighted_f1"]])
    assert found[0] == found[1]
