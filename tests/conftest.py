"""Shared set-up: no network, own caches. It runs before any Hub client is imported."""

import os
import tempfile
from pathlib import Path

import pytest

# A closed loopback port: whatever tries to reach the Hub fails at once instead of leaving the machine.
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="erc-synth-hf-")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
os.environ.pop("HF_TOKEN", None)

REPO = Path(__file__).parent.parent


def find_benchmark_data() -> Path | None:
    """The folder with the real MELD and EmoryNLP files, if this machine has it."""
    for candidate in (os.environ.get("ERC_DATA"), REPO.parent / "shared" / "data"):
        if candidate and (Path(candidate) / "meld").is_dir():
            return Path(candidate)
    return None


@pytest.fixture(scope="session")
def benchmark_data() -> Path:
    """Folder with `meld/` and `emorynlp/`; skips where it is absent."""
    folder = find_benchmark_data()
    if folder is None:
        pytest.skip("the real MELD / EmoryNLP files are absent ($ERC_DATA or ../shared/data)")
    return folder


@pytest.fixture(scope="session")
def repo() -> Path:
    """The checkout."""
    return REPO
