"""Everything that the report shows, collected from what the stages left.

Input: `Inputs`; everything is optional, what is missing is said, nothing at all is refused. Output: `Content`.
Not covered: single parts (`data`, `tables`, `significance`, `runs`, `reading`, `findings`), pages (`page`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from erc_synth.stats.cells import Names
from erc_synth.stats.contracts import Analysis
from erc_synth.stats.errors import StatsError
from erc_synth.stats.report import data, provenance, significance, tables
from erc_synth.stats.report.cautions import cautions
from erc_synth.stats.report.figures import critical_difference
from erc_synth.stats.report.findings import Shown, findings
from erc_synth.stats.report.reading import dialogues_to_read
from erc_synth.stats.report.results import Results
from erc_synth.stats.report.runs import Run, read_runs
from erc_synth.stats.report.sheet import Sheet
from erc_synth.stats.report.sources import Inputs


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that the templates show."""

    cautions: Sequence[str]
    findings: Sequence[str]
    missing: Sequence[str]
    failed: Sequence[tables.Failure]
    sets: Sequence[data.SyntheticSet]
    data: Sheet | None
    quality: Sheet | None
    table2: Sheet | None
    paired: Sheet | None
    classes: Sequence[Sheet]
    stats: Analysis | None
    tests: Sequence[Sheet]  # Table 3, and where the test sets are large enough comparisons and second opinions
    omnibus: str
    tstr: Sheet | None
    leave_out: Sheet | None
    reading: Sequence[Sheet]
    runs: dict[str, list[Run]]
    figures: dict[str, str]
    provenance: Sequence[tuple[str, list[str]]]
    record: str

    def sheets(self) -> list[Sheet]:
        """The tables that are also files for a paper."""
        single = (self.data, self.quality, self.table2, self.paired, self.tstr, self.leave_out)
        return [sheet for sheet in (*single, *self.classes, *self.tests) if sheet]


def collect(inputs: Inputs, out: Path, *, command: Sequence[str] = ()) -> Content:
    """Read all inputs and draw the figures.

    Raises:
        StatsError: There is nothing to report, or a file is broken.
    """
    results = Results(inputs.results) if inputs.results else None
    names = results.names if results else Names(())
    sets, runs = data.read_sets(inputs, names), read_runs(inputs, names, out)
    stats = significance.read_analysis(inputs.stats) if inputs.stats and inputs.stats.exists() else None
    quality = data.quality_sheet(inputs, names)
    there = {
        "curated data": bool(sets) or quality is not None,
        "grid cells (erc-synth grid)": bool(results and results.all),
        "training runs": bool(runs),
        "statistics (erc-synth stats ... --out stats.json)": stats is not None,
    }
    if not any(there.values()):
        raise StatsError("There is nothing to report.", hint=_looked_at(inputs))
    every_run = list(chain.from_iterable(runs.values()))
    gaps, behind = (tables.paired(results), tables.tstr(results)) if results else ([], [])
    failed = tables.failures(results, out) if results else []
    box = provenance.box(command, every_run, sets)
    return Content(
        cautions=cautions(every_run, sets, results, stats),
        findings=findings(Shown(stats, gaps, behind, sets, failed)),
        missing=[what for what, is_there in there.items() if not is_there],
        failed=failed,
        sets=sets,
        data=data.sets_sheet(sets),
        quality=quality,
        table2=tables.table2(results) if results else None,
        paired=tables.paired_sheet(gaps),
        classes=tables.classes(results) if results else [],
        stats=stats,
        tests=_tests(stats, results),
        omnibus=significance.omnibus_sentence(stats) if stats and _ranked(stats) else "",
        tstr=tables.tstr_sheet(results) if results else None,
        leave_out=tables.leave_out(results) if results else None,
        reading=dialogues_to_read(results, inputs) if results else [],
        runs=runs,
        figures=_figures(sets, every_run, stats),
        provenance=box,
        record=provenance.record(box, every_run, sets),
    )


def _looked_at(inputs: Inputs) -> str:
    paths = (inputs.results, inputs.outputs, inputs.curated, inputs.runs, inputs.stats)
    return f"Looked at {', '.join(str(path) for path in paths if path)}; --results and the like name other places."


def _ranked(stats: Analysis) -> bool:
    return not significance.small_blocks(stats)


def _tests(stats: Analysis | None, results: Results | None) -> list[Sheet]:
    if stats is None:
        return []
    sheets = [significance.table3(stats, results)]
    return [*sheets, significance.comparisons(stats), significance.opinions(stats)] if _ranked(stats) else sheets


def _figures(sets: Sequence[data.SyntheticSet], runs: Sequence[Run], stats: Analysis | None) -> dict[str, str]:
    found = {f"labels-{one.name}": one.figure() for one in sets}
    found |= {f"learning-{run.name}": run.figure for run in runs if run.figure}
    if stats and _ranked(stats):
        distance = stats["nemenyi_critical_difference"]
        found["critical_difference"] = critical_difference(stats["models"], stats["mean_ranks"], distance)
    return found
