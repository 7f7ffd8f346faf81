"""Benchmarks by name: real counts, both encodings, both forms, both IEMOCAP rules, clear errors."""

import pytest

from erc_synth.loaders import registry
from erc_synth.loaders.benchmarks.builder import register
from erc_synth.loaders.benchmarks.readers import READERS
from erc_synth.loaders.benchmarks.specs import DatasetSpec, remove_spec
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import LabelSet, remove_label_set
from erc_synth.loaders.names import benchmark_names, find_data_dir
from erc_synth.loaders.schema import Dialogue, Utterance, to_dialogues
from fakes.benchmarks import MELD_ROWS, write_dailydialog, write_emorynlp, write_emotionlines, write_iemocap, write_meld


def _load(name, folder, **options):
    return registry.load(name, data_dir=folder, verify="off", cache_dir=str(folder / "cache"), **options)


def _turns(rows):
    return [(d.dialogue_id, [(u.speaker, u.text, u.emotion) for u in d.utterances]) for d in to_dialogues(rows)]


@pytest.mark.parametrize(
    ("name", "variant", "dialogues", "utterances"),
    [
        ("meld", None, (1038, 114, 280), (9989, 1109, 2610)),
        ("emorynlp", None, (713, 99, 85), (9934, 1344, 1328)),
        ("emorynlp", "small", (659, 89, 79), (7551, 954, 984)),
    ],
)
@pytest.mark.benchmark_data
def test_official_files_have_the_published_counts(benchmark_data, tmp_path, name, variant, dialogues, utterances):
    loaded = registry.load(name, data_dir=benchmark_data, variant=variant, cache_dir=str(tmp_path))
    assert list(loaded) == ["train", "validation", "test"]
    assert tuple(len(set(rows["dialogue_id"])) for rows in loaded.values()) == dialogues
    assert tuple(map(len, loaded.values())) == utterances


@pytest.mark.benchmark_data
def test_both_emorynlp_forms_agree_where_they_overlap(benchmark_data, tmp_path):
    big, small = (
        registry.load("emorynlp", data_dir=benchmark_data, variant=v, cache_dir=str(tmp_path))["test"]
        for v in (None, "small")
    )
    wanted = ("dialogue_id", "speaker", "text", "emotion")
    everything = set(zip(*(big[column] for column in wanted), strict=True))
    some = set(zip(*(small[column] for column in wanted), strict=True))
    assert some <= everything


@pytest.mark.benchmark_data
def test_real_meld_holds_no_c1_characters(benchmark_data, tmp_path):
    loaded = registry.load("meld", data_dir=benchmark_data, cache_dir=str(tmp_path))
    assert not any(0x80 <= ord(c) <= 0xA0 for rows in loaded.values() for text in rows["text"] for c in text)


def test_both_meld_encodings_give_equal_rows(tmp_path):
    new = _load("meld", write_meld(tmp_path / "new"))
    old = _load("meld", write_meld(tmp_path / "old", old_encoding=True))
    assert _turns(new["train"]) == _turns(old["train"])
    assert new["train"][0]["text"] == "Who’s got the ladder?"


def test_utterance_ids_are_positions_though_official_ids_have_gaps(tmp_path):
    rows = _load("meld", write_meld(tmp_path))["test"]
    assert rows["utterance_id"][:] == [0, 1, 0]
    assert rows["dialogue_id"][:] == ["meld_test_0", "meld_test_0", "meld_test_2"]


def test_emorynlp_forms_give_equal_dialogues_and_join_speakers(tmp_path):
    folder = write_emorynlp(tmp_path / "emorynlp")
    big, small = _load("emorynlp", folder), _load("emorynlp", folder, variant="small")
    assert _turns(big["train"]) == _turns(small["train"])
    assert big["train"][1]["speaker"] == "Ben Wood & Ada Stone"


def test_iemocap_self_majority_rule_finds_happy_and_drops_the_rest(tmp_path):
    loaded = _load("iemocap", write_iemocap(tmp_path / "release"))
    turns = dict(_turns(loaded["train"]))["iemocap_train_Ses01M_impro02"]
    assert turns == [("Ses01_M", "I won a bicycle.", "happy")]
    assert [d for d, _ in _turns(loaded["validation"])] == ["iemocap_validation_Ses01M_impro01"]
    assert [d for d, _ in _turns(loaded["test"])] == ["iemocap_test_Ses05F_script01_1"]


def test_iemocap_official_rule_leaves_happy_out(tmp_path):
    loaded = _load("iemocap", write_iemocap(tmp_path / "release"), variant="official")
    assert "iemocap_train_Ses01M_impro02" not in dict(_turns(loaded["train"]))


def test_iemocap_all_context_keeps_unlabelled_turns_in_order(tmp_path):
    loaded = _load("iemocap", write_iemocap(tmp_path / "release"), variant="all-context")
    turns = dict(_turns(loaded["train"]))["iemocap_train_Ses01M_impro02"]
    assert [label for _, _, label in turns] == ["happy", None, None, None]


def test_iemocap_nine_way_has_surprise(tmp_path):
    loaded = _load("iemocap", write_iemocap(tmp_path / "release"), variant="9way")
    turns = dict(_turns(loaded["train"]))["iemocap_train_Ses01M_impro02"]
    assert ("Ses01_F", "Blue.", "surprised") in turns


@pytest.mark.parametrize(("name", "write"), [("dailydialog", write_dailydialog), ("emotionlines", write_emotionlines)])
def test_further_corpora_load_through_the_same_builder(tmp_path, name, write):
    rows = _load(name, write(tmp_path / name))["validation"]
    assert len(to_dialogues(rows)[0]) == 2


@pytest.fixture
def registered():
    """Takes what a test registers back."""
    readers = dict(READERS)
    yield
    remove_spec("kites")
    remove_label_set("weather")
    READERS.clear()
    READERS.update(readers)


def _kites(path, split, labels, options):
    for number, line in enumerate(path.read_text().splitlines()):
        texts = line.split("|")
        yield Dialogue(f"kites_{split}_{number}", tuple(Utterance("ABAB"[i], t, "windy") for i, t in enumerate(texts)))


def test_a_corpus_of_ones_own_is_one_spec_and_a_reader(tmp_path, registered):
    names = {split: [f"{split}.txt"] for split in ("train", "validation", "test")}
    for file in names.values():
        (tmp_path / file[0]).write_text("Up it goes!|So high.\nDown again.|Oh.\n")
    spec = DatasetSpec("kites", "kites", "weather", "kites", names, "MIT", "own", {"test": {"dialogues": 3}})
    register(spec, _kites, LabelSet("weather", ("calm", "windy")))
    assert [d.utterances[0].emotion for d in to_dialogues(_load("kites", tmp_path)["train"])] == ["windy", "windy"]
    with pytest.raises(ErcSynthError, match="has 2 dialogues, expected 3"):
        registry.load("kites", data_dir=tmp_path, cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("name", "reader", "labels", "message"),
    [("meld", "meld_csv", "meld", "known already"), ("kites", "xml", "meld", "Unknown reader"),
     ("kites", "meld_csv", "weather", "Unknown label set")],
)  # fmt: skip
def test_a_wrong_corpus_is_refused_at_once(name, reader, labels, message, registered):
    with pytest.raises(ErcSynthError, match=message):
        register(DatasetSpec(name, reader, labels, "x", {}, "", ""))
    assert "kites" not in benchmark_names()


def test_wrong_count_names_file_expected_and_found(tmp_path):
    folder = write_meld(tmp_path)
    with pytest.raises(ErcSynthError, match=r"train_sent_emo.csv: the train split .* has 2 dialogues, expected 1038"):
        registry.load("meld", data_dir=folder, cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("Hi", "Ada", "glee", 0, 0)], "line 2: unknown emotion 'glee'"),
        (
            [("Hi", "Ada", "joy", 0, 0), ("Ho", "Ben", "joy", 0, 0)],
            "line 3: utterance '0' .* occurs twice",
        ),
        (
            [("a", "A", "joy", 0, 0), ("b", "B", "joy", 1, 0), ("c", "A", "joy", 0, 1)],
            "line 4: dialogue '0' .*twice",
        ),
    ],
)
def test_bad_rows_are_named_by_file_and_line(tmp_path, rows, message):
    with pytest.raises(ErcSynthError, match=message):
        _load("meld", write_meld(tmp_path, rows=rows))


def _refused(name, path, old, new, message):
    """A file with one piece replaced is refused with this message."""
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ErcSynthError, match=message):
        _load(name, path.parent)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"Joyful"', '"Glad"', r"trn.json, line \d+: unknown emotion 'glad'"),
        ('"transcript"', '"words"', r"trn.json, line \d+: utterance s01_e02_c03_u002 .*KeyError: 'transcript'"),
        ("_u005", "_u002", r"utterance 's01_e02_c03_u002' of dialogue 's01_e02_c03' occurs twice"),
        ('"scenes"', '"acts"', r"not in the official layout \(KeyError: 'scenes'\)"),
        ("}", "", r"line \d+: not valid JSON"),
    ],
)
def test_bad_emorynlp_json_is_named_by_file_and_place(tmp_path, old, new, message):
    _refused("emorynlp", write_emorynlp(tmp_path / "emorynlp") / "emotion-detection-trn.json", old, new, message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"joy"', '"glee"', r"dialogue 0, utterance 0 .*unknown emotion 'glee'"),
        ('"speaker": "Ben"', '"who": "Ben"', r"dialogue 0, utterance 1 .*KeyError: 'speaker'"),
    ],
)
def test_bad_emotionlines_is_named_by_its_place(tmp_path, old, new, message):
    _refused("emotionlines", write_emotionlines(tmp_path / "emotionlines") / "friends_train.json", old, new, message)


def test_bad_dailydialog_is_named_by_its_line(tmp_path):
    path = write_dailydialog(tmp_path / "dailydialog") / "train" / "dialogues_emotion_train.txt"
    path.write_text("0 1 \n4 \n")
    with pytest.raises(ErcSynthError, match=r"line 2: expected 2 numbers from 0 to 6, found '4 '"):
        _load("dailydialog", path.parent.parent)


def test_missing_column_and_broken_encoding_are_named(tmp_path):
    folder = write_meld(tmp_path)
    good = (folder / "train_sent_emo.csv").read_text()
    (folder / "train_sent_emo.csv").write_text(good.replace("Emotion", "Mood", 1))
    with pytest.raises(ErcSynthError, match=r"line 1: the columns \['Emotion'\] are missing"):
        _load("meld", folder)
    (folder / "train_sent_emo.csv").write_bytes(good.encode().replace(b"ladder!", b"\xff\xfe"))
    with pytest.raises(ErcSynthError, match=r"line \d: the text is not UTF-8"):
        _load("meld", folder)


def test_an_edited_file_is_read_anew_not_from_the_cache(tmp_path):
    assert len(_load("meld", write_meld(tmp_path))["train"]) == 3
    assert len(_load("meld", write_meld(tmp_path, rows=MELD_ROWS[:2]))["train"]) == 2


def test_streaming_gives_the_same_rows(tmp_path):
    folder = write_meld(tmp_path)
    assert list(_load("meld", folder, streaming=True)["test"]) == list(_load("meld", folder)["test"])


def test_iemocap_is_never_downloaded(tmp_path, monkeypatch):
    monkeypatch.delenv("ERC_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ErcSynthError, match="USC SAIL"):
        registry.load("iemocap")


def test_download_failure_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("ERC_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    with pytest.raises(ErcSynthError, match=r"meld could not be downloaded .* --data-dir"):
        registry.load("meld", cache_dir=str(tmp_path / "cache"))


def test_data_dir_may_be_the_folder_or_its_parent(tmp_path):
    write_meld(tmp_path / "meld")
    assert find_data_dir("meld", tmp_path) == find_data_dir("meld", tmp_path / "meld")


def test_empty_folder_says_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.delenv("ERC_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ErcSynthError, match=r"has no files of meld. It should hold train_sent_emo.csv"):
        registry.load("meld", data_dir=tmp_path)
