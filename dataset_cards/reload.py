"""Load every config of a published repo from the Hub and compare it with the folder, in a process of its own.

Input: folder, repo id, revision (command line); the Hub alone: caches are empty and the working directory is, so
that no folder of the same name and no earlier download stands in for it. Output: a line per config; exit code 0,
or 4 with one sentence on standard error. Not covered: publishing (`publish`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from erc_synth.dataset_cards.hub import persist
from erc_synth.dataset_cards.lint import front_matter_of
from erc_synth.loaders.errors import ErcSynthError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

ROWS = 50_000  # compared at a time
CACHES = ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")


def verify(folder: Path, repo_id: str, revision: str, *, say: Callable[[str], None] = lambda line: None) -> None:
    """Compare the Hub's rows at a revision with the folder's, row by row.

    Raises:
        ErcSynthError: A config differs or cannot be loaded (exit code 4).
    """
    from huggingface_hub import get_token

    with tempfile.TemporaryDirectory() as home:
        environment = {name: value for name, value in os.environ.items() if name not in CACHES}
        environment |= {"HF_HOME": home, "TQDM_DISABLE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        environment |= {"HF_TOKEN": token} if (token := get_token()) else {}
        command = [sys.executable, "-m", __name__, str(folder.resolve()), repo_id, revision]
        place = Path(home) / "empty"
        place.mkdir()
        done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment, check=False)
    for line in done.stdout.splitlines():
        say(line)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["The reload ended without a word."])[-1]
        raise ErcSynthError(said, hint="Run the same command again to compare once more.", exit_code=4)


def compare(folder: Path, repo_id: str, revision: str) -> None:
    """Print a line for each config that is equal.

    Raises:
        ValueError: One differs; names config, split and what.
    """
    from datasets import load_dataset

    for name in [config["config_name"] for config in front_matter_of(folder / "README.md")["configs"]]:
        there = _patiently(partial(load_dataset, f"hf://datasets/{repo_id}", name, revision=revision))
        here = load_dataset(str(folder), name)
        for split in here:
            if split not in there or here[split].features != there[split].features:
                raise ValueError(f"The features of {name} ({split}) at {revision} differ from the folder.")
            if not same_rows(here[split], there[split]):
                raise ValueError(f"The rows of {name} ({split}) at {revision} differ from the folder.")
        print(f"{name}: reloaded and equal", flush=True)


def _patiently(load: Callable[[], DatasetDict]) -> DatasetDict:
    """Loaded, by the policy of all requests; the commit is known to be there, so any fault may pass."""
    return persist(load, lambda error: True, partial(print, flush=True))


def same_rows(here: Dataset, there: Dataset) -> bool:
    """Compared as Arrow, a part at a time: a million rows never stand in memory as Python objects."""
    parts = (rows.with_format("arrow").iter(batch_size=ROWS) for rows in (here, there))
    return len(here) == len(there) and all(ours.equals(theirs) for ours, theirs in zip(*parts, strict=True))


def main(words: list[str]) -> int:
    """Compare; 0 when all is equal, else 4 with one sentence."""
    folder, repo_id, revision = words
    try:
        compare(Path(folder), repo_id, revision)
    except Exception as error:  # the parent process has one sentence to say
        reason = " ".join(str(error).split())[:300]
        known = isinstance(error, ValueError) and "differ from the folder" in reason
        said = reason if known else f"{repo_id} at {revision} cannot be loaded ({type(error).__name__}: {reason})."
        print(said, file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
