"""A run's folder read again: its recipe, its dialogues, its counts, and the manifest made of them.

Input: `runs/<recipe>/journal.jsonl`. Output: values; `manifest.json` (contract in CONTRIBUTING.md).
Not covered: writing the journal (`journal`, `run`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import cast

from erc_synth.generation.parsing import Parsed, parse
from erc_synth.generation.prompts import sentences, shown_examples
from erc_synth.generation.recipe import Profile, Recipe, load_profile, recipe_from_text
from erc_synth.generation.runs.journal import read_records
from erc_synth.generation.serving.session import Identity
from erc_synth.loaders.contracts import Asked, Counts, Licence, Manifest, Model, RunRecord, Server, Totals
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_json
from erc_synth.loaders.schema import Dialogue


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a run as its manifest needs it: who answered, what was asked, how many jobs, since when."""

    identity: Identity
    asked: Asked
    jobs: int
    started: datetime


def write_manifest(folder: Path, recipe: Recipe, profile: Profile, session: Session) -> Path:
    """Facts of all sessions of a run, counted from the journal itself; what was asked is the last session's."""
    identity, server = session.identity, session.asked["server"]
    manifest: Manifest = {
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
            "examples": _examples(recipe) if session.asked["few_shot"] else [],
        },
        "model": {
            "profile": profile.name,
            "id": written_by(profile, server),
            "revision": identity.model_sha or None,
            "weights_sha256": identity.weights_sha256 or None,
            "template": session.asked["template"],
            # Another model than the profile's (--any-model) does not come under the profile's licence.
            "licence": cast(Licence, (profile if _is_of(profile, server) else load_profile("server")).licence),
        },
        **session.asked,
        **journal_counts(folder / "journal.jsonl", session.jobs),
        "started": session.started.isoformat(),
        "finished": datetime.now(UTC).isoformat(),
        "erc_synth": version("erc-synth"),
    }
    path = folder / "manifest.json"
    write_json(path, manifest)
    return path


def _examples(recipe: Recipe) -> list[list[list[str]]]:
    """The few-shot dialogues that jobs draw from, with the first names of the cast: [speaker, text, label]."""
    names = recipe.format.names
    return [[[names[place], text, label] for place, text, label in dialogue] for dialogue in shown_examples(recipe)]


def _is_of(profile: Profile, server: Server) -> bool:
    """True when what was served is the profile's model: by its weights where both are known, else by its name."""
    weights = server.get("weights_sha256")
    if weights and profile.sha256:
        return bool(weights == profile.sha256)
    return profile.serves(str(server.get("model_id") or ""))


def written_by(profile: Profile, server: Server) -> str:
    """Who wrote the text: the profile's id, or what the server says when that is another model."""
    served = str(server.get("model_id") or "")
    return profile.id if _is_of(profile, server) and profile.id else profile.generator(served)


def _model(record: RunRecord) -> Model:
    """The model of one session, from its run record."""
    server = record.get("server") or {}
    try:
        name = written_by(load_profile(record["profile"]), server)
    except ErcSynthError:  # a profile of another version
        name = str(server.get("model_id") or record["profile"])
    return {
        "id": name,
        "revision": server.get("model_sha") or None,
        "weights_sha256": server.get("weights_sha256") or None,
        "server": f"{server.get('dialect', '')} {server.get('version', '')}".strip(),
    }


def journal_counts(path: Path, jobs: int) -> Totals:
    """`models`, `counts`, `label_counts` and `seconds` (summed over requests) of a whole journal.

    Args:
        path: The journal.
        jobs: Asked for in this session; an earlier one may have asked for more, and its dialogues count too.
    """
    models: list[Model] = []
    outcomes = {"accepted": Counter[str](), "rejected": Counter[str](), "error": Counter[str]()}
    labels: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    seconds, accepted = 0.0, set()
    for record in read_records(path):
        if record["type"] == "run":
            if (model := _model(record)) not in models:
                models.append(model)
            continue
        seconds += record.get("seconds", 0.0)
        sums.update({key: record.get(key) or 0 for key in ("prompt_tokens", "completion_tokens")})
        outcomes[record["outcome"]][record.get("reason") or record.get("error") or ""] += 1
        jobs = max(jobs, record["index"] + 1)
        if record["outcome"] == "accepted" and record["index"] not in accepted:
            accepted.add(record["index"])
            labels.update(record["labels"])
    counts: Counts = {
        "jobs": jobs,
        "attempts": sum(outcome.total() for outcome in outcomes.values()),
        "accepted": len(accepted),
        "rejected": dict(outcomes["rejected"]),
        "errors": dict(outcomes["error"]),
        "prompt_tokens": sums["prompt_tokens"],
        "completion_tokens": sums["completion_tokens"],
    }
    return {"models": models, "counts": counts, "label_counts": dict(labels), "seconds": round(seconds, 1)}


def recipe_of(run_dir: Path) -> Recipe:
    """The recipe that a run was made with, from its journal."""
    path = run_dir / "journal.jsonl"
    if not path.exists():
        raise ErcSynthError(f"{run_dir} holds no journal.jsonl.", hint="Run `erc-synth generate` first.")
    header = next(iter(read_records(path)), None)
    if header is None or header["type"] != "run":
        raise ErcSynthError(f"{path} does not begin with a run record.", hint="Is it a journal of erc-synth?")
    return recipe_from_text(header["source"], f"{path}, line 1")


def accepted_dialogues(run_dir: Path) -> Iterator[Dialogue]:
    """Dialogues of a run, one per accepted job in job order, parsed anew from the raw text."""
    yield from sorted(
        accepted_as_written(run_dir), key=lambda dialogue: (len(dialogue.dialogue_id), dialogue.dialogue_id)
    )


def accepted_as_written(run_dir: Path) -> Iterator[Dialogue]:
    """As `accepted_dialogues`, in the order of the journal, one at a time: for runs that do not fit into memory."""
    recipe = recipe_of(run_dir)
    generator = ""
    done: set[int] = set()
    for record in read_records(run_dir / "journal.jsonl"):
        if record["type"] == "run":
            generator = _model(record)["id"]
            continue
        if record["outcome"] == "error" or record["index"] in done:
            continue
        parsed = parse(record["text"], recipe.format, cut=record.get("finish_reason") == "length")
        if isinstance(parsed, Parsed):
            done.add(record["index"])
            yield Dialogue(
                f"{recipe.name}-{record['index']:06d}",
                parsed.utterances,
                seed=record["seed"],
                target_emotion=record["emotion"],
                recipe=recipe.name,
                generator=generator,
            )
