"""The list of benchmarks (ours and a user's file), names, and where files are looked for."""

import pytest

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import label_set, label_set_names
from erc_synth.loaders.names import benchmark_names, find_data_dir, how_to_get, table_benchmarks
from fakes.benchmarks import write_meld

KITES = """
[kites]
reader = "emotionlines"
labels = ["calm", "gusty", "windy"]
tables = true
[kites.sentiment]
positive = ["calm"]
[kites.files]
train = ["train.json"]
validation = ["dev.json"]
test = ["test.json"]
"""


@pytest.fixture
def user_file(tmp_path, monkeypatch):
    """Writes the user's file of corpora and names it."""
    path = tmp_path / "mine.toml"
    monkeypatch.setenv("ERC_BENCHMARKS", str(path))

    def write(text):
        path.write_text(text)
        return path

    return write


def test_the_tables_have_the_papers_benchmarks_in_its_order():
    assert table_benchmarks() == ("meld", "emorynlp", "iemocap")
    assert set(table_benchmarks()) < set(benchmark_names())


def test_a_users_corpus_and_its_labels_are_known_after_ours(user_file):
    user_file(KITES)
    assert benchmark_names()[-1] == table_benchmarks()[-1] == "kites"
    assert label_set("kites").labels == ("calm", "gusty", "windy")
    assert label_set("kites").sentiment == {"calm": "positive"}


def test_an_edited_file_is_read_again(user_file):
    user_file(KITES)
    assert "kites" in benchmark_names()
    user_file(KITES.replace("[kites", "[kites2"))
    assert "kites" not in benchmark_names()
    assert "kites2" in label_set_names()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('reader = "emotionlines"', "", r"mine.toml: the corpus 'kites' is not complete: reader: field required"),
        ('test = ["test.json"]', "", "files lacks test"),
        ('labels = ["calm", "gusty", "windy"]', 'labels = ["calm", "calm"]', "two or more different names"),
        ('["calm"]\n[kites.files]', '["mild"]\n[kites.files]', "sentiment names mild, no label of it"),
        ("tables = true", "table = true", "unknown table"),
        ("tables = true", "tables = 3.5", "tables: input should be a valid boolean"),
        ("[kites.files]", "[kites.files", "not readable TOML"),
        ("[kites", "[meld", "meld is a corpus of ours"),
        ("tables = true", 'label_set = "meld"', "other labels to the label set 'meld'"),
    ],
)
def test_an_incomplete_entry_is_refused_with_what_is_missing(user_file, old, new, message):
    user_file(KITES.replace(old, new))
    with pytest.raises(ErcSynthError, match=message):
        label_set("kites")


def test_a_user_file_that_is_not_there_is_refused(user_file):
    with pytest.raises(ErcSynthError, match=r"\$ERC_BENCHMARKS names .*mine.toml, which is not there"):
        benchmark_names()


def test_a_users_folder_may_lie_beside_the_file(user_file, tmp_path, monkeypatch):
    monkeypatch.delenv("ERC_DATA", raising=False)
    user_file(KITES)
    (tmp_path / "kites").mkdir()
    assert find_data_dir("kites") is None
    for name in ("train", "dev", "test"):
        (tmp_path / "kites" / f"{name}.json").write_text("[]")
    assert find_data_dir("kites") == tmp_path / "kites"


def test_a_wrong_data_dir_never_falls_back(tmp_path, monkeypatch):
    write_meld(tmp_path / "env" / "meld")
    monkeypatch.setenv("ERC_DATA", str(tmp_path / "env"))
    assert find_data_dir("meld") == tmp_path / "env" / "meld"
    (tmp_path / "empty").mkdir()
    assert find_data_dir("meld", tmp_path / "empty") is None
    with pytest.raises(ErcSynthError, match=r"--data-dir .*missing is not a folder"):
        find_data_dir("meld", tmp_path / "missing")
    monkeypatch.setenv("ERC_DATA", str(tmp_path / "gone"))
    with pytest.raises(ErcSynthError, match=r"\$ERC_DATA .*gone is not a folder"):
        find_data_dir("meld")


@pytest.mark.parametrize("name", benchmark_names())
def test_every_benchmark_says_how_to_get_it(name):
    assert how_to_get(name).endswith(".")
