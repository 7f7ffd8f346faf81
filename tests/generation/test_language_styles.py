"""The parser on answers in other languages: markers, brackets, colons and numbers as they are written there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_synth.generation import parsing
from erc_synth.generation.lines import LineFormat
from erc_synth.generation.parsing import Parsed, parse

GERMAN = LineFormat(
    "Sprecher",
    "Äußerung",
    "Zahl",
    ("Jörg", "Käthe", "Björn"),
    (("neutral", 0), ("Freude", 1), ("Trauer", 2), ("Wut", 3), ("Angst", 4)),
    language="de",
)
CHINESE = LineFormat(
    "说话人",
    "话语",
    "编号",
    ("小明", "小红", "老王"),
    (("中性", 0), ("高兴", 1), ("悲伤", 2), ("愤怒", 3), ("害怕", 4)),
    language="zh",
)
OTHERS = {
    "ja": (
        LineFormat("話者", "発話", "番号", ("太郎", "花子"), (("普通", 0), ("悲しみ", 1)), language="ja"),
        "どうして教えてくれなかったの？",
        "ごめんなさい。",
    ),
    "fr": (
        LineFormat("Personnage", "Réplique", "Numéro", ("Hélène", "Zoé"), (("neutre", 0), ("joie", 1)), language="fr"),
        "Où es-tu allée ?",
        "Ça va, merci.",
    ),
    "ru": (
        LineFormat("Говорящий", "Реплика", "Номер", ("Иван", "Ольга"), (("покой", 0), ("радость", 1)), language="ru"),
        "Где мои ключи?",
        "Я не знаю.",
    ),
    "ko": (
        LineFormat("화자", "발화", "번호", ("민수", "지영"), (("중립", 0), ("기쁨", 1)), language="ko"),
        "왜 말 안 했어?",
        "미안해.",
    ),
    "ar": (
        LineFormat("المتحدث", "القول", "الرقم", ("أحمد", "ليلى"), (("محايد", 0), ("فرح", 1)), language="ar"),
        "لماذا لم تخبرني؟",
        "أنا آسفة.",
    ),
    "th": (
        LineFormat("ผู้พูด", "คำพูด", "หมายเลข", ("สมชาย", "มาลี"), (("เฉย", 0), ("ดีใจ", 1)), language="th"),
        "ทำไมไม่บอกฉัน",
        "ขอโทษนะ",
    ),
}
GERMAN_TURNS = [
    ("Jörg", "Wo ist mein Schlüssel?", "Wut"),
    ("Käthe", "Ich hab ihn verloren.", "Trauer"),
    ("Jörg", "Na gut, dann gehen wir zu Fuß.", "neutral"),
]
CHINESE_TURNS = [("小明", "你怎么不早说？", "愤怒"), ("小红", "我忘了，对不起。", "悲伤"), ("小明", "没关系。", "中性")]
GERMAN_STYLES = {
    "as asked": "Sprecher: {s} Äußerung: {t} Zahl: {n}",
    "capitals": "SPRECHER: {s} ÄUSSERUNG: {t} ZAHL: {n}",
    "English markers": "Speaker: {s} Utterance: {t} Number: {n}",
    "another word for number": "Sprecher: {s} Äußerung: {t} Nummer: {n}",
    "German quotes": "Sprecher: {s} Äußerung: „{t}“ Zahl: {n}",
    "number and label": "Sprecher: {s} Äußerung: {t} Zahl: {n} für {l}",
    "number in words": "Sprecher: {s} Äußerung: {t} Zahl: {w}",
    "names, marker at the end": "{s}: {t} Zahl: {n}",
    "names, label in brackets": "{s}: {t} ({l})",
    "label beside the name": "{s} ({l}): {t}",
}
CHINESE_STYLES = {
    "full-width colons": "说话人：{s} 话语：{t} 编号：{n}",
    "no blanks": "说话人：{s}话语：{t}编号：{n}",
    "full-width commas": "说话人：{s}，话语：{t}，编号：{n}",
    "ASCII colons": "说话人: {s} 话语: {t} 编号: {n}",
    "full-width digits": "说话人：{s} 话语：{t} 编号：{f}",
    "English markers": "Speaker: {s} Utterance: {t} Number: {n}",
    "quotes": "说话人：{s} 话语：“{t}” 编号：{n}",
    "three lines": "说话人：{s}\n话语：{t}\n编号：{n}\n",
    "number and label": "说话人：{s} 话语：{t} 编号：{n}（{l}）",
    "number in words": "说话人：{s} 话语：{t} 编号：{w}",
    "stage direction": "说话人：{s} 话语：（叹气）{t} 编号：{n}",
    "full-width brackets": "{s}：{t}（{l}）",
    "number in full-width brackets": "{s}：{t}（{n}）",
    "lenticular brackets": "{s}：{t}【{l}】",
    "corner quotes": "{s}：「{t}」（{l}）",
    "label beside the name": "{s}（{l}）：{t}",
    "label before the text": "{s}：（{l}）{t}",
    "label before the name": "【{l}】{s}：{t}",
    "marker at the end": "{s}：{t} 编号：{n}",
    "marker at the end, no blank": "{s}：{t}编号：{n}",
    "marker in brackets": "{s}：{t}（编号：{n}）",
    "emotion at the end": "{s}：{t} 情绪：{l}",
    "emotion on its own line": "{s}：{t}\n情绪：{l}",
    "list with a full-width comma": "{i}、{s}：{t}（{l}）",
    "table": "| {s} | {t} | {n} |",
}


def _text(style, turns, form, words):
    numbers = dict(form.numbers)
    lines = [
        style.format(s=s, t=t, l=label, n=numbers[label], w=words[numbers[label]], f=chr(0xFF10 + numbers[label]), i=i)
        for i, (s, t, label) in enumerate(turns, start=1)
    ]
    return "\n".join(lines)


def _read(text, form):
    found = parse(text, form)
    return [(u.speaker, u.text, u.emotion) for u in found.utterances] if isinstance(found, Parsed) else found.reason


@pytest.mark.parametrize("style", GERMAN_STYLES)
def test_german_styles_are_read(style):
    text = _text(GERMAN_STYLES[style], GERMAN_TURNS, GERMAN, ["null", "eins", "zwei", "drei", "vier"])
    assert _read(text, GERMAN) == GERMAN_TURNS


@pytest.mark.parametrize("style", CHINESE_STYLES)
def test_chinese_styles_are_read(style):
    head = "| 说话人 | 话语 | 编号 |\n|---|---|---|\n" if style == "table" else ""
    assert _read(head + _text(CHINESE_STYLES[style], CHINESE_TURNS, CHINESE, "零一二三四"), CHINESE) == CHINESE_TURNS


@pytest.mark.parametrize(
    "around",
    [
        "好的，以下是一段对话：\n\n{}",
        "{}\n\n（对话结束）",
        "{}\n\n注：以上情绪仅供参考。",
        "{}\n\n对话二：\n说话人：老王 话语：走吧。 编号：1",
        "{}\n\n下面是另一段对话：\n说话人：老王 话语：走吧。 编号：1",
    ],
)
def test_chinese_comments_and_a_second_conversation_are_left_out(around):
    text = around.format(_text(CHINESE_STYLES["full-width colons"], CHINESE_TURNS, CHINESE, "零一二三四"))
    assert _read(text, CHINESE) == CHINESE_TURNS


@pytest.mark.parametrize(
    "around",
    [
        "Natürlich! Hier ist ein Dialog:\n{}",
        "{}\n\nHinweis: Die Zahlen stehen für Gefühle.",
        "{}\n\nHier ist ein weiterer Dialog:\nSprecher: Björn Äußerung: Los. Zahl: 1",
    ],
)
def test_german_comments_and_a_second_conversation_are_left_out(around):
    text = around.format(_text(GERMAN_STYLES["as asked"], GERMAN_TURNS, GERMAN, "01234"))
    assert _read(text, GERMAN) == GERMAN_TURNS


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("style", ["asked", "full-width", "names", "names and marker", "English markers"])
def test_lines_of_other_languages_are_read(language, style):
    form, *said = OTHERS[language]
    turns = [(form.names[i], said[i], form.numbers[1 - i][0]) for i in (0, 1)]
    styles = {
        "asked": f"{form.speaker}: {{s}} {form.utterance}: {{t}} {form.number}: {{n}}",
        "full-width": f"{form.speaker}：{{s}} {form.utterance}：{{t}} {form.number}：{{n}}",
        "names": "{s}: {t} ({l})",
        "names and marker": f"{{s}}: {{t}} {form.number}: {{n}}",
        "English markers": "Speaker: {s} Utterance: {t} Number: {n}",
    }
    assert _read(_text(styles[style], turns, form, "01"), form) == turns


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("说话人：小明 话语：好。 编号：2（高兴）\n说话人：小红 话语：好。 编号：0", "two_labels"),
        ("说话人：小明 话语：好。 编号：9\n说话人：小红 话语：好。 编号：0", "unknown_label"),
        ("说话人：小明 话语：好。 编号：3或4\n说话人：小红 话语：好。 编号：0", "two_labels"),
        ("说话人：小明 话语：我忘了。悲伤 编号：2\n说话人：小红 话语：好。 编号：0", "label_in_text"),
        ("小明：我们只有3\n小红：好的，我们有2", "missing_label"),
        ("小明说：“你好。”（高兴）\n小红说：“再见。”（悲伤）", "doubtful_speaker"),
        ("小明笑着说：你好。（高兴）\n小红：再见。（悲伤）", "doubtful_speaker"),
        ("他说：你好。（高兴）\n小红：再见。（悲伤）", "doubtful_speaker"),
        ("小明：你好。（有点悲伤）\n小红：再见。（悲伤）", "missing_label"),
    ],
)
def test_chinese_in_doubt_is_rejected(text, reason):
    assert _read(text, CHINESE) == reason


@pytest.mark.parametrize(
    "text", ["Jörg sagt: Hallo. (Freude)\nKäthe: Nein. (Wut)", "Jörg lächelnd: Hallo. (Freude)\nKäthe: Nein. (Wut)"]
)
def test_who_says_it_is_no_name(text):
    assert _read(text, GERMAN) == "doubtful_speaker"


def test_a_surname_is_a_name_and_a_list_number_is_none():
    text = "1.Jörg Maier: Hallo. (Freude)\n2.Käthe: Nein. (Wut)"
    assert _read(text, GERMAN) == [("Jörg Maier", "Hallo.", "Freude"), ("Käthe", "Nein.", "Wut")]


def test_a_last_turn_without_its_words_is_not_left_out_in_silence():
    whole = "Sprecher: Jörg Äußerung: Ja. Zahl: 0\nSprecher: Käthe Äußerung: Nein. Zahl: 1"
    text = f"{whole}\nSprecher: Jörg Äußerung: Zahl: 2"
    assert _read(text, GERMAN) == "empty_text"


FORMS = st.sampled_from([GERMAN, CHINESE, *(form for form, *_ in OTHERS.values())])
SIGNS = "äßÉéa b我们悲伤愤怒。，！？、…～· .,!?'-0 3Где أحمد ที่ ハー１２"


@settings(max_examples=400, deadline=None)
@given(FORMS, st.data())
def test_the_short_way_for_lines_as_asked_agrees_with_the_careful_one(form, data):
    """The careful way is forced by a blank line behind the first turn."""
    said = st.text(alphabet=SIGNS, min_size=1, max_size=20)
    labels = st.sampled_from([label for label, _ in form.numbers])
    lines = [form.line(name, data.draw(said), data.draw(labels)) for name in (*form.names, form.names[0])]
    fast = parsing.parse("\n".join(lines), form)
    careful = parsing.parse("\n".join([lines[0], "", *lines[1:]]), form)
    assert fast == careful
