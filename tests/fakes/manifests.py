"""What generation and curation say of an invented config, whole, as the contracts have it."""

from erc_synth.generation.recipe import load_recipe
from erc_synth.loaders.errors import ErcSynthError

MODEL = "lmsys/vicuna-13b-v1.5"
LICENCE = {"id": "llama2", "name": "Llama 2 Community License", "link": "https://example.org/l", "note": "Terms apply."}
STAMP = "2026-01-02T03:04:05+00:00"
SERVER = {
    "dialect": "tgi", "model_id": MODEL, "model_sha": "abc", "dtype": "float16", "version": "3.3.7",
    "max_concurrent": 128, "max_total_tokens": 4096, "weights_sha256": "", "extra": {},
}  # fmt: skip
ASKED = {
    "fingerprint": "f00d", "template": "vicuna", "server": SERVER, "sampling_sent": {"top_p": 0.95},
    "dropped_parameters": [], "few_shot": 0, "constrained": False, "run_seed": 0,
}  # fmt: skip


def run_record(recipe, **more):
    """First line of a journal."""
    return {
        "type": "run", "recipe": recipe.name, "source": recipe.source, "profile": "vicuna-1.5", **ASKED,
        "sampling": recipe.sampling, "turns": None, "started": STAMP, "erc_synth": "0.1.0", **more,
    }  # fmt: skip


def attempt_record(index, text, **more):
    """One answer that was accepted."""
    return {
        "type": "attempt", "index": index, "attempt": 0, "outcome": "accepted", "seed": index, "emotion": None,
        "try": 0, "endpoint": "http://127.0.0.1:1", "prompt_hash": "h", "sent": STAMP, "seconds": 1.0,
        "finish_reason": "stop", "prompt_tokens": 90, "completion_tokens": 200, "server_seed": index, "labels": {},
        **more, "text": text,
    }  # fmt: skip


def manifest(config, accepted, *, rejected=2, licence=LICENCE, **recipe_facts):
    """manifest.json of a run; `recipe_facts` replace those of the shipped recipe (a config of no recipe needs them)."""
    return {
        "schema_version": 1,
        "recipe": {**_recipe(config), **recipe_facts},
        "model": {"profile": "vicuna-1.5", "id": MODEL, "revision": "abc", "weights_sha256": None,
                  "template": "vicuna", "licence": licence},
        **ASKED,
        "models": [{"id": MODEL, "revision": "abc", "weights_sha256": None, "server": "tgi 3.3.7"}],
        "counts": {"jobs": accepted + rejected, "attempts": accepted + rejected, "accepted": accepted,
                   "rejected": {"no_turns": rejected}, "errors": {}, "prompt_tokens": 90, "completion_tokens": 200},
        "label_counts": {}, "seconds": 60.0, "started": STAMP, "finished": STAMP, "erc_synth": "0.1.0",
    }  # fmt: skip


def _recipe(config):
    try:
        recipe = load_recipe(config)
    except ErcSynthError:  # an invented one
        return {"name": config, "kind": "natural", "language": "en", "balance": "round-robin", "fingerprint": "f",
                "prompt": ["One.", "Two.", "Three."], "balanced_ending": None, "sampling": {}, "splits": {},
                "source": ""}  # fmt: skip
    return {
        "name": config, "label_set": recipe.label_set, "kind": recipe.kind, "language": "en",
        "balance": recipe.balance, "fingerprint": recipe.fingerprint, "prompt": ["One.", "Two.", "Three."],
        "balanced_ending": "that holds {emotion}" if recipe.balanced else None,
        "labels": dict(recipe.format.numbers), "sampling": recipe.sampling, "splits": recipe.splits,
        "source": recipe.source,
    }  # fmt: skip


def curation(config, splits, *, dropped, label_set=None, leaks=None, label_counts=None):
    """<config>.curation.json of splits {name: (dialogues, utterances)}."""
    sizes = {name: {"dialogues": d, "utterances": u} for name, (d, u) in splits.items()}
    kept = {key: sum(size[key] for size in sizes.values()) for key in ("dialogues", "utterances")}
    return {
        "schema_version": 1, "config": config, "recipe": config, "generator": MODEL,
        "generators": {MODEL: kept["dialogues"]}, "label_set": label_set, "seed": 0,
        "input": {"dialogues": kept["dialogues"] + sum(dropped.values()), "utterances": kept["utterances"]},
        "kept": kept, "dropped": dropped, "reported": {}, "splits": sizes, "label_counts": label_counts or {},
        "leaks": leaks or {}, "options": {},
    }  # fmt: skip
