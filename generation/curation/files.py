"""Curation on disk: run folders in, curated files out.

Input: `runs/<recipe>/journal.jsonl`. Output, each written whole or not at all:
`<config>.jsonl` (kept dialogues with their split), `<config>.dropped.jsonl` (the others, with reason and
detail), `<config>.curation.json` (counts). Nothing here changes a run folder.
Not covered: the judgement itself (`curation`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from erc_synth.generation.curation import curate as curation
from erc_synth.generation.curation.copies import Seen
from erc_synth.generation.curation.leaks import LeakIndex
from erc_synth.generation.curation.reasons import Limits
from erc_synth.generation.curation.splitting import Ratios
from erc_synth.loaders.contracts import Curation
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_json, write_whole
from erc_synth.loaders.schema import SPLITS, Dialogue, LabelSet


@dataclass(frozen=True, slots=True)
class Run:
    """What curation needs of a run folder; `splits` are the recipe's, `limits` its ``[curation]`` table.

    `dialogues` are read from the journal while they are asked for, once.
    """

    config: str
    language: str
    cast: tuple[str, ...]
    names: tuple[str, ...]
    labels: LabelSet
    prompt: tuple[str, ...]
    limits: Limits
    splits: Ratios
    adaptive: bool
    examples: frozenset[str]
    dialogues: Iterable[Dialogue]


def run_folders(paths: Iterable[Path]) -> list[Path]:
    """Run folders among the paths and right below them, sorted by name.

    Raises:
        ErcSynthError: A path has none.
    """
    found: list[Path] = []
    for path in paths:
        below = sorted(path.iterdir()) if path.is_dir() and not _is_run(path) else [path]
        folders = [folder for folder in below if _is_run(folder)]
        if not folders:
            raise ErcSynthError(f"No run was found at {path}.", hint="A run folder holds journal.jsonl.")
        found += folders
    return sorted({folder.resolve(): folder for folder in found}.values(), key=lambda folder: folder.name)


def _is_run(folder: Path) -> bool:
    return (folder / "journal.jsonl").is_file()


def read_run(folder: Path) -> Run:
    """Accepted dialogues of a run and the demands of its recipe; an interrupted run will do."""
    from erc_synth.generation.language import base
    from erc_synth.generation.prompts import example_texts
    from erc_synth.generation.runs.folder import accepted_as_written, recipe_of

    recipe = recipe_of(folder)
    train, validation, test = (float(recipe.splits[name]) for name in SPLITS)
    return Run(
        config=recipe.name,
        language=base(recipe.language),
        cast=recipe.format.names if recipe.closed_cast else (),
        names=recipe.format.names,
        labels=recipe.labels,
        prompt=tuple(recipe.prompt.values()),
        limits=recipe.curation,
        splits=(train, validation, test),
        adaptive=recipe.balanced and recipe.balance == "adaptive",
        examples=example_texts(recipe),
        dialogues=accepted_as_written(folder),
    )


def curate_runs(
    folders: Sequence[Path],
    out: Path,
    options: curation.Options,
    leaks: LeakIndex | None,
    *,
    recipe_splits: bool = False,
) -> Iterator[tuple[curation.Curated, Curation]]:
    """Curate runs one after the other, each compared with those before; files are written as they come.

    Args:
        folders: Run folders (see `run_folders`).
        out: Folder for the files.
        options: For every run; language and cast come from the recipe.
        leaks: See `curation.curate`.
        recipe_splits: Take the split ratios of each recipe instead of ``options.splits``.

    Yields:
        The result and its ``curation.json`` content.

    Raises:
        ErcSynthError: Two runs are of one recipe (nothing is written). After all others were written: a run
            could not be read or nothing of it was left (exit code 3; its older files are untouched), or a
            dialogue to restore is in none.
    """
    _check_recipes(folders)
    out.mkdir(parents=True, exist_ok=True)
    seen = Seen()
    failed: list[ErcSynthError] = []
    missing = set(options.restore)
    for folder in folders:
        try:
            curated, report = _curate_run(folder, options, leaks, seen, recipe_splits)
        except ErcSynthError as error:
            failed.append(error)
            continue
        write_curated(curated, report, out)
        missing -= curated.split_of.keys()
        yield curated, report
    if missing and not failed:
        raise ErcSynthError(
            f"No dialogue has the id {min(missing)!r}.", hint="The ids stand in <config>.dropped.jsonl."
        )
    if failed:
        raise _summary(failed, len(folders))


def _curate_run(
    folder: Path, options: curation.Options, leaks: LeakIndex | None, seen: Seen, recipe_splits: bool
) -> tuple[curation.Curated, Curation]:
    run = read_run(folder)
    splits = run.splits if recipe_splits else options.splits
    given = options.limits.model_dump(exclude_unset=True)  # what the command line says goes before the recipe
    wanted = replace(
        options,
        limits=Limits(**{**run.limits.model_dump(exclude_unset=True), **given}),
        language=options.language and run.language,
        cast=run.cast,
        names=run.names,
        labels=run.labels,
        prompt=run.prompt,
        splits=splits,
        level=run.adaptive,
    )
    try:
        curated = curation.curate(run.config, run.dialogues, wanted, leaks=leaks, seen=seen, examples=run.examples)
    except sqlite3.OperationalError as error:
        raise ErcSynthError(
            f"The temporary files of the curation of {run.config} could not be written: {error}.",
            hint="They take some 3 KB a dialogue; name a folder with room in $SQLITE_TMPDIR.",
        ) from error
    return curated, curated.report(recipe=run.config)


def _check_recipes(folders: Sequence[Path]) -> None:
    """Two runs of one recipe would write the same files."""
    from erc_synth.generation.runs.folder import recipe_of

    owner: dict[str, Path] = {}
    for folder in folders:
        name = recipe_of(folder).name
        if name in owner:
            raise ErcSynthError(
                f"{owner[name]} and {folder} are both of the recipe {name!r}.",
                hint="Curate them into two --out folders.",
            )
        owner[name] = folder


def _summary(failed: Sequence[ErcSynthError], total: int) -> ErcSynthError:
    """The errors of several runs as one; a single run keeps its own."""
    if total == 1:
        return failed[0]
    sentences = " ".join(str(error) for error in failed)
    return ErcSynthError(
        f"{len(failed)} of {total} runs were not curated: {sentences}", exit_code=2 if len(failed) == total else 3
    )


def write_curated(curated: curation.Curated, report: Curation, out: Path) -> None:
    """Write the three files of a config; the dialogues last, as they make the set complete."""
    dropped = (
        {"reason": drop.reason, "detail": drop.detail, **curated.given.of(drop.dialogue_id).to_json()}
        for drop in curated.dropped
    )
    kept = ({**d.to_json(), "split": curated.split_of[d.dialogue_id]} for d in curated.kept)
    write_whole(out / f"{curated.config}.dropped.jsonl", _json_lines(dropped))
    write_json(out / f"{curated.config}.curation.json", report)
    write_whole(out / f"{curated.config}.jsonl", _json_lines(kept))


def _json_lines(records: Iterable[Mapping[str, object]]) -> Iterator[str]:
    for record in records:
        yield json.dumps(record, ensure_ascii=False) + "\n"
