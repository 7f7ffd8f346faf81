"""One pooled connection to all endpoints, and the values that every dialect shares.

Input: method, address, path, JSON. Output: `Answer` or `TransportError`; `Completion`, `Identity`, `Transport`.
Not covered: what the JSON means (`tgi`, `openai`), retries and limits (`runs`, `limiter`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Protocol

import aiohttp

from erc_synth.generation.prompts import Prompt
from erc_synth.generation.serving.access import Access
from erc_synth.generation.serving.errors import Answer, KindOf, TransportError, http_error

Sampling = Mapping[str, float]
NEUTRAL = {"top_p": 1.0, "typical_p": 1.0, "repetition_penalty": 1.0, "top_k": 0}
OWN_TEMPLATE = "the server's own"
MAX_BODY = 8_000_000  # bytes of an answer; a drip without end is cut


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. Token counts are the server's own (0 when it does not say).

    Attributes:
        model: Who the answer says wrote it; empty when it does not say.
        times: Seconds that the server says it needed, by name (`compute`, `queue`).
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seed: int | None = None
    model: str = ""
    times: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered: what `/info`, `/v1/models`, `/props` or `/version` said."""

    dialect: str
    model_id: str = ""
    model_sha: str = ""
    dtype: str = ""
    version: str = ""
    max_concurrent: int | None = None
    max_total_tokens: int | None = None
    weights_sha256: str = ""
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def model(self) -> tuple[str, str, str]:
        """What makes two servers serve the same model."""
        return self.model_id, self.model_sha, self.weights_sha256

    def to_json(self) -> dict[str, object]:
        """Plain dict for manifest and journal."""
        return asdict(self)


class Transport(Protocol):
    """A dialect: how to ask a server who it is, and for one completion."""

    async def identify(self, session: Session, url: str) -> Identity:
        """Ask the server who it is."""

    async def probe(self, session: Session, url: str) -> str:
        """Ask for one token, to see that the door is open; a sentence that the user must see, or nothing."""

    def wire(self, sampling: Sampling, constrained: bool, url: str = "") -> tuple[dict[str, object], list[str]]:
        """Sampling as the server takes it, and the names of what it cannot take."""

    def template(self, url: str) -> str:
        """The form of the raw prompt that an endpoint gets, or `OWN_TEMPLATE`."""

    async def complete(self, session: Session, url: str, prompt: Prompt, sampling: Sampling) -> Completion:
        """One completion, or `TransportError`."""


class Session:
    """Connections to the endpoints; use it as an async context manager.

    A request fails after `timeout` seconds without a byte, or twice as many in all. The pool is larger than the
    limit, so the clock of a request starts when it is sent, not while it waits.
    """

    def __init__(self, concurrency: int, timeout: float, access: Access | None = None) -> None:
        self._access = access or Access(())
        self._pool = concurrency + 4
        self._timeout = aiohttp.ClientTimeout(total=2 * timeout, sock_connect=min(10, timeout), sock_read=timeout)

    async def __aenter__(self) -> Session:
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=self._pool),
            timeout=self._timeout,
            headers={"Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    def has_key(self, url: str) -> bool:
        """True when requests to this endpoint carry a key."""
        return "authorization" in {name.lower() for name in self._access.of(url)}

    async def get(self, url: str, path: str) -> Answer:
        """GET of one path of an endpoint."""
        return await self._request("GET", url, path, None, None)

    async def post(self, url: str, path: str, body: Mapping[str, object], kind_of: KindOf | None = None) -> Answer:
        """POST of JSON to one path of an endpoint; `kind_of` is the dialect's own map of errors."""
        return await self._request("POST", url, path, body, kind_of)

    async def _request(
        self, method: str, url: str, path: str, body: Mapping[str, object] | None, kind_of: KindOf | None
    ) -> Answer:
        """Send, read, and parse JSON only after status and content were looked at."""
        where = f"{url}{path}"
        try:
            answer = await self._read(method, where, self._access.of(url), body)
        except TimeoutError as error:
            raise TransportError("timeout", f"{where} did not answer in time.") from error
        except aiohttp.ClientPayloadError as error:
            raise TransportError("bad_body", f"{where} cut its answer off.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TransportError("connection", f"{where} cannot be reached ({type(error).__name__}).") from error
        failed = isinstance(answer.body, dict) and answer.body.get("error") is not None
        if answer.status >= 300 or failed:
            problem = http_error(answer, kind_of)
            message = self._access.redacted(f"{where}: {problem}" if problem.kind == "missing" else str(problem))
            raise TransportError(problem.kind, message, status=problem.status, retry_after=problem.retry_after)
        if answer.body is None:
            raise TransportError("bad_body", f"{where} answered without JSON: {answer.text[:80]!r}.")
        return answer

    async def _read(self, method: str, where: str, headers: Mapping[str, str], body: object) -> Answer:
        # A redirect is not followed: the key is for this address, and a POST would come out as a GET.
        async with self._client.request(method, where, json=body, headers=headers, allow_redirects=False) as response:
            content = await response.content.read(MAX_BODY)
            while chunk := await response.content.read(MAX_BODY):
                content += chunk
                if len(content) > MAX_BODY:
                    raise TransportError("bad_body", "The answer is too long.")
            text = content.decode("utf-8", "replace")
            return Answer(response.status, response.headers, text, _json(text))


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # also a number of thousands of digits, brackets without end
        return None


def whole(value: object) -> int | None:
    """A limit that a server states; anything but a number above zero is none."""
    return int(value) if isinstance(value, int | float) and 1 <= value < 1e9 else None
