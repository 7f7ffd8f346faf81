"""One training under guard: it ends when the process that asked for it ends, however that ends.

Purpose: `kill` of a grid, of a Ray worker or of a Slurm task reaches that process alone. The training is a tree
(accelerate starts the script as a child of its own), so it gets a process group, and the group is ended: politely
first, so that a checkpoint is written. Input: words: the asking process, then the command.
Output: the command's exit code; 130 when it was ended. Not covered: what is run.
Run: python -m erc_synth.training.grid.guard PID COMMAND...
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

LOOK = 0.5  # seconds between two looks at the asking process
SIGNALLED = 128  # exit codes of a shell for a process that a signal ended
GRACE = 120.0  # seconds for the running step and its checkpoint


def main(words: list[str]) -> int:
    """Run the command; see the module."""
    asked_by = int(words[0])
    asked_to_stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda got, _: asked_to_stop.append(got))
    child = subprocess.Popen(words[1:], start_new_session=True)
    while not asked_to_stop and os.getppid() == asked_by:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = child.wait(LOOK)
            return code if code >= 0 else SIGNALLED - code
    _end(child)
    return SIGNALLED + signal.SIGINT


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the whole group: the launcher may be gone before the script that it started has written its checkpoint."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, LOOK)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            child.poll()  # else the group would keep its dead leader
            try:
                os.killpg(child.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(LOOK / 5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
