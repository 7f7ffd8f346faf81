"""Curation: time and memory for many dialogues, with every check but the benchmarks' (see bench_leaks).

Run: `python tests/benchmarks/bench_curation.py [--dialogues 50000]`. Prints figures; nothing is asserted.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from erc_synth.generation.curation.curate import Options, curate
from fakes.dialogues import invented


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dialogues", type=int, default=50_000)
    count = parser.parse_args().dialogues
    made = invented(count, turns=8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    curated = curate("c", [*made, *invented(0)], Options())
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{count} dialogues of 8 turns: {seconds:.1f} s ({count / seconds:.0f} a second), kept {len(curated.kept)},")
    print(f"memory {before:.2f} GiB for the dialogues, peak {peak:.2f} GiB")


if __name__ == "__main__":
    main()
