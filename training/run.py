"""Entry of `accelerate launch training/run.py` and `accelerate launch -m erc_synth.training.run`.

Purpose: words of the command line to one run; errors become one sentence and an exit code.
Input: flags (`--help`), or `--config file.yaml`. Output: files in `--out`; exit code 0, 2, 3 or 130.
Not covered: everything else (`config`, `pipeline`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(words: Sequence[str] | None = None) -> int:
    """Run with these words (default: those of the process); returns the exit code."""
    from erc_synth.loaders.errors import ErcSynthError
    from erc_synth.training.config import parse

    given = list(sys.argv[1:] if words is None else words)
    try:
        config = parse(given)
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        _keep_memory()
        from erc_synth.training.pipeline import run

        metrics = run(config, given)
    except ErcSynthError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on where it stopped.", file=sys.stderr)
        return 130
    if os.environ.get("RANK", "0") == "0":
        for found in metrics["evaluations"]:
            name = found["dataset"] + (f":{found['config']}" if found["config"] else "")
            print(f"{name} test ({found['examples']}): weighted F1 {found['weighted_f1']:.4f}")
    return 0


def _keep_memory() -> None:
    """Let glibc keep freed memory: a training step frees and takes the same blocks, and each page fault costs.

    Measured: a MiniLM step on 2 CPUs takes a fifth less time. Other systems are left as they are.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    trim_threshold, mmap_max = -1, -4  # names of malloc.h
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(mmap_max, 0)


if __name__ == "__main__":
    sys.exit(main())
