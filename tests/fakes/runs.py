"""A run folder as `generate` leaves it, with given dialogues as the model's answers."""

import json
from pathlib import Path

from erc_synth.generation.recipe import load_recipe
from erc_synth.loaders.schema import Dialogue
from fakes import manifests


def write_run(folder: Path, recipe_name: str, dialogues: list[Dialogue]) -> Path:
    recipe = load_recipe(recipe_name)
    records = [manifests.run_record(recipe)]
    for index, dialogue in enumerate(dialogues):
        text = "\n".join(recipe.format.line(u.speaker, u.text, u.emotion) for u in dialogue.utterances)
        records.append(manifests.attempt_record(index, text, emotion=dialogue.target_emotion))
    run = folder / recipe_name
    run.mkdir(parents=True)
    (run / "journal.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return run
