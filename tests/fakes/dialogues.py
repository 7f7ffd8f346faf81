"""Invented dialogues: no line of any benchmark, as many as wanted, the same for the same seed."""

import random

from erc_synth.loaders.schema import Dialogue, Utterance, label_set

WHO = ("the baker", "my cousin", "a tall sailor", "our teacher", "the old pilot", "that gardener", "a quiet nurse")
DID = ("painted", "sold", "repaired", "borrowed", "carried", "forgot", "polished", "weighed", "measured", "hid")
WHAT = ("a violin", "two lanterns", "the copper kettle", "seven maps", "an umbrella", "the wooden boat", "a compass")
WHERE = ("near the harbour", "behind the museum", "under the bridge", "at the mill", "in the orchard", "by the lake")
WHEN = ("before Monday", "after lunch", "before winter", "after midnight", "before the storm", "after the parade")
SPEAKERS = ("Ada", "Bruno", "Clara")
EMOTIONS = label_set("meld").labels


def invented_line(chance: random.Random) -> str:
    """Three large numbers a line, so that no two lines share eight words in a row by chance."""
    who, did, what, where, when = (chance.choice(part) for part in (WHO, DID, WHAT, WHERE, WHEN))
    coins, pears, days = (chance.randrange(10**6) for _ in range(3))
    return f"{who} {did} {coins} coins, {what} and {pears} pears {where} {when} {days}.".capitalize()


def invented_dialogue(number: int, *, turns: int = 6, name: str = "d", target: str | None = None) -> Dialogue:
    chance = random.Random(number)
    utterances = tuple(
        Utterance(SPEAKERS[turn % 3], invented_line(chance), chance.choice(EMOTIONS)) for turn in range(turns)
    )
    if len({u.emotion for u in utterances}) == 1 and turns > 1:
        utterances = (Utterance(SPEAKERS[0], utterances[0].text, EMOTIONS[number % 2]), *utterances[1:])
    return Dialogue(f"{name}-{number:06d}", utterances, seed=number, target_emotion=target, recipe="r", generator="g")


def invented(count: int, *, start: int = 0, turns: int = 6, name: str = "d") -> list[Dialogue]:
    return [invented_dialogue(number, turns=turns, name=name) for number in range(start, start + count)]


def with_texts(dialogue: Dialogue, texts: list[str], dialogue_id: str | None = None) -> Dialogue:
    """The dialogue with other words: its speakers and emotions in turn."""
    old = dialogue.utterances
    turns = tuple(Utterance(old[n % len(old)].speaker, text, old[n % len(old)].emotion) for n, text in enumerate(texts))
    return Dialogue(dialogue_id or dialogue.dialogue_id, turns, seed=dialogue.seed)
