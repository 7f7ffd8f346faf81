"""The report: whole from any part of its inputs, safe with hostile text, readable by everybody."""

import json
import math
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as tree

import pytest

from erc_synth.stats.analysis import analyse
from erc_synth.stats.cells import grid_table
from erc_synth.stats.errors import StatsError
from erc_synth.stats.inputs import paper_table
from erc_synth.stats.report.content import collect
from erc_synth.stats.report.figures import PALETTE
from erc_synth.stats.report.page import write_report
from erc_synth.stats.report.sources import Inputs
from fakes.results import Project

HOSTILE = "<script>alert(1)</script> | & $x_1$ \u2028 ![x](http://y)"


def _inputs(root, project, **others):
    """The inputs of an invented project, its statistics included when they can be computed."""
    project.write(root)
    (root / "stats.json").write_text(json.dumps(analyse(grid_table(root / "results"))))
    places = {name: root / name for name in ("results", "outputs", "curated", "runs")}
    return Inputs(**places, stats=root / "stats.json", **others)


@pytest.fixture
def inputs(tmp_path):
    return _inputs(tmp_path, Project())


def _edit(folder, pattern, **changes):
    for path in folder.glob(pattern):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _text(page):
    return re.sub(r"<[^>]+>", " ", page.read_text())


def test_every_part_of_the_inputs_is_shown(inputs, tmp_path):
    page = write_report(inputs, tmp_path / "report").read_text()
    for piece in ("Table 2", "Table 3", "TSTR", "meld_natural", "compm-meld-nat-s1", "Learning curves", "Provenance"):
        assert piece in page


def test_nothing_at_all_is_refused(tmp_path):
    with pytest.raises(StatsError, match="nothing to report"):
        write_report(Inputs(results=tmp_path / "results"), tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("kept", ["results", "outputs", "curated", "stats"])
def test_any_single_part_makes_a_report_that_says_what_is_missing(inputs, tmp_path, kept):
    alone = Inputs(**{kept: getattr(inputs, kept)})
    assert "Not in this report" in write_report(alone, tmp_path / "report").read_text()


def test_quality_is_shown_in_both_forms(inputs, tmp_path):
    measures = {
        "label entropy": {"value": 0.9, "low": 0.8, "high": 0.95, "reference": {"value": 0.5}, "reading": HOSTILE},
    }
    told = {"dataset": "meld_natural", "reference": "meld", "measures": measures, "notes": ["A note."], "section": ""}
    (tmp_path / "curated" / "meld_natural.quality.json").write_text(json.dumps(told))
    page = write_report(inputs, tmp_path / "report").read_text()
    for piece in ("label entropy", "0.90", 'id="quality"'):
        assert piece in page
    assert "label entropy" in (tmp_path / "report" / "report.md").read_text()


def test_without_quality_files_there_is_no_such_section(inputs, tmp_path):
    assert "Quality of" not in write_report(inputs, tmp_path / "report").read_text()


def test_a_grids_table_follows_the_papers_order(tmp_path):
    Project(models=("todkat", "compm"), benchmarks=("emorynlp", "meld"), variants=("bal", "org")).write(tmp_path)
    table = grid_table(tmp_path / "results")
    assert table.models == ("CoMPM Org", "CoMPM Bal", "TODKAT Org", "TODKAT Bal")
    assert table.blocks[:3] == ("MELD/Org", "MELD/Nat", "MELD/Bal")
    assert table.blocks[3:] == ("EmoryNLP/Org", "EmoryNLP/Nat", "EmoryNLP/Bal")


def test_a_users_classifier_and_benchmark_pass_through_with_their_names(tmp_path):
    names = {"echo": "Echo Net", "toyset": "Toy Set"}
    toy = Project(models=("echo", "compm"), benchmarks=("toyset", "meld"), names=names)
    text = _text(write_report(_inputs(tmp_path, toy), tmp_path / "report"))
    assert "Echo Net" in text
    assert "Toy Set" in text


def test_failed_trainings_are_named_once_with_reason_and_log(inputs, tmp_path):
    _edit(tmp_path / "results", "compm-meld-tstr-nat-*", status="failed", score=None, reason="No memory.")
    content = collect(inputs, tmp_path / "report")
    assert [(f.name, f.reason) for f in content.failed] == [("compm-meld-tstr-nat-s1", "No memory.")]
    assert (tmp_path / "report" / content.failed[0].log).resolve().exists()
    assert content.tstr is None


def test_leave_out_stands_apart_from_the_tables(inputs, tmp_path):
    options = ["--train", "emorynlp", "--finetune", "iemocap", "--label-map", "core4"]
    _edit(tmp_path / "results", "compm-meld-leave-out-*", options=options)
    content = collect(inputs, tmp_path / "report")
    assert content.leave_out is not None
    assert grid_table(tmp_path / "results").models == ("CoMPM Org", "CoMPM Nat", "CoMPM Bal")


def test_the_page_warns_of_cut_splits_and_small_test_sets(tmp_path):
    cut = _inputs(tmp_path / "cut", Project(dialogues=2, turns=2, cut=2))
    text = _text(write_report(cut, tmp_path / "report"))
    assert "Before you believe these numbers" in text
    assert collect(cut, tmp_path / "report").omnibus == ""  # so few utterances get no ranks and no p-values


def test_whole_test_sets_need_no_banner(tmp_path):
    whole = _inputs(tmp_path, Project(dialogues=100, variants=("org", "nat", "bal")))
    assert collect(whole, tmp_path / "report").cautions == []


def test_a_model_that_says_one_label_only_is_said(tmp_path):
    dull = _inputs(tmp_path, Project(single_class=("nat",)))
    assert "predicts only anger" in _text(write_report(dull, tmp_path / "report"))


def test_table_2_has_n_and_an_interval(inputs, tmp_path):
    text = _text(write_report(inputs, tmp_path / "report"))
    assert "n 240" in text


def test_a_class_without_support_is_a_dash(inputs, tmp_path):
    (sheet,) = collect(inputs, tmp_path / "report").classes
    rows = {row[0].text: [item.text for item in row[1:]] for row in sheet.rows}
    assert set(rows["surprise"]) <= {"\u2013", "\u2014", "-", "0"}  # no utterance of the test set has this label


def test_a_significant_loss_leads_the_findings(tmp_path):
    (tmp_path / "stats.json").write_text(json.dumps(analyse(paper_table())))
    said = collect(Inputs(stats=tmp_path / "stats.json"), tmp_path).findings
    assert "CoMPM" in said[0]
    assert not any("p = 1.0000" in line for line in said)
    assert "consistently" not in " ".join(said)


def test_a_family_of_all_pairs_has_no_single_control(tmp_path):
    (tmp_path / "stats.json").write_text(json.dumps(analyse(paper_table(), family="all")))
    content = collect(Inputs(stats=tmp_path / "stats.json"), tmp_path)
    assert len(content.tests[1].rows) == 36


def test_an_old_stats_file_is_one_sentence(tmp_path):
    (tmp_path / "stats.json").write_text(json.dumps({"models": []}))
    with pytest.raises(StatsError):
        write_report(Inputs(stats=tmp_path / "stats.json"), tmp_path / "report")


def test_links_lead_to_the_runs(inputs, tmp_path):
    page = write_report(inputs, tmp_path / "report")
    links = set(re.findall(r'href="([^"#][^"]*)"', page.read_text()))
    assert links
    assert all((page.parent / link).exists() for link in links)


def test_the_record_inside_the_page_is_json_with_every_runs_fingerprints(inputs, tmp_path):
    page = write_report(inputs, tmp_path / "report").read_text()
    record = re.search(r'<script type="application/json" id="provenance-record">(.*?)</script>', page, re.S)[1]
    assert "f-meld" in json.dumps(json.loads(record))


def test_the_page_is_one_file_without_network(inputs, tmp_path):
    page = write_report(inputs, tmp_path / "report").read_text()
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "@import" not in page


def test_hostile_text_is_escaped_everywhere(inputs, tmp_path):
    _edit(tmp_path / "curated", "*.curation.json", generator=HOSTILE)
    _edit(tmp_path / "results", "*-nat-*", status="failed", score=None, reason=HOSTILE)
    write_report(inputs, tmp_path / "report")
    for path in [tmp_path / "report" / "report.html", *(tmp_path / "report" / "figures").glob("*.svg")]:
        assert "<script>alert" not in path.read_text()
    assert "![x](http" not in (tmp_path / "report" / "report.md").read_text()
    for path in (tmp_path / "report" / "figures").glob("*.svg"):
        tree.fromstring(path.read_text())


def test_latex_is_balanced_escaped_and_has_caption_and_label(inputs, tmp_path):
    write_report(inputs, tmp_path / "report")
    paths = list((tmp_path / "report" / "tables").glob("*.tex"))
    assert paths
    for path in paths:
        text = path.read_text()
        assert text.count("{") == text.count("}")
        for piece in (r"\toprule", r"\bottomrule", r"\caption{", r"\label{"):
            assert piece in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX on this machine")
def test_latex_compiles(inputs, tmp_path):
    write_report(inputs, tmp_path / "report")
    tables = "\n".join(rf"\input{{{path}}}" for path in sorted((tmp_path / "report" / "tables").glob("*.tex")))
    head = r"\documentclass{article}\usepackage{booktabs}\usepackage[utf8]{inputenc}\begin{document}"
    (tmp_path / "all.tex").write_text(f"{head}\n{tables}\n\\end{{document}}\n")
    subprocess.run(["pdflatex", "-halt-on-error", "all.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_stats_and_report_import_no_torch():
    code = "import sys, erc_synth.stats.report.page, erc_synth.stats.inputs; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "datasets", "erc_synth.loaders"} & set(loaded)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        with play.chromium.launch(executable_path=CHROMIUM, args=flags) as chromium:
            yield chromium


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="headless Chromium is not installed")


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_passes_axe_and_fits_a_phone(inputs, tmp_path, scheme, browser):
    from axe_core_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": 375, "height": 800}, color_scheme=scheme)
    page.goto(write_report(inputs, tmp_path / "report").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    violations = Axe().run(page)["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.browser
@needs_browser
def test_everything_is_reached_by_keyboard(inputs, tmp_path, browser):
    page = browser.new_page(viewport={"width": 375, "height": 800})
    page.goto(write_report(inputs, tmp_path / "report").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.focus("#runs ~ details summary")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('#runs ~ details').open") is True


# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
BLINDNESS = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def _lab(colour, blindness):
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    seen = [min(1, max(0, sum(m * c for m, c in zip(row, linear, strict=True)))) for row in BLINDNESS[blindness]]
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    white = (0.9505, 1.0, 1.089)
    x, y, z = (
        (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116)
        for t in (sum(m * c for m, c in zip(row, seen, strict=True)) / w for row, w in zip(xyz, white, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_colours_stay_apart_for_colour_blind_readers(blindness):
    labs = [_lab(colour, blindness) for colour in PALETTE[:4]]
    apart = [math.dist(a, b) for i, a in enumerate(labs) for b in labs[:i]]
    assert min(apart) > 12  # 2.3 is a just noticeable difference
