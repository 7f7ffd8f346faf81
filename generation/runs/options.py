"""How a recipe is run, and what of it makes two runs the same.

Input: values of the command line, a profile, a recipe. Output: `Options`, fingerprints. How the work is cut
(shards, concurrency, time-outs, patience, number of dialogues) is no part of a run's identity; what writes is.
Not covered: running (`run`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from erc_synth.generation.recipe import Profile, Recipe, checked_sampling
from erc_synth.generation.runs.shards import WHOLE, Shard
from erc_synth.generation.serving.session import Identity
from erc_synth.loaders.errors import ErcSynthError

RESUME = ("auto", "always", "never")


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a recipe; what shapes the text is part of the run's fingerprint."""

    profile: Profile
    sampling: dict[str, float]
    run_seed: int = 0
    dialogues: int = 1
    few_shot: int = 0
    constrain: bool = False
    turns: tuple[int, int] | None = None
    concurrency: int = 128
    resume: str = "auto"
    strict_sampling: bool = False
    any_model: bool = False
    timeout: float = 600.0
    patience: float = 600.0
    parse_floor: float = 0.0
    shard: Shard = WHOLE

    def fingerprint(self, recipe: Recipe, identity: Identity, template: str) -> str:
        """Recipe fingerprint, what else shapes a dialogue, and who writes it."""
        shape = [
            recipe.fingerprint,
            self.profile.name,
            sorted(self.sampling.items()),
            self.run_seed,
            self.few_shot,
            self.constrain,
            self.turns,
        ]
        writer = [*identity.model, identity.dialect, identity.version, template]
        return hashlib.sha256(json.dumps([shape, writer]).encode()).hexdigest()[:16]


def with_profile_defaults(options: Options, recipe: Recipe, **flags: float | None) -> Options:
    """Sampling by precedence: recipe < profile < flag (a flag of `None` is not given)."""
    given = {name: value for name, value in flags.items() if value is not None}
    sampling = checked_sampling({**recipe.sampling, **options.profile.sampling, **given}, "sampling")
    if options.turns and not 2 <= options.turns[0] <= options.turns[1]:
        raise ErcSynthError(
            f"--turns {options.turns[0]} {options.turns[1]} is no range.", hint="Give least and most, from 2."
        )
    return replace(options, sampling=sampling)
