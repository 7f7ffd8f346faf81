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

PR_SET_PDEATHSIG = 1  # prctl(2): a signal when the parent is gone, also while llama.cpp holds the interpreter


def _end_with_parent() -> None:
    """Two ways, as one works on Linux only and the other only while Python runs."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        sys.stdin.buffer.read()  # returns when the parent closes its end or dies
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _server(wanted: dict[str, object]) -> Any:
    import xllamacpp

    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = wanted["model"]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = wanted["slots"]
    parameters.n_ctx = wanted["context"]  # llama.cpp divides it among the slots
    parameters.cpuparams.n_threads = max(1, min(os.cpu_count() or 1, 8))
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
