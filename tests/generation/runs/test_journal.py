"""The journal loses nothing: cuts at any byte, two writers, quick scans."""

import errno
import json
import os
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation.runs.journal import Journal, read_attempts, read_records, repair_tail, scan
from erc_synth.loaders.errors import ErcSynthError


def _record(index, outcome="accepted", attempt=0):
    return {"type": "attempt", "index": index, "attempt": attempt, "outcome": outcome, "text": 'é "\n' * 3}


def _write(path, records):
    with Journal(path) as journal:
        for record in records:
            journal.append(record)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_cut_at_any_byte_costs_at_most_the_last_record(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    _write(path, [_record(i) for i in range(4)])
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    survivors = whole[:cut].count(b"\n")
    _write(path, [_record(99)])
    assert [r["index"] for r in read_attempts(path)] == [*range(survivors), 99]


def test_two_writers_are_refused(tmp_path):
    with Journal(tmp_path / "j"), pytest.raises(ErcSynthError, match="another process"), Journal(tmp_path / "j"):
        pass


def test_a_journal_is_not_moved_away_from_its_writer(tmp_path):
    with Journal(tmp_path / "j") as journal:
        journal.append(_record(0))
        with pytest.raises(ErcSynthError, match="another process"), Journal(tmp_path / "j", aside=tmp_path / "old"):
            pass
        journal.append(_record(1))
    assert [r["index"] for r in read_attempts(tmp_path / "j")] == [0, 1]
    assert not (tmp_path / "old").exists()


def test_scan_agrees_with_the_records(tmp_path):
    outcomes = [(0, "rejected", 0), (0, "accepted", 1), (1, "error", 0), (2, "rejected", 0), (2, "rejected", 1)]
    _write(tmp_path / "j", [{"type": "run"}, *(_record(i, o, a) for i, o, a in outcomes)])
    progress = scan(tmp_path / "j")
    assert progress.accepted == {0}
    assert progress.attempts == 5
    assert progress.next_attempt == {0: 1, 2: 2}


def test_scan_counts_the_labels_of_the_wanted_jobs(tmp_path):
    tricky = {"labels": {'a}, "text': 2, "joy": 1}, "text": '"labels": {"anger": 9}, "text": "'}
    heads = [{key: value for key, value in _record(i).items() if key != "text"} for i in range(3)]
    _write(tmp_path / "j", [*({**head, **tricky} for head in heads), {**_record(3, "rejected"), "reason": "empty"}])
    assert scan(tmp_path / "j", 2).labels == {'a}, "text': 4, "joy": 2}
    assert scan(tmp_path / "j", 2).accepted == {0, 1}


def test_a_broken_record_in_the_middle_names_its_line(tmp_path):
    (tmp_path / "j").write_text('{"type": "run"}\n{broken\n')
    with pytest.raises(ErcSynthError, match="line 2"):
        list(read_records(tmp_path / "j"))


def test_repair_of_a_whole_file_changes_nothing(tmp_path):
    path = tmp_path / "j"
    _write(path, [_record(0)])
    before = path.read_bytes()
    assert repair_tail(path) == 0
    assert path.read_bytes() == before


def test_lone_surrogates_of_a_model_do_not_stop_the_run(tmp_path):
    _write(tmp_path / "j", [{**_record(0), "text": "\ud83d oh"}])
    assert json.loads((tmp_path / "j").read_bytes())["text"].endswith("oh")


def test_a_record_is_in_the_file_when_append_returns(tmp_path):
    with Journal(tmp_path / "j") as journal:
        for i in range(3):
            journal.append(_record(i))
            assert (tmp_path / "j").read_bytes().count(b"\n") == i + 1


def test_a_lone_record_reaches_the_disk_within_a_second(tmp_path, monkeypatch):
    synced = threading.Event()
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (real(number), synced.set()))
    with Journal(tmp_path / "j") as journal:
        journal.append(_record(0))
        assert synced.wait(1.0)


def test_a_slow_disk_holds_the_writer_back_at_64_records(tmp_path, monkeypatch):
    waiting = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda number: waiting.wait(10))
    with Journal(tmp_path / "j") as journal:
        written = []
        writer = threading.Thread(target=lambda: [written.append(journal.append(_record(i))) for i in range(100)])
        writer.start()
        time.sleep(0.3)
        assert len(written) == 64
        waiting.set()
        writer.join(10)
        assert len(written) == 100


def test_a_disk_that_fails_is_not_silent(tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        _write(tmp_path / "j", [_record(0)])
