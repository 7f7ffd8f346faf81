"""Invented curated folders and manifests by the contract, for the stages after curation."""

import json
from pathlib import Path

from erc_synth.generation.recipe import load_recipe
from erc_synth.loaders.schema import Dialogue, Utterance
from fakes import manifests
from fakes.manifests import LICENCE

CONFIGS = tuple(f"{b}_{k}" for b in ("meld", "emorynlp", "iemocap") for k in ("natural", "balanced"))


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
        dialogues = dialogues_of(config, count, text)
        splits = ["train"] * (count - 2) + ["validation", "test"]
        lines = [json.dumps({**d.to_json(), "split": s}) for d, s in zip(dialogues, splits, strict=True)]
        (curated / f"{config}.jsonl").write_text("\n".join(lines) + "\n")
        leak = {"checked": True, "exact": 1, "ngram8": 2, "near_duplicate": 0, "dropped": 1}
        sizes = {s: (splits.count(s), 4 * splits.count(s)) for s in ("train", "validation", "test")}
        curation = manifests.curation(
            config, sizes, dropped={"leak": 1},
            leaks={"meld/test": leak, "iemocap/test": {**leak, "checked": False}},
        )  # fmt: skip
        (curated / f"{config}.curation.json").write_text(json.dumps(curation))
        manifest = manifests.manifest(config, count, licence=licence)
        (runs / config).mkdir(parents=True, exist_ok=True)
        (runs / config / "manifest.json").write_text(json.dumps(manifest))
    return curated, runs
