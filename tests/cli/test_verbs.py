"""What holds for every verb, and the verbs of the chain's end as a user types them."""

import json

import pytest
import typer
from typer.testing import CliRunner

from erc_synth.cli.main import app
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.stats.errors import StatsError
from fakes.contracts import check
from fakes.curated import write_project
from fakes.results import Project

TABLE = "model,block,score\n" + "".join(f"{m},{b},{i + j}\n" for i, m in enumerate("abc") for j, b in enumerate("xyz"))


def _options():
    """(verb, option) of the whole command line; `train` reads its own flags."""
    todo = [("", typer.main.get_command(app))]
    while todo:
        name, command = todo.pop()
        todo += [(f"{name} {word}".strip(), below) for word, below in getattr(command, "commands", {}).items()]
        yield from ((name, parameter) for parameter in command.params)


def _run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in, no benchmark near."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ERC_DATA", raising=False)
    return tmp_path


def test_every_option_says_what_it_is():
    silent = [(verb, option.name) for verb, option in _options() if not getattr(option, "help", "")]
    assert not silent


def test_a_flag_that_is_off_has_no_second_form():
    doubled = [
        (verb, option.name)
        for verb, option in _options()
        if getattr(option, "is_flag", False) and option.secondary_opts and option.default is False
    ]
    assert not doubled


def test_statistics_are_printed_and_written_whole(place):
    (place / "t.csv").write_text(TABLE)
    text = _run("stats", "t.csv", "--family", "all", "--out", "new/stats.json")
    assert "3 models, 3 blocks" in text
    assert "a vs b" in text
    check("stats", json.loads((place / "new" / "stats.json").read_text()))


def test_json_is_the_file_that_would_be_written(place):
    (place / "t.csv").write_text(TABLE)
    printed = json.loads(_run("stats", "t.csv", "--json", "--out", "stats.json"))
    assert printed == json.loads((place / "stats.json").read_text())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--paper", "t.csv"), "Give either a table of scores or --paper"),
        ((), "Give either a table of scores or --paper"),
        (("--paper", "--lower-is-better"), "higher is better there"),
        (("t.csv", "--control", "z"), "z"),
        (("t.csv", "--score-column", "points"), "points"),
    ],
)
def test_statistics_refuse_what_they_cannot_mean(place, words, sentence):
    (place / "t.csv").write_text(TABLE)
    with pytest.raises(StatsError, match=sentence):
        _run("stats", *words, "--out", "stats.json")
    assert not (place / "stats.json").exists()


def test_a_grid_becomes_a_report_with_its_heading(place):
    Project(variants=("org", "nat", "bal")).write(place)
    _run("stats", "results", "--out", "stats.json")
    assert "report.html" in _run("report", "--title", "Kites & ropes", "--out", "pages/first")
    page = (place / "pages" / "first" / "report.html").read_text("utf-8")
    assert "Kites &amp; ropes" in page


def test_a_build_passes_its_own_check(place):
    write_project(place, configs=("meld_natural",))
    assert "meld_natural" in _run("build", "--version", "1.2.0")
    assert "may be published" in _run("publish", "--check", "dist/erc-synth")
    assert json.loads(_run("publish", "--check", "dist/erc-synth", "--json")) == {
        "folder": "dist/erc-synth",
        "problems": [],
    }


def test_nothing_is_published_without_a_name(place):
    with pytest.raises(ErcSynthError, match="No repo id"):
        _run("publish")
    with pytest.raises(ErcSynthError, match="--gated sometimes"):
        _run("publish", "--repo-id", "org/x", "--gated", "sometimes")
