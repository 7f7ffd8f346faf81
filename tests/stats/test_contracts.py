"""stats.json fits its schema, whatever the table."""

import json

import pytest

from erc_synth.stats.analysis import analyse
from erc_synth.stats.cells import grid_table
from erc_synth.stats.inputs import paper_table, read_csv_text
from fakes.contracts import check
from fakes.results import Project

TIED = "model,block,score,seed\n" + "".join(
    f"{m},{b},{(i + j) % 2},{s}\n" for i, m in enumerate("abc") for j, b in enumerate("xyz") for s in (1, 2)
)


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
    check("stats", json.loads(json.dumps(analyse(table(tmp_path)))))
