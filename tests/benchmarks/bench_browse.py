"""Time until 10,000 dialogues can be read: `python tests/benchmarks/bench_browse.py` (needs Chromium)."""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from erc_synth.dataset_cards.browse import page as page_of
from erc_synth.dataset_cards.shown import Shown
from erc_synth.loaders.schema import Dialogue

sys.path.insert(0, str(Path(__file__).parent.parent))
from fakes.dialogues import invented


def main():
    talks = invented(10_000, turns=10)
    shown = [Shown("meld_natural", "train", Dialogue(f"d-{i}", talk.utterances)) for i, talk in enumerate(talks)]
    began = time.perf_counter()
    text = page_of(shown)
    print(json.dumps({"write_s": round(time.perf_counter() - began, 2), "mb": round(len(text.encode()) / 1e6, 1)}))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        path = Path(folder) / "page.html"
        path.write_text(text, "utf-8")
        with play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"]) as browser:
            for _ in range(5):
                page = browser.new_page()
                began = time.perf_counter()
                page.goto(path.as_uri())
                page.wait_for_selector("html[data-ready]")
                opened = time.perf_counter() - began
                searching = "form.elements.text.value = 'violin'; const t = performance.now(); refresh(-1);"
                searched = page.evaluate(f"(() => {{ {searching} return performance.now() - t; }})()") / 1000
                rows = page.locator("[role=option]").count()
                print(json.dumps({"open_s": round(opened, 2), "search_s": round(searched, 3), "rows": rows}))
                page.close()


if __name__ == "__main__":
    main()
