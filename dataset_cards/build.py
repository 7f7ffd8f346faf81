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

from erc_synth.dataset_cards.card import write_card
from erc_synth.dataset_cards.facts import collect
from erc_synth.dataset_cards.folder import check_replaceable, mark, recover, swap
from erc_synth.dataset_cards.lint import CONFIG, VERSION, problems
from erc_synth.dataset_cards.parquet import ConfigData, write_config, yaml_features
from erc_synth.loaders.errors import ErcSynthError


@dataclass(frozen=True, slots=True)
class Plan:
    """What is built from what; `repo_id` and `version` are what the card's examples say."""

    curated: Path
    runs: Path
    out: Path
    repo_id: str = "org/erc-synth"
    version: str = "1.0.0"
    data_dir: Path | None = None


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
    plan.out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{plan.out.name}-", dir=plan.out.parent))
    try:
        written = [write_config(plan.curated / f"{c.name}.jsonl", c.labels, fresh) for c in facts.configs]
        yaml_of = {c.name: yaml_features(c.labels) for c in facts.configs}
        write_card(facts, written, yaml_of, fresh, repo_id=plan.repo_id, version=plan.version)
        found = problems(fresh)
        if found:
            raise ErcSynthError(f"The built folder is not publishable: {found[0]}", exit_code=4)
        fresh.chmod(0o755)
        mark(fresh, repo_id=plan.repo_id, version=plan.version)
        swap(fresh, plan.out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)  # ours: made in this call
    return written


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
        if not CONFIG.fullmatch(name):
            raise ErcSynthError(
                f"The config name {name!r} cannot be loaded from the Hub.",
                hint="Use lower-case letters, digits, _ and -, as in meld_balanced: rename the recipe.",
            )
