"""A plan: variants become trainings, names are looked at before anything is done."""

import pytest

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training.grid.checks import check_names
from erc_synth.training.grid.plan import TEST_SETS


def test_the_papers_plan_has_27_models_and_81_cells(grid):
    plan = grid.plan(models=("compm", "emoone", "todkat"), benchmarks=("meld", "emorynlp", "iemocap"), seeds=(1,))
    assert len(plan.trainings()) == 27
    assert len({t.cell(s) for t in plan.trainings() for s in TEST_SETS}) == 81
    assert len(plan.data()) == 9


def test_variants_become_the_three_recipes(grid):
    trainings = grid.plan(variants=("org", "nat", "tstr-bal"), seeds=(0,)).trainings()
    by_variant = {t.variant: (t.recipe, " ".join(t.words())) for t in trainings}
    assert by_variant["org"][0] == "scratch"
    assert "--train meld --eval" in by_variant["org"][1]
    assert by_variant["nat"][0] == "pretrain-finetune"
    assert "--train ./dist/erc-synth:meld_natural --finetune meld --eval" in by_variant["nat"][1]
    assert by_variant["tstr-bal"][0] == "tstr"
    assert "--train ./dist/erc-synth:meld_balanced --eval" in by_variant["tstr-bal"][1]
    assert all("--seed 0" in words for _, words in by_variant.values())


def test_leave_out_trains_on_the_other_benchmarks_only(grid):
    wanted = {"variants": ("leave-out",), "seeds": (0,), "models": ("compm",)}
    plan = grid.plan(benchmarks=("meld", "emorynlp", "iemocap"), **wanted)
    words = {t.benchmark: " ".join(t.words()) for t in plan.trainings()}
    assert "--train meld --finetune emorynlp --label-map core4 --drop-leaks --eval iemocap" in words["iemocap"]
    assert "--train emorynlp --finetune iemocap" in words["meld"]
    with pytest.raises(ErcSynthError, match="trains on one or two other benchmarks"):
        grid.plan(**wanted).trainings()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variants": ("best",)}, "Unknown variant 'best'"),
        ({"benchmarks": ("meldd",)}, "Unknown benchmark 'meldd'. Did you mean meld?"),
        ({"models": ("comppm",)}, "Unknown model 'comppm'"),
        ({"models": ()}, "--models names nothing"),
        ({"seeds": ()}, "--seeds names nothing"),
        ({"extra": ("--preset", "slow")}, "slow"),
    ],
)
def test_a_wrong_name_is_refused_before_any_work(grid, changes, said):
    with pytest.raises(ErcSynthError, match=said):
        check_names(grid.plan(**changes))
    assert not grid.folders.outputs.exists()


def test_where_a_repo_lies_is_no_setting(grid):
    there, elsewhere = (grid.plan(repo=repo) for repo in ("./dist/erc-synth", "/data/erc-synth"))
    settings = [[plan.settings(t) for t in plan.trainings()] for plan in (there, elsewhere)]
    assert settings[0] == settings[1]
    assert "meld_natural" in settings[0][2]
