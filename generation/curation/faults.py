"""What is wrong with a dialogue by itself: shape, repetition, language, speakers, traces of the model.

Purpose: every fault is found by one short rule and named by a reason.
Input: a dialogue, its words, what is asked of it. Output: (reason, detail), in the order of `reasons.REASONS`.
Not covered: comparison with other dialogues (`curate`) and with benchmarks (`leaks`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from erc_synth.generation.curation.artefacts import is_role, profane, traces
from erc_synth.generation.curation.language import other_language
from erc_synth.generation.curation.reasons import DEFAULT, REASONS, Limits
from erc_synth.generation.language import is_spaced
from erc_synth.generation.reading.vocabulary import vocabulary
from erc_synth.loaders.schema import Dialogue
from erc_synth.loaders.wording import ngrams, words

COPIED_WORDS = 4
ECHO_WORDS = 8
REPEATED_WORDS = 3
"""Shorter lines ("Hey!", "Oh no.") are said again and again in real dialogues."""
LANGUAGE_WORDS = 8
CLAUSE, LONGEST_PHRASE = 4, 8
_SYLLABLES = re.compile(r"(\w{2,6}?|\W{2,6}?)\1{2,}", re.IGNORECASE)  # "haha", "! ? "; words are for `_word_loop`
_LETTERS = re.compile(r"(\S)\1{4,}", re.IGNORECASE)

Fault = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the recipe asks of each of its dialogues.

    Attributes:
        limits: Thresholds.
        language: ISO 639-1 code; empty leaves both language checks out.
        cast: Allowed speakers; empty allows all.
        names: Speakers that the recipe proposes: always persons, whatever they are called.
        labels: Emotions of the recipe.
        examples: Lines of few-shot examples, as `example_lines` gives them.
        prompt: Runs of words of the prompt, as `prompt_grams` gives them.
    """

    limits: Limits = DEFAULT
    language: str = "en"
    cast: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    examples: frozenset[str] = frozenset()
    prompt: frozenset[str] = frozenset()


def as_many(count: int, language: str) -> int:
    """A number of words in a language; where characters are counted (see `wording`), two make a word."""
    return count if is_spaced(language) else 2 * count


def example_lines(texts: Sequence[str] | frozenset[str], language: str = "en") -> frozenset[str]:
    """Few-shot lines long enough to tell a copy from chance, in normal form."""
    normal = (words(text) for text in texts)
    return frozenset(" ".join(line) for line in normal if len(line) >= as_many(COPIED_WORDS, language))


def prompt_grams(sentences: Sequence[str], language: str = "en") -> frozenset[str]:
    """All runs of `ECHO_WORDS` words of the sentences of a prompt."""
    size = as_many(ECHO_WORDS, language)
    return frozenset(" ".join(gram) for sentence in sentences for gram in ngrams(words(sentence), size))


class Talk:
    """One dialogue under examination: its turns and, beside them, their words."""

    def __init__(self, dialogue: Dialogue, turns: list[list[str]], asked: Asked) -> None:
        self.dialogue, self.turns, self.asked = dialogue, turns, asked

    @cached_property
    def language(self) -> str:
        """The other language that the dialogue as a whole is in; empty when it is in the recipe's."""
        count = len({word for turn in self.turns for word in turn})  # "ha ha ha ha" tells no language
        if not self.asked.language or count < LANGUAGE_WORDS:
            return ""
        whole = " ".join(turn.text for turn in self.dialogue.utterances)
        return other_language(whole, count, self.asked.language, self.asked.limits)

    @cached_property
    def traces(self) -> Mapping[str, str]:
        """Reason -> detail of the first line with such a trace of the model."""
        found: dict[str, str] = {}
        for number, turn in enumerate(self.dialogue.utterances):
            for reason, seen in traces(turn.text):
                found.setdefault(reason, f"turn {number}: {seen}")
        return found


def faults(dialogue: Dialogue, turns: list[list[str]], asked: Asked) -> Iterator[Fault]:
    """Every fault that a dialogue shows by itself, in the order of `REASONS`; lazily, as most want the first only."""
    talk = Talk(dialogue, turns, asked)
    for reason in REASONS:
        rule = RULES.get(reason)
        if rule is None:
            continue
        for detail in rule(talk):
            yield reason, detail


def reported(turns: list[list[str]], asked: Asked) -> dict[str, int]:
    """`reasons.REPORTED` -> turns that show it."""
    more = tuple(word for given in asked.limits.profanity for word in words(given))
    return {"profanity": sum(bool(profane(turn, more)) for turn in turns)}


def _empty_turn(talk: Talk) -> Iterator[str]:
    # "?!" and "..." are lines in real scripts as well: a sign is enough, blanks are not.
    for number, turn in enumerate(talk.dialogue.utterances):
        if not turn.text.strip() or not turn.speaker.strip():
            yield f"turn {number}"


def _long_turn(talk: Talk) -> Iterator[str]:
    for number, spoken in enumerate(talk.turns):
        if len(spoken) > talk.asked.limits.max_words:
            yield f"turn {number} has {len(spoken)} words"


def _too_short(talk: Talk) -> Iterator[str]:
    if len(talk.turns) < talk.asked.limits.min_turns:
        yield f"{len(talk.turns)} turns"


def _too_long(talk: Talk) -> Iterator[str]:
    if len(talk.turns) > talk.asked.limits.max_turns:
        yield f"{len(talk.turns)} turns"


def _one_speaker(talk: Talk) -> Iterator[str]:
    speakers = {turn.speaker for turn in talk.dialogue.utterances}
    if len(talk.turns) >= 4 and len(speakers) < talk.asked.limits.min_speakers:
        yield ", ".join(sorted(speakers))


def _one_label(talk: Talk) -> Iterator[str]:
    emotions = {turn.emotion for turn in talk.dialogue.utterances}
    if len(emotions) == 1 and len(talk.turns) > 1:
        yield str(next(iter(emotions)))


def _repeated_lines(talk: Talk) -> Iterator[str]:
    least = as_many(REPEATED_WORDS, talk.asked.language)
    said = Counter(" ".join(turn) for turn in talk.turns if len(turn) >= least)
    if said and (max(said.values()) > talk.asked.limits.max_same_line or sum(said.values()) > 2 * len(said)):
        yield f"{said.most_common(1)[0][1]} times"
    every = Counter(" ".join(turn) for turn in talk.turns if turn)
    if len(talk.turns) >= 6 and (
        2 * max(every.values(), default=0) > len(talk.turns) or 3 * len(every) <= every.total()
    ):
        yield f"{every.most_common(1)[0][1]} times"


def _word_loop(talk: Talk) -> Iterator[str]:
    limits = talk.asked.limits
    for number, spoken in enumerate(talk.turns):
        if len(set(spoken)) == len(spoken):
            continue
        for size in range(1, LONGEST_PHRASE + 1):
            most = limits.max_word_repeats if size == 1 else limits.max_phrase_repeats
            most = limits.max_clause_repeats if size >= CLAUSE else most
            if (times := _times(spoken, size)) > most:
                yield f"turn {number}, {times} times"
                break


def _times(spoken: list[str], size: int) -> int:
    """How often the most repeated run of `size` words follows itself."""
    best = run = 0
    for position in range(size, len(spoken)):
        run = run + 1 if spoken[position] == spoken[position - size] else 0
        if run > best and not _periodic(spoken[position - size + 1 : position + 1]):
            best = run
    return best // size + 1 if best >= size else 1


def _periodic(phrase: list[str]) -> bool:
    """True of "no no": it is no phrase but a word said again."""
    size = len(phrase)
    return any(size % part == 0 and phrase == phrase[:part] * (size // part) for part in range(1, size))


def _letter_loop(talk: Talk) -> Iterator[str]:
    most = talk.asked.limits.max_letter_repeats
    for number, turn in enumerate(talk.dialogue.utterances):
        for pattern in (_LETTERS, _SYLLABLES):
            for match in pattern.finditer(turn.text):
                if len(match[0]) // len(match[1]) > most:
                    yield f"turn {number}: {match[0][:20]}"


def _copied_example(talk: Talk) -> Iterator[str]:
    for number, spoken in enumerate(talk.turns):
        if " ".join(spoken) in talk.asked.examples:
            yield f"turn {number}"


def _prompt_echo(talk: Talk) -> Iterator[str]:
    if not talk.asked.prompt:
        return
    size = as_many(ECHO_WORDS, talk.asked.language)
    for number, spoken in enumerate(talk.turns):
        if any(" ".join(gram) in talk.asked.prompt for gram in ngrams(spoken, size)):
            yield f"turn {number}"


def _label_in_text(talk: Talk) -> Iterator[str]:
    if not talk.asked.labels:
        return
    pattern = _label_pattern(talk.asked.labels, talk.asked.language)
    for number, turn in enumerate(talk.dialogue.utterances):
        if match := pattern.search(turn.text):
            yield f"turn {number}: {match[0].strip()}"


@cache
def _label_pattern(labels: tuple[str, ...], language: str) -> re.Pattern[str]:
    """A label in brackets at either end of the line, or announced: "Emotion: joy", "Zahl: 3", "情绪：高兴"."""
    names = "|".join(map(re.escape, labels))
    markers = "|".join(map(re.escape, vocabulary(language).markers))
    border = r"\b" if is_spaced(language) else ""
    return re.compile(
        rf"^\s*[(\[（【](?:{names})[)\]）】]|[(\[（【](?:{names})[)\]）】]\W*$"
        rf"|{border}(?:{markers})\s*[:=：]\s*(?:\d+|{names}){border}(?=\W*$|\s*[,;(，；（])",
        re.IGNORECASE,
    )


def _role_speaker(talk: Talk) -> Iterator[str]:
    known = (*talk.asked.cast, *talk.asked.names)
    for name in dict.fromkeys(turn.speaker for turn in talk.dialogue.utterances):
        if is_role(name, known):
            yield name


def _language(talk: Talk) -> Iterator[str]:
    if talk.language:
        yield talk.language


def _foreign_line(talk: Talk) -> Iterator[str]:
    if not talk.asked.language or talk.language:
        return
    foreign = []
    for number, (turn, spoken) in enumerate(zip(talk.dialogue.utterances, talk.turns, strict=True)):
        if other := other_language(turn.text, len(set(spoken)), talk.asked.language, talk.asked.limits):
            foreign.append(f"turn {number}: {other}")
    if len(foreign) > talk.asked.limits.foreign_lines:
        yield ", ".join(foreign[:3])


def _cast(talk: Talk) -> Iterator[str]:
    strangers = [turn.speaker for turn in talk.dialogue.utterances if turn.speaker not in talk.asked.cast]
    if talk.asked.cast and strangers:
        yield strangers[0]


def _trace(reason: str) -> Callable[[Talk], Iterator[str]]:
    def rule(talk: Talk) -> Iterator[str]:
        if reason in talk.traces:
            yield talk.traces[reason]

    return rule


RULES: dict[str, Callable[[Talk], Iterator[str]]] = {
    "empty_turn": _empty_turn,
    "long_turn": _long_turn,
    "too_short": _too_short,
    "too_long": _too_long,
    "one_speaker": _one_speaker,
    "one_label": _one_label,
    "repeated_lines": _repeated_lines,
    "word_loop": _word_loop,
    "letter_loop": _letter_loop,
    "copied_example": _copied_example,
    "prompt_echo": _prompt_echo,
    "label_in_text": _label_in_text,
    "role_speaker": _role_speaker,
    "language": _language,
    "foreign_line": _foreign_line,
    "cast": _cast,
    **{
        reason: _trace(reason)
        for reason in ("refusal", "template_token", "commentary", "placeholder", "url", "personal_data", "html", "code",
                       "markdown", "broken_text")
    },
}  # fmt: skip
