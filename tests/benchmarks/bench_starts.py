"""Starts of the embedded engine with Ctrl-C at random moments: each must end within five seconds and leave no process.

Usage: nice -n 10 python tests/benchmarks/bench_starts.py [STARTS=200]
Half of the starts get a second Ctrl-C half a second later; every tenth is not interrupted, as its options are wrong.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALLOWED = 5.0  # seconds from the interrupt to the end
LONGEST = 6.0  # seconds after a start at which the interrupt comes at the latest
MARK = "ERC_START"  # a variable by which a process left behind is found

COMMAND = [sys.executable, "-m", "erc_synth.cli.main", "generate", "meld_natural", "--dialogues", "50"]


def left_behind(mark):
    """Processes of one start that still live; zombies do not."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def start(number, draw):
    """Seconds from the interrupt to the end of all processes of the start; infinite when they had to be killed."""
    mark = f"{os.getpid()}-{number}"
    wrong = number % 10 == 9
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryFile() as told:
        words = [*COMMAND, "--out", out, *(("--turns", "9", "3") if wrong else ())]
        told_where = {"stdout": subprocess.DEVNULL, "stderr": told}
        child = subprocess.Popen(words, env={**os.environ, MARK: mark, "PYTHONFAULTHANDLER": "1"}, **told_where)
        began, pause = time.monotonic(), draw.uniform(0.0, LONGEST)
        if not wrong:
            time.sleep(pause)
            began = time.monotonic()
            child.send_signal(signal.SIGINT)
            if number % 2:
                time.sleep(0.5)
                child.send_signal(signal.SIGINT)
        limit = began + ALLOWED + (4 * LONGEST if wrong else 0.0)  # without an interrupt the start itself counts too
        while time.monotonic() < limit:
            if child.poll() is not None and not left_behind(mark):
                return time.monotonic() - began
            time.sleep(0.02)
        print(f"start {number}, interrupted after {pause:.2f} s: does not end. It is at", flush=True)
        child.send_signal(signal.SIGABRT)  # faulthandler prints where it is
        child.wait()
        for process in left_behind(mark):
            os.kill(process, signal.SIGKILL)
        told.seek(0)
        print(told.read().decode("utf-8", "replace")[-3000:], flush=True)
        return float("inf")


def main():
    starts = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
    draw = random.Random(0)
    took = [start(number, draw) for number in range(starts)]
    interrupted = [seconds for number, seconds in enumerate(took) if number % 10 != 9]
    ended = [seconds for seconds in took if seconds < float("inf")]
    print(f"{starts} starts, {len(interrupted)} interrupted: {len(ended)} ended in time, without a process left; "
          f"longest from interrupt to end {max(interrupted):.2f} s, mean {sum(interrupted) / len(interrupted):.2f} s")  # fmt: skip


if __name__ == "__main__":
    main()
