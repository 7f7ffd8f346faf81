"""The engines of the command line: each is one file of this folder that holds an `ENGINE`.

Input: a name and a `Wish`. Output: `Opened`, what a run needs to speak to the servers. An engine that is added here
as a file is an engine of `generate` and `replay`. Not covered: what they do (`tgi`, `openai`, `embedded`).
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from erc_synth.generation import serving
from erc_synth.generation.recipe import Profile
from erc_synth.generation.serving.access import Access, Secrets, read_access
from erc_synth.generation.serving.session import Transport
from erc_synth.loaders.errors import ErcSynthError


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asks of an engine; what an engine has no use for it refuses."""

    profile: Profile
    addresses: tuple[str, ...] = ()
    secrets: Secrets = field(default_factory=Secrets)
    weights: Path | None = None
    flavour: str = ""
    model: str = ""
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """Servers to speak to; `close` ends what the engine itself started."""

    access: Access
    transport: Transport
    close: Callable[[], None] = lambda: None

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine: its name, its default profile, and how it is opened."""

    name: str
    profile: str
    open: Callable[[Wish], Opened]


def opened(wish: Wish, transport: Transport) -> Opened:
    """Servers that run already, at the addresses of the wish."""
    if wish.weights:
        raise ErcSynthError("--weights is for --engine embedded.", hint="A server that runs has its weights.")
    if not wish.addresses:
        raise ErcSynthError("This engine needs an address.", hint="Give --endpoint http://host:port.")
    return Opened(read_access(wish.addresses, wish.secrets), transport)


def engines() -> dict[str, Engine]:
    """Every engine by its name."""
    modules = (import_module(f"{serving.__name__}.{module.name}") for module in pkgutil.iter_modules(serving.__path__))
    found = [module.ENGINE for module in modules if hasattr(module, "ENGINE")]
    return {engine.name: engine for engine in found}


def engine_of(name: str) -> Engine:
    """The engine of a name.

    Raises:
        ErcSynthError: There is none.
    """
    known = engines()
    if name not in known:
        raise ErcSynthError(f"Unknown engine {name!r}.", hint=f"Known: {', '.join(sorted(known))}.")
    return known[name]
