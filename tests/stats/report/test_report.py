"""The report: whole from any part of its inputs, safe with hostile text, readable by everybody."""

import json
import math
import re
import shutil
import subprocess
import sys
from itertools import product

import pytest

from erc_synth.stats.exact import StatsError
from erc_synth.stats.friedman import analyse
from erc_synth.stats.inputs import Inputs
from erc_synth.stats.report.content import Content, collect
from erc_synth.stats.report.figures import PALETTE
from erc_synth.stats.report.findings import findings
from erc_synth.stats.report.page import write_report
from erc_synth.stats.table import grid_table, paper_table

HOSTILE = "<script>alert(1)</script> | & $x_1$"


def _metrics(model="compm"):
    evaluation = {
        "dataset": "meld", "config": None, "split": "test", "label_set": "meld", "labels": ["joy", HOSTILE],
        "examples": 4, "weighted_f1": 0.5, "macro_f1": 0.4, "micro_f1": 0.5, "fingerprint": "f", "revision": None,
        "per_class": {name: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2} for name in ("joy", HOSTILE)},
        "confusion": [[1, 1], [1, 1]], "predictions": "p.parquet",
    }  # fmt: skip
    epochs = [{"epoch": e, "train_loss": 1.0, "dev_weighted_f1": 0.1 * e, "seconds": 1.0} for e in (1, 2)]
    stage = {"name": "train", "dataset": "meld", "config": None, "fingerprint": "f", "epochs": epochs, "best_epoch": 2}
    run = {"name": "x", "model": model, "backbone": "tiny", "recipe": "scratch", "seed": 0, "command": [], "config": {}}
    cost = {"seconds": 3.0, "tokens": 1000, "peak_memory_bytes": 1}
    return {"run": run, "stages": [stage], "evaluations": [evaluation], "cost": cost, "versions": {}}


def _quality(name):
    measures = {
        "label entropy": {"value": 0.9, "low": 0.8, "high": 0.95, "reference": {"value": 0.5}, "reading": HOSTILE},
        "doubtful labels": {"value": 0.25, "low": None, "high": None, "reference": None, "reading": ""},
    }
    section = "| measure | this set |\n| --- | --- |\n| label entropy | 0.9 |"
    return {"dataset": name, "reference": "meld", "measures": measures, "notes": ["A note."], "section": section}


@pytest.fixture
def inputs(tmp_path):
    """A small project folder: two runs, a grid of one classifier, one curated set."""
    for variant in ("org", "nat", "bal", "tstr-nat", "leave-out"):
        run = tmp_path / "outputs" / f"compm-meld-{variant}-s1"
        run.mkdir(parents=True)
        (run / "metrics.json").write_text(json.dumps(_metrics()))
        (run / "log.txt").write_text("log")
        for i, test_set in enumerate(("org", "nat", "bal")):
            cell = {
                "model": "compm", "variant": variant, "benchmark": "meld", "test_set": test_set, "seed": 1,
                "score": 0.4 + 0.1 * i + 0.01 * len(variant), "status": "done", "reason": None, "recipe": "scratch",
                "metrics": f"../outputs/{run.name}/metrics.json", "examples": 4,
            }  # fmt: skip
            (tmp_path / "results").mkdir(exist_ok=True)
            (tmp_path / "results" / f"{run.name}-on-{test_set}.json").write_text(json.dumps(cell))
    one = {"dialogues": 1}
    curation = {
        "config": "meld_natural", "recipe": "meld_natural", "generator": HOSTILE, "dropped": {"duplicate": 1},
        "kept": {"dialogues": 3, "utterances": 9}, "splits": {"train": one, "validation": one, "test": one},
        "label_counts": {"train": {"joy": 5, HOSTILE: 4}}, "leaks": {},
    }  # fmt: skip
    (tmp_path / "curated").mkdir()
    (tmp_path / "curated" / "meld_natural.curation.json").write_text(json.dumps(curation))
    (tmp_path / "curated" / "meld_natural.quality.json").write_text(json.dumps(_quality("meld_natural")))
    stats = analyse(grid_table(tmp_path / "results"))
    (tmp_path / "stats.json").write_text(json.dumps(stats))
    return Inputs(
        tmp_path / "results", tmp_path / "outputs", tmp_path / "curated", tmp_path / "runs", tmp_path / "stats.json"
    )


def test_every_part_of_the_inputs_is_shown(inputs, tmp_path):
    page = write_report(inputs, tmp_path / "report").read_text()
    for piece in ("Table 2", "Table 3", "TSTR", "meld_natural", "compm-meld-nat-s1", "Learning curves", "Exact p"):
        assert piece in page


def test_quality_is_shown_in_both_forms(inputs, tmp_path):
    page = write_report(inputs, tmp_path / "report").read_text()
    for piece in ("label entropy", "0.90", "[0.80, 0.95]", "reference 0.50", "A note.", 'id="quality"'):
        assert piece in page
    assert "| label entropy | 0.9 |" in (tmp_path / "report" / "report.md").read_text()


def test_without_quality_files_there_is_no_such_section(inputs, tmp_path):
    (tmp_path / "curated" / "meld_natural.quality.json").unlink()
    assert "Quality of" not in write_report(inputs, tmp_path / "report").read_text()


def test_a_grids_table_follows_the_papers_order(tmp_path):
    for model in ("todkat", "compm"):
        for variant, benchmark, test_set in product(("bal", "org"), ("emorynlp", "meld"), ("nat", "org")):
            cell = {"model": model, "variant": variant, "benchmark": benchmark, "test_set": test_set, "score": 0.5}
            name = f"{model}-{variant}-{benchmark}-{test_set}.json"
            (tmp_path / name).write_text(json.dumps({**cell, "status": "done"}))
    table = grid_table(tmp_path)
    assert table.models == ("CoMPM Org", "CoMPM Bal", "TODKAT Org", "TODKAT Bal")
    assert table.blocks == ("MELD/Org", "MELD/Nat", "EmoryNLP/Org", "EmoryNLP/Nat")


def test_classes_are_means_over_seeds(inputs, tmp_path):
    (table,) = collect(inputs, tmp_path).classes
    assert table["models"] == ["CoMPM Org", "CoMPM Nat", "CoMPM Bal"]
    assert [row["label"] for row in table["rows"]] == ["joy", HOSTILE]
    assert table["rows"][0]["cells"] == [50.0, 50.0, 50.0]


def test_failed_trainings_are_named_once_with_reason_and_log(inputs, tmp_path):
    for path in (tmp_path / "results").glob("compm-meld-tstr-nat-*"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "status": "failed", "reason": "No memory."}))
    content = collect(inputs, tmp_path / "report")
    assert [(f["name"], f["reason"]) for f in content.failed] == [("compm-meld-tstr-nat-s1", "No memory.")]
    assert (tmp_path / "report" / content.failed[0]["log"]).resolve().exists()
    assert content.tstr == []


def test_leave_out_stands_apart_from_the_tables(inputs, tmp_path):
    for path in (tmp_path / "results").glob("compm-meld-leave-out-*"):
        options = ["--train", "emorynlp", "--finetune", "iemocap", "--label-map", "core4"]
        path.write_text(json.dumps({**json.loads(path.read_text()), "options": options}))
    content = collect(inputs, tmp_path)
    assert [len(row["scores"]) for row in content.leave_out] == [3]
    assert "EmoryNLP, then IEMOCAP" in write_report(inputs, tmp_path / "report").read_text()
    assert grid_table(tmp_path / "results").models == ("CoMPM Org", "CoMPM Nat", "CoMPM Bal")


def test_a_family_of_all_pairs_has_no_single_control(tmp_path):
    (tmp_path / "stats.json").write_text(json.dumps(analyse(paper_table(), family="all")))
    content = collect(Inputs(stats=tmp_path / "stats.json"), tmp_path)
    assert content.table3["foot"] == []
    page = write_report(Inputs(stats=tmp_path / "stats.json"), tmp_path / "report").read_text()
    assert page.count(" against ") >= 36
    assert "Difference to control" not in page


def test_an_old_stats_file_is_one_sentence(tmp_path):
    (tmp_path / "stats.json").write_text(json.dumps({"models": []}))
    with pytest.raises(StatsError, match="older version"):
        write_report(Inputs(stats=tmp_path / "stats.json"), tmp_path / "report")


def test_many_tstr_rows_become_one_sentence_without_a_word_too_much():
    rows = [{"gap": gap, "model": "M", "benchmark": "B", "variant": "V", "score": 1.0} for gap in (-1, -2, -3, -4, 5)]
    (said,) = findings(Content(tstr=rows))
    assert "below training on the benchmark in 4 of 5 rows" in said
    assert "-1.00 points" in said


def test_links_lead_to_the_runs(inputs, tmp_path):
    page = write_report(inputs, tmp_path / "report")
    links = set(re.findall(r'href="([^"#][^"]*)"', page.read_text()))
    assert len(links) >= 8
    assert all((page.parent / link).exists() for link in links)


def test_the_page_is_one_file_without_network(inputs, tmp_path):
    page = write_report(inputs, tmp_path / "report").read_text()
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "@import" not in page


def test_hostile_text_is_escaped_everywhere(inputs, tmp_path):
    write_report(inputs, tmp_path / "report")
    for path in [tmp_path / "report" / "report.html", *(tmp_path / "report" / "figures").glob("*.svg")]:
        assert "<script>" not in path.read_text()
    for path in (tmp_path / "report" / "figures").glob("*.svg"):
        import xml.etree.ElementTree as tree

        tree.fromstring(path.read_text())


def test_nothing_at_all_still_gives_a_report_that_says_so(tmp_path):
    page = write_report(Inputs(), tmp_path / "report").read_text()
    assert "Not in this report" in page
    assert "no numbers yet" in page


def test_consistently_is_never_claimed_where_one_cell_disagrees(tmp_path):
    (tmp_path / "stats.json").write_text(json.dumps(analyse(paper_table())))
    said = " ".join(collect(Inputs(stats=tmp_path / "stats.json"), tmp_path).findings)
    assert "In 1 of 54 cells a compared model scores lower" in said
    assert "Every compared model" not in said
    assert "consistently" not in said


def test_latex_is_balanced_and_escaped(inputs, tmp_path):
    write_report(inputs, tmp_path / "report")
    for path in (tmp_path / "report" / "tables").glob("*.tex"):
        text = path.read_text()
        assert text.count("{") == text.count("}")
        assert text.startswith(r"\begin{tabular}")


def test_stats_and_report_import_no_torch():
    code = "import sys, erc_synth.stats.report.page, erc_synth.stats.table; print(*sys.modules)"
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
    page.focus("[aria-label='Table 3']")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('[aria-label=\"Table 3\"]').scrollLeft > 0")


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
