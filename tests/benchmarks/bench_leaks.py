"""Leak check: recall of planted leaks in 14 kinds, false hits on 20,000 clean dialogues, speed and memory.

Run: `python tests/benchmarks/bench_leaks.py [--each 50] [--clean 20000] [--show]`. Needs the real benchmark
files ($ERC_DATA or ../shared/data); says so and stops without them. Prints figures; nothing is asserted.

Planted: test dialogues of MELD and EmoryNLP of at least four turns and 25 words, changed in one way each; found
means a hit of any kind on the right split. Replaced and inserted words are drawn as often as they are said.
Clean: no episode of Friends stands on both sides. MELD seasons 5-9 against EmoryNLP (seasons 1-4) and MELD
seasons 1-4; EmoryNLP seasons 3-4 against MELD seasons 5-9 and EmoryNLP seasons 1-2. Half are runs of a real
scene (as they were said), half are ten lines of ten scenes. The corpora date some scenes wrongly and the show
repeats some (recaps, flashbacks): scenes with twelve words in a row of the other side are truly shared, and left
out. `--show` prints what is flagged, to be read. Speed is processor time of one core, on the clean dialogues.
"""

import argparse
import csv
import os
import random
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from erc_synth.generation.curation.leaks import LeakIndex, benchmark_splits
from erc_synth.loaders.schema import Dialogue, Utterance
from erc_synth.loaders.wording import lines, ngrams
from fakes.dialogues import invented_dialogue, with_texts

Plant = Callable[[Dialogue, random.Random, list[str]], Dialogue]
LEAST_TURNS, LEAST_WORDS = 4, 25


def texts(dialogue: Dialogue) -> list[str]:
    return [turn.text for turn in dialogue.utterances]


def by_words(change: Callable[[list[str], random.Random, list[str]], list[str]]) -> Plant:
    """A plant that changes the words of the whole dialogue, each turn keeping its share."""

    def plant(dialogue: Dialogue, chance: random.Random, said: list[str]) -> Dialogue:
        return with_texts(dialogue, [" ".join(change(text.split(), chance, said)) or "Oh" for text in texts(dialogue)])

    return plant


def replaced(share: float) -> Plant:
    """Exactly this share of the dialogue's words is replaced."""

    def plant(dialogue: Dialogue, chance: random.Random, said: list[str]) -> Dialogue:
        turns = [text.split() for text in texts(dialogue)]
        places = [(turn, at) for turn, spoken in enumerate(turns) for at in range(len(spoken))]
        for turn, at in chance.sample(places, round(share * len(places))):
            turns[turn][at] = chance.choice(said)
        return with_texts(dialogue, [" ".join(spoken) for spoken in turns])

    return plant


def renamed(dialogue: Dialogue, chance: random.Random, said: list[str]) -> Dialogue:
    """Other speakers, and their names in the text with them."""
    names = {turn.speaker: f"Quentin{number}" for number, turn in enumerate(dialogue.utterances)}
    first = {name.split()[0]: new for name, new in names.items() if name.split()}
    known = re.compile(r"\b(" + "|".join(map(re.escape, first)) + r")\b")
    turns = (
        Utterance(names[u.speaker], known.sub(lambda m: first[m[1]], u.text), u.emotion) for u in dialogue.utterances
    )
    return Dialogue(dialogue.dialogue_id, tuple(turns))


def swapped(dialogue: Dialogue, chance: random.Random, said: list[str]) -> Dialogue:
    turns = texts(dialogue)
    first, second = chance.sample(range(len(turns)), 2)
    turns[first], turns[second] = turns[second], turns[first]
    return with_texts(dialogue, turns)


def one_line(dialogue: Dialogue, chance: random.Random, said: list[str]) -> Dialogue:
    """The longest line inside an invented dialogue."""
    own = texts(invented_dialogue(chance.randrange(10**6)))
    return with_texts(dialogue, [*own[:3], max(texts(dialogue), key=lambda text: len(text.split())), *own[3:]])


def three_lines(dialogue: Dialogue, chance: random.Random, said: list[str]) -> Dialogue:
    """The three turns in a row that have most words, inside an invented dialogue."""
    turns = texts(dialogue)
    own = texts(invented_dialogue(chance.randrange(10**6)))
    start = max(range(len(turns) - 2), key=lambda at: len(" ".join(turns[at : at + 3]).split()))
    return with_texts(dialogue, [*own[:3], *turns[start : start + 3], *own[3:]])


def interleaved(dialogue: Dialogue, chance: random.Random, said: list[str]) -> Dialogue:
    turns = texts(dialogue)
    own = texts(invented_dialogue(chance.randrange(10**6), turns=len(turns)))
    return with_texts(dialogue, [text for pair in zip(turns, own, strict=True) for text in pair])


def typo(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word))
    return chance.choice(
        (word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], word[:at] + "e" + word[at + 1 :])
    )


SHORT = {"I'm": "I am", "you're": "you are", "it's": "it is", "don't": "do not", "can't": "cannot", "I'll": "I will",
         "that's": "that is", "we're": "we are", "didn't": "did not", "I've": "I have", "what's": "what is",
         "gonna": "going to", "wanna": "want to", "doesn't": "does not", "isn't": "is not"}  # fmt: skip
SHORTENED = {long.lower(): short.lower() for short, long in SHORT.items()} | {k.lower(): v for k, v in SHORT.items()}
_SHORTENED = re.compile(r"\b(" + "|".join(map(re.escape, SHORTENED)) + r")\b", re.IGNORECASE)


def contracted(dialogue: Dialogue, chance: random.Random, said: list[str]) -> Dialogue:
    """Each contraction written out, each written-out form contracted."""
    plain = [text.replace("’", "'").replace("\x92", "'") for text in texts(dialogue)]
    return with_texts(dialogue, [_SHORTENED.sub(lambda m: SHORTENED[m[0].lower()], text) for text in plain])


PLANTS: dict[str, Plant] = {
    "exact": lambda dialogue, chance, said: dialogue,
    "case and punctuation": lambda d, chance, said: with_texts(d, [re.sub(r"[.,!?]", " -", t).upper() for t in texts(d)]),
    "speaker names changed": renamed,
    "two lines swapped": swapped,
    "one line alone": one_line,
    "three lines alone": three_lines,
    "lines interleaved": interleaved,
    "10 % of words replaced": replaced(0.1),
    "20 % of words replaced": replaced(0.2),
    "35 % of words replaced": replaced(0.35),
    "15 % of words dropped": by_words(lambda spoken, chance, said: [w for w in spoken if chance.random() > 0.15]),
    "15 % of words inserted": by_words(
        lambda spoken, chance, said: [x for w in spoken for x in ([w, chance.choice(said)] if chance.random() < 0.15 else [w])]
    ),
    "typos in 15 % of words": by_words(
        lambda spoken, chance, said: [typo(w, chance) if chance.random() < 0.15 else w for w in spoken]
    ),
    "contractions": contracted,
}  # fmt: skip


def recall(splits: dict[str, list[Dialogue]], each: int, least: int, show: bool) -> None:
    index = LeakIndex(splits)
    said = [word for ds in splits.values() for d in ds for text in texts(d) for word in text.split()]
    tests = [
        (source, d) for source, ds in splits.items() if source.endswith("/test") for d in ds
        if len(d) >= LEAST_TURNS and sum(len(text.split()) for text in texts(d)) >= least
    ]  # fmt: skip
    found = 0
    for name, plant in PLANTS.items():
        chance = random.Random(name)
        planted = [(source, d, plant(d, chance, said)) for source, d in chance.sample(tests, min(each, len(tests)))]
        missed = [(d, p) for source, d, p in planted if source not in {hit.source for hit in index.hits(p)}]
        found += len(planted) - len(missed)
        sizes = sorted(sum(len(text.split()) for text in texts(d)) for d, _ in missed)
        print(
            f"planted {name:<26}{len(planted):>5}, found {len(planted) - len(missed):>5}; words of the missed: {sizes[:9]}"
        )
        if show:
            for d, p in missed[:3]:
                print("   was", texts(d), "\n   now", texts(p))
    total = len(PLANTS) * min(each, len(tests))
    print(f"planted {'in all':<26}{total:>5}, found {found:>5} ({found / total:.1%})")


def season_of(folder: Path, splits: dict[str, list[Dialogue]]) -> dict[str, int]:
    """Season of each dialogue, by its id."""
    seasons: dict[str, int] = {}
    for name, part in (("train", "train"), ("dev", "validation"), ("test", "test")):
        with (folder / "meld" / f"{name}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
            seasons |= {f"meld_{part}_{row['Dialogue_ID']}": int(row["Season"]) for row in csv.DictReader(file)}
    told = re.compile(r"_s(\d\d)_")
    for source, dialogues in splits.items():
        if source.startswith("emorynlp"):
            seasons |= {d.dialogue_id: int(m[1]) for d in dialogues if (m := told.search(d.dialogue_id))}
    return seasons


def unshared(scenes: list[Dialogue], others: list[Dialogue]) -> list[Dialogue]:
    """The scenes that have no twelve words in a row of another scene."""

    def runs(dialogue: Dialogue) -> set[tuple[str, ...]]:
        return set(ngrams([word for turn in lines(dialogue) for word in turn], 12))

    known = set().union(*map(runs, others))
    return [scene for scene in scenes if known.isdisjoint(runs(scene))]


def made(scenes: list[Dialogue], count: int, chance: random.Random) -> Iterator[Dialogue]:
    """Half runs of one scene, half ten lines of ten scenes."""
    for number in range(count):
        if number % 2:
            turns = [chance.choice(texts(scene)) for scene in chance.sample(scenes, 10)]
        else:
            scene = texts(chance.choice(scenes))
            start = chance.randrange(max(1, len(scene) - 3))
            turns = scene[start : start + chance.randint(4, 12)]
        yield with_texts(scenes[0], turns, f"clean-{number}")


def clean_and_speed(folder: Path, splits: dict[str, list[Dialogue]], count: int, show: bool) -> None:
    seasons = season_of(folder, splits)
    scenes = [(source.split("/")[0], d) for source, ds in splits.items() for d in ds]
    sides: Iterable[tuple[str, Callable[[str, int], bool], Callable[[str, int], bool]]] = (
        ("MELD 5-9", lambda name, season: name == "meld" and season >= 5, lambda name, season: season <= 4),
        ("EmoryNLP 3-4", lambda name, season: name == "emorynlp" and season >= 3,
         lambda name, season: season >= 5 or (name == "emorynlp" and season <= 2)),
    )  # fmt: skip
    for name, asked, known in sides:
        others = [d for source, d in scenes if known(source, seasons[d.dialogue_id])]
        own = unshared([d for source, d in scenes if asked(source, seasons[d.dialogue_id])], others)
        index = LeakIndex({"other/test": others})
        clean = list(made(own, count // 2, random.Random(name)))
        start = time.process_time()
        found = [hits for d in clean if (hits := index.hits(d))]
        seconds = time.process_time() - start
        flagged = [(d, hits) for d in clean if (hits := index.hits(d))] if show else []
        pairs = {hit.dialogue_id for hits in found for hit in hits}
        print(
            f"clean {name} ({len(own)} scenes): {len(found)} of {len(clean)} flagged (by {len(pairs)} benchmark dialogues), {len(clean) / seconds:.0f} a second"
        )
        for d, hits in flagged[:40]:
            print("  ", {(hit.kind, hit.dialogue_id) for hit in hits}, texts(d))
    invented = [invented_dialogue(number, turns=8) for number in range(1_000_000, 1_000_000 + count)]
    index = LeakIndex(splits)
    start = time.process_time()
    hit = sum(bool(index.hits(d)) for d in invented)
    seconds = time.process_time() - start
    print(f"clean invented: {hit} of {len(invented)} flagged, {len(invented) / seconds:.0f} a second")


def build(splits: dict[str, list[Dialogue]]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    start = time.process_time()
    LeakIndex(splits)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"index of {sum(map(len, splits.values()))} dialogues in {time.process_time() - start:.1f} s, {peak - before:.0f} MiB (peak {peak:.0f} MiB)"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--each", type=int, default=50, help="planted leaks of each kind")
    parser.add_argument("--clean", type=int, default=20_000)
    parser.add_argument("--least-words", type=int, default=LEAST_WORDS)
    parser.add_argument("--show", action="store_true", help="print what is missed and what is flagged")
    args = parser.parse_args()
    folder = Path(os.environ.get("ERC_DATA") or Path(__file__).parents[3] / "shared" / "data")
    splits = benchmark_splits(folder)
    if not splits:
        print(f"no benchmark files at {folder}: set ERC_DATA")
        return
    build(splits)
    recall(splits, args.each, args.least_words, args.show)
    clean_and_speed(folder, splits, args.clean, args.show)


if __name__ == "__main__":
    main()
