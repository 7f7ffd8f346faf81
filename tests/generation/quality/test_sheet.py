"""The blind sheet: blind, complete, safe to open, scored as known."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from erc_synth.generation.quality.answers import score_sheets
from erc_synth.generation.quality.sheet import draw_items, write_sheet
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, LabelSet, Utterance, label_set
from fakes.dialogues import invented, with_texts

MELD = label_set("meld")


def made(folder: Path, dialogues: list[Dialogue], size: int = 20) -> tuple[Path, dict]:
    write_sheet(draw_items(dialogues, size, 0), MELD, "set", folder / "sheet")
    return folder / "sheet.csv", json.loads((folder / "sheet.key.json").read_text())


def filled(folder: Path, name: str, answers: dict[str, str]) -> Path:
    path = folder / name
    path.write_text("item,emotion\n" + "".join(f"{item},{emotion}\n" for item, emotion in answers.items()))
    return path


def truth(key: dict) -> dict[str, str]:
    return {item: entry["emotion"] for item, entry in key["items"].items()}


def test_lines_come_from_different_dialogues():
    items = draw_items(invented(30), 30, 0)
    assert len({item.dialogue_id for item in items}) == 30
    assert len(draw_items(invented(3), 100, 0)) == 18


def test_the_sheet_is_blind(tmp_path):
    sheet, _ = made(tmp_path, invented(20))
    rows = list(csv.DictReader(sheet.read_text().splitlines()))
    assert len(rows) == 20
    assert {row["emotion"] for row in rows} == {""}
    assert "checked" not in re.sub(r"input\.checked", "", (tmp_path / "sheet.html").read_text())


def test_right_answers_score_one(tmp_path):
    _, key = made(tmp_path, invented(20))
    scores = score_sheets([filled(tmp_path, "a.csv", truth(key))], tmp_path / "sheet.key.json")
    assert scores["readers"][0]["kappa"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert scores["kappa_between_readers"] is None


def test_readers_are_compared_with_each_other(tmp_path):
    _, key = made(tmp_path, invented(20))
    same = {item: MELD.labels[n % 7] for n, item in enumerate(truth(key))}
    files = [filled(tmp_path, name, same) for name in ("a.csv", "b.csv")]
    scores = score_sheets(files, tmp_path / "sheet.key.json")
    assert scores["kappa_between_readers"] == pytest.approx(1.0)
    assert scores["readers"][0]["kappa"]["value"] < 0.6


def test_spreadsheet_habits_are_understood(tmp_path):
    _, key = made(tmp_path, invented(20))
    path = tmp_path / "a.csv"
    rows = "".join(f"{int(item)};x;{emotion.upper()} \r\n" for item, emotion in truth(key).items())
    path.write_bytes(b"\xef\xbb\xbfitem;text;emotion\r\n" + rows.encode())
    assert score_sheets([path], tmp_path / "sheet.key.json")["readers"][0]["agreement"] == 1.0


@pytest.mark.parametrize(
    ("content", "message"),
    [("item,emotion\n001,bored\n", "emotion 'bored'"), ("item,emotion\n999,joy\n", "item '999'"),
     ("item,emotion\n001,\n", "no answer"), ("a,b\n1,2\n", "lacks the column")],
)  # fmt: skip
def test_bad_answers_are_refused_with_the_place(tmp_path, content, message):
    made(tmp_path, invented(20))
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ErcSynthError, match=message):
        score_sheets([tmp_path / "a.csv"], tmp_path / "sheet.key.json")


def test_text_is_data_in_html_and_in_spreadsheets(tmp_path):
    evil = with_texts(invented(1)[0], ["=HYPERLINK(1)", "<script>alert(1)</script> & more", "@cmd"])
    sheet, _ = made(tmp_path, [evil])
    page = (tmp_path / "sheet.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    cells = [cell for row in csv.DictReader(sheet.read_text().splitlines()) for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+", "-"))]


def test_a_filled_sheet_is_never_overwritten(tmp_path):
    made(tmp_path, invented(5))
    with pytest.raises(ErcSynthError, match="exists"):
        made(tmp_path, invented(5))


def test_unlabelled_sets_have_no_sheet():
    with pytest.raises(ErcSynthError, match="No line has a label"):
        draw_items([Dialogue("d", (Utterance("A", "Hello there.", None),))], 5, 0)


@pytest.mark.parametrize(
    ("encoding", "delimiter", "head"),
    [("cp1252", ";", ""), ("utf-16", "\t", ""), ("utf-16", ",", ""), ("utf-8-sig", ";", "sep=;\r\n"),
     ("utf-8", "\t", "")],
)  # fmt: skip
def test_what_excel_saves_is_read(tmp_path, encoding, delimiter, head):
    labels = LabelSet("gefühl", ("Ärger", "Freude"))
    dialogues = [Dialogue("d", tuple(Utterance("Zoë", f"Grüße {n}", labels.labels[n % 2]) for n in range(6)))]
    write_sheet(draw_items(dialogues, 6, 0), labels, "set", tmp_path / "sheet")
    key = json.loads((tmp_path / "sheet.key.json").read_text())
    rows = [
        ["item", "text", "emotion"],
        *([str(int(i)), "Grüße", e.upper()] for i, e in truth(key).items()),
        ["", "", ""],
    ]
    text = head + "".join(delimiter.join(row) + "\r\n" for row in rows)
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert score_sheets([tmp_path / "a.csv"], tmp_path / "sheet.key.json")["readers"][0]["agreement"] == 1.0


@pytest.mark.parametrize("inside", ["\u2028", "\u0085", "\x0b", "\x0c", "\x1e"])
def test_another_alphabets_line_end_in_a_filled_sheet_ends_no_line(tmp_path, inside):
    _, key = made(tmp_path, invented(20))
    rows = ["item,text,emotion", *(f"{item},one{inside}two,{emotion}" for item, emotion in truth(key).items())]
    (tmp_path / "a.csv").write_bytes("\n".join(rows).encode())
    assert score_sheets([tmp_path / "a.csv"], tmp_path / "sheet.key.json")["readers"][0]["answered"] == 20


def test_unsure_is_counted_and_not_scored(tmp_path):
    _, key = made(tmp_path, invented(20))
    answers = {**truth(key), "001": "Unsure", "002": "unsure"}
    reader = score_sheets([filled(tmp_path, "a.csv", answers)], tmp_path / "sheet.key.json")["readers"][0]
    assert (reader["answered"], reader["unsure"], reader["agreement"]) == (18, 2, 1.0)


def test_a_line_answered_twice_is_said(tmp_path):
    _, key = made(tmp_path, invented(20))
    path = filled(tmp_path, "a.csv", truth(key))
    same = path.read_text() + f"001,{truth(key)['001']}\n"
    path.write_text(same)
    assert score_sheets([path], tmp_path / "sheet.key.json")["readers"][0]["twice"] == ["001"]
    other = "fear" if truth(key)["001"] != "fear" else "joy"
    path.write_text(f"{same}1,{other}\n")
    with pytest.raises(ErcSynthError, match=r"line 23: item 001 is answered twice"):
        score_sheets([path], tmp_path / "sheet.key.json")


def test_definitions_stand_on_the_sheet(tmp_path):
    made(tmp_path, invented(2))
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("<dt>") == 7
    assert "<!--" not in page


@pytest.mark.browser
def test_number_keys_choose_and_go_on(tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api")
    made(tmp_path, invented(3), size=3)
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto((tmp_path / "sheet.html").as_uri())
        page.fill("#reader", "Zoë K.")
        page.click("#next")
        page.keyboard.press("4")
        page.keyboard.press("0")
        assert page.inner_text("#left") == "1 lines left"
        page.check("fieldset >> nth=0 >> input >> nth=0")
        page.keyboard.press("n")
        page.keyboard.press("2")
        with page.expect_download() as download:
            page.click("#save")
        assert download.value.suggested_filename == "answers-Zoë-K-.csv"
        download.value.save_as(tmp_path / "answers.csv")
        browser.close()
    assert (tmp_path / "answers.csv").read_text() == "item,emotion\n001,anger\n002,unsure\n003,disgust\n"


@pytest.mark.browser
def test_the_form_keeps_and_saves_answers(tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api")
    made(tmp_path, invented(4), size=4)
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((tmp_path / "sheet.html").as_uri())
        for _ in range(10):  # on a busy machine a Chromium just started drops 3 % of first writes to its storage
            page.check("fieldset >> nth=1 >> input >> nth=3")
            page.reload()
            if page.inner_text("#left") == "3 lines left":
                break
        assert page.inner_text("#left") == "3 lines left"
        with page.expect_download() as download:
            page.click("#save")
        download.value.save_as(tmp_path / "answers.csv")
        for path in tmp_path.glob("sheet.*"):
            path.unlink()
        made(tmp_path, invented(4, start=50), size=4)
        page.reload()
        assert page.inner_text("#left") == "4 lines left"  # another sheet at the same address starts empty
        browser.close()
    assert problems == []
    assert (tmp_path / "answers.csv").read_text() == "item,emotion\n001,\n002,joy\n003,\n004,\n"
