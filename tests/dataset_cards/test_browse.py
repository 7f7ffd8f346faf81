"""Dialogues to read: found in every place, shown as text, offline, by keyboard, on a phone, ten thousand at once."""

import json
import re
import shutil
import sys
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_synth.cli.main import main
from erc_synth.dataset_cards import browse
from erc_synth.dataset_cards.shown import Shown, find, with_guesses, with_leaks
from erc_synth.dataset_cards.space import is_space, write_space
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, Utterance, label_set, to_utterances
from fakes.dialogues import invented, with_texts

HOSTILE = "</script><script>document.title = 'owned'</script><!-- <img src=x onerror=alert(1)> & \u2028 'x' \"y\""


@pytest.fixture
def curated(tmp_path):
    """Two configs: the second asks for emotions; one dialogue of the first was dropped."""
    folder = tmp_path / "curated"
    folder.mkdir()
    for config in ("meld_natural", "meld_balanced"):
        talks = [d.to_json() for d in invented(6, name=config, turns=4 if config == "meld_natural" else 8)]
        for talk in talks if config == "meld_balanced" else ():
            talk["target_emotion"] = "joy"
        kept = [{**talk, "split": "train"} for talk in talks[1:]]
        (folder / f"{config}.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in kept))
    gone = {**invented(1, name="meld_natural", turns=4)[0].to_json(), "reason": "leak", "detail": "meld/test 7"}
    (folder / "meld_natural.dropped.jsonl").write_text(json.dumps(gone) + "\n")
    return folder


def _one(text="The kite is up!", name="d-1", **others):
    turns = (Utterance("Ann", text, "joy"), Utterance("Ben", "Where?", "neutral"))
    return Shown("meld_natural", "train", Dialogue(name, turns), **others)


def _predicted(dialogue):
    turns = [{"emotion": "fear", "probability": 0.75, "text": turn.text} for turn in dialogue.utterances]
    return {"dialogue_id": dialogue.dialogue_id, "utterances": turns}


# --- finding -------------------------------------------------------------------------------------------


def test_a_curated_folder_gives_kept_and_dropped_dialogues(curated):
    found = find(str(curated))
    assert len(found) == 11
    (gone,) = [one for one in found if one.split == "dropped"]
    assert (gone.config, gone.reason, gone.detail, gone.leaks) == ("meld_natural", "leak", "meld/test 7", True)
    assert {one.dialogue.target_emotion for one in found if one.config == "meld_balanced"} == {"joy"}


def test_one_file_and_all_configs_of_a_repo(curated, tmp_path):
    assert len(find(str(curated / "meld_natural.jsonl"))) == 5
    lines = ["---", "configs:"]
    for config in ("a", "b"):
        (tmp_path / "repo" / config).mkdir(parents=True)
        to_utterances(invented(3, name=config), label_set("meld")).to_parquet(
            str(tmp_path / "repo" / config / "train-00000-of-00001.parquet")
        )
        lines += [f"- config_name: {config}", f"  data_files: {config}/train-*.parquet"]
    (tmp_path / "repo" / "README.md").write_text("\n".join([*lines, "---", ""]))
    assert [(one.config, one.split) for one in find(str(tmp_path / "repo"))] == [("a", "train")] * 3 + [
        ("b", "train")
    ] * 3
    assert {one.config for one in find(f"{tmp_path / 'repo'}:b")} == {"b"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"attempt": 1}', "line 1 is no curated dialogue"),
        ('{"dialogue_id": 5, "utterances": [], "split": "train"}', "line 1 is no curated dialogue"),
        ('{"dialogue_id": "d", "utterances": [], "split": "nowhere"}', "line 1 is no curated dialogue"),
        (
            '{"dialogue_id": "d", "utterances": [{"speaker": "A", "text": null, "emotion": null}], "split": "test"}',
            "line 1",
        ),
        ("no json", "line 1"),
        ("", "holds no dialogues"),
    ],
)
def test_what_is_no_dialogue_is_one_sentence(tmp_path, line, said):
    (tmp_path / "x.jsonl").write_text(line)
    with pytest.raises(ErcSynthError, match=said):
        find(str(tmp_path))


def test_a_line_of_the_benchmark_marks_a_leak():
    real = with_texts(invented(1)[0], ["Why would you take my sandwich again?", "Sorry."])
    same, short, other = _one("why would you take MY sandwich again"), _one("Sorry."), _one("Nobody took a sandwich.")
    told = with_leaks([same, short, other], [Shown("meld", "test", real)])
    assert [one.leaks for one in told] == [True, False, False]


# --- predictions ---------------------------------------------------------------------------------------


def _run(folder, config, dialogue_id, labels=("joy", "fear")):
    folder.mkdir()
    table = {"dialogue_id": [dialogue_id] * len(labels), "utterance_id": list(range(len(labels))), "predicted": labels}
    pq.write_table(pa.table({**table, "probabilities": [[0.9, 0.1]] * len(labels)}), folder / "p.parquet")
    entry = {"dataset": "org/x", "config": config, "predictions": "p.parquet"}
    (folder / "metrics.json").write_text(json.dumps({"evaluations": [entry]}))
    return folder


def test_a_runs_predictions_are_put_beside_gold(tmp_path):
    (told,) = with_guesses([_one()], _run(tmp_path / "run", "meld_natural", "d-1"))
    assert told.guesses == (("joy", 0.9), ("fear", 0.9))


def test_a_file_of_predict_serves_as_well(tmp_path):
    for content in (_predicted(_one().dialogue), {"dialogues": [_predicted(_one().dialogue)], "model": "m"}):
        (tmp_path / "said.jsonl").write_text(json.dumps(content))
        (told,) = with_guesses([_one()], tmp_path / "said.jsonl")
        assert told.guesses == (("fear", 0.75),) * 2


def test_predictions_of_others_are_refused(tmp_path):
    with pytest.raises(ErcSynthError, match=r"none of these dialogues.*meld_balanced"):
        with_guesses([_one()], _run(tmp_path / "run", "meld_balanced", "d-1"))
    with pytest.raises(ErcSynthError, match="another dialogue 'd-1', of 3 turns"):
        with_guesses([_one()], _run(tmp_path / "long", "meld_natural", "d-1", ("joy",) * 3))
    with pytest.raises(ErcSynthError, match=r"metrics\.json is missing"):
        with_guesses([_one()], tmp_path)
    (tmp_path / "x.jsonl").write_text('{"dialogue_id": "d-1"}')
    with pytest.raises(ErcSynthError, match="line 1 is no prediction"):
        with_guesses([_one()], tmp_path / "x.jsonl")


# --- the page as a file --------------------------------------------------------------------------------


def _data(text):
    return re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_text_is_data_in_the_page(text, speaker):
    talk = Dialogue("d", (Utterance(speaker, text, None),))
    told = _data(browse.page([Shown("c", "train", talk)])) if text.isascii() else browse._json([text, speaker])
    assert not set("<>&\u2028\u2029") & set(told)
    value = json.loads(told)
    assert text in (value["main"]["dialogues"][0][7][0] if isinstance(value, dict) else value)


def test_the_page_asks_nobody(curated):
    text = browse.page(find(str(curated)), title=HOSTILE)
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert "default-src 'none'" in text
    assert text.count("</script>") == 2


def test_a_page_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(browse, "LARGEST", 1000)
    with pytest.raises(ErcSynthError, match="--first"):
        browse.page([_one()])


def test_only_our_own_page_and_space_are_replaced(tmp_path):
    text = browse.page([_one()])
    browse.write_page(tmp_path / "a.html", text)
    browse.write_page(tmp_path / "a.html", text)
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(ErcSynthError, match="not written by"):
        browse.write_page(tmp_path / "mine.html", text)
    with pytest.raises(ErcSynthError, match="something else"):
        write_space(tmp_path, text, "t")
    write_space(tmp_path / "space", text, "A: title")
    write_space(tmp_path / "space", text, "A: title")
    assert is_space(tmp_path / "space")
    assert "sdk: static" in (tmp_path / "space" / "README.md").read_text()
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_control_characters_do_not_reach_the_terminal():
    lines = list(browse.as_text(_one("\x1b[2J red\r\u202egone", reason="leak", detail="meld\x07")))
    assert not [c for line in lines for c in line if unicodedata.category(c).startswith("C")]
    assert lines[1] == "dropped: leak meld"


# --- the commands --------------------------------------------------------------------------------------


def _cli(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["erc-synth", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, *capsys.readouterr()


def test_the_command_writes_the_page_and_says_its_size(curated, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, _ = _cli(monkeypatch, capsys, "browse", "--first", 2)
    assert (code, out) == (0, f"4 dialogues, {(tmp_path / 'browse.html').stat().st_size / 1e6:.1f} MB: browse.html\n")


def test_a_dialogue_in_the_terminal(curated, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, _ = _cli(monkeypatch, capsys, "show", "meld_balanced-000002")
    assert code == 0
    assert out.startswith("meld_balanced-000002 (meld_balanced, train, asked for joy)\n")
    assert len(out.splitlines()) == 9
    code, _, error = _cli(monkeypatch, capsys, "show", "nobody", curated)
    assert code == 2
    assert "No dialogue has the id 'nobody'" in error


# --- in a browser --------------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="headless Chromium is not installed")


@pytest.fixture
def opened(tmp_path):
    """`opened(shown, beside, width=, scheme=, link=)`: a page of Chromium that is ready."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        with play.chromium.launch(executable_path=CHROMIUM, args=flags) as chromium:

            def show(shown, beside=(), *, width=1300, scheme="light", link=""):
                browse.write_page(tmp_path / "page.html", browse.page(shown, beside))
                page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
                page.goto((tmp_path / "page.html").as_uri() + link)
                page.wait_for_selector("html[data-ready]")
                return page

            yield show


def browser_test(function):
    return pytest.mark.browser(needs_browser(function))


def _count(page):
    page.wait_for_timeout(200)  # the filters wait for the end of typing
    return page.inner_text("#count")


@browser_test
def test_text_is_shown_and_never_run(opened):
    page = opened([_one(HOSTILE, detail=HOSTILE, reason="leak")])
    assert page.title() == "Dialogues"
    assert page.evaluate("document.querySelector('#turns .turn p').textContent") == HOSTILE
    assert page.locator("main img").count() == 0


@browser_test
def test_each_filter_filters(curated, opened):
    page = opened(find(str(curated)))
    assert _count(page) == "11 dialogues"
    for fill, left in [
        (lambda: page.select_option("[name=config]", label="meld_balanced"), 5),
        (lambda: page.select_option("[name=asked]", label="joy"), 5),
        (lambda: page.select_option("[name=reason]", label="leak"), 1),
        (lambda: page.select_option("[name=reason]", label="Kept only"), 10),
        (lambda: page.check("[name=leak]"), 1),
        (lambda: page.fill("[name=least]", "5"), 5),
        (lambda: page.fill("[name=most]", "5"), 6),
        (lambda: page.fill("[name=speaker]", "ada"), 11),
    ]:
        fill()
        assert _count(page) == ("11 dialogues" if left == 11 else f"{left} of 11 dialogues")
        page.click("button[type=reset]")
    rare = re.search(r"\d+ coins", find(str(curated))[0].dialogue.utterances[0].text)[0]
    page.fill("[name=text]", rare.upper())
    assert re.match(r"[12] of 11", _count(page))
    page.fill("[name=text]", "no such words")
    assert _count(page) == "0 of 11 dialogues"
    assert page.inner_text("#name") == "No dialogue passes these filters"


@browser_test
def test_emotion_filter_finds_turns_with_that_label(opened):
    talks = [_one(name="a"), Shown("c", "train", Dialogue("b", (Utterance("Ann", "No.", "anger"),)))]
    page = opened(talks)
    page.select_option("[name=emotion]", label="anger")
    assert _count(page) == "1 of 2 dialogues"
    assert page.inner_text("#name") == "b"
    assert "anger" in page.inner_text("#turns .mark")


@browser_test
def test_gold_and_predicted_with_confidence(opened):
    page = opened(
        [_one(guesses=(("joy", 0.91), ("fear", 0.6))), _one(name="d-2", guesses=(("joy", 1), ("neutral", 1)))]
    )
    assert page.locator(".guess").all_inner_texts() == ["✓ predicted joy, 91 %", "✗ predicted fear, 60 %"]
    page.check("[name=wrong]")
    assert _count(page) == "1 of 2 dialogues"


@browser_test
def test_keys_move_through_the_list_and_the_link_names_the_dialogue(curated, opened):
    page = opened(find(str(curated)))
    page.focus("#list")
    names = []
    for key in ("ArrowDown", "End", "Home", "PageDown", "ArrowUp"):
        page.keyboard.press(key)
        names.append(page.inner_text("#name"))
        assert page.evaluate("document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))")
        assert page.url.endswith("#" + names[-1])
    assert len(set(names)) >= 4


@browser_test
def test_a_link_opens_its_dialogue_and_json_is_copied(curated, opened):
    shown = find(str(curated))
    page = opened(shown, link=f"#{shown[4].dialogue.dialogue_id}")
    assert page.inner_text("#name") == shown[4].dialogue.dialogue_id
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.click("#copy-json")
    page.wait_for_selector("text=JSON copied.")
    told = json.loads(page.evaluate("window.copied"))
    assert told["utterances"][0]["text"] == shown[4].dialogue.utterances[0].text
    page.click("#copy-link")
    page.wait_for_selector("text=Link copied.")
    assert page.evaluate("window.copied") == page.url


@browser_test
@pytest.mark.parametrize("width", [375, 1300])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_cut(curated, opened, scheme, width):
    from axe_core_python.sync_playwright import Axe

    shown = [*find(str(curated)), _one("w" * 300, guesses=(("fear", 0.6), ("joy", 0.5)))]
    page = opened(shown, [Shown("meld", "test", talk) for talk in invented(3)], width=width, scheme=scheme, link="#d-1")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert [(v["id"], v["nodes"][0]["html"]) for v in Axe().run(page)["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@browser_test
def test_ten_thousand_dialogues_make_few_rows_and_the_last_is_reached(opened):
    talks = invented(100, turns=10)
    shown = [Shown("c", "train", Dialogue(f"n-{i}", talks[i % 100].utterances)) for i in range(10_000)]
    page = opened(shown)
    assert page.locator("[role=option]").count() < 60
    page.focus("#list")
    page.keyboard.press("End")
    assert page.inner_text("#name") == "n-9999"
    assert page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 20_000  # 2 s: bench_browse.py
