"""`erc-synth doctor`: what is installed, which engines answer, which benchmarks are found.

Output: one table on standard output; the Hub token is reported as present or absent, never its value.
Not covered: mending anything; each missing line says the command that mends it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

Line = tuple[str, str, str]  # (mark, subject, finding)

PACKAGES = (
    "datasets",
    "huggingface-hub",
    "text-generation",
    "transformers",
    "torch",
    "evaluate",
    "accelerate",
    "scipy",
)
EXTRAS = {
    "tgi": ("text_generation", "native TGI types: pip install 'erc-synth[tgi]'"),
    "embedded": ("xllamacpp", "embedded engine: pip install 'erc-synth[embedded]'"),
    "plots": ("matplotlib", "figures of the card: pip install 'erc-synth[plots]'"),
    "ray": ("ray", "only for `grid --launcher ray`: pip install 'erc-synth[ray]'"),
}
SERVERS = {"TGI_URL": "/info", "OPENAI_URL": "/v1/models"}


def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="Folder with meld/, emorynlp/, iemocap/.")] = None,
    endpoint: Annotated[list[str] | None, typer.Option(help="More servers to ask.")] = None,
) -> None:
    """Say what is installed, which engines answer, which benchmarks are found."""
    groups = {
        "Packages": _packages(),
        "Extras": _extras(),
        "Weights": _weights(),
        "Engines": _engines(endpoint or []),
        "Benchmarks": _benchmarks(data_dir),
        "Hub": _hub(),
        "Machine": _machine(),
    }
    for title, lines in groups.items():
        typer.echo(title)
        for mark, subject, finding in lines:
            typer.echo(f"  {mark:<4} {subject:<36} {finding}")


def _packages() -> Iterator[Line]:
    for name in PACKAGES:
        try:
            yield "ok", name, version(name)
        except PackageNotFoundError:
            yield "none", name, f"pip install {name}"


def _extras() -> Iterator[Line]:
    for extra, (module, mend) in EXTRAS.items():
        found = find_spec(module) is not None
        yield ("ok" if found else "none"), extra, "installed" if found else mend


def _weights() -> Iterator[Line]:
    from erc_synth.loaders.weights import WEIGHTS

    for weights in WEIGHTS:
        path = weights.path()
        yield ("ok", weights.label, str(path)) if path else ("none", weights.label, weights.install)


def _engines(endpoints: list[str]) -> Iterator[Line]:
    from erc_synth.loaders.weights import GENERATOR

    ready = find_spec("xllamacpp") is not None and GENERATOR.path() is not None
    yield ("ok", "embedded", "ready") if ready else ("none", "embedded", "see Extras and Weights")
    for variable, path in SERVERS.items():
        address = os.environ.get(variable)
        if address:
            yield _answers(f"${variable}", address, path)
        else:
            yield "none", f"${variable}", f"not set: no server of this kind asked ({path})"
    for address in endpoints:
        yield _answers("--endpoint", address, "/health")


def _answers(subject: str, address: str, path: str) -> Line:
    import httpx

    try:
        answer = httpx.get(address.rstrip("/") + path, timeout=5)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return "none", subject, f"{address} does not answer ({type(error).__name__})"
    mark = "ok" if answer.is_success else "none"
    return mark, subject, f"{address}{path} answers {answer.status_code}"


def _benchmarks(data_dir: Path | None) -> Iterator[Line]:
    from erc_synth.loaders.names import find_data_dir, how_to_get, table_benchmarks

    for name in table_benchmarks():
        folder = find_data_dir(name, data_dir)
        if folder:
            yield "ok", name, str(folder)
        else:
            yield "none", name, how_to_get(name)


def _hub() -> Iterator[Line]:
    from huggingface_hub import get_token
    from huggingface_hub.constants import ENDPOINT

    yield "ok", "endpoint", ENDPOINT
    if get_token():
        yield "ok", "token", "present (value not shown)"
    else:
        yield "none", "token", "absent: needed only to publish (hf auth login, or $HF_TOKEN)"


def _machine() -> Iterator[Line]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    yield "ok", "python", sys.version.split()[0]
    yield "ok", "processors", str(os.cpu_count())
    yield ("ok" if free > 4 else "none"), "free disk here", f"{free:.0f} GB"
