"""A run's folder read again: its recipe, its dialogues, its counts, and the manifest made of them.

Input: `runs/<recipe>/journal.jsonl`. Output: values; `manifest.json` (contract in CONTRIBUTING.md).
Not covered: writing the journal (`journal`, `runner`).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from erc_synth.generation.parsing import Parsed, parse
from erc_synth.generation.prompts import sentences
from erc_synth.generation.recipe import Profile, Recipe, load_profile, recipe_from_text
from erc_synth.generation.runs.journal import read_attempts, read_records
from erc_synth.generation.serving.transport import Identity
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_json
from erc_synth.loaders.schema import Dialogue


def write_manifest(
    folder: Path,
    recipe: Recipe,
    profile: Profile,
    identity: Identity,
    asked: Mapping[str, Any],
    *,
    jobs: int,
    started: datetime,
) -> Path:
    """Facts of all sessions of a run, counted from the journal itself; `asked` is what this session asked for."""
    manifest = {
        "schema_version": 1,
        "recipe": {
            "name": recipe.name,
            "label_set": recipe.label_set,
            "kind": recipe.kind,
            "language": recipe.language,
            "balance": recipe.balance,
            "fingerprint": recipe.fingerprint,
            "prompt": list(sentences(recipe, None)),
            "balanced_ending": recipe.prompt["balanced_ending"] if recipe.balanced else None,
            "labels": dict(recipe.format.numbers),
            "sampling": recipe.sampling,
            "splits": recipe.splits,
            "source": recipe.source,
        },
        "model": {
            "profile": profile.name,
            "id": profile.generator(identity.model_id),
            "revision": identity.model_sha or None,
            "template": profile.template if identity.dialect == "tgi" else "the server's own",
            # Another model than the profile's (--any-model) does not come under the profile's licence.
            "licence": (profile if profile.serves(identity.model_id) else load_profile("server")).licence,
        },
        "server": identity.to_json(),
        **asked,
        **journal_counts(folder / "journal.jsonl", jobs),
        "started": started.isoformat(),
        "finished": datetime.now(UTC).isoformat(),
        "erc_synth": version("erc-synth"),
    }
    path = folder / "manifest.json"
    write_json(path, manifest)
    return path


def journal_counts(path: Path, jobs: int) -> dict[str, Any]:
    """`counts`, `label_counts` and `seconds` (summed over requests) of a whole journal."""
    rejected: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    attempts, seconds, prompt_tokens, completion_tokens = 0, 0.0, 0, 0
    accepted: set[int] = set()
    for record in read_attempts(path):
        attempts += 1
        seconds += record.get("seconds", 0.0)
        prompt_tokens += record.get("prompt_tokens", 0)
        completion_tokens += record.get("completion_tokens", 0)
        if record["outcome"] == "accepted":
            accepted.add(record["index"])
            labels.update(record["labels"])
        elif record["outcome"] == "rejected":
            rejected[record["reason"]] += 1
        else:
            errors[record["error"]] += 1
    counts = {
        "jobs": jobs, "attempts": attempts, "accepted": len(accepted), "rejected": dict(rejected),
        "errors": dict(errors), "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
    }  # fmt: skip
    return {"counts": counts, "label_counts": dict(labels), "seconds": round(seconds, 1)}


def recipe_of(run_dir: Path) -> Recipe:
    """The recipe that a run was made with, from its journal."""
    path = run_dir / "journal.jsonl"
    if not path.exists():
        raise ErcSynthError(f"{run_dir} holds no journal.jsonl.", hint="Run `erc-synth generate` first.")
    header = next(iter(read_records(path)), None)
    if header is None or header.get("type") != "run":
        raise ErcSynthError(f"{path} does not begin with a run record.", hint="Is it a journal of erc-synth?")
    return recipe_from_text(header["source"], f"{path}, line 1")


def accepted_dialogues(run_dir: Path) -> Iterator[Dialogue]:
    """Dialogues of a run, one per accepted job in job order, parsed anew from the raw text."""
    recipe = recipe_of(run_dir)
    generator = ""
    best: dict[int, Dialogue] = {}
    for record in read_records(run_dir / "journal.jsonl"):
        if record["type"] == "run":
            served = str(record["server"].get("model_id") or "")  # empty: the server does not say
            generator = served or record["profile"]
            with contextlib.suppress(ErcSynthError):  # a profile of another version
                generator = load_profile(record["profile"]).generator(served)
            continue
        if record["outcome"] == "error" or record["index"] in best:
            continue
        parsed = parse(record["text"], recipe.format, cut=record.get("finish_reason") == "length")
        if isinstance(parsed, Parsed):
            index = record["index"]
            best[index] = Dialogue(
                f"{recipe.name}-{index:06d}", parsed.utterances, seed=record["seed"],
                target_emotion=record["emotion"], recipe=recipe.name, generator=generator,
            )  # fmt: skip
    for index in sorted(best):
        yield best[index]
