"""Bad dialogues of many kinds: each is dropped with a reason of its own, and its innocent twin passes."""

from collections import Counter

import pytest

from erc_synth.generation.curation.curate import Options, curate
from erc_synth.generation.curation.reasons import REASONS, Limits
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, Utterance, label_set
from fakes.bad_lines import INNOCENT, LINES
from fakes.dialogues import invented

GOOD = invented(6)
HOLD = ("I left my umbrella on the tram again.", "Then call the lost property office, they are open until six.",
        "I did, and nobody picks up the phone there.", "Let us walk over together after lunch.")  # fmt: skip
EMOTIONS = ("sadness", "neutral", "anger", "joy")


def talk(*texts: str, speakers: tuple[str, ...] = ("Ada", "Bruno")) -> Dialogue:
    turns = (
        Utterance(speakers[number % len(speakers)], text, EMOTIONS[number % 4]) for number, text in enumerate(texts)
    )
    return Dialogue("x", tuple(turns))


def holding(line: str) -> Dialogue:
    """A good dialogue with one line more."""
    return talk(*HOLD[:2], line, *HOLD[2:])


def reason(dialogue: Dialogue, **options) -> str | None:
    options = {"labels": label_set("meld"), **options}
    dropped = curate("c", [*GOOD, dialogue], Options(**options)).dropped
    assert {drop.dialogue_id for drop in dropped} <= {"x"}
    return dropped[0].reason if dropped else None


@pytest.mark.parametrize(("why", "line"), [(why, line) for why, lines in LINES.items() for line in lines])
def test_a_bad_line_is_named(why, line):
    assert reason(holding(line)) == why


@pytest.mark.parametrize("line", INNOCENT)
def test_an_innocent_line_passes(line):
    assert reason(holding(line)) is None


@pytest.mark.parametrize(
    "name",
    ["USER", "ASSISTANT", "User", "Human", "AI", "System", "Narrator", "Speaker 1", "Person A", "Chatbot", "Title",
     "Note", "The Narrator", "<|user|>", "**Ada**", "旁白", "???", "And then Ada said to her friend"],
)  # fmt: skip
def test_who_is_no_person_does_not_speak(name):
    assert reason(talk(*HOLD, speakers=("Ada", name))) == "role_speaker"


@pytest.mark.parametrize("name", ["Assistant", "Mr. Human-Smith", "Monica & Joey & Ross & Rachel", "Woman 2", "Ai Wei",
                                  "Dr. Green", "The Waiter", "Ugly Naked Guy", "D'Artagnan", "李华"])  # fmt: skip
def test_persons_speak(name):
    assert reason(talk(*HOLD, speakers=("Ada", name))) is None


def test_a_name_of_the_recipe_is_a_person():
    assert reason(talk(*HOLD, speakers=("Ada", "Narrator")), names=("Ada", "Narrator")) is None


def test_one_person_alone_holds_no_dialogue():
    assert reason(talk(*HOLD, speakers=("Ada",))) == "one_speaker"
    assert reason(talk(*HOLD, speakers=("Ada",)), limits=Limits(min_speakers=1)) is None


def test_the_prompt_is_not_said_again():
    prompt = "Write a natural dialogue between some of the characters of the series."
    said = "Sure. Write a natural dialogue between some of the characters!"
    assert reason(holding(said), prompt=(prompt,)) == "prompt_echo"
    assert reason(holding("Write a natural dialogue, will you?"), prompt=(prompt,)) is None


def test_a_whole_dialogue_in_chinese():
    chinese = talk("你好，今天怎么样？", "我很好，谢谢你。", "我们去吃饭吧。", "好的，走吧。")
    assert reason(chinese) == "language"
    dropped = curate("c", [chinese], Options(keep=frozenset(REASONS), language="zh"))
    assert dropped.dropped == ()


@pytest.mark.parametrize(
    ("language", "texts"),
    [("zh", (  # the same talk in each
             "你把雨伞忘在电车上了吗？", "是的，我打电话给失物招领处了。",
             "他们有没有找到它？", "没有，我们一起去看看吧。")),
     ("de", ("Ich habe schon wieder meinen Schirm vergessen.", "Dann ruf doch beim Fundbüro an.",
             "Das habe ich, aber da hebt keiner ab.", "Lass uns nach dem Essen hingehen.")),
     ("th", ("สวัสดีครับ วันนี้เป็นอย่างไรบ้าง", "ฉันลืมร่มไว้บนรถราง", "โทรไปที่สำนักงานสิ", "ไปด้วยกันเถอะ"))],
)  # fmt: skip
def test_a_recipe_in_another_language_keeps_its_own_and_sees_english(language, texts):
    own = Dialogue("own", tuple(Utterance(n, t, e) for n, t, e in zip("ABAB", texts, EMOTIONS, strict=True)))
    mixed = Dialogue("mixed", (*own.utterances[:3], Utterance("B", "Let us walk over together after lunch.", "joy")))
    dropped = curate("c", [own, mixed], Options(language=language, keep=frozenset({"near_duplicate"}))).dropped
    assert [(drop.dialogue_id, drop.reason) for drop in dropped] == [("mixed", "foreign_line")]


def test_profanity_is_counted_and_kept():
    curated = curate("c", [*GOOD, holding("Damn, that umbrella was a gift.")], Options())
    assert curated.dropped == ()
    assert curated.reported == {"profanity": {"dialogues": 1, "utterances": 1}}
    assert curated.report("r")["reported"] == curated.reported
    asked = Options(limits=Limits(profanity=("tram",)))
    assert curate("c", [*GOOD, holding("Yes.")], asked).reported["profanity"]["utterances"] == 1


def test_thresholds_come_from_the_limits():
    said = holding("no " * 20)
    assert reason(said, limits=Limits(max_word_repeats=20)) is None
    assert reason(holding("Das ist doch wirklich nicht dein Ernst, oder?"), limits=Limits(foreign_lines=1)) is None
    assert reason(holding("<b>Yes</b>"), limits=Limits(keep=("html",))) is None


def test_every_reason_but_those_of_comparison_has_a_rule():
    from erc_synth.generation.curation.faults import RULES

    assert REASONS.keys() - RULES.keys() == {"leak", "duplicate", "near_duplicate", "duplicate_across", "surplus"}
    assert RULES.keys() <= REASONS.keys()


def test_an_unknown_reason_or_threshold_of_a_recipe_is_refused():
    from erc_synth.generation.recipe import load_recipe, recipe_from_text

    source = load_recipe("meld_natural").source
    assert recipe_from_text(source + "\n[curation]\nmax_words = 7\n", "x").curation.max_words == 7
    for table in ("max_wurds = 7", 'keep = ["boring"]', "foreign_lines = -1"):
        with pytest.raises(ErcSynthError, match=r"x, line \d+"):
            recipe_from_text(f"{source}\n[curation]\n{table}\n", "x")


def test_the_counts_name_each_kind():
    bad = [holding(lines[0]) for lines in LINES.values()]
    bad = [Dialogue(f"x{n}", d.utterances) for n, d in enumerate(bad)]
    curated = curate("c", [*GOOD, *bad], Options(labels=label_set("meld"), keep=frozenset({"near_duplicate"})))
    assert Counter(drop.reason for drop in curated.dropped) == dict.fromkeys(LINES, 1)
