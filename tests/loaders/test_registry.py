"""Names, label maps, fingerprints, descriptions, exports, and local repo folders."""

import json

import pyarrow.parquet as pq
import pytest

from erc_synth.loaders import registry
from erc_synth.loaders.describe import describe
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.export import FORMATS, export
from erc_synth.loaders.labels import label_map, label_map_names, map_labels, maps_that_join
from erc_synth.loaders.names import parse_name, table_benchmarks
from erc_synth.loaders.schema import Dialogue, Utterance, features, label_set, to_dialogues, to_utterances
from erc_synth.loaders.weights import wheel_path

MELD = label_set("meld")


def _dialogues(prefix="d", count=3):
    return [
        Dialogue(f"{prefix}{i}", (Utterance("Ada", f"Kite number {i}!", "joy"), Utterance("Ben", "Oh", "surprise")))
        for i in range(count)
    ]


def _repo(folder, splits):
    """A minimal repo folder as a Hub user would write it."""
    lines = "\n".join(f"  - split: {split}\n    path: c/{split}.parquet" for split in splits)
    (folder / "c").mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: c\n  data_files:\n{lines}\n---\n")
    for split, dialogues in splits.items():
        to_utterances(dialogues, MELD).to_parquet(folder / "c" / f"{split}.parquet")
    return folder


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("meld", ("meld", None)),
        ("org/erc-synth:meld_balanced", ("org/erc-synth", "meld_balanced")),
        ("./dist/erc-synth:meld_balanced", ("./dist/erc-synth", "meld_balanced")),
        ("C:\\data\\x", ("C:\\data\\x", None)),
    ],
)
def test_names_split_into_path_and_config(name, parts):
    assert parse_name(name) == parts


def test_local_folder_loads_by_name(tmp_path):
    folder = _repo(tmp_path / "repo", {"train": _dialogues()})
    assert to_dialogues(registry.load(f"{folder}:c")["train"]) == _dialogues()


def test_changed_folder_never_gives_stale_rows(tmp_path):
    folder = _repo(tmp_path / "repo", {"train": _dialogues(count=3)})
    assert len(registry.load(str(folder), "c")["train"]) == 6
    _repo(tmp_path / "repo", {"train": _dialogues(count=5)})  # the README stays the same
    assert len(registry.load(str(folder), "c")["train"]) == 10


def test_a_dialogue_in_two_splits_is_refused(tmp_path):
    folder = _repo(tmp_path / "repo", {"train": _dialogues(), "test": _dialogues()})
    with pytest.raises(ErcSynthError, match="'d0' is in both train and test"):
        registry.load(str(folder), "c")


def test_a_dialogue_twice_in_a_split_is_refused(tmp_path):
    folder = _repo(tmp_path / "repo", {"train": [*_dialogues(), *_dialogues(count=1)]})
    with pytest.raises(ErcSynthError, match="'d0' is there twice"):
        registry.load(str(folder), "c")


def test_a_label_beyond_the_set_is_refused(tmp_path):
    folder = _repo(tmp_path / "repo", {"train": _dialogues()})
    path = folder / "c" / "train.parquet"
    table = pq.read_table(path)
    column = table.column_names.index("emotion")
    pq.write_table(table.set_column(column, table.schema.field(column), [[9] * len(table)]), path)
    with pytest.raises(ErcSynthError, match="emotion 9 is no label; expected -1 to 6"):
        registry.load(str(folder), "c")


def test_a_variant_of_a_repo_is_refused():
    with pytest.raises(ErcSynthError, match="variant is for benchmarks"):
        registry.load("org/erc-synth", "c", variant="small")


def test_unknown_config_is_one_sentence(tmp_path):
    folder = _repo(tmp_path / "repo", {"train": _dialogues()})
    with pytest.raises(ErcSynthError, match="could not be loaded"):
        registry.load(str(folder), "nope")


def test_unknown_name_lists_the_known():
    with pytest.raises(ErcSynthError, match="meld, emorynlp, iemocap"):
        registry.load("mled")


def test_fingerprint_sees_a_changed_label_and_nothing_else():
    rows = to_utterances(_dialogues(), MELD)
    again = to_utterances(_dialogues(), MELD)
    changed = to_utterances([*_dialogues()[:2], Dialogue("d2", (Utterance("Ada", "x", "fear"),))], MELD)
    assert registry.fingerprint(rows) == registry.fingerprint(again) != registry.fingerprint(changed)


@pytest.mark.parametrize("name", label_map_names())
def test_maps_lead_into_their_own_labels(name):
    for benchmark in table_benchmarks():
        common, pairs = label_map(name, label_set(benchmark))
        assert set(pairs.values()) <= set(common.labels)
        assert set(pairs) <= set(label_set(benchmark).labels)


def test_mapping_says_what_it_drops():
    mapped, dropped = map_labels(to_utterances(_dialogues(), MELD), "core4")
    assert dropped == {"surprise": 3}
    assert [u.emotion for d in registry_dialogues(mapped) for u in d.utterances] == ["joy", None] * 3


def registry_dialogues(rows):
    return to_dialogues(rows)


def test_mapped_benchmarks_can_be_joined():
    from datasets import concatenate_datasets

    other = [Dialogue("e", (Utterance("Ada", "x", "mad"),))]
    parts = [
        map_labels(to_utterances(_dialogues(), MELD), "core5")[0],
        map_labels(to_utterances(other, label_set("emorynlp")), "core5")[0],
    ]
    assert len(concatenate_datasets(parts)) == 7


def test_maps_that_join_two_sets():
    assert "core5" in maps_that_join(MELD, label_set("emorynlp"))
    assert "core5" in maps_that_join(MELD, label_set("iemocap"))


def test_describe_counts():
    facts = describe(to_utterances(_dialogues(), MELD))
    assert (facts["dialogues"], facts["utterances"], facts["speakers"], facts["words"]) == (3, 6, 2, 12)
    assert facts["labels"]["joy"] == facts["labels"]["surprise"] == 3
    assert facts["transitions"] == {"joy > surprise": 3}


@pytest.mark.parametrize("form", FORMATS)
def test_exports_hold_every_utterance(tmp_path, form):
    from datasets import DatasetDict

    export(DatasetDict({"train": to_utterances(_dialogues(), MELD)}), form, tmp_path)
    if form == "parquet":
        written = str(pq.read_table(tmp_path / "train.parquet").to_pylist())
    else:
        written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert all(f"Kite number {i}!" in written for i in range(3))


def test_convokit_links_every_reply(tmp_path):
    from datasets import DatasetDict

    export(DatasetDict({"train": to_utterances(_dialogues(), MELD)}), "convokit", tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "utterances.jsonl").read_text().splitlines()]
    by_id = {line["id"]: line for line in lines}
    assert all(line["reply-to"] is None or line["reply-to"] in by_id for line in lines)
    assert set(json.loads((tmp_path / "conversations.json").read_text())) == {f"d{i}#0" for i in range(3)}


def test_unknown_export_format(tmp_path):
    with pytest.raises(ErcSynthError, match="jsonl, csv"):
        export({}, "xml", tmp_path)


def test_wheel_path_finds_without_importing():
    import sys

    assert wheel_path("no_such_package", "x") is None
    assert wheel_path("json", "decoder.py").name == "decoder.py"
    wheel_path("this", "x")
    assert "this" not in sys.modules


def test_provenance_columns_are_those_of_the_design():
    assert list(features(MELD, provenance=True))[5:] == ["seed", "target_emotion", "recipe", "generator"]
