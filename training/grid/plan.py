"""What a grid trains: classifiers, benchmarks, variants and seeds become trainings, each with three test sets.

Input: names. Output: `Training`s with the words of `erc-synth train`. A variant is a way to train: org (the
benchmark), nat and bal (pretrained on a synthetic set, then fine-tuned), tstr-nat and tstr-bal (the synthetic set
alone), leave-out (the plan's other benchmarks). Not covered: running them (`launchers`), their files (`cells`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from erc_synth.loaders.errors import ErcSynthError

VARIANTS = ("org", "nat", "bal", "tstr-nat", "tstr-bal", "leave-out")
TEST_SETS = ("org", "nat", "bal")
KINDS = {"nat": "natural", "bal": "balanced"}
JOINING_MAP = "core4"  # of leave-out: covers the paper's three benchmarks, with the highest human agreement
# Where things are and how the work is cut changes no score.
LOCAL_FLAGS = frozenset({"--data-dir", "--accumulate", "--save-steps"})
SWITCHES = frozenset({"--overwrite"})  # flags without a value that change no score


@dataclass(frozen=True, slots=True)
class Training:
    """One final model: what it trains on and the three test sets that it is scored on."""

    model: str
    benchmark: str
    variant: str
    seed: int
    repo: str
    others: tuple[str, ...] = ()  # the benchmarks that leave-out trains on

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return f"{self.model}-{self.benchmark}-{self.variant}-s{self.seed}"

    @property
    def recipe(self) -> str:
        """Recipe of the run, as metrics.json names it."""
        if len(self.stages) > 1:
            return "pretrain-finetune"
        return "tstr" if self.variant.startswith("tstr") else "scratch"

    @property
    def stages(self) -> tuple[str, ...]:
        """Data sets that it trains on, one after the other."""
        if self.variant == "org":
            return (self.benchmark,)
        if self.variant == "leave-out":
            return self.others
        synthetic = self.synthetic(self.variant.removeprefix("tstr-"))
        return (synthetic,) if self.variant.startswith("tstr-") else (synthetic, self.benchmark)

    @property
    def first_stage(self) -> str | None:
        """Name of the TSTR run that is the same as the first of two stages."""
        return f"{self.model}-{self.benchmark}-tstr-{self.variant}-s{self.seed}" if self.variant in KINDS else None

    def synthetic(self, kind: str) -> str:
        """Name of the synthetic sibling of the benchmark: ``nat`` or ``bal``."""
        return f"{self.repo}:{self.benchmark}_{KINDS[kind]}"

    def test_name(self, test_set: str) -> str:
        """Data set name of a test set."""
        return self.benchmark if test_set == "org" else self.synthetic(test_set)

    def words(self) -> list[str]:
        """Flags of `erc-synth train`."""
        tests = [self.test_name(test_set) for test_set in TEST_SETS]
        finetune = ["--finetune", self.stages[1]] if len(self.stages) > 1 else []
        # MELD and EmoryNLP share scenes: what the left-out test holds must not be trained on.
        joined = ["--label-map", JOINING_MAP, "--drop-leaks"] if self.variant == "leave-out" else []
        train = ["--train", self.stages[0], *finetune, *joined]
        return ["--model", self.model, *train, "--eval", *tests, "--seed", str(self.seed)]

    def cell(self, test_set: str) -> str:
        """File name of a cell."""
        return f"{self.name}-on-{test_set}.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which models to train; `extra` are flags handed to every training."""

    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    repo: str
    extra: tuple[str, ...] = ()

    def trainings(self) -> list[Training]:
        """Distinct trainings in table order.

        Raises:
            ErcSynthError: Nothing to train, an unknown variant, or nothing to leave out.
        """
        for name in ("models", "benchmarks", "variants", "seeds"):
            if not getattr(self, name):
                raise ErcSynthError(f"--{name} names nothing.", hint="Give one or more, or leave the flag out.")
        unknown = [variant for variant in self.variants if variant not in VARIANTS]
        if unknown:
            raise ErcSynthError(f"Unknown variant {unknown[0]!r}.", hint=f"Known: {', '.join(VARIANTS)}.")
        if "leave-out" in self.variants and not 2 <= len(set(self.benchmarks)) <= 3:
            raise ErcSynthError(
                f"leave-out trains on one or two other benchmarks; the plan has {len(set(self.benchmarks))}.",
                hint="Give two or three names to --benchmarks.",
            )
        chosen = product(self.models, self.benchmarks, self.variants, self.seeds)
        return list(dict.fromkeys(self._training(*words) for words in chosen))

    def data(self) -> list[str]:
        """Names of all data sets that some training reads, in order of need."""
        return list(
            dict.fromkeys(
                name for t in self.trainings() for name in (*t.stages, *(t.test_name(test) for test in TEST_SETS))
            )
        )

    def settings(self, training: Training) -> list[str]:
        """The words that decide a cell's score. Where the repo lies does not: its data is told by fingerprints."""
        words = [word.removeprefix(f"{self.repo}:") for word in (*training.words(), *self.extra)]
        local = {i for i, word in enumerate(words) if word in LOCAL_FLAGS}
        kept = [word for i, word in enumerate(words) if i not in local and i - 1 not in local]
        return [word for word in kept if word not in SWITCHES]

    def _training(self, model: str, benchmark: str, variant: str, seed: int) -> Training:
        others = tuple(b for b in dict.fromkeys(self.benchmarks) if b != benchmark) if variant == "leave-out" else ()
        return Training(model, benchmark, variant, seed, self.repo, others)
