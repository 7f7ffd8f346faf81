"""Texts come out of every format as they are meant: line ends, old encodings, names; and nothing stale."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erc_synth.loaders import registry
from erc_synth.loaders.benchmarks.builder import input_digests
from erc_synth.loaders.benchmarks.readers import READERS
from erc_synth.loaders.benchmarks.reading import repaired, utterance
from erc_synth.loaders.benchmarks.specs import local_files, specs
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import label_set
from erc_synth.loaders.schema import to_dialogues
from fakes.benchmarks import write_dailydialog, write_emorynlp, write_emotionlines, write_iemocap, write_meld

ODD_ENDS = ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r"]
WRITERS = {
    "meld": (write_meld, "A ladder, a ladder!"),
    "emorynlp": (write_emorynlp, "On your head!"),
    "emorynlp:small": (write_emorynlp, "On your head!"),
    "iemocap": (write_iemocap, "Excuse me."),
    "dailydialog": (write_dailydialog, "Go away !"),
    "emotionlines": (write_emotionlines, "Where?"),
}


def _texts(name, folder):
    """All texts of a corpus in a folder, read by its reader."""
    corpus, _, variant = name.partition(":")
    spec = specs()[corpus].variant(variant or None)
    return [
        turn.text
        for split, path in local_files(spec, folder).items()
        for dialogue in READERS[spec.reader](path, split, label_set(spec.label_set), spec.options)
        for turn in dialogue.utterances
    ]


def _with_text(name, folder, new):
    """The corpus with one known text replaced everywhere, read."""
    write, old = WRITERS[name]
    before = _texts(name, write(folder))
    for path in folder.rglob("*.*"):
        if path.is_file() and not path.name.startswith("._"):
            content = path.read_bytes().decode()
            piece = json.dumps(new)[1:-1] if path.suffix == ".json" else new
            path.write_bytes(content.replace(old, piece).encode())
    return before, _texts(name, folder)


NEEDS_QUOTES = {("meld", "\r"), ("emorynlp:small", "\r")}  # a CR outside quotes ends a row of CSV


@pytest.mark.parametrize(
    ("name", "end"), [(name, end) for name in WRITERS for end in ODD_ENDS if (name, end) not in NEEDS_QUOTES], ids=ascii
)
def test_only_the_formats_own_line_end_ends_a_record(tmp_path, name, end):
    text = f"One{end}two"
    before, after = _with_text(name, tmp_path / "x", text)
    assert len(after) == len(before)
    assert text in after


def test_line_ends_inside_quotes_of_csv_stay(tmp_path):
    rows = [("One\rtwo", "Ada", "joy", 0, 0), ("Three\r\nfour\nfive", "Ben", "joy", 0, 1)]
    assert _texts("meld", write_meld(tmp_path, rows=rows))[:2] == [rows[0][0], rows[1][0]]


@pytest.mark.parametrize("name", WRITERS)
def test_old_encodings_are_mended_alike_in_every_corpus(tmp_path, name):
    _, after = _with_text(name, tmp_path / "x", "Don\x92t \x93Ben\x94\x85 caf\xe9\x97or\xa0no")
    assert "Don’t “Ben”… café—or no" in after


@pytest.mark.parametrize("name", WRITERS)
def test_clean_text_stays(tmp_path, name):
    clean = "He’s here… café naïve ¿qué? 😂 Â«x» Ã©"
    assert clean in _with_text(name, tmp_path / "x", clean)[1]


@given(st.text())
def test_repair_leaves_no_c1_code_and_is_done_once(text):
    once = repaired(text)
    assert not any(0x80 <= ord(character) < 0xA0 for character in once)
    assert repaired(once) == once


@given(st.text("’“”…—éÂÃab", min_size=1))
def test_utf8_that_was_read_as_latin1_is_read_as_utf8(text):
    garbled = text.encode().decode("latin-1")
    if any(0x80 <= ord(character) < 0xA0 for character in garbled):
        assert repaired(garbled) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_speaker_is_one_line(name):
    speaker = utterance(name, "x", None).speaker
    assert len(speaker.splitlines()) <= 1
    assert speaker == speaker.strip()


def test_an_edited_second_file_is_read_anew(tmp_path):
    folder = write_dailydialog(tmp_path / "dailydialog")

    def emotions():
        rows = registry.load("dailydialog", data_dir=folder, verify="off", cache_dir=str(tmp_path / "cache"))
        return [turn.emotion for turn in to_dialogues(rows["train"])[0].utterances]

    before = emotions()
    path = folder / "train" / "dialogues_emotion_train.txt"
    path.write_text(path.read_text().replace("0 1", "2 3", 1))
    assert before != emotions() == ["disgust", "fear"]


@pytest.mark.parametrize("name", WRITERS)
def test_every_file_that_a_reader_opens_is_in_the_cache_key(tmp_path, monkeypatch, name):
    from pathlib import Path

    corpus, _, variant = name.partition(":")
    folder = WRITERS[name][0](tmp_path / "x")
    spec = specs()[corpus].variant(variant or None)
    paths = local_files(spec, folder)
    known = set(input_digests(spec, paths))
    opened = set()
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.add(path) or read(path))
    for split, path in paths.items():
        list(READERS[spec.reader](path, split, label_set(spec.label_set), spec.options))
    assert opened == known


def test_edited_text_with_the_published_counts_is_noticed(benchmark_data, tmp_path, caplog):
    folder = tmp_path / "meld"
    folder.mkdir()
    for path in (benchmark_data / "meld").glob("*.csv"):
        (folder / path.name).write_bytes(path.read_bytes())
    registry.load("meld", data_dir=folder, cache_dir=str(tmp_path / "cache"))
    assert not caplog.records
    edited = folder / "dev_sent_emo.csv"
    edited.write_bytes(edited.read_bytes().replace(b"Oh my God", b"Oh my gosh", 1))
    for _ in range(2):  # from the cache too
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            registry.load("meld", data_dir=folder, cache_dir=str(tmp_path / "cache"))
        assert [record.getMessage() for record in caplog.records] == [
            f"{edited} differs from the published file of meld: it is another release of it, or its text was edited."
        ]


def test_a_corpus_in_a_known_format_has_ids_of_its_own(tmp_path, monkeypatch):
    write_emotionlines(tmp_path / "kites")
    (tmp_path / "mine.toml").write_text(
        '[kites]\nreader = "emotionlines"\nlabel_set = "emotionlines"\n[kites.files]\n'
        + "".join(
            f'{s} = ["friends_{f}.json"]\n' for s, f in (("train", "train"), ("validation", "dev"), ("test", "test"))
        )
    )
    monkeypatch.setenv("ERC_BENCHMARKS", str(tmp_path / "mine.toml"))
    monkeypatch.delenv("ERC_DATA", raising=False)
    rows = registry.load("kites", cache_dir=str(tmp_path / "cache"))["train"]
    assert to_dialogues(rows)[0].dialogue_id == "kites_train_0"


def test_an_unknown_reader_is_refused_with_the_known(tmp_path, monkeypatch):
    files = "".join(f'{split} = ["x.txt"]\n' for split in ("train", "validation", "test"))
    (tmp_path / "mine.toml").write_text(f'[kites]\nreader = "xml"\nlabel_set = "meld"\n[kites.files]\n{files}')
    (tmp_path / "kites").mkdir()
    (tmp_path / "kites" / "x.txt").write_text("")
    monkeypatch.setenv("ERC_BENCHMARKS", str(tmp_path / "mine.toml"))
    with pytest.raises(ErcSynthError, match=r"unknown reader 'xml'. Known: meld_csv"):
        registry.load("kites", data_dir=tmp_path)
