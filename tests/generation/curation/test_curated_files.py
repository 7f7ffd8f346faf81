"""Run folders in, curated files out: the contract of CONTRIBUTING.md."""

import contextlib
import json

import pytest

from erc_synth.generation.curation import copies
from erc_synth.generation.curation.curate import Options
from erc_synth.generation.curation.files import curate_runs, run_folders
from erc_synth.generation.curation.leaks import LeakIndex
from erc_synth.generation.quality.subjects import find_subject
from erc_synth.loaders.curated import read_curated
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_whole
from erc_synth.loaders.schema import SPLITS
from fakes.dialogues import invented
from fakes.runs import write_run

NATURAL, BALANCED = "meld_natural", "meld_balanced"
REPORT_KEYS = {"schema_version", "config", "recipe", "generator", "seed", "input", "kept", "dropped", "splits",
               "label_counts", "leaks", "options", "generators", "label_set", "reported"}  # fmt: skip


@pytest.fixture
def runs(tmp_path):
    write_run(tmp_path / "runs", NATURAL, invented(15))
    write_run(tmp_path / "runs", BALANCED, [*invented(10, start=50), *invented(2)])
    return tmp_path / "runs"


def curated(runs, out, **options):
    return list(curate_runs(run_folders([runs]), out, Options(**options), LeakIndex({})))


def test_files_keep_the_contract(runs, tmp_path):
    curated(runs, tmp_path / "c")
    report = json.loads((tmp_path / "c" / f"{NATURAL}.curation.json").read_text())
    assert report.keys() == REPORT_KEYS
    assert report["schema_version"] == 1
    assert report["config"] == report["recipe"] == NATURAL
    assert report["generator"] == "lmsys/vicuna-13b-v1.5"
    splits = read_curated(tmp_path / "c" / f"{NATURAL}.jsonl")
    assert set(splits) == set(SPLITS)
    assert sum(map(len, splits.values())) == report["kept"]["dialogues"]
    assert sorted(p.name for p in (tmp_path / "c").iterdir() if NATURAL in p.name) == [
        f"{NATURAL}.curation.json", f"{NATURAL}.dropped.jsonl", f"{NATURAL}.jsonl",
    ]  # fmt: skip


def test_dropped_dialogues_stay_on_disk(runs, tmp_path):
    curated(runs, tmp_path / "c")
    lines = (tmp_path / "c" / f"{NATURAL}.dropped.jsonl").read_text().splitlines()
    dropped = [json.loads(line) for line in lines]
    assert {d["reason"] for d in dropped} == {"duplicate_across"}  # the balanced run comes first by name
    assert all(d["utterances"] and d["detail"] for d in dropped)
    assert len(dropped) == 2


def test_the_same_call_writes_the_same_bytes(runs, tmp_path):
    for out in ("a", "b"):
        curated(runs, tmp_path / out)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_dropped_dialogue_comes_back_by_its_id(runs, tmp_path):
    curated(runs, tmp_path / "c")
    path = tmp_path / "c" / f"{NATURAL}.dropped.jsonl"
    lost = json.loads(path.read_text().splitlines()[0])["dialogue_id"]
    curated(runs, tmp_path / "c", restore=frozenset({lost}))
    assert lost not in path.read_text()
    with pytest.raises(ErcSynthError, match="No dialogue has the id 'nobody'"):
        curated(runs, tmp_path / "c", restore=frozenset({"nobody"}))


@pytest.mark.parametrize("balance", ["round-robin", "adaptive"])
def test_only_adaptive_sets_are_trimmed_by_label(runs, tmp_path, balance):
    journal = runs / BALANCED / "journal.jsonl"
    text = journal.read_text()
    assert '\\"round-robin\\"' in text
    journal.write_text(text.replace("round-robin", balance, 1))
    (_, report), *_ = curated(runs / BALANCED, tmp_path / "c", size=6)
    assert report["kept"]["dialogues"] == 6
    assert report["options"]["level"] is (balance == "adaptive")


def test_run_folders_are_found_below_and_named_once(runs, tmp_path):
    assert [folder.name for folder in run_folders([runs, runs / NATURAL])] == [BALANCED, NATURAL]
    with pytest.raises(ErcSynthError, match="No run was found"):
        run_folders([tmp_path / "nowhere"])


def test_one_config_is_not_written_twice(runs, tmp_path):
    again = write_run(tmp_path / "more", NATURAL, invented(5, start=900))
    with pytest.raises(ErcSynthError, match="both of the recipe"):
        list(curate_runs([runs / NATURAL, again], tmp_path / "c", Options(), LeakIndex({})))
    assert not (tmp_path / "c").exists()


def test_an_empty_config_does_not_stop_the_others(runs, tmp_path):
    write_run(runs, "iemocap_natural", [])  # sorted before both others
    results = curate_runs(run_folders([runs]), tmp_path / "c", Options(), LeakIndex({}))
    written = []
    with pytest.raises(ErcSynthError, match=r"1 of 3 runs .*iemocap_natural is left .*the run is empty") as caught:
        written.extend(report["config"] for _, report in results)
    assert caught.value.exit_code == 3
    assert written == [BALANCED, NATURAL]
    assert not list((tmp_path / "c").glob("iemocap*"))


def test_a_config_left_empty_keeps_its_older_files(tmp_path):
    for dialogues in (invented(9), invented(3, turns=1)):
        with contextlib.suppress(ErcSynthError):
            curated(write_run(tmp_path / f"runs{len(dialogues)}", NATURAL, dialogues), tmp_path / "c")
    assert sum(map(len, read_curated(tmp_path / "c" / f"{NATURAL}.jsonl").values())) == 9


def test_a_single_empty_config_is_bad_input(tmp_path):
    write_run(tmp_path / "runs", NATURAL, invented(3, turns=1))
    with pytest.raises(ErcSynthError, match="is left after curation") as caught:
        curated(tmp_path / "runs", tmp_path / "c")
    assert caught.value.exit_code == 2


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")

    def parts():
        yield "new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, parts())
    assert path.read_text() == "old"


def test_a_curated_config_is_a_subject(runs, tmp_path):
    curated(runs, tmp_path / "c")
    subject = find_subject(BALANCED, tmp_path / "c")
    assert subject.curated
    assert subject.labels.name == "meld"
    assert set(find_subject(BALANCED, tmp_path / "c", split="test").splits) == {"test"}
    with pytest.raises(ErcSynthError, match="no split 'dev'"):
        find_subject(BALANCED, tmp_path / "c", split="dev")
    with pytest.raises(ErcSynthError, match=r"Unknown data set 'nothing'.*meld_balanced"):
        find_subject("nothing", tmp_path / "c")


def test_no_room_for_temporary_files_is_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "SCHEMA", "PRAGMA max_page_count = 8;" + copies.SCHEMA)
    write_run(tmp_path / "runs", NATURAL, invented(40))
    with pytest.raises(ErcSynthError, match=r"temporary files .* could not be written: database or disk is full"):
        list(curate_runs([tmp_path / "runs" / NATURAL], tmp_path / "c", Options(), None))
    assert list((tmp_path / "c").iterdir()) == []
