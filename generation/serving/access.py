"""Addresses of servers as users write them, and what a server wants to see before it answers: key and headers.

Input: addresses, names of environment variables, files. Output: `Access`. A key comes from a variable or a file, never
from the command line, and goes to the wire only: what is written or shown never holds it.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from erc_synth.loaders.errors import ErcSynthError

KEY_VARIABLE = "ERC_API_KEY"
# Variables of other programs, sent to the hosts that they are for and to no other.
HOST_VARIABLES = {
    "HF_TOKEN": ("huggingface.co", "huggingface.cloud", "hf.co"),
    "OPENAI_API_KEY": ("openai.com",),
}
# Parts of a full address that the dialect adds itself.
OWN_PATHS = re.compile(r"(/v1(/(chat/)?completions|/models)?|/generate|/info)?/*$")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Access:
    """Addresses without secrets, and the headers of each."""

    urls: tuple[str, ...]
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def of(self, url: str) -> Mapping[str, str]:
        """Headers for one of the addresses."""
        return self.headers.get(url, {})

    def redacted(self, text: str) -> str:
        """The text without any secret: a server may repeat the key that it refuses."""
        values = {value for headers in self.headers.values() for value in headers.values()}
        for secret in values | {value.split(" ", 1)[-1] for value in values}:
            if len(secret) >= 4:
                text = text.replace(secret, "***")
        return text


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where key and headers are to be found."""

    key_variable: str | None = None
    key_file: Path | None = None
    headers_file: Path | None = None


def read_access(addresses: Sequence[str], secrets: Secrets = Secrets()) -> Access:
    """Addresses in their plain form, with the headers that each of them is to see.

    Raises:
        ErcSynthError: An address, a file or a variable that cannot be used; the secret itself is never named.
    """
    key = _key(secrets)
    extra = _headers_of(secrets.headers_file) if secrets.headers_file else {}
    headers: dict[str, dict[str, str]] = {}
    for given in addresses:
        url, login = _address(given)
        found = key or _key_of_host(url)
        own = {"Authorization": f"Bearer {found}"} if found else login
        headers[url] = {**own, **extra}
    return Access(tuple(headers), headers)


def _address(given: str) -> tuple[str, dict[str, str]]:
    """Plain address, and the header of a name and password in it."""
    text = given.strip()
    if "://" not in text:
        text = f"{'http' if _is_near(text) else 'https'}://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        shown = re.sub(r"//[^/]*@", "//", given.split("?")[0])
        raise ErcSynthError(f"{shown!r} is no address of a server.", hint="Example: http://127.0.0.1:8080")
    name = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{name}{f':{port}' if port else ''}{OWN_PATHS.sub('', parts.path)}"
    if parts.username is None:
        return url, {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return url, {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _is_near(text: str) -> bool:
    """True for an address without a scheme that is hardly on the open net: a key must not go there unencrypted."""
    host = text.split("/")[0].rpartition("@")[2]
    name = host.rsplit(":", 1)[0].strip("[]") if ":" in host else host
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or bool(re.search(r":\d+$", host))
    return True


def _key(secrets: Secrets) -> str:
    """The key that was named, or that of `ERC_API_KEY`; empty when there is none."""
    if secrets.key_file:
        return _plain(_read(secrets.key_file), str(secrets.key_file))
    variable = secrets.key_variable or KEY_VARIABLE
    value = os.environ.get(variable, "")
    if secrets.key_variable and not value.strip():
        raise ErcSynthError(f"The environment variable {variable} is not set.", hint=f"export {variable}=...")
    return _plain(value, variable) if value.strip() else ""


def _key_of_host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    for variable, domains in HOST_VARIABLES.items():
        if parts.scheme == "https" and any(host == name or host.endswith(f".{name}") for name in domains):
            value = os.environ.get(variable, "")
            return _plain(value, variable) if value.strip() else ""
    return ""


def _plain(key: str, where: str) -> str:
    """A key that can stand in a header."""
    key = key.strip()
    if not key or not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ErcSynthError(f"{where} holds no key: one word of plain letters, digits and signs is expected.")
    return key


def _headers_of(path: Path) -> dict[str, str]:
    """Headers of a file with one `Name: value` a line; `#` begins a comment."""
    found = {}
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not HEADER_NAME.fullmatch(name) or not re.fullmatch(r"[\x20-\x7e]*", value):
            raise ErcSynthError(f"{path}, line {number}: no header.", hint="One `Name: value` a line.")
        found[name] = value
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ErcSynthError(f"{path} cannot be read ({type(error).__name__}).") from error
