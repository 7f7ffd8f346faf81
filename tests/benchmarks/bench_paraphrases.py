"""How many planted paraphrases of MELD's test split are found by meaning, and how many dialogues are flagged wrongly.

Usage: python tests/benchmarks/bench_paraphrases.py FILE.jsonl [--weights FILE.gguf] [--count 60]
A language model (the embedded Qwen2.5-Coder 1.5B) tells dialogues of the test split in other words; they are kept in
FILE, outside the repository, and read again when it is there. Clean dialogues are MELD's own, each searched for in all
the others: what is flagged there is a scene that MELD has twice, or an error.
"""

import argparse
import asyncio
import json
import random
import re
import time
from pathlib import Path

from erc_synth.generation.curation.leaks import LeakIndex, benchmark_splits
from erc_synth.generation.grammar import Constraint
from erc_synth.generation.prompts import Prompt
from erc_synth.generation.quality import paraphrases
from erc_synth.generation.quality.likeness import remembered, sentence_encoder
from erc_synth.generation.recipe import load_profile
from erc_synth.generation.serving.endpoints import Roster
from erc_synth.generation.serving.engines import Wish, engine_of
from erc_synth.generation.serving.session import Session
from erc_synth.loaders.schema import Dialogue, Utterance

ASK = "Rewrite every line in quite different words with the same meaning. Keep the numbers.\n\n"
SHOWN = (
    {"role": "user", "content": ASK + "1. I can't believe you ate the whole pizza!\n2. Sorry, I was really hungry."},
    {"role": "assistant", "content": "1. How on earth did you finish all of that!\n2. My apologies, I was starving."},
)


def make(path, dialogues, weights):
    asyncio.run(_make(path, dialogues, weights))


async def _make(path, dialogues, weights):
    with engine_of("embedded").open(Wish(load_profile("qwen2.5-coder-1.5b"), weights=weights)) as servers:
        async with Session(4, 600, servers.access) as session:
            (url,) = servers.access.urls
            await Roster(servers.transport, session, [url]).meet()
            room = asyncio.Semaphore(4)

            async def one(dialogue):
                turns = len(dialogue)
                numbered = "\n".join(f"{n}. {turn.text}" for n, turn in enumerate(dialogue.utterances, 1))
                rules = " ".join(f'"{n}. " line "\\n"' for n in range(1, turns + 1))
                grammar = Constraint(turns, f"root ::= {rules}\nline ::= [A-Z] [^\\n]{{3,160}}\n", "")
                prompt = Prompt((*SHOWN, {"role": "user", "content": ASK + numbered}), 0, None, grammar)
                async with room:
                    sampling = {"temperature": 0.8, "max_new_tokens": 60 * turns}
                    answer = await servers.transport.complete(session, url, prompt, sampling)
                lines = [re.sub(r"^\d+\. ", "", line) for line in answer.text.strip().splitlines()]
                if len(lines) == turns:
                    with path.open("a") as out:
                        out.write(json.dumps({"id": dialogue.dialogue_id, "lines": lines}) + "\n")

            await asyncio.gather(*map(one, dialogues))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--count", type=int, default=60)
    args = parser.parse_args()
    splits = benchmark_splits(benchmarks=("meld",))
    test = {d.dialogue_id: d for d in splits["meld/test"]}
    if not args.file.exists():
        long = [d for d in test.values() if 5 <= len(d) <= 12 and sum(len(u.text.split()) for u in d.utterances) >= 40]
        random.Random(0).shuffle(long)
        make(args.file, long[: args.count], args.weights)
    told = [json.loads(line) for line in args.file.read_text().splitlines()]
    planted = {
        f"again-{one['id']}": Dialogue(f"again-{one['id']}", tuple(Utterance("A", text, None) for text in one["lines"]))
        for one in told
    }
    index = LeakIndex(splits)
    by_words = {name for name, dialogue in planted.items() if index.hits(dialogue)}
    encode = remembered(sentence_encoder())
    start = time.perf_counter()
    found = paraphrases.paraphrases(list(planted.values()), {"meld/test": splits["meld/test"]}, encode)
    right = {one["dialogue_id"] for one in found["meld/test"]["found"] if one["dialogue_id"] == f"again-{one['of']}"}
    apart = planted.keys() - by_words
    print(f"planted {len(planted)}: by words {len(by_words)}, by meaning {len(right)} ({len(right) / len(planted):.1%}); "
          f"of {len(apart)} that words miss {len(right & apart)}; {time.perf_counter() - start:.0f} s")  # fmt: skip
    clean = splits["meld/train"] + splits["meld/validation"]
    flagged = paraphrases.paraphrases(clean, {"meld/test": splits["meld/test"]}, encode)["meld/test"]
    print(f"clean: {len(flagged['found'])} of {flagged['searched']} flagged: {flagged['found'][:10]}")


if __name__ == "__main__":
    main()
