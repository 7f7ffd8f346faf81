"""`erc-synth doctor`: what is installed, which engines answer, which benchmarks are found, and a verdict.

Output: a table (or `--json`) on standard output; the Hub token is reported as present or absent, never its
value. Exit code 4 when something that every job needs is missing, or a server that was asked does not answer.
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
from typing import Annotated, NamedTuple

import typer

CORE = ("datasets", "huggingface-hub", "transformers", "torch", "evaluate", "accelerate", "scipy")
EXTRAS = {
    "tgi": ("text_generation", "native TGI types"),
    "embedded": ("xllamacpp", "embedded engine"),
    "ray": ("ray", "only for --launcher ray"),
    "slurm": ("submitit", "only for --launcher slurm"),
}
TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")
SERVERS = ("TGI_URL", "OPENAI_URL")
ROOM = 4  # GB that the demo needs
GB = 1e9


class Line(NamedTuple):
    """One finding: `ok`, `none` (missing, but not everybody needs it) or `FAIL` (mend it first)."""

    mark: str
    subject: str
    finding: str


def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the benchmarks' folders.")] = None,
    endpoint: Annotated[list[str] | None, typer.Option(help="A server to ask; repeat for several.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Say what is installed, which engines answer, which benchmarks are found."""
    groups = {
        "Packages": list(_packages()),
        "Extras": list(_extras()),
        "Weights": list(_weights()),
        "Engines": list(_engines(endpoint or [])),
        "Benchmarks": list(_benchmarks(data_dir)),
        "Hub": list(_hub()),
        "Machine": list(_machine()),
    }
    failed = [line.subject for lines in groups.values() for line in lines if line.mark == "FAIL"]
    verdict = f"Mend first: {', '.join(failed)}." if failed else "Ready: every job on this page marked ok can run here."
    _show(groups, verdict, as_json)
    return 4 if failed else 0


def _show(groups: dict[str, list[Line]], verdict: str, as_json: bool) -> None:
    if as_json:
        import json

        told = {title: [line._asdict() for line in lines] for title, lines in groups.items()}
        typer.echo(json.dumps({**told, "verdict": verdict}, indent=1))
        return
    for title, lines in groups.items():
        typer.echo(title)
        for mark, subject, finding in lines:
            typer.echo(f"  {mark:<4} {subject:<36} {finding}")
    typer.echo(verdict)


def _packages() -> Iterator[Line]:
    for name in CORE:
        try:
            yield Line("ok", name, version(name))
        except PackageNotFoundError:
            yield Line("FAIL", name, f"pip install {name}")


def _extras() -> Iterator[Line]:
    for extra, (module, use) in EXTRAS.items():
        found = find_spec(module) is not None
        yield Line(
            "ok" if found else "none", extra, "installed" if found else f"{use}: pip install 'erc-synth[{extra}]'"
        )
    there = [name for name in TRACKERS if find_spec(name)]
    yield Line("ok" if there else "none", "trackers", ", ".join(there) or f"none of {', '.join(TRACKERS)}")


def _weights() -> Iterator[Line]:
    from erc_synth.loaders.weights import WEIGHTS

    for weights in WEIGHTS:
        path = weights.path()
        yield Line("ok", weights.label, str(path)) if path else Line("none", weights.label, weights.install)


def _engines(endpoints: list[str]) -> Iterator[Line]:
    from erc_synth.loaders.weights import GENERATOR

    ready = find_spec("xllamacpp") is not None and GENERATOR.path() is not None
    yield Line("ok", "embedded", "ready") if ready else Line("none", "embedded", "see Extras and Weights")
    for variable in SERVERS:
        address = os.environ.get(variable)
        yield _answers(f"${variable}", address) if address else Line("none", f"${variable}", "not set: nothing asked")
    for address in endpoints:
        yield _answers("--endpoint", address)


def _answers(subject: str, address: str) -> Line:
    """What a server says of itself, asked in its own dialect."""
    from erc_synth.generation.serving.endpoints import who
    from erc_synth.loaders.errors import ErcSynthError

    try:
        identity = who(address)
    except ErcSynthError as error:
        return Line("FAIL", subject, str(error))
    return Line("ok", subject, f"{address}: {identity.dialect}, {identity.model_id}")


def _benchmarks(data_dir: Path | None) -> Iterator[Line]:
    from erc_synth.loaders.names import benchmark_names, find_data_dir, how_to_get

    for name in benchmark_names():
        folder = find_data_dir(name, data_dir)
        yield Line("ok", name, str(folder)) if folder else Line("none", name, how_to_get(name))


def _hub() -> Iterator[Line]:
    from huggingface_hub import get_token
    from huggingface_hub.constants import ENDPOINT

    yield Line("ok", "endpoint", ENDPOINT)
    if get_token():
        yield Line("ok", "token", "present (value not shown)")
    else:
        yield Line("none", "token", "absent: needed only to publish (hf auth login, or $HF_TOKEN)")


def _machine() -> Iterator[Line]:
    import psutil

    free = shutil.disk_usage(Path.cwd()).free / GB
    yield Line("ok", "python", sys.version.split()[0])
    yield Line("ok", "processors", str(os.cpu_count()))
    memory = psutil.virtual_memory()
    yield Line("ok", "memory", f"{memory.available / GB:.0f} of {memory.total / GB:.0f} GB free")
    yield Line("ok" if free > ROOM else "FAIL", "free disk here", f"{free:.0f} GB; the demo needs {ROOM}")
    yield _card() if find_spec("torch") else Line("none", "GPU", "not known without torch")


def _card() -> Line:
    import torch

    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        return Line("ok", "GPU", f"{torch.cuda.device_count()} x {card.name}, {card.total_memory / GB:.0f} GB, {bf16}")
    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.13 and newer
    bf16 = "fast bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "no fast bf16 known"
    return Line("none", "GPU", f"none: trainings run on the CPU ({bf16})")
