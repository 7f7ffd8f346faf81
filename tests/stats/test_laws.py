"""What must hold for any input: one walk equals many, our few lines equal scipy's, a table survives every form."""

import contextlib
import csv
import io
import json
import math
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from erc_synth.stats.analysis import analyse
from erc_synth.stats.errors import StatsError
from erc_synth.stats.exact import BlockLaw, pairwise_pvalue, pairwise_pvalues, tied_pvalue
from erc_synth.stats.files import decoded, text_rows
from erc_synth.stats.inputs import Score, build_table, number, read_csv_text, read_table
from erc_synth.stats.paired import Predictions, f1_interval, paired_bootstrap
from erc_synth.stats.ranks import corrections, ranks_of, studentised_range
from erc_synth.stats.signed import bayes_signed_rank, rank_biserial, wilcoxon
from erc_synth.stats.text import measure_text, p_text

names = st.text(st.characters(codec="cp1252", exclude_categories=("Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=8)
names = names.filter(lambda name: not name.startswith("#") and not name.lower().startswith("sep="))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 8), st.integers(1, 8), st.lists(st.integers(-60, 60), min_size=1, max_size=8))
def test_one_walk_for_many_differences_equals_one_each(k, n, differences):
    found = pairwise_pvalues(differences, k, n)
    for d in differences:
        assert found[abs(d)] == (pairwise_pvalue(d, k, n), pairwise_pvalue(d, k, n, mid=True))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_law_of_blocks_is_right_for_every_difference(rows):
    blocks = [ranks_of(row) for row in rows]
    law = BlockLaw(blocks)
    for halves in range(4 * len(rows) + 6):
        assert law.pvalue(halves / 2) == pytest.approx(float(tied_pvalue(halves / 2, blocks)), abs=1e-15)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12))
def test_ranks_are_those_of_scipy(scores):
    from scipy.stats import rankdata

    assert ranks_of(scores) == tuple(rankdata([-score for score in scores]))


@pytest.mark.parametrize("k", [2, 3, 9, 10, 40, 200])
def test_the_studentised_range_is_that_of_scipy(k):
    from scipy.stats import studentized_range

    assert studentised_range(k) == pytest.approx(float(studentized_range.ppf(0.95, k, math.inf)), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_corrections_keep_their_order_and_never_fall_below_p(p):
    for value, row in zip(p, corrections(p), strict=True):
        assert value <= row["bh"] + 1e-12
        assert row["bh"] <= row["hochberg"] + 1e-12
        assert row["hochberg"] <= row["holm"] + 1e-12
        assert row["holm"] <= row["bonferroni"] + 1e-12 <= 1 + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999)), min_size=1, max_size=30))
def test_turning_all_differences_round_turns_the_effects_round_and_keeps_p(pairs):
    differences = [a / 10 - b / 10 for a, b in pairs]
    other = [b / 10 - a / 10 for a, b in pairs]
    assert wilcoxon(differences)[0] == pytest.approx(wilcoxon(other)[0])
    assert rank_biserial(differences) == pytest.approx(-rank_biserial(other), abs=1e-12)
    first, second = (bayes_signed_rank(some, 1.0, draws=200) for some in (differences, other))
    assert (first["worse"], first["rope"], first["better"]) == pytest.approx(
        (second["better"], second["rope"], second["worse"])
    )


def test_bayes_counts_the_edge_half_and_the_prior_at_half_strength():
    # One difference on the edge: in every draw of weights (1-w, w) the edge takes w^2 / 2 from each side's claim.
    found = bayes_signed_rank([2.0], 1.0)
    # better > rope where w^2 + w(1-w) > ..., here only pairs (2,2)=4 > 2 count whole and (0,2)=2 count half:
    # w^2 + w(1-w) = w > 1/2, with w ~ Beta(1, 1/2): P = (1 - 1/2)^(1/2).
    assert found["better"] == pytest.approx(math.sqrt(0.5), abs=0.03)


@settings(max_examples=60, deadline=None)
@example([";", "0;"], ["0", "1"], ",", "utf-8", random.Random(0))  # more separators inside quotes than between them
@given(
    st.lists(names, min_size=2, max_size=4, unique=True),
    st.lists(names, min_size=2, max_size=4, unique=True),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.randoms(use_true_random=False),
)
def test_long_and_wide_tables_in_any_dress_are_the_same_table(models, blocks, delimiter, encoding, draw):
    values = {(m, b): draw.randint(0, 10_000) / 100 for m in models for b in blocks}
    long, wide = io.StringIO(newline=""), io.StringIO(newline="")
    writer = csv.writer(long, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([["model", "dataset", "score"], *([m, b, values[m, b]] for b in blocks for m in models)])
    writer = csv.writer(wide, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows(
        [["dataset", *(f"m {m}" for m in models)], *([b, *(values[m, b] for m in models)] for b in blocks)]
    )
    found = []
    for text in (long.getvalue(), wide.getvalue()):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "t.csv"
            path.write_bytes(text.encode(encoding))
            found.append(read_table(path))
    assert found[0].scores == found[1].scores
    assert found[0].blocks == found[1].blocks == tuple(blocks)
    assert tuple(f"m {m}" for m in found[0].models) == found[1].models


@pytest.mark.parametrize(("text", "value"), [("71,5", 71.5), ("71.5 %", 71.5), (" -1e-3 ", -0.001), (3, 3.0)])
def test_numbers_as_spreadsheets_write_them(text, value):
    assert number(text, "t") == value


@pytest.mark.parametrize("text", ["1,234.5", "", "nan", "inf", None, "seventy", "1,2,3"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(StatsError, match=r"score"):
        number(text, "t.csv, row 1")


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_a_sentence(data):
    with contextlib.suppress(StatsError, UnicodeDecodeError):
        text_rows(decoded(data), "t.csv")


def test_a_cell_may_hold_separators_of_unicode():
    (row,) = text_rows('model,block,score\n"a\u2028b\x85",x,1\n', "t.csv")
    assert row["model"] == "a\u2028b"  # outer blanks go, inner ones stay


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset,a,a\nx,1,2\n", "'a' is there twice"),
        ("model,block,score\na,x,71,5\n", "4 fields, the header has 3"),
        ("dataset,a,b\nx,1,\ny,2,3\n", "1 cells have no score, the first is b on x"),
        ('model,block,score\n"a,x,1\n', "cannot be read as csv"),
    ],
)
def test_damaged_tables_are_named(text, message):
    with pytest.raises(StatsError, match=message):
        read_csv_text(text, "t.csv")


def test_a_written_index_or_none_names_the_rows(tmp_path):
    (tmp_path / "index.csv").write_text(",a,b\n0,1,2\n1,3,4\n")
    assert read_table(tmp_path / "index.csv").blocks == ("0", "1")
    (tmp_path / "none.csv").write_text("a,b\n1,2\n3,4\n")
    assert (read_table(tmp_path / "none.csv").models, read_table(tmp_path / "none.csv").blocks) == (
        ("a", "b"), ("1", "2"),
    )  # fmt: skip
    (tmp_path / "wide.json").write_text(json.dumps([{"task": "x", "a": 1, "b": 2}, {"task": "y", "a": 3, "b": 1}]))
    assert read_table(tmp_path / "wide.json").blocks == ("x", "y")


def test_fractions_among_percent_are_said():
    rows = [Score(m, b, v) for b in "xy" for m, v in (("a", 0.61), ("b", 60.2))]
    assert "fractions among percent" in build_table(rows, "t").notes[0]


@settings(max_examples=80, deadline=None)
@given(st.floats(0, 1))
def test_a_p_value_is_never_printed_as_zero(p):
    shown = p_text(p)
    assert shown.startswith("<") or float(shown) > 0
    assert not shown.startswith("<") or p == 0
    assert measure_text(-p).lstrip("-")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.sampled_from("xyz")), min_size=2))
def test_an_interval_of_one_seed_lies_within_0_and_1_and_of_two_equal_seeds_is_the_same_kind(rows):
    gold, guess, dialogue = map(list, zip(*rows, strict=True))
    one = Predictions(dialogue, range(len(gold)), gold, guess)
    low, high = f1_interval([one], draws=50)
    assert 0 <= low <= high <= 1
    assert f1_interval([one, Predictions(dialogue, range(len(gold)), guess[::-1], guess)], draws=10) in (
        None, f1_interval([one, one], draws=10),
    )  # fmt: skip
    assert f1_interval([]) is None
    assert paired_bootstrap(gold, guess, guess, dialogue, draws=10).value == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=2, max_size=5))
def test_lower_is_better_is_the_same_as_turning_all_scores_round(rows):
    scores = [Score(m, str(i), v) for i, row in enumerate(rows) for m, v in zip("abc", row, strict=True)]
    low = analyse(replace(build_table(scores, "t"), lower_is_better=True))
    turned = analyse(build_table([score._replace(value=-score.value) for score in scores], "t", scale=low["scale"]))
    assert low["rank_sums"] == turned["rank_sums"]
    for a, b in zip(low["comparisons"], turned["comparisons"], strict=True):
        assert (a["p"], a["wilcoxon_p"], a["wins"]) == (b["p"], b["wilcoxon_p"], b["wins"])
        assert a["mean_gain"] == pytest.approx(b["mean_gain"])
