"""The model card: everything from metrics.json, nothing that a name can break."""

import markdown_it
import pytest
import yaml

from erc_synth.training.model_card import render

LABELS = ["anger", "joy"]


def metrics(name="run"):
    entry = {
        "dataset": "org/erc-synth", "config": "meld_balanced", "split": "test", "examples": 5, "labels": LABELS,
        "weighted_f1": 0.5, "macro_f1": 0.4, "micro_f1": 0.6, "confusion": [[2, 1], [1, 1]],
        "per_class": {label: {"precision": 0.1, "recall": 0.2, "f1": 0.3, "support": 3} for label in LABELS},
    }  # fmt: skip
    stage = {"name": "train", "dataset": "meld", "config": None, "dialogues": 9, "fingerprint": "abc",
             "epochs": [1, 2], "best_epoch": 2}  # fmt: skip
    run = {"name": name, "model": "compm", "backbone": "minilm", "recipe": "tstr", "seed": 0, "config": {"seed": 0}}
    cost = {"seconds": 3.0, "tokens": 1000, "peak_memory_bytes": 10**9, "parameters": 22_000_000}
    return {"run": run, "stages": [stage], "evaluations": [entry], "cost": cost, "versions": {"torch": "2.13.0"}}


def test_each_class_has_its_scores_and_its_row_of_the_confusion_matrix():
    card = render(metrics())
    assert "| anger | 0.100 | 0.200 | 0.300 | 3 | 2 | 1 |" in card
    assert "| gold | precision | recall | F1 | support | → anger | → joy |" in card


def test_only_what_transformers_loads_is_claimed():
    claims = [yaml.safe_load(render(metrics(), example=e).split("---\n")[1]) for e in (None, "Ann: Hi")]
    assert [c.get("pipeline_tag") for c in claims] == [None, "text-classification"]
    assert [c["library_name"] for c in claims] == ["erc-synth", "transformers"]
    assert "from transformers import pipeline" not in render(metrics())


def test_an_absent_score_is_a_dash():
    assert "| 0.5000 | 0.4000 | 0.6000 | - |" in render(metrics())


def test_seed_zero_size_and_versions_are_told():
    card = render(metrics())
    assert "seed 0" in card
    assert "22,000,000 parameters" in card
    assert "torch 2.13.0" in card


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a | b", "# head", "[x](javascript:y)", "---", "`code`"])
def test_a_hostile_name_stays_text(name):
    card = render(metrics(name))
    front, body = card.split("---\n", 2)[1:]
    assert yaml.safe_load(front)["metrics"] == ["f1"]
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(body)
    headings = [tokens[i + 1] for i, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h1"]
    assert len(headings) == 1
    assert {child.type for child in headings[0].children} <= {"text", "text_special"}
    assert headings[0].content.replace("\\", "").replace("&lt;", "<") == name
