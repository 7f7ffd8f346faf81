"""Which attempt is next: new jobs in order, and those that have rested; and the prompt of each.

Input: recipe, options, the jobs that are open. Output: `Item`, `Prompt`. A job that must wait (its request was refused,
or failed) rests here and holds no place at the server. Not covered: sending (`worker`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from erc_synth.generation.prompts import Prompt, build, seed_of, wanted_emotion
from erc_synth.generation.recipe import Recipe
from erc_synth.generation.runs.options import Options
from erc_synth.generation.runs.tally import Tally


@dataclass(slots=True)
class Item:
    """One job at one of its attempts."""

    index: int
    attempt: int
    tries: int = 0  # requests of this attempt that brought no answer
    faults: int = 0  # of them, those that may be the request's own fault


class Plan:
    """The open jobs of a run, drawn lazily, so memory is flat."""

    def __init__(self, jobs: Iterator[Item], most_resting: int) -> None:
        self._jobs = jobs
        self._ready: deque[Item] = deque()  # have rested
        self._most_resting = most_resting
        self._drawn_out = False
        self.resting = 0

    def take(self) -> Item | None:
        """The next item; `None` when all that is left is out or resting."""
        if self._ready:
            return self._ready.popleft()
        if self._drawn_out or self.resting >= self._most_resting:  # a server that refuses all must not get all jobs
            return None
        item = next(self._jobs, None)
        self._drawn_out = item is None
        return item

    def back(self, item: Item) -> None:
        """Ready at once."""
        self._ready.append(item)

    def rested(self, item: Item) -> None:
        """Its rest is over."""
        self.resting -= 1
        self._ready.append(item)

    @property
    def waits(self) -> bool:
        """True when something is ready or resting."""
        return bool(self._ready or self.resting)


class Prompts:
    """The prompt of each attempt; an adaptive recipe asks for what is rarest so far."""

    def __init__(self, recipe: Recipe, options: Options, tally: Tally) -> None:
        self._recipe, self._options, self._tally = recipe, options, tally
        self._fingerprint = recipe.fingerprint
        self._asked: Counter[str | None] = Counter()  # emotions asked for and not yet answered

    def of(self, item: Item) -> Prompt:
        """Same item, same seed; call `answered` when it came back."""
        recipe, options = self._recipe, self._options
        emotion = wanted_emotion(recipe, item.index)
        if recipe.balanced and recipe.balance == "adaptive":
            # Those in flight count too: a burst of requests must not all ask for the same emotion.
            emotion = min(recipe.labels.labels, key=lambda label: self._tally.labels[label] + self._asked[label])
        self._asked[emotion] += 1
        seed = seed_of(options.run_seed, self._fingerprint, item.index, item.attempt)
        return build(
            recipe,
            seed=seed,
            emotion=emotion,
            few_shot=options.few_shot,
            constrain=options.constrain,
            turns=options.turns,
        )

    def answered(self, prompt: Prompt) -> None:
        """The prompt is no longer out."""
        self._asked[prompt.emotion] -= 1
