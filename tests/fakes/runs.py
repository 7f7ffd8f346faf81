"""A run folder as `generate` leaves it, with given dialogues as the model's answers."""

import json
from pathlib import Path

from erc_synth.generation.recipe import load_recipe
from erc_synth.loaders.schema import Dialogue


def write_run(folder: Path, recipe_name: str, dialogues: list[Dialogue]) -> Path:
    recipe = load_recipe(recipe_name)
    header = {"type": "run", "recipe": recipe.name, "source": recipe.source, "server": {}, "profile": "vicuna-1.5"}
    records = [header]
    for index, dialogue in enumerate(dialogues):
        text = "\n".join(recipe.format.line(u.speaker, u.text, u.emotion) for u in dialogue.utterances)
        records.append(
            {"type": "attempt", "index": index, "attempt": 0, "outcome": "accepted", "text": text, "seed": index,
             "emotion": dialogue.target_emotion, "finish_reason": "stop"}
        )  # fmt: skip
    run = folder / recipe_name
    run.mkdir(parents=True)
    (run / "journal.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return run
