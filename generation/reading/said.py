"""What was said: an utterance without quotes, emphasis and stage directions.

Rule for stage directions: a bracketed piece before the first or behind the last sentence, which is itself no sentence
(no . ! ? at its end), is a direction and is taken out; so is a `*starred*` piece there that begins in lower case.
Brackets within a sentence stay as they are. Emphasis elsewhere (`*...*`, `_..._`) could be either: rejected.
Input: text of one turn. Output: text, and the label that stood at its edge. Not covered: which label counts.
"""

from __future__ import annotations

import re

from erc_synth.generation.reading.labels import Labels, folded
from erc_synth.generation.reading.turns import Reject

_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "»": "«", "「": "」", "『": "』", "`": "`", "‘": "’", "'": "'"}
_STRONG = re.compile(r"(?<![A-Za-z0-9*])\*\*(?=\S)([^*]{1,400}?)(?<=\S)\*\*(?![A-Za-z0-9*])")
_STRONG_LINE = re.compile(r"(?<![A-Za-z0-9_])__(?=\S)([^_]{1,400}?)(?<=\S)__(?![A-Za-z0-9_])")
_EMPHASIS = re.compile(
    r"(?<![\w*])\*(?=[^\s*])[^*\n]{1,400}(?<=[^\s*])\*(?![\w*])|(?<![\w_])_(?=[^\s_])[^_\n]{1,400}_(?!\w)"
)
_CENSORED = re.compile(r"(?<![\w*])\w{1,2}\*{1,5}\w{0,3}(?![\w*])")  # "f***", "sh*t" are no emphasis
_FRONT = re.compile(r"[(\[{（【]([^()\[\]{}（）【】]{1,100})[)\]}）】]\s*[,.:;-]?\s*")
_BACK = re.compile(r"[(\[{（【]([^()\[\]{}（）【】]{1,100})[)\]}）】]\s*[.]?$")
_STAR_FRONT = re.compile(r"\*([^*]{1,100})\*\s+(?=[\"'“A-ZÀ-Þ])")
_STAR_BACK = re.compile(r"\s\*([^*]{1,100})\*$")
_ENDS = ".!?…。！？～~♪\"'”’」』»)]-–—؟۔।"
_LETTER = re.compile(r"[^\W_]")  # a letter or a digit of any script
_SENTENCES = re.compile(r"[.!?…。！？]+")
STAGE_LINE = re.compile(r"\s*(?:[(\[{（【][^()\[\]{}（）【】]{1,300}[)\]}）】]|\*[^*]{1,300}\*|_[^_]{1,300}_)\s*\.?\s*")


def ends_sentence(text: str) -> bool:
    """True when a text ends as a sentence does: by its mark, a closing quote, or an emoji."""
    last = text.rstrip()[-1:]
    return bool(last) and (last in _ENDS or not (last.isalnum() or last.isspace() or last in ",;:，、；：(（[{<&+=/|"))


def emphasis_off(text: str) -> str:
    """Text without `**strong**` marks."""
    if "**" in text:
        text = _STRONG.sub(r"\1", text)
    return _STRONG_LINE.sub(r"\1", text) if "__" in text else text


def said(text: str, labels: Labels, stated: str) -> str:
    """The words of a turn whose label is `stated`.

    Raises:
        Reject: Another label stands at its edge, a label stands within, emphasis is in doubt, or no word is left.
    """
    text = emphasis_off(text.strip())
    text = _unquoted(text)
    if STAGE_LINE.fullmatch(text):
        raise Reject("empty_text", text)
    while True:
        shorter = _less_front(_less_back(text, labels, stated), labels, stated)
        if shorter == text:
            break
        text = _unquoted(shorter)
    _refuse_doubt(text, labels)
    if not _LETTER.search(text):
        raise Reject("empty_text", text)
    return text


def _unquoted(text: str) -> str:
    """Without one pair of quotes around the whole; `"Yes," he said, "no."` keeps its own."""
    text = text.strip()
    if text[:2] in ("- ", "– ", "— "):
        text = text[2:].lstrip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        inner = text[1:-1]
        if text[0] not in inner and text[-1] not in inner:
            return inner.strip()
        if (text[0] in "'‘" and text[0] == text[-1]) or text[-1] == "’":  # apostrophes within are no quotes
            return text
    return text


def _less_front(text: str, labels: Labels, stated: str) -> str:
    found = _FRONT.match(text)
    if found and _LETTER.search(text[found.end() :]) and _is_direction(found[1], labels, stated):
        return text[found.end() :]
    star = _STAR_FRONT.match(text)
    return text[star.end() :] if star and star[1][:1].islower() else text


def _less_back(text: str, labels: Labels, stated: str) -> str:
    found = _BACK.search(text, max(len(text) - 110, 0))
    if found and _LETTER.search(text[: found.start()]):
        before = text[: found.start()].rstrip()
        ended = ends_sentence(before)
        named = labels.find(found[1]) == stated and (ended or not found[1].strip().isdigit())  # "I ate four (4)"
        if named or (ended and _is_direction(found[1], labels, stated)):
            return before
    star = _STAR_BACK.search(text, max(len(text) - 110, 0))
    if star and star[1][:1].islower() and ends_sentence(text[: star.start()]):
        return text[: star.start()].rstrip()
    return text


def _is_direction(inner: str, labels: Labels, stated: str) -> bool:
    label = labels.find(inner)
    if label is not None and label != stated:
        raise Reject("two_labels", inner)
    if label is None and labels.names_one(inner):
        raise Reject("label_in_text", inner)
    return not inner.rstrip().endswith((".", "!", "?", "…", "。", "！", "？", ",")) and bool(_LETTER.search(inner))


def names_at_end(text: str, labels: Labels) -> bool:
    """True when a label's name alone follows the last sentence, as in "我忘了。悲伤"."""
    sentences = _SENTENCES.split(text.rstrip(_ENDS))
    return len(sentences) > 1 and folded(sentences[-1]).strip() in labels.names


def _refuse_doubt(text: str, labels: Labels) -> None:
    for piece in re.findall(r"[(\[{（【<]([^()\[\]{}（）【】<>]{1,40})[)\]}）】>]", text):
        if not piece.strip().isdigit() and labels.find(piece) is not None:
            raise Reject("label_in_text", text)
    if "*" in text and ("**" in (open_text := _CENSORED.sub("", text)) or _EMPHASIS.search(open_text)):
        raise Reject("markup", text)
    if "_" in text and _EMPHASIS.search(text):
        raise Reject("markup", text)
    if text[:1] in "([{（【" and not _FRONT.match(text):
        raise Reject("markup", text)
    if not text.isascii() and names_at_end(text, labels):
        raise Reject("label_in_text", text)
    last = text.rsplit(None, 1)
    word = last[-1].strip(".!?,;*_").casefold() if last else ""
    if (
        word in labels.names
        and len(last) == 2
        and (last[0].endswith((" -", " –", " —", " |", ":")) or ends_sentence(last[0]))
    ):
        raise Reject("label_in_text", text)
