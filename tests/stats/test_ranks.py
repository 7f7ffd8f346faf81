"""Friedman, families and corrections against scipy, statsmodels and the paper's printed table."""

import json
import random
from itertools import permutations, product

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.stats.analysis import analyse
from erc_synth.stats.errors import StatsError
from erc_synth.stats.inputs import Score, build_table, paper_table, read_csv_text, read_table
from erc_synth.stats.paired import bootstrap_interval
from erc_synth.stats.ranks import corrections, nemenyi_difference, omnibus, ranks_of
from erc_synth.stats.signed import bayes_signed_rank, rank_biserial, wilcoxon

PRINTED_RANKS = """6 4 3 5 2 1 9 8 7
7 1 3 6 2 5 9 4 8
8 6 2 5 4 1 9 7 3
6 1 3 8 4 2 9 7 5
6 2 5 8 4 3 9 1 7
7 4 2 8 5 1 9 6 3
6 2 3 5 1 4 8 7 9
9 1 6 8 2 5 7 3 4
8 3 2 9 4 1 7 6 5"""


def test_the_papers_table_is_reproduced():
    result = analyse(paper_table(), family="paper", control="Org")
    assert result["ranks"] == [[float(r) for r in line.split()] for line in PRINTED_RANKS.splitlines()]
    assert result["rank_sums"] == [63, 24, 29, 62, 28, 23, 76, 49, 51]
    assert [row["difference"] for row in result["comparisons"]] == [39, 34, 34, 39, 27, 25]
    cut = [int(10_000 * row["adjusted"]["bonferroni"]) for row in result["comparisons"]]
    assert cut == [34, 186, 186, 34, 1273, 2025]  # the paper cuts to four digits
    assert result["family"]["size"] == 6
    assert result["omnibus"]["chi_square"] == pytest.approx(45.87, abs=0.005)


def test_with_all_36_pairs_only_the_largest_difference_stays_significant():
    result = analyse(paper_table(), family="all")
    assert result["family"]["size"] == 36
    by_difference = {abs(row["difference"]): row["adjusted"]["bonferroni"] for row in result["comparisons"]}
    assert by_difference[39] < 0.05 < by_difference[34]


def test_the_papers_word_consistently_has_an_exception():
    losses = {(r["b"], r["losses"]) for r in analyse(paper_table())["comparisons"] if r["losses"]}
    assert losses == {("TODKAT Bal", 1)}


scores = st.lists(st.lists(st.integers(0, 6), min_size=4, max_size=4), min_size=3, max_size=8)


@settings(max_examples=60, deadline=None)
@given(scores)
def test_omnibus_equals_scipy_ties_included(rows):
    from scipy.stats import friedmanchisquare

    if all(len(set(row)) == 1 for row in rows):
        return
    expected = friedmanchisquare(*zip(*rows, strict=True))
    found = omnibus([ranks_of(row) for row in rows])
    assert found["chi_square"] == pytest.approx(float(expected.statistic), abs=1e-9)
    assert found["p"] == pytest.approx(float(expected.pvalue), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_corrections_equal_statsmodels(p):
    from statsmodels.stats.multitest import multipletests

    names = {"bonferroni": "bonferroni", "holm": "holm", "hochberg": "simes-hochberg", "bh": "fdr_bh"}
    for ours, theirs in names.items():
        found = [row[ours] for row in corrections(p)]
        assert found == pytest.approx(list(multipletests(p, method=theirs)[1]), abs=1e-12)


def test_wilcoxon_equals_scipy():
    from scipy.stats import wilcoxon as by_scipy

    draw = random.Random(1)
    for _ in range(20):
        differences = [draw.uniform(-1, 2) for _ in range(9)]
        expected = by_scipy(differences, method="exact").pvalue
        assert wilcoxon(differences) == (pytest.approx(float(expected)), "exact")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=2, max_size=4))
def test_exact_permutation_p_equals_brute_force(rows):
    ranks = [ranks_of(row) for row in rows]
    sizes = [
        sum((sum(column) - 2 * len(rows)) ** 2 for column in zip(*chosen, strict=True))
        for chosen in product(*(list(permutations(block)) for block in ranks))
    ]
    observed = sum((sum(column) - 2 * len(rows)) ** 2 for column in zip(*ranks, strict=True))
    found = omnibus(ranks)["permutation"]
    assert found["kind"] == "exact"
    assert found["p"] == pytest.approx(sum(size >= observed - 1e-9 for size in sizes) / len(sizes))


def test_the_papers_table_gets_a_monte_carlo_p():
    assert omnibus([ranks_of(row) for row in paper_table().scores])["permutation"] == {
        "kind": "monte-carlo", "p": pytest.approx(1 / 1001), "permutations": 1000,
    }  # fmt: skip


def test_nemenyi_goes_on_beyond_the_printed_table():
    assert nemenyi_difference(9, 9) == pytest.approx(3.102 * (9 * 10 / 54) ** 0.5, 2e-4)  # printed: 3.102
    assert nemenyi_difference(10, 9) < nemenyi_difference(11, 9) == pytest.approx(3.219 * (11 * 12 / 54) ** 0.5, 1e-3)


def test_many_to_one_holds_the_control_against_all():
    result = analyse(paper_table(), family="control", control="TODKAT Org")
    assert result["family"]["size"] == 8
    assert {row["a"] for row in result["comparisons"]} == {"TODKAT Org"}


def test_leaving_a_benchmark_out_is_the_test_of_the_smaller_table():
    table = paper_table()
    rest = analyse(table.without("IEMOCAP"))
    assert analyse(table)["sensitivity"]["IEMOCAP"] == pytest.approx([row["p"] for row in rest["comparisons"]])


def test_seeds_give_an_interval_of_the_gain():
    text = "model,block,score\n" + "".join(
        f"{m},{b},{10 * i + j + s}\n"
        for b in "xyz"
        for i, m in enumerate(("A Org", "A Nat"))
        for j, s in ((0, 0), (1, 2))
    )
    low, high = analyse(read_csv_text(text, "t.csv"))["comparisons"][0]["gain_interval"]
    assert low < 10 < high
    assert analyse(paper_table())["comparisons"][0]["gain_interval"] is None


def test_small_tables_get_an_exact_permutation_p():
    result = omnibus([ranks_of(row) for row in [(3, 2, 1), (3, 2, 1), (3, 2, 1)]])
    assert result["permutation"]["kind"] == "exact"
    assert result["permutation"]["p"] == pytest.approx(1 / 36)


def test_rank_biserial_ends_of_the_scale():
    assert rank_biserial([1, 2, 3]) == 1.0
    assert rank_biserial([-1, -2]) == -1.0
    assert rank_biserial([0, 0]) == 0.0


def test_bayes_tells_clear_cases_apart():
    assert bayes_signed_rank([5] * 9, 1.0)["better"] > 0.95
    assert bayes_signed_rank([0.1, -0.1] * 5, 1.0)["rope"] > 0.95


def test_bootstrap_interval_holds_the_mean_and_is_repeatable():
    low, high = bootstrap_interval([1.0, 2.0, 3.0, 4.0])
    assert low < 2.5 < high
    assert bootstrap_interval([1.0, 2.0, 3.0, 4.0]) == (low, high)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_every_form_gives_the_same_table(tmp_path, form):
    lines = {"x": (3, 1), "y": (2, 4)}
    rows = [{"model": m, "block": b, "score": lines[b][i]} for b in lines for i, m in enumerate("ab")]
    path = tmp_path / f"t.{form}"
    frame = pandas.DataFrame(rows)
    if form == "json":
        path.write_text(json.dumps(rows))
    else:
        getattr(frame, f"to_{form}")(path, index=False)
    table = read_table(path)
    assert (table.models, table.blocks, table.scores) == (("a", "b"), ("x", "y"), ((3.0, 1.0), (2.0, 4.0)))


def test_own_tables_need_nothing_of_erc(tmp_path):
    text = "model,block,score\n" + "".join(f"m{j},b{i},{i + j * (i % 3)}\n" for i in range(5) for j in range(3))
    (tmp_path / "t.csv").write_text(text)
    result = analyse(read_table(tmp_path / "t.csv"), family="control", control="m0")
    assert [row["a"] for row in result["comparisons"]] == ["m0", "m0"]
    assert result["ties"] is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,block,score\n", "holds no scores"),
        ("model,block\na,b\n", "column 'score' is missing"),
        ("model,block,score\na,x,1\nb,y,2\n", "2 cells have no score"),
        ("model,block,score\na,x,high\n", "row 1: the score 'high' is not a number"),
        ("model,block,score\na,x,nan\n", "NaN"),
        ("model,block,score\na,x,inf\n", "not finite"),
    ],
)
def test_bad_tables_are_named(text, message):
    with pytest.raises(StatsError, match=message):
        read_csv_text(text, "t.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.json", b"{", "cannot be read as json"),
        ("t.json", b'{"model": 1}', "not a list of rows"),
        ("t.json", b'["a"]', "row 1 is not a row"),
        ("t.csv", b"model,block,score\na,x,\xff\n", "row 1: the score 'ÿ' is not a number"),
        ("t.parquet", b"PAR1", "cannot be read as parquet"),
        ("t.xlsx", b"", "unknown form '.xlsx'"),
    ],
)
def test_broken_files_are_one_sentence(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StatsError, match=message):
        read_table(tmp_path / name)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6).map(lambda x: x / 10**4), st.integers(1, 12))
def test_equal_scores_of_more_seeds_stay_a_tie(score, seeds):
    rows = [Score("a", "x", score)] * seeds + [Score("b", "x", score)]
    assert len(set(build_table(rows, "t").scores[0])) == 1


def test_unknown_control_lists_the_models():
    with pytest.raises(StatsError, match="CoMPM Org"):
        analyse(paper_table(), family="control", control="nobody")
