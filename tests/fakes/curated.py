"""Invented curated folders and manifests by the contract, for the stages after curation."""

import json
from pathlib import Path

from erc_synth.generation.recipe import load_recipe
from erc_synth.loaders.schema import Dialogue, Utterance

CONFIGS = tuple(f"{b}_{k}" for b in ("meld", "emorynlp", "iemocap") for k in ("natural", "balanced"))
LICENCE = {"id": "llama2", "name": "Llama 2 Community License", "link": "https://example.org/l", "note": "Terms apply."}


def dialogues_of(config, count=10, text="The kite number {i} is up!"):
    """Invented dialogues that use every label in turn."""
    recipe = load_recipe(config)
    labels = recipe.labels.labels
    return [
        Dialogue(
            f"{config}-{i:06d}",
            tuple(
                Utterance(recipe.format.names[j % 2], text.format(i=10 * i + j), labels[(i + j) % len(labels)])
                for j in range(4)
            ),
            seed=i,
            target_emotion=labels[i % len(labels)] if recipe.balanced else None,
            recipe=config,
            generator="lmsys/vicuna-13b-v1.5",
        )
        for i in range(count)
    ]


def write_project(root: Path, configs=CONFIGS, count=10, text="The kite number {i} is up!", licence=LICENCE):
    """`runs/` and `curated/` below a folder; returns both."""
    curated, runs = root / "curated", root / "runs"
    curated.mkdir(parents=True, exist_ok=True)
    for config in configs:
        recipe = load_recipe(config)
        dialogues = dialogues_of(config, count, text)
        splits = ["train"] * (count - 2) + ["validation", "test"]
        lines = [json.dumps({**d.to_json(), "split": s}) for d, s in zip(dialogues, splits, strict=True)]
        (curated / f"{config}.jsonl").write_text("\n".join(lines) + "\n")
        leak = {"checked": True, "exact": 1, "ngram8": 2, "near_duplicate": 0, "dropped": 1}
        sizes = {
            s: {"dialogues": splits.count(s), "utterances": 4 * splits.count(s)}
            for s in ("train", "validation", "test")
        }
        curation = {
            "schema_version": 1, "config": config, "recipe": config, "generator": "lmsys/vicuna-13b-v1.5", "seed": 0,
            "input": {"dialogues": count + 1, "utterances": 4 * count + 4}, "kept": {"dialogues": count},
            "dropped": {"leak": 1}, "splits": sizes, "label_counts": {}, "options": {},
            "leaks": {"meld/test": leak, "iemocap/test": {**leak, "checked": False}},
        }  # fmt: skip
        (curated / f"{config}.curation.json").write_text(json.dumps(curation))
        manifest = {
            "schema_version": 1,
            "recipe": {
                "name": config, "label_set": recipe.label_set, "kind": recipe.kind, "language": "en",
                "fingerprint": recipe.fingerprint, "prompt": ["One.", "Two.", "Three."],
                "balanced_ending": "that holds {emotion}" if recipe.balanced else None,
                "labels": dict(recipe.format.numbers),
            },
            "model": {"profile": "vicuna-1.5", "id": "lmsys/vicuna-13b-v1.5", "revision": "abc", "template": "vicuna",
                      "licence": licence},
            "server": {"dialect": "tgi", "version": "3.3.7"},
            "sampling_sent": {"top_p": 0.95}, "dropped_parameters": [],
            "few_shot": 0, "constrained": False, "run_seed": 0,
            "counts": {"jobs": 12, "accepted": count, "rejected": {"no_turns": 2}, "errors": {}},
        }  # fmt: skip
        (runs / config).mkdir(parents=True, exist_ok=True)
        (runs / config / "manifest.json").write_text(json.dumps(manifest))
    return curated, runs
