"""The files between stages: the schemas are those of the types, and invented files fit them as real ones do.

That the files of a real chain fit is in `test_fourth_benchmark` (one chain for both).
"""

import json
import re

import jsonschema
import pytest
from pydantic import TypeAdapter, ValidationError

from erc_synth.generation.recipe import load_recipe
from erc_synth.loaders.contracts import schema_of
from erc_synth.stats import contracts as read_by_statistics
from fakes.contracts import FOLDER, TYPES, check, schema
from fakes.curated import write_project
from fakes.dialogues import invented
from fakes.results import Project
from fakes.runs import write_run


@pytest.mark.parametrize("name", TYPES)
def test_the_schema_is_that_of_the_code(name):
    made = schema_of(TYPES[name])
    assert schema(name) == made, "write it again: python tests/fakes/contracts.py"
    jsonschema.Draft202012Validator.check_schema(made)


def test_no_schema_is_left_over_and_the_readme_names_each():
    names = {path.name for path in FOLDER.glob("*.json")}
    assert names == {f"{name}.schema.json" for name in TYPES}
    assert names == set(re.findall(r"\((\w+\.schema\.json)\)", (FOLDER / "README.md").read_text("utf-8")))


def _read(path):
    return json.loads(path.read_text("utf-8"))


def _lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_invented_curated_sets_fit(tmp_path):
    curated, runs = write_project(tmp_path, configs=("meld_natural", "iemocap_balanced"))
    for path in runs.glob("*/manifest.json"):
        check("manifest", _read(path))
    for path in curated.glob("*.curation.json"):
        check("curation", _read(path))
    for path in curated.glob("*[!n].jsonl"):
        for line in _lines(path):
            check("curated", line)


def test_an_invented_journal_fits(tmp_path):
    for record in _lines(write_run(tmp_path, "meld_balanced", invented(3)) / "journal.jsonl"):
        check("journal", record)


def test_an_invented_project_of_results_fits(tmp_path):
    Project().write(tmp_path)
    for path in (tmp_path / "results").glob("*.json"):
        check("cell", _read(path), whole=False)  # `model_name`, `benchmark_name` are for people's own grids
    for path in (tmp_path / "outputs").glob("*/metrics.json"):
        check("metrics", _read(path))
    for path in (tmp_path / "curated").glob("*.curation.json"):
        check("curation", _read(path))
    for path in (tmp_path / "runs").glob("*/manifest.json"):
        check("manifest", _read(path))
    for path in (tmp_path / "curated").glob("*.jsonl"):
        for line in _lines(path):
            check("curated", line)


@pytest.mark.parametrize("name", TYPES)
def test_an_empty_file_does_not_fit(name):
    with pytest.raises(jsonschema.ValidationError):
        check(name, {})


@pytest.mark.parametrize(
    ("name", "reads"),
    [("manifest", "Manifest"), ("curation", "Curation"), ("quality", "Quality"), ("metrics", "Metrics"),
     ("cell", "Cell")],
)  # fmt: skip
def test_statistics_read_only_what_is_written(name, reads):
    """`stats` imports nothing of ours, so it has types of its own: each key is one that the writer promises."""
    _within(schema_of(getattr(read_by_statistics, reads)), schema(name), name)


def _within(reader, writer, where):
    """Each property of the reader's schema is one of the writer's, of a type that the writer keeps to."""
    added = {"file", "model_name", "benchmark_name"}  # by the reader; and what a grid of others may add
    todo = [(reader, writer, where)]
    while todo:
        asked, given, place = todo.pop()
        asked, given = _plain(asked, reader), _plain(given, writer)
        for key, kind in asked.get("properties", {}).items():
            if key in added:
                continue
            assert key in given["properties"], f"{place}.{key}"
            if key in asked.get("required", ()):
                assert key in given["required"], f"{place}.{key} may be absent"
            todo.append((kind, given["properties"][key], f"{place}.{key}"))
        for inner in ("items", "additionalProperties"):
            if isinstance(asked.get(inner), dict) and isinstance(given.get(inner), dict):
                todo.append((asked[inner], given[inner], f"{place}[]"))


def _plain(kind, whole):
    """A schema without `$ref`; of a value that may be null, that of the value."""
    kinds = [some for some in kind.get("anyOf", [kind]) if some.get("type") != "null"]
    kind = kinds[0] if kinds else kind
    return whole["$defs"][kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind


def test_the_recipe_in_a_manifest_is_the_recipe_that_was_asked(tmp_path):
    _, runs = write_project(tmp_path, configs=("meld_natural",))
    recipe = _read(runs / "meld_natural" / "manifest.json")["recipe"]
    assert recipe["fingerprint"] == load_recipe("meld_natural").fingerprint


def test_a_type_refuses_what_its_schema_refuses():
    with pytest.raises(ValidationError):
        TypeAdapter(TYPES["cell"]).validate_python({"schema_version": 2})
