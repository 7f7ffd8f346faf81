"""stats.json fits its schema in docs/contracts, which is made from the types in the code."""

import json
from pathlib import Path

import jsonschema
import pytest
from pydantic import TypeAdapter

from erc_synth.stats.analysis import analyse
from erc_synth.stats.cells import grid_table
from erc_synth.stats.contracts import Analysis
from erc_synth.stats.inputs import paper_table, read_csv_text
from fakes.results import Project

PATH = Path(__file__).parents[2] / "docs" / "contracts" / "stats.schema.json"
TIED = "model,block,score,seed\n" + "".join(
    f"{m},{b},{(i + j) % 2},{s}\n" for i, m in enumerate("abc") for j, b in enumerate("xyz") for s in (1, 2)
)


def _schema():
    return json.loads(PATH.read_text())


def test_the_schema_is_that_of_the_code():
    # After a change of the types, copy the schema that the failure prints.
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **TypeAdapter(Analysis).json_schema()}
    assert _schema() == made, json.dumps(made, indent=1)


@pytest.mark.parametrize(
    "table",
    [
        lambda _: paper_table(),
        lambda _: read_csv_text(TIED, "t.csv"),
        lambda folder: grid_table(Project(seeds=(1, 2)).write(folder) / "results"),
    ],
    ids=["paper", "ties and seeds", "grid"],
)
def test_what_is_written_fits(tmp_path, table):
    written = json.loads(json.dumps(analyse(table(tmp_path))))
    jsonschema.validate(written, _schema())
    assert set(written) == set(_schema()["properties"])
