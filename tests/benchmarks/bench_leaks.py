"""Leak check: time and memory for many dialogues, recall of planted leaks, false hits on a clean set.

Run: `python tests/benchmarks/bench_leaks.py [--dialogues 100000]`. Needs the real benchmark files
($ERC_DATA or ../shared/data); says so and stops without them. Prints figures; nothing is asserted.

Clean sets: invented dialogues; and MELD scenes of seasons 5 to 9 against EmoryNLP (seasons 1 to 4): the same
show and language, other scripts; and each season of EmoryNLP against the others. What is left there was read:
scenes and recaps that stand in both scripts word for word, a song, an airport call. Planted leaks are made from every MELD and EmoryNLP test dialogue.
"""

import argparse
import csv
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from erc_synth.generation.curation.leaks import LeakIndex, benchmark_splits
from erc_synth.loaders.schema import Dialogue
from erc_synth.loaders.wording import lines
from fakes.dialogues import invented_dialogue, with_texts


def changed(dialogue: Dialogue, chance: random.Random) -> Dialogue:
    texts = [turn.text for turn in dialogue.utterances]
    at = max(range(len(texts)), key=lambda number: (len(texts[number].split()) > 1, chance.random()))
    spoken = texts[at].split()
    spoken[chance.randrange(len(spoken))] = "zeppelin"
    return with_texts(dialogue, [*texts[:at], " ".join(spoken), *texts[at + 1 :]])


def swapped(dialogue: Dialogue, chance: random.Random) -> Dialogue:
    texts = [turn.text for turn in dialogue.utterances]
    first, second = chance.sample(range(len(texts)), 2)
    texts[first], texts[second] = texts[second], texts[first]
    return with_texts(dialogue, texts)


def embedded(dialogue: Dialogue, chance: random.Random) -> Dialogue:
    """Three turns in a row of a benchmark, inside an invented dialogue."""
    texts = [turn.text for turn in dialogue.utterances]
    start = chance.randrange(max(1, len(texts) - 2))
    own = [turn.text for turn in invented_dialogue(chance.randrange(10**6)).utterances]
    return with_texts(dialogue, [*own[:3], *texts[start : start + 3], *own[3:]])


def recall(index: LeakIndex, tests: dict[str, list[Dialogue]]) -> None:
    kinds: dict[str, Callable[[Dialogue, random.Random], Dialogue]] = {
        "exact": lambda dialogue, _: dialogue,
        "one word changed": changed,
        "two turns swapped": swapped,
        "three turns inside another dialogue": embedded,
    }
    for name, plant in kinds.items():
        chance = random.Random(name)
        planted = [(s, plant(d, chance)) for s, ds in tests.items() for d in ds if len(d) > 1]
        missed = [d for source, d in planted if source not in {hit.source for hit in index.hits(d)}]
        share = 1 - len(missed) / len(planted)
        words = [sum(map(len, lines(d))) for d in missed]
        print(f"planted, {name:<36} {share:7.1%} of {len(planted)} found; words of the missed: {sorted(words)[:9]}")


def false_hits(splits: dict[str, list[Dialogue]], folder: Path) -> None:
    index = LeakIndex(splits)
    clean = [invented_dialogue(number) for number in range(1_000_000, 1_002_000)]
    print(f"clean, invented: {sum(bool(index.hits(d)) for d in clean)} of {len(clean)} dialogues hit")
    with (folder / "meld" / "train_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        season = {f"meld_train_{row['Dialogue_ID']}": int(row["Season"]) for row in csv.DictReader(file)}
    other = [d for d in splits["meld/train"] if season[d.dialogue_id] >= 5]
    emory = LeakIndex({s: ds for s, ds in splits.items() if s.startswith("emorynlp")})
    found = [emory.hits(d) for d in other]
    count = Counter(kind for hits in found for kind in {hit.kind for hit in hits})
    print(f"clean, MELD seasons 5-9 against EmoryNLP: {sum(map(bool, found))} of {len(other)} hit, {dict(count)}")
    scenes = [d for s, ds in splits.items() if s.startswith("emorynlp") for d in ds]
    by_season = {part: [d for d in scenes if f"_{part}_" in d.dialogue_id] for part in ("s01", "s02", "s03", "s04")}
    for part, own in by_season.items():
        rest = LeakIndex({"emorynlp/rest": [d for other, ds in by_season.items() if other != part for d in ds]})
        print(f"clean, EmoryNLP {part} against the other seasons: {sum(bool(rest.hits(d)) for d in own)} of {len(own)}")


def speed(splits: dict[str, list[Dialogue]], count: int) -> None:
    start = time.perf_counter()
    index = LeakIndex(splits)
    built = time.perf_counter() - start
    # Real words in new order: as many lookups succeed and fail as in a real set; ten turns each.
    pool = [turn.text for ds in splits.values() for d in ds for turn in d.utterances]
    chance = random.Random(0)
    made = [with_texts(invented_dialogue(n, turns=2), chance.choices(pool, k=10), f"d{n}") for n in range(count)]
    start = time.perf_counter()
    hit = sum(bool(index.hits(dialogue)) for dialogue in made)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"speed: index of {sum(map(len, splits.values()))} dialogues in {built:.1f} s; {count} dialogues of 10 turns")
    print(f"       in {seconds:.1f} s ({count / seconds:.0f} a second, {hit} hit); peak memory {peak:.2f} GiB in all")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dialogues", type=int, default=100_000)
    count = parser.parse_args().dialogues
    folder = Path(os.environ.get("ERC_DATA") or Path(__file__).parents[3] / "shared" / "data")
    splits = benchmark_splits(folder)
    if not splits:
        print(f"no benchmark files at {folder}: set ERC_DATA")
        return
    tests = {source: dialogues for source, dialogues in splits.items() if source.endswith("/test")}
    recall(LeakIndex(splits), tests)
    false_hits(splits, folder)
    speed(splits, count)


if __name__ == "__main__":
    main()
