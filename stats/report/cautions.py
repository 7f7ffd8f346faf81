"""What a reader must know before believing the numbers: cut splits, small sets, models that say one thing only.

Input: runs, sets, statistics. Output: sentences for the banner; none where nothing is wrong.
Not covered: what the numbers say (`findings`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from erc_synth.stats.cells import SMALL_TEST
from erc_synth.stats.contracts import Analysis
from erc_synth.stats.report.data import SyntheticSet
from erc_synth.stats.report.results import Results
from erc_synth.stats.report.runs import Run
from erc_synth.stats.report.significance import small_blocks

SMALL_SET = 100  # dialogues


def cautions(
    runs: Iterable[Run], sets: Sequence[SyntheticSet], results: Results | None, stats: Analysis | None
) -> list[str]:
    """All sentences, the worst first."""
    runs = list(runs)
    return [
        *_cuts(runs),
        *_small_tests(results, stats),
        *_single_classes(runs),
        *_small_sets(sets),
        *(note for note in (stats["notes"] if stats else []) if note.startswith(("Unequal", "Left out"))),
    ]


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _cuts(runs: Sequence[Run]) -> list[str]:
    cut = [run for run in runs if run.cuts()]
    if not cut:
        return []
    sizes: dict[str, set[int]] = {}
    for run in cut:
        for split, size in run.cuts().items():
            sizes.setdefault(split, set()).add(size)
    parts = [f"the first {' or '.join(map(str, sorted(some)))} dialogues of {split}" for split, some in sizes.items()]
    return [
        f"Splits were cut in {len(cut)} of {len(runs)} runs: {' and '.join(parts)}. These numbers are not results on "
        "the benchmarks."
    ]


def _small_tests(results: Results | None, stats: Analysis | None) -> list[str]:
    sizes = dict(small_blocks(stats)) if stats else {}
    for place in results.places() if results else ():
        n = min(int(cell.get("examples") or SMALL_TEST) for cell in results.cells(place)) if results else SMALL_TEST
        if n < SMALL_TEST and results:
            sizes[f"{results.names.benchmark(place.benchmark)}/{results.names.variant(place.test_set)}"] = n
    if not sizes:
        return []
    named = _listed([f"{block} ({n})" for block, n in sizes.items()])
    ranks = " No ranks and p-values are given where they take part." if stats and small_blocks(stats) else ""
    return [f"Test sets of fewer than {SMALL_TEST} utterances: {named}.{ranks}"]


def _single_classes(runs: Sequence[Run]) -> list[str]:
    found = [f"{run.name} on {where}" for run in runs for where in run.single_classes()]
    if not found:
        return []
    tests = sum(len(run.metrics["evaluations"]) for run in runs)
    return [f"One class only is predicted in {len(found)} of {tests} evaluations: {_listed(found)}."]


def _small_sets(sets: Sequence[SyntheticSet]) -> list[str]:
    small = [f"{one.name} ({n})" for one in sets if (n := one.curation["kept"]["dialogues"]) < SMALL_SET]
    return [f"Synthetic sets of fewer than {SMALL_SET} dialogues: {_listed(small, 6)}."] if small else []
