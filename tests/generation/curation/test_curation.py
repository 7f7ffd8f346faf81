"""Curation: one reason per drop, all counted, all undoable, one seed."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from erc_synth.generation.curation.copies import Seen
from erc_synth.generation.curation.curate import Options, curate
from erc_synth.generation.curation.leaks import LeakIndex, benchmark_splits
from erc_synth.generation.curation.reasons import REASONS
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, Utterance, label_set
from fakes.bad_lines import LINES
from fakes.dialogues import invented, invented_dialogue, with_texts

GOOD = invented(12)
PROMPT = "Write a natural dialogue between some of the characters of the series."
EXAMPLE = "The landlord just said we can keep the cat."


def texts(dialogue: Dialogue) -> list[str]:
    return [turn.text for turn in dialogue.utterances]


def bad(reason: str) -> Dialogue:
    base = invented_dialogue(777, name="bad")
    said = texts(base)
    made = {
        **{why: with_texts(base, [*said, lines[0]]) for why, lines in LINES.items()},
        "one_speaker": replace(base, utterances=tuple(replace(u, speaker="Ada") for u in base.utterances)),
        "prompt_echo": with_texts(base, [*said, PROMPT]),
        "empty_turn": with_texts(base, [said[0], "  ", *said[2:]]),
        "long_turn": with_texts(base, [*said, " ".join(f"word{n}" for n in range(101))]),
        "too_short": with_texts(base, said[:1]),
        "too_long": with_texts(base, [f"Number {n} is on the list of things." for n in range(41)]),
        "one_label": replace(base, utterances=tuple(replace(u, emotion="joy") for u in base.utterances)),
        "repeated_lines": with_texts(base, [said[0], said[0], said[1], said[0]]),
        "copied_example": with_texts(base, [EXAMPLE.upper(), *said[1:]]),
        "language": with_texts(base, ["Das ist doch nicht dein Ernst, oder?", "Doch, ich habe es selbst gesehen."]),
        "cast": replace(base, utterances=(Utterance("Zoe", said[0], "joy"), *base.utterances[1:])),
        "duplicate": replace(GOOD[4], dialogue_id="z"),
        "near_duplicate": with_texts(GOOD[4], [*texts(GOOD[4])[:-1], texts(GOOD[4])[-1] + " Indeed."], "z"),
    }
    return made[reason]


def reasons(*more: Dialogue, **options) -> Counter[str]:
    wanted = Options(cast=("Ada", "Bruno", "Clara"), labels=label_set("meld"), prompt=(PROMPT,), **options)
    curated = curate("c", [*GOOD, *more], wanted, examples=frozenset({EXAMPLE}))
    return Counter(drop.reason for drop in curated.dropped)


def test_good_dialogues_pass():
    assert reasons() == {}


ALONE = REASONS.keys() - {"leak", "duplicate_across", "surplus", "role_speaker"}  # USER is outside the cast as well


@pytest.mark.parametrize("reason", sorted(ALONE))
def test_each_fault_is_named_and_can_be_undone(reason):
    assert reasons(bad(reason)) == {reason: 1}
    assert reasons(bad(reason), keep=frozenset({reason})) == {}


@pytest.mark.parametrize("reason", sorted(ALONE))
def test_one_dialogue_is_restored_by_its_id(reason):
    wrong, other = bad(reason), replace(bad("too_short"), dialogue_id="other")
    assert reasons(wrong, other, restore=frozenset({wrong.dialogue_id})) == {"too_short": 1}


def test_a_restored_dialogue_is_never_surplus():
    first = curate("c", GOOD, Options(size=4))
    lost = [drop.dialogue_id for drop in first.dropped]
    second = curate("c", GOOD, Options(size=4, restore=frozenset(lost[:3])))
    assert set(lost[:3]) < second.split_of.keys()
    assert len(second.kept) == 4


def test_nothing_is_lost_and_counts_add_up():
    curated = curate("c", [*GOOD, bad("too_short"), bad("duplicate")], Options(size=8))
    report = curated.report(recipe="r")
    assert report["input"]["dialogues"] == report["kept"]["dialogues"] + sum(report["dropped"].values()) == 14
    assert report["dropped"] == {"too_short": 1, "duplicate": 1, "surplus": 4}
    split_sizes = [size["utterances"] for size in report["splits"].values()]
    assert sum(split_sizes) == report["kept"]["utterances"]
    assert sum(sum(labels.values()) for labels in report["label_counts"].values()) == sum(split_sizes)


def test_result_does_not_depend_on_order():
    shuffled = random.Random(3).sample([*GOOD, bad("near_duplicate")], 13)
    first = curate("c", [*GOOD, bad("near_duplicate")], Options(size=9))
    second = curate("c", shuffled, Options(size=9))
    assert (first.kept, first.split_of) == (second.kept, second.split_of)


def test_test_hits_drop_and_train_hits_only_count():
    index = LeakIndex({"meld/train": [GOOD[1]], "meld/test": [GOOD[2]]})
    curated = curate("c", GOOD, Options(), leaks=index)
    assert [(d.dialogue_id, d.reason) for d in curated.dropped] == [(GOOD[2].dialogue_id, "leak")]
    assert curated.leaks["meld/train"]["exact"] == 1
    assert curated.leaks["meld/train"]["dropped"] == 0
    assert curated.leaks["meld/test"]["dropped"] == 1
    assert [curated.leaks[f"meld/{split}"]["kept"] for split in ("train", "test")] == [1, 0]
    assert curated.leaks["emorynlp/test"]["checked"] is False


def test_any_hit_drops_when_asked():
    index = LeakIndex({"meld/train": [GOOD[1]]})
    assert len(curate("c", GOOD, Options(drop_leaks="any"), leaks=index).dropped) == 1
    assert curate("c", GOOD, Options(drop_leaks="any", keep=frozenset({"leak"})), leaks=index).dropped == ()


def test_copies_across_configs_drop_in_the_later_one():
    seen = Seen()
    curate("first", GOOD, Options(), seen=seen)
    copy = replace(GOOD[0], dialogue_id="copy")
    second = curate("second", [copy, *invented(5, start=100)], Options(), seen=seen)
    assert [(d.reason, d.detail) for d in second.dropped] == [("duplicate_across", "duplicate of first d-000000")]


def test_kept_duplicates_share_a_split():
    pairs = [replace(d, dialogue_id=f"{d.dialogue_id}-copy") for d in GOOD]
    curated = curate("c", [*GOOD, *pairs], Options(keep=frozenset({"duplicate"})))
    assert all(curated.split_of[d.dialogue_id] == curated.split_of[f"{d.dialogue_id}-copy"] for d in GOOD)


def test_an_empty_result_says_why():
    with pytest.raises(ErcSynthError, match=r"No dialogue of c is left .*too_short 1"):
        curate("c", [bad("too_short")], Options())


def test_same_id_twice_is_refused():
    with pytest.raises(ErcSynthError, match="have the id 'd-000000'"):
        curate("c", [GOOD[0], GOOD[0]], Options())


@pytest.mark.parametrize(
    ("options", "message"),
    [({"keep": frozenset({"boring"})}, "Unknown reason 'boring'"), ({"size": 0}, "not positive"),
     ({"drop_leaks": "none"}, "unknown"), ({"splits": (1, 0, 0)}, "three positive")],
)  # fmt: skip
def test_bad_options_are_refused(options, message):
    with pytest.raises(ErcSynthError, match=message):
        Options(**options)


@pytest.mark.benchmark_data
def test_real_dialogues_are_rarely_called_broken(benchmark_data: Path):
    """Real scripts are the oracle of the rules: beyond one-turn, one-speaker and one-label dialogues few may fall."""
    for name in ("meld", "emorynlp"):
        real = [d for dialogues in benchmark_splits(benchmark_data, (name,)).values() for d in dialogues]
        dropped = curate(name, real, Options()).report(None)["dropped"]
        broken = sum(n for reason, n in dropped.items() if reason not in ("too_short", "one_speaker", "one_label"))
        assert broken / len(real) < 0.02


def three_copies(of: Dialogue) -> list[Dialogue]:
    return [replace(of, dialogue_id=f"{of.dialogue_id}-copy{n}") for n in range(3)]


@pytest.mark.parametrize("seed", range(6))
def test_kept_copies_of_another_config_stay_in_one_split_and_in_its(seed):
    """Copies kept by --keep duplicate_across: train lines must not stand in a test split, here or there."""
    seen = Seen()
    first = curate("first", GOOD, Options(seed=seed), seen=seen)
    copies = [copy for d in GOOD[:4] for copy in three_copies(d)]
    options = Options(seed=seed, keep=frozenset({"duplicate", "duplicate_across"}))
    second = curate("second", [*copies, *invented(20, start=100)], options, seen=seen)
    for copy in copies:
        assert second.split_of[copy.dialogue_id] == first.split_of[copy.dialogue_id.removesuffix(copy.dialogue_id[-6:])]


@pytest.mark.parametrize("seed", range(6))
def test_near_copies_of_two_dialogues_join_them(seed):
    """c is near a and near b, which are not near each other: all three go into one split."""
    words = [f"word{n} of the story" for n in range(30)]
    a, b, c = (with_texts(GOOD[0], lines, name) for lines, name in
               ((words[:24], "a"), (words[6:], "b"), (words[3:27], "c")))  # fmt: skip
    keep = frozenset({"near_duplicate", "foreign_line", "language"})
    placed = curate("c", [a, b, c, *invented(20, start=100)], Options(seed=seed, keep=keep)).split_of
    assert placed["a"] == placed["b"] == placed["c"]


def test_what_was_trimmed_from_one_config_is_free_for_another():
    seen = Seen()
    first = curate("first", GOOD, Options(size=4), seen=seen)
    lost = [first.given.of(drop.dialogue_id) for drop in first.dropped if drop.reason == "surplus"]
    again = [replace(dialogue, dialogue_id=f"again-{n}") for n, dialogue in enumerate(lost)]
    assert curate("second", again, Options(), seen=seen).dropped == ()


def test_two_models_in_one_run_are_named():
    other = [replace(d, generator="other/model") for d in invented(3, start=100)]
    report = curate("c", [*GOOD, *other], Options()).report("r")
    assert report["generators"] == {"g": 12, "other/model": 3}
    assert report["generator"] == "g, other/model"


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64, 0])
def test_any_whole_number_is_a_seed(seed):
    one, two = (curate("c", GOOD, Options(seed=seed, size=5, level=True)) for _ in range(2))
    assert one.split_of == two.split_of
