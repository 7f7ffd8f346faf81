"""The label grammar: what a number field, a bracket or a label line may hold.

Input: a piece of text. Output: one label of the recipe, nothing, or a rejection.
A label is a number of the recipe, its word, the label's name, or several of these that agree, with nothing else
but punctuation, a filler ("3 for sadness") and a reason behind ("sadness - because ..."). A word for the emotion
("sad") agrees or contradicts beside a number and is no label alone.
Not covered: where a label may stand (`plain`, `marked`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import cache

from erc_synth.generation.lines import LineFormat
from erc_synth.generation.reading.turns import Reject
from erc_synth.generation.reading.vocabulary import vocabulary

_SIGN = re.compile(r"(?:^|[\s(\[=:])[-+−–—]\d")  # "-3", "(-3)": a signed number is none of ours
_REMARK = re.compile(r"\s[-–—]\s+(?:[^\W\d_][\w'’]*[ ,]*){3,}$")  # " - she needed them"
_AROUND = " \t.,;:!。，；：、#*_`\"'“”‘’「」"
_GAPS = re.compile(r"[\s,;:=|()\[\]{}<>.#/\"'*_`“”‘’「」。，、；：\-–—→]*")


def folded(text: str) -> str:
    """Text in the form that labels, names and markers are compared in."""
    return unicodedata.normalize("NFKC", text).casefold()


def _word(word: str) -> str:
    """Pattern of a whole word; one of a script without capitals may stand within others."""
    return rf"\b{re.escape(word)}\b" if word.upper() != word else re.escape(word)


def _is_symbol(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sk", "Cf", "Mn", "Co") and character not in "[](){}"


class Labels:
    """Reads labels of one recipe; made once per recipe (see `labels_of`)."""

    def __init__(self, form: LineFormat) -> None:
        words = vocabulary(form.language)
        by_number = {number: label for label, number in form.numbers}
        self.names = {folded(label): label for label, _ in form.numbers}
        self.digits = {str(number): label for number, label in by_number.items()}
        self.number_words = {
            folded(word): by_number[value]
            for word, value in words.numbers
            if value in by_number and folded(word) not in self.names
        }
        self.kin = self._kin(words.families)
        self._fillers = {folded(filler) for filler in words.fillers} | {folded(form.number)}
        known = [*self.names, *self.number_words, *self.kin, *self._fillers]
        longest = sorted(map(re.escape, known), key=len, reverse=True)
        # A word ends where no letter follows; scripts without blanks have none of these letters.
        self._token = re.compile(rf"\d+|(?:{'|'.join(longest)})(?![a-zà-ÿ\d])")
        self._reason = re.compile(rf"(?:\s*[-–—,:;]\s*|\s+)(?:{'|'.join(map(_word, words.reasons))}).*", re.DOTALL)
        self._hedges = re.compile("|".join(map(_word, words.hedges)))
        self._exact = {**self.names, **self.digits, **self.number_words}

    def _kin(self, families: tuple[tuple[str, ...], ...]) -> dict[str, str]:
        """Word -> the one label of its family; a word of a family with no label here contradicts each (empty)."""
        kin = {}
        for family in families:
            own = [self.names[word] for word in family if word in self.names]
            for word in family:
                if word not in self.names:
                    kin[word] = own[0] if len(own) == 1 else ""
        return kin

    def read(self, text: str) -> str:
        """The label that a number field states.

        Raises:
            Reject: It states none of the recipe's, or several.
        """
        label = self._exact.get(text)
        if label is not None:
            return label
        found = self.find(text)
        if found is None:
            named = {self._exact[word] for word in re.findall(r"\d+|[^\W\d_]+", folded(text)) if word in self._exact}
            raise Reject("two_labels" if len(named) > 1 else "unknown_label", text)
        return found

    def find(self, text: str) -> str | None:
        """The label that a piece states and nothing else; `None` when it holds other words or an unknown number.

        Raises:
            Reject: Labels that contradict, or more than one number or name (`two_labels`).
        """
        if len(text) > 300:
            return None
        plain = folded(text).strip(_AROUND)
        while plain and _is_symbol(plain[-1]):
            plain = plain[:-1].rstrip(_AROUND)
        if _SIGN.search(plain):
            return None
        tokens = self._tokens(plain)
        if tokens is None:
            reason = self._reason.search(plain) or _REMARK.search(plain)
            if reason is None or self.mentions(reason.group()) or self._hedges.search(reason.group()):
                return None
            tokens = self._tokens(plain[: reason.start()])
        return self._agreed(tokens, text) if tokens else None

    def mentions(self, text: str) -> bool:
        """True when a label's name or a number stands anywhere in a text."""
        return any(
            token.isdigit() or token in self.names or token in self.number_words
            for token in re.findall(r"\d|[^\W\d_]+", folded(text))
        )

    def names_one(self, text: str) -> bool:
        """True when a label's name stands anywhere in a text."""
        return any(word in self.names for word in re.findall(r"[^\W\d_]+", folded(text)))

    def is_legend(self, line: str) -> bool:
        """True of a line that only pairs numbers with labels: ``0 = neutral, 1 = joy``."""
        tokens = self._tokens(folded(line).strip(_AROUND)) if len(line) <= 400 else None
        return bool(tokens) and any(t.isdigit() for t in tokens or ()) and any(t in self.names for t in tokens or ())

    def _tokens(self, plain: str) -> list[str] | None:
        """Known words and numbers of a text that holds nothing else."""
        tokens, position = [], 0
        while position < len(plain):
            gap = _GAPS.match(plain, position)
            position = gap.end() if gap else position
            if position == len(plain):
                break
            token = self._token.match(plain, position)
            if token is None:
                return None
            tokens.append(token.group())
            position = token.end()
        return tokens

    def _agreed(self, tokens: list[str], text: str) -> str | None:
        kinds: dict[str, list[str | None]] = defaultdict(list)
        for token in tokens:
            if token.isdigit():
                # Digits of any script; "03" is no number of ours.
                number = str(int(token)) if len(token) == len(str(int(token))) else token
                kinds["digit"].append(self.digits.get(number))
            elif token in self.names:
                kinds["name"].append(self.names[token])
            elif token in self.number_words:
                kinds["number word"].append(self.number_words[token])
            elif token in self.kin:
                kinds["kin"].append(self.kin[token])
        exact = [*kinds["digit"], *kinds["name"], *kinds["number word"]]
        if not exact or None in exact:
            return None
        if len({*exact, *kinds["kin"]}) > 1 or any(len(found) > 1 for found in kinds.values()):
            raise Reject("two_labels", text)
        return exact[0]


@cache
def labels_of(form: LineFormat) -> Labels:
    """The label grammar of a recipe."""
    return Labels(form)
