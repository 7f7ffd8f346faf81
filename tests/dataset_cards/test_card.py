"""The card claims what was counted and nothing else; whatever a model wrote is text in it."""

import json

import pytest
import yaml
from huggingface_hub.repocard import metadata_load
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from erc_synth.dataset_cards import build as stage
from erc_synth.dataset_cards import lint
from erc_synth.dataset_cards.folder import read_marker
from erc_synth.dataset_cards.lint import front_matter_of, problems
from erc_synth.dataset_cards.markdown import details, markdown_text, sample, table
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, Utterance
from fakes.curated import write_project
from fakes.results import Project

PAIR = ("meld_natural", "meld_balanced")
HIT = {"checked": True, "exact": 3, "ngram8": 0, "near_duplicate": 0, "dropped": 0, "hit": 3, "kept": 3}
NONE = {**HIT, "exact": 0, "hit": 0, "kept": 0}
UNCHECKED = {**NONE, "checked": False}


@pytest.fixture(autouse=True)
def _no_benchmarks(monkeypatch, tmp_path):
    monkeypatch.delenv("ERC_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def card(root, *, curation=None, manifest=None, quality=None, configs=PAIR, **plan):
    """The page of an invented project; the changes reach every config."""
    curated, runs = write_project(root, configs=configs)
    for config in configs:
        edit(curated / f"{config}.curation.json", curation or (lambda _: None))
        edit(runs / config / "manifest.json", manifest or (lambda _: None))
        if quality:
            (curated / f"{config}.quality.json").write_text(json.dumps(quality))
    stage.build(stage.Plan(curated, runs, root / "out", **plan))
    return (root / "out" / "README.md").read_text()


def leaks(**rows):
    return lambda c: c.update(leaks={name.replace("_", "/"): row for name, row in rows.items()})


def test_a_hit_that_was_kept_is_said(tmp_path):
    page = card(tmp_path, curation=leaks(meld_train=HIT, meld_test=NONE))
    assert "**6 matches with benchmark texts kept in it**" in page
    assert "(train, test searched): train: 6 dialogues repeat it, 0 dropped for it, **6 kept**." in page


def test_a_dialogue_that_hits_in_three_ways_is_one(tmp_path):
    row = {**HIT, "exact": 1, "ngram8": 1, "near_duplicate": 1, "hit": 1, "dropped": 1, "kept": 0}
    page = card(tmp_path, curation=leaks(meld_test=row), configs=("meld_natural",))
    assert "The leak check found no benchmark text in what is kept." in page
    assert "test: 1 dialogue repeats it, 1 dropped for it, **0 kept**." in page


def test_a_hit_that_was_left_out_for_another_reason_is_not_in_the_set(tmp_path):
    page = card(tmp_path, curation=leaks(meld_train={**HIT, "kept": 1}), configs=("meld_natural",))
    assert "**1 match with benchmark texts kept in it**" in page
    assert "3 dialogues repeat it, 0 dropped for it, 2 left out for another reason, **1 kept**." in page


def test_counts_of_an_older_version_are_called_a_limit(tmp_path):
    row = {"checked": True, "exact": 1, "ngram8": 1, "near_duplicate": 1, "dropped": 1}
    page = card(tmp_path, curation=leaks(meld_test=row), configs=("meld_natural",))
    assert "**up to 2 matches with benchmark texts kept in it**" in page
    assert "test: up to 3 dialogues repeat it, 1 dropped for it, up to **2 kept**." in page


def test_what_was_not_searched_is_claimed_of_nothing(tmp_path):
    page = card(tmp_path, curation=leaks(meld_test=NONE, iemocap_test=UNCHECKED))
    assert "The leak check found no benchmark text in what is kept. iemocap: not searched." in page
    assert "**iemocap**: not searched" in page


def test_with_no_benchmark_nothing_was_compared(tmp_path):
    page = card(tmp_path, curation=leaks(meld_test=UNCHECKED))
    assert "No benchmark split was searched." in page
    assert "Compared were" not in page
    assert "whether a text repeats one was not looked at" in page


def test_hits_that_were_kept_on_demand_are_no_dropped_ones(tmp_path):
    def kept(content):
        content.update(leaks={"meld/test": HIT}, options={"keep": ["leak"], "drop_leaks": "test"})

    page = card(tmp_path, curation=kept)
    assert "**kept** at the maker's wish" in page
    assert "were dropped." not in page


def test_each_config_is_told_by_its_own_leak_rule(tmp_path):
    rules = iter([{"keep": ["leak"]}, {"drop_leaks": "test"}])
    page = card(tmp_path, curation=lambda c: c.update(leaks={"meld/test": HIT}, options=next(rules)))
    assert "In `meld_natural`: dialogues with hits were **kept** at the maker's wish." in page
    assert "In `meld_balanced`: dialogues that repeat a **test** split were dropped." in page


def test_dialogues_asked_for_by_id_are_exempt_from_the_rule(tmp_path):
    page = card(tmp_path, curation=lambda c: c.update(leaks={"meld/test": HIT}, options={"restore": ["a", "b"]}))
    assert "Exempt in `meld_natural`: 2 dialogues that its maker asked for by id." in page


def test_one_config_is_one_dataset(tmp_path):
    page = card(tmp_path, configs=("meld_natural",))
    assert "\n1 synthetic dataset for " in page
    assert "**Balanced** (each" not in page


def test_the_language_is_the_recipes(tmp_path):
    page = card(tmp_path, manifest=lambda m: m["recipe"].update(language="de-AT"))
    assert "asked for German" in page
    assert "English" not in page.split("---\n", 2)[2]
    assert yaml.safe_load(page.split("---\n")[1])["language"] == ["de"]


def test_a_name_of_a_model_decides_no_limit(tmp_path):
    note = "Too small to be believed."
    page = card(
        tmp_path, manifest=lambda m: m["model"].update(id="org/x-135M", licence={**m["model"]["licence"], "note": note})
    )
    assert page.count(note) == 1  # beside its licence


def test_a_set_of_two_models_says_so_in_text_and_licence(tmp_path):
    page = card(tmp_path, curation=lambda c: c.update(generators={"a/one": 7, "b/two": 3}))
    assert "was written by 2 models: a/one (7 dialogues) and b/two (3 dialogues)" in page
    header = yaml.safe_load(page.split("---\n")[1])
    assert header["license"] == "other"
    assert "each further generator" in header["license_name"]


def test_asked_emotions_are_counted_in_the_data(tmp_path):
    page = card(tmp_path)
    assert "`meld_balanced`: 10 of 10 dialogues (100%) hold the emotion asked for" in page
    assert "`meld_natural`: " not in page.split("### Are the labels right?")[1].split("##")[0]


def test_no_label_check_is_said(tmp_path):
    assert "No label check is recorded" in card(tmp_path)


def test_a_label_check_is_quoted_with_its_interval(tmp_path):
    interval = {"value": 0.31, "low": 0.25, "high": 0.37}
    one = {"annotator": "org/judge", "kappa": interval, "ceiling": {"value": 0.6, "low": None, "high": None}}
    page = card(tmp_path, quality={"annotators": [one], "target_compliance": {}, "section": "| a |\n| --- |\n| 1 |"})
    assert "kappa 0.31 [0.25, 0.37] with org/judge; its own kappa on real test data is 0.60." in page
    assert "No label check" not in page


def test_scores_come_from_the_cells(tmp_path):
    root = Project(models=("compm",), benchmarks=("meld",)).write(tmp_path / "project")
    cells = [json.loads(path.read_text()) for path in (root / "results").glob("*.json")]
    mean = 100 * next(c["score"] for c in cells if c["variant"] == "org" and c["test_set"] == "org")
    page = card(tmp_path, results=root / "results")
    (row,) = [line for line in page.splitlines() if line.startswith("| compm | meld |")]
    assert f"| {mean:.2f} |" in row


def test_a_results_folder_without_scores_is_refused_before_the_build(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ErcSynthError, match="holds no finished cell"):
        card(tmp_path, results=tmp_path / "empty")
    assert not (tmp_path / "out").exists()


def test_recipes_and_manifests_are_in_the_repo_without_the_makers_places(tmp_path):
    card(tmp_path, manifest=lambda m: m["server"].update(extra={"model": "/home/ann/secret.gguf"}))
    out = tmp_path / "out"
    assert 'name = "meld_balanced"' in (out / "recipes" / "meld_balanced.toml").read_text()
    manifest = yaml.safe_load((out / "recipes" / "meld_balanced.manifest.yaml").read_text())
    assert manifest["counts"]["accepted"] == 10
    assert "ann" not in json.dumps(manifest)
    assert problems(out) == []


def test_earlier_versions_keep_their_words(tmp_path):
    card(tmp_path, version="1.0.0", changes="First.")
    page = card(tmp_path, version="1.1.0", changes="More *fear*.")
    assert "- **1.0.0**: First." in page
    assert "- **1.1.0**: More \\*fear\\*. (this card)" in page
    assert read_marker(tmp_path / "out")["changes"] == {"1.0.0": "First.", "1.1.0": "More *fear*."}


def test_a_balanced_prompt_is_shown_as_its_difference(tmp_path):
    page = card(tmp_path)
    assert "As `meld_natural`." in page
    assert page.count("    Two.\n") == 1


def test_every_label_has_its_meaning(tmp_path):
    assert "disgust (finds something revolting, in taste or in morals)" in card(tmp_path)


@pytest.mark.parametrize("lack", ["recipe", "model"])
def test_a_manifest_that_says_too_little_is_one_sentence(tmp_path, lack):
    with pytest.raises(ErcSynthError, match=r"manifest\.json"):
        card(tmp_path, manifest=lambda m: m.pop(lack))


HOSTILE = st.text(st.sampled_from("<>&|`*_[]()!#$-~\\{}\"'\n\r\u2028\u202e\0 a1😀"), min_size=1, max_size=40)


@given(HOSTILE, HOSTILE)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_is_text_in_a_sample(name, text):
    dialogue = Dialogue("d", (Utterance(name, text, "joy"), Utterance("B", "x", "joy")), target_emotion="joy")
    html = (
        MarkdownIt("commonmark", {"html": True}).enable("table").render(details("S", sample(dialogue)) + "\n\nEnd.\n")
    )
    assert html.rstrip().endswith("</details>\n<p>End.</p>")
    assert html.count("<tr>") == 3  # head and two turns
    assert not [tag for tag in ("<script", "<img", "<a ", "<code>", "<em>", "<h1>") if tag in html]


WORDS = st.one_of(
    st.text(max_size=30), HOSTILE, st.sampled_from(["---", "a---", "...", "a: b", "- x", "!!int 1", "\x85"])
)


KEYS = st.sampled_from(["license_name", "pretty_name", "tags"])


@given(st.dictionaries(KEYS, st.one_of(WORDS, st.lists(WORDS)), min_size=1), st.text(max_size=40))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_in_the_yaml_comes_back_from_us_and_from_the_hubs_client(tmp_path, header, page):
    card = tmp_path / "README.md"
    card.write_bytes(lint.text_of(header, f"\n{page}").encode())
    assert lint.front_matter_of(card) == header
    assert metadata_load(card) == header


@given(st.lists(HOSTILE, min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_text_is_one_cell(cells):
    html = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(table(["h"] * len(cells), [map(markdown_text, cells)]))
    )
    assert html.count("<td>") == len(cells)


def test_hostile_text_of_a_whole_project_stays_text(tmp_path):
    hostile = "</details><script>x</script>\n---\n# | ![i](../../etc) {{ z }} \u202e"
    curated, runs = write_project(tmp_path, configs=PAIR, text=hostile.replace("{", "{{").replace("}", "}}"))

    def poison(manifest):
        manifest["recipe"].update(prompt=[hostile], balanced_ending=hostile)
        manifest["model"].update(id=hostile, profile=hostile, template=hostile)
        manifest["model"]["licence"].update(note=hostile)

    for config in PAIR:
        edit(runs / config / "manifest.json", poison)
        edit(curated / f"{config}.curation.json", lambda c: c.update(dropped={hostile: 1}, generators={hostile: 10}))
    stage.build(stage.Plan(curated, runs, tmp_path / "out", changes=hostile))
    assert problems(tmp_path / "out") == []
    page = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)[2]
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(page)
    assert "<script>" not in html
    assert html.count("<details>") == html.count("</details>")
    assert "<h2>Citation</h2>" in html
    assert len(front_matter_of(tmp_path / "out" / "README.md")["configs"]) == 2
