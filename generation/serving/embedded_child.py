"""The process that holds llama.cpp: loads a model, prints its address, and ends as soon as its parent does.

Input: JSON as the one argument, an open standard input. Output: one line of JSON, `{"url": ...}` or `{"error": ...}`.
It never ends by Python's own way out: llama.cpp's destructor waits for threads that may never wake.
Not covered: choosing weights (`embedded`).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any

MOST_THREADS = 8
PR_SET_PDEATHSIG = 1  # prctl(2): a signal when the parent is gone, also while llama.cpp holds the interpreter


def _end_with_parent() -> None:
    """Two ways, as one works on Linux only and the other only while Python runs."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        sys.stdin.buffer.read()  # returns when the parent closes its end or dies
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _threads() -> int:
    """As many as there are processors to spare.

    The threads wait for each other at every layer, so one that gets no processor holds up all: with two threads on two
    busy processors 60 tokens took 51 to over 60 seconds, with one thread 3.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(allowed - round(busy), MOST_THREADS))


def _server(wanted: dict[str, object]) -> Any:
    import xllamacpp

    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = wanted["model"]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = wanted["slots"]
    parameters.n_ctx = wanted["context"]  # llama.cpp divides it among the slots
    parameters.cpuparams.n_threads = _threads()
    parameters.verbosity = -1
    return xllamacpp.Server(parameters)


def main() -> None:
    """Serve until the parent ends."""
    _end_with_parent()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever llama.cpp prints is not our one line
    try:
        server = _server(json.loads(sys.argv[1]))
    except Exception as error:  # the wheel raises plain RuntimeError for any model it cannot load
        print(json.dumps({"error": str(error)}), file=out, flush=True)
        os._exit(1)
    print(json.dumps({"url": server.listening_address}), file=out, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
