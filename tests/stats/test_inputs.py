"""Tables of other people: wide or long, any delimiter and encoding, percent or fraction, lower is better."""

import json
import subprocess
import sys

import pytest

from erc_synth.stats.analysis import analyse
from erc_synth.stats.errors import StatsError
from erc_synth.stats.inputs import Columns, read_csv_text, read_table

WIDE = "dataset,tree,forest,net\nx,0.61,0.70,0.65\ny,0.52,0.58,0.60\nz,0.40,0.49,0.45\n"


def test_a_wide_table_is_rows_of_data_sets_and_columns_of_classifiers(tmp_path):
    (tmp_path / "t.csv").write_text(WIDE)
    table = read_table(tmp_path / "t.csv")
    assert (table.models, table.blocks) == (("tree", "forest", "net"), ("x", "y", "z"))
    assert table.scores[1] == (0.52, 0.58, 0.60)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_excels_files_are_read(tmp_path, encoding, delimiter):
    path = tmp_path / "t.csv"
    path.write_bytes(WIDE.replace("net", "café").replace(",", delimiter).encode(encoding))
    assert read_table(path).models == ("tree", "forest", "café")


def test_dataset_is_another_word_for_block():
    table = read_csv_text("classifier,dataset,accuracy\na,x,1\nb,x,2\na,y,3\nb,y,1\n", "t.csv")
    assert (table.models, table.blocks) == (("a", "b"), ("x", "y"))


def test_named_columns(tmp_path):
    (tmp_path / "t.csv").write_text("m,d,s\na,x,1\nb,x,2\na,y,3\nb,y,1\n")
    assert read_table(tmp_path / "t.csv", Columns("m", "d", "s")).models == ("a", "b")
    with pytest.raises(StatsError, match="nothing"):
        read_table(tmp_path / "t.csv", Columns(model="nothing"))


def test_fractions_and_points_are_told_apart(tmp_path):
    (tmp_path / "t.csv").write_text(WIDE)
    fractions = read_table(tmp_path / "t.csv")
    assert fractions.scale == "fraction"
    assert analyse(fractions)["rope"] == 0.01
    with pytest.raises(StatsError, match="fractions"):
        analyse(fractions, rope=1.0)


@pytest.mark.parametrize("rope", [-1.0, float("nan"), float("inf")])
def test_an_impossible_region_of_equivalence_is_refused(tmp_path, rope):
    (tmp_path / "t.csv").write_text(WIDE)
    with pytest.raises(StatsError, match="rope"):
        analyse(read_table(tmp_path / "t.csv"), rope=rope)


def test_lower_is_better_turns_ranks_and_gains_round(tmp_path):
    (tmp_path / "t.csv").write_text(WIDE)
    high, low = (analyse(read_table(tmp_path / "t.csv", lower_is_better=lower)) for lower in (False, True))
    assert [4 - rank for rank in high["mean_ranks"]] == pytest.approx(low["mean_ranks"])
    assert high["comparisons"][0]["mean_gain"] == pytest.approx(-low["comparisons"][0]["mean_gain"])


def test_unequal_numbers_of_seeds_are_said():
    table = read_csv_text("model,block,score,seed\na,x,1,1\na,x,3,2\nb,x,2,1\na,y,1,1\nb,y,2,1\n", "t.csv")
    assert any("seed" in note or "scores" in note for note in table.notes)


def test_a_seed_that_stands_twice_is_refused():
    with pytest.raises(StatsError, match="seed"):
        read_csv_text("model,block,score,seed\na,x,1,1\na,x,3,1\nb,x,2,1\n", "t.csv")


def test_blocks_without_a_slash_are_no_benchmark_each(tmp_path):
    (tmp_path / "t.csv").write_text(WIDE)
    assert analyse(read_table(tmp_path / "t.csv"))["sensitivity"] == {}


def test_json_prints_one_object_and_names_every_pair(tmp_path):
    (tmp_path / "t.csv").write_text(WIDE)
    command = [sys.executable, "-m", "erc_synth.cli", "stats", str(tmp_path / "t.csv"), "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert {(row["a"], row["b"]) for row in told["comparisons"]} == {
        ("tree", "forest"), ("tree", "net"), ("forest", "net"),
    }  # fmt: skip


def test_the_papers_table_needs_neither_pandas_nor_scipy_stats():
    code = "import sys\nfrom erc_synth.cli.main import main\nsys.argv = ['erc-synth', 'stats', '--paper']\n"
    code += "try:\n    main()\nexcept SystemExit:\n    pass\nprint('LOADED', *sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"pandas", "scipy.stats", "sklearn", "pyarrow", "torch"} & set(out.split("LOADED")[1].split())


def test_forty_models_by_twenty_five_blocks_take_seconds_not_minutes():
    import random

    draw = random.Random(0)
    lines = [f"m{j},b{i},{draw.randint(0, 30)}" for i in range(25) for j in range(40)]
    result = analyse(read_csv_text("\n".join(["model,block,score", *lines]), "t.csv"), family="all")
    assert result["family"]["size"] == 780
    assert all(0 <= row["p"] <= 1 for row in result["comparisons"])
