"""Curated files and manifests to a repo folder: written beside the old one, checked, then put in its place.

Input: `curated/`, `runs/`. Output: a folder with card, figures, Parquet files and a marker that lists them.
The old folder is kept until the new one is complete; a build killed between the two moves is made up for by the
next one (`folder`). Not covered: the Hub (`publish`), what the card says (`card`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from erc_synth.dataset_cards import proof
from erc_synth.dataset_cards.card import Release, write_card, write_sources
from erc_synth.dataset_cards.facts import collect
from erc_synth.dataset_cards.folder import check_replaceable, mark, read_marker, recover, swap
from erc_synth.dataset_cards.lint import VERSION, config_fault, problems
from erc_synth.dataset_cards.parquet import SHARD_BYTES, ConfigData, write_config
from erc_synth.loaders.errors import ErcSynthError


@dataclass(frozen=True, slots=True)
class Plan:
    """What is built from what.

    Attributes:
        repo_id: What the card's examples say; so does `version`.
        changes: What is new in this version; those of earlier builds in `out` are kept.
        shard_bytes: Size that no Parquet file exceeds, but by one group of rows.
        results: Cells of a grid, for the table of scores; `stats` is what `erc-synth stats` wrote of them.
    """

    curated: Path
    runs: Path
    out: Path
    repo_id: str = "org/erc-synth"
    version: str = "1.0.0"
    data_dir: Path | None = None
    changes: str = ""
    results: Path | None = None
    stats: Path | None = None
    shard_bytes: int = SHARD_BYTES


def build(plan: Plan) -> list[ConfigData]:
    """Build the repo folder; the configs in card order.

    Raises:
        ErcSynthError: A wrong version, repo id or config name, a folder in the way that the build did not write, bad
            curated files; exit code 4 when what was built may not be published. The old folder is then untouched.
    """
    _check_names(plan)
    recover(plan.out)
    check_replaceable(plan.out)
    facts = collect(plan.curated, plan.runs, plan.data_dir)
    _check_configs([config.name for config in facts.configs])
    scores = proof.read(plan.results, plan.stats) if plan.results else None
    changes = _changes(plan)
    plan.out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{plan.out.name}-", dir=plan.out.parent))
    try:
        written = [
            write_config(plan.curated / f"{c.name}.jsonl", c.labels, fresh, shard_bytes=plan.shard_bytes)
            for c in facts.configs
        ]
        release = Release(plan.repo_id, plan.version, changes, scores)
        write_sources(facts, fresh)
        write_card(facts, written, release, fresh)
        found = problems(fresh)
        if found:
            raise ErcSynthError(f"The built folder is not publishable: {found[0]}", exit_code=4)
        fresh.chmod(0o755)
        mark(fresh, repo_id=plan.repo_id, version=plan.version, changes=changes)
        swap(fresh, plan.out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)  # ours: made in this call
    return written


def _changes(plan: Plan) -> dict[str, str]:
    """Version -> what changed in it: those of the build that is replaced, then this one."""
    marker = read_marker(plan.out) if plan.out.exists() else None
    earlier = marker.get("changes", {}) if marker else {}
    said = plan.changes or earlier.get(plan.version, "")
    return {**{version: words for version, words in earlier.items() if version != plan.version}, plan.version: said}


def _check_names(plan: Plan) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    if not VERSION.fullmatch(plan.version):
        raise ErcSynthError(f"{plan.version!r} is no version.", hint="Use three numbers, as 1.0.0, without a v.")
    try:
        validate_repo_id(plan.repo_id)
    except HFValidationError as error:
        raise ErcSynthError(f"{plan.repo_id!r} is not a repo id.", hint="Use the form org/name.") from error
    if plan.repo_id.count("/") != 1:
        raise ErcSynthError(f"{plan.repo_id!r} is not a repo id.", hint="Use the form org/name.")


def _check_configs(names: Sequence[str]) -> None:
    for name in names:
        if fault := config_fault(name):
            raise ErcSynthError(fault, hint="Rename the recipe, for instance as meld_balanced.")
