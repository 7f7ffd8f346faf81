"""`erc-synth grid` looks at everything before it writes a file or starts a process."""

import json
import sys

import pytest

from erc_synth.cli.main import main
from erc_synth.loaders.schema import label_set, to_utterances
from fakes.dialogues import invented


@pytest.fixture
def place(tmp_path, monkeypatch, benchmark_data):
    """A working folder with a repo of two configs of invented dialogues; the real files are found by $ERC_DATA."""
    monkeypatch.setenv("ERC_DATA", str(benchmark_data.resolve()))
    monkeypatch.chdir(tmp_path)
    talks = invented(6)
    lines = ["---", "configs:"]
    for config in ("meld_natural", "meld_balanced"):
        (tmp_path / "repo" / config).mkdir(parents=True)
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, some in (("train", talks[:4]), ("validation", talks[4:5]), ("test", talks[5:])):
            rows = to_utterances(some, label_set("meld"))
            rows.to_parquet(str(tmp_path / "repo" / config / f"{split}-00000-of-00001.parquet"))
            lines += [f"  - split: {split}", f"    path: {config}/{split}-*.parquet"]
    (tmp_path / "repo" / "README.md").write_text("\n".join([*lines, "---", ""]))
    return tmp_path


def cli(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["erc-synth", "grid", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, *capsys.readouterr()


MISTAKES = {
    "unknown benchmark": (["--benchmarks", "meldd"], "Did you mean meld?"),
    "unknown model": (["--models", "comppm"], "Unknown model 'comppm'"),
    "unknown variant": (["--variants", "best"], "Unknown variant 'best'"),
    "no repo": (["--repo-id", "./nowhere"], "nowhere"),
    "no config": (["--repo-id", "repo", "--benchmarks", "emorynlp", "--variants", "nat"], "emorynlp_natural"),
    "launcher": (["--launcher", "cron"], "Unknown launcher 'cron'"),
    "cluster": (["--cluster", "gpu"], "NAME=VALUE"),
    "seeds": (["--seeds", "one"], "seeds are whole numbers"),
    "preset": (["--preset", "slow"], "slow"),
    "data folder": (["--data-dir", "/nope"], "/nope"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_leaves_no_file(place, monkeypatch, capsys, mistake):
    words, said = MISTAKES[mistake]
    given = [
        "--models",
        "baseline",
        "--benchmarks",
        "meld",
        "--repo-id",
        "repo",
        "--backbone",
        "minilm",
        "--seeds",
        "0",
    ]
    code, _, error = cli(monkeypatch, capsys, *given, *words)
    assert code == 2
    assert said in error
    assert error.splitlines()[-1].startswith("Error: ")
    assert {path.name for path in place.iterdir()} == {"repo"}


def test_the_package_of_a_launcher_is_asked_for_first(place, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, error = cli(monkeypatch, capsys, "--launcher", "ray")
    assert code == 2
    assert "pip install 'erc-synth[ray]'" in error


def test_a_dry_run_tells_the_plan_and_writes_nothing(place, monkeypatch, capsys):
    words = ["--models", "baseline", "--benchmarks", "meld", "--repo", "repo", "--seeds", "0", "1", "--dry-run"]
    code, out, _ = cli(monkeypatch, capsys, *words)
    assert code == 0
    assert out.startswith("6 trainings, 18 cells; 0 trainings are done.")
    assert {path.name for path in place.iterdir()} == {"repo"}


def test_cells_of_a_rebuilt_repo_are_refused(place, monkeypatch, capsys):
    words = ["--models", "baseline", "--benchmarks", "meld", "--repo", "repo", "--seeds", "0", "--variants", "org",
             "--dry-run"]  # fmt: skip
    cli(monkeypatch, capsys, *words)
    from erc_synth.training.grid.cells import expected
    from erc_synth.training.grid.checks import fingerprints
    from erc_synth.training.grid.plan import Plan

    plan = Plan(("baseline",), ("meld",), ("org",), (0,), "repo", ("--backbone", "roberta-large"))
    data = fingerprints(plan, None)
    (training,) = plan.trainings()
    (place / "results").mkdir()
    for test_set in ("org", "nat", "bal"):
        prints = expected(training, test_set, data)
        cell = {"status": "done", "options": plan.settings(training), "fingerprints": prints}
        (place / "results" / training.cell(test_set)).write_text(json.dumps(cell))
    assert "1 trainings are done" in cli(monkeypatch, capsys, *words)[1]
    rows = to_utterances(invented(2, start=90), label_set("meld"))
    rows.to_parquet(str(place / "repo" / "meld_balanced" / "test-00000-of-00001.parquet"))
    code, _, error = cli(monkeypatch, capsys, *words)
    assert code == 2
    assert "from other data: meld_balanced/test was" in error
    assert "--overwrite" in error
