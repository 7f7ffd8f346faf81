"""What curation and quality write fits the schemas of docs/contracts, and those are made from the types in the code."""

import json
from pathlib import Path

import jsonschema
import pytest

from erc_synth.generation.curation.curate import Options
from erc_synth.generation.curation.files import curate_runs, run_folders
from erc_synth.generation.curation.leaks import LeakIndex
from erc_synth.generation.quality.measure import measure_quality
from erc_synth.generation.quality.subjects import find_subject
from erc_synth.loaders.contracts import Curation, Quality, schema_of
from erc_synth.loaders.curated import CuratedLine
from erc_synth.loaders.files import write_json
from fakes.dialogues import invented
from fakes.runs import write_run

CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts"
TYPES = {"curated": CuratedLine, "curation": Curation, "quality": Quality}


def schema(name: str) -> dict:
    return json.loads((CONTRACTS / f"{name}.schema.json").read_text())


@pytest.mark.parametrize("name", TYPES)
def test_the_schema_is_that_of_the_code(name):
    # After a change of the types, copy the schema that the failure prints.
    made = schema_of(TYPES[name])
    assert schema(name) == made, json.dumps(made, indent=1)
    jsonschema.Draft202012Validator.check_schema(made)


def test_every_written_file_fits(tmp_path):
    run = write_run(tmp_path / "runs", "meld_natural", [*invented(14), *invented(2, start=900, turns=1)])
    out = tmp_path / "curated"
    leaks = LeakIndex({"meld/test": invented(3, start=600)})
    list(curate_runs(run_folders([run]), out, Options(), leaks))
    subject = find_subject("meld_natural", out)
    write_json(out / "meld_natural.quality.json", measure_quality(subject, subject))
    lines = [json.loads(line) for line in (out / "meld_natural.jsonl").read_text().splitlines()]
    for line in lines:
        jsonschema.validate(line, schema("curated"))
    for name in ("curation", "quality"):
        written = json.loads((out / f"meld_natural.{name}.json").read_text())
        jsonschema.validate(written, schema(name))
        assert written.keys() == schema(name)["properties"].keys()


def test_a_file_that_lacks_a_key_does_not_fit():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema_version": 1}, schema("curation"))
