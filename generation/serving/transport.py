"""The wire: one request, one completion, whatever the server; foreign errors are mapped here only.

Dialects: `TgiTransport` (native `/generate`, types and errors of the package text-generation),
`OpenAITransport` (vLLM, SGLang, llama.cpp, TGI Messages), and `embedded` (llama.cpp on loopback,
see `embedded.py`), which is spoken to as the second. Input: `Prompt`, sampling. Output: `Completion`
or `TransportError`. Not covered: retries and limits (`runner`, `limiter`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import aiohttp

from erc_synth.generation.prompts import Prompt, apply_template
from erc_synth.loaders.errors import ErcSynthError

Sampling = Mapping[str, float]
RETRYABLE_STATUS = frozenset({408, 424, 429, 500, 502, 503, 504})
NEUTRAL = {"top_p": 1.0, "typical_p": 1.0, "repetition_penalty": 1.0, "top_k": 0}
MAX_BODY = 8_000_000  # bytes of an answer; a drip without end is cut


class TransportError(Exception):
    """A request failed.

    Attributes:
        kind: overloaded, validation, generation, server, timeout, connection, bad_body, refused.
        retryable: The same request may succeed later.
        retry_after: Seconds that the server asked for, if it did.
    """

    def __init__(
        self, kind: str, message: str, *, retryable: bool, status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(" ".join(message[:500].split()))
        self.kind = kind
        self.retryable = retryable
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. Token counts are the server's own (0 when it does not say)."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seed: int | None = None


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
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain dict for manifest and journal."""
        return asdict(self)


class Transport(Protocol):
    """A dialect: how to ask a server who it is, and for one completion."""

    async def identify(self, session: aiohttp.ClientSession, url: str) -> Identity:
        """Ask the server who it is."""

    def wire(self, sampling: Sampling, constrained: bool) -> tuple[dict[str, Any], list[str]]:
        """Sampling as the server takes it, and the names of what it cannot take."""

    async def complete(
        self, session: aiohttp.ClientSession, url: str, prompt: Prompt, sampling: Sampling
    ) -> Completion:
        """One completion, or `TransportError`."""


async def _request(session: aiohttp.ClientSession, method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
    """Send, read, and parse JSON only after status and content were looked at."""
    try:
        async with session.request(method, url, json=body) as response:
            content = await response.content.read(MAX_BODY)
            while chunk := await response.content.read(MAX_BODY):
                content += chunk
                if len(content) > MAX_BODY:
                    raise TransportError("bad_body", "The answer is too long.", retryable=True)
            status, headers = response.status, response.headers
    except TimeoutError as error:
        raise TransportError("timeout", f"{url} did not answer in time.", retryable=True) from error
    except aiohttp.ClientPayloadError as error:
        raise TransportError("bad_body", f"{url} cut its answer off.", retryable=True) from error
    except (aiohttp.ClientError, OSError) as error:
        message = f"{url} cannot be reached ({type(error).__name__})."
        raise TransportError("connection", message, retryable=True) from error
    text = content.decode("utf-8", "replace")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):  # also a number of thousands of digits, brackets without end
        parsed = None
    if status >= 400 or (isinstance(parsed, dict) and "error" in parsed):
        raise _http_error(status, parsed, text, headers.get("Retry-After"))
    if parsed is None:
        raise TransportError("bad_body", f"{url} answered without JSON: {text[:80]!r}.", retryable=True)
    return parsed


def _http_error(status: int, body: Any, text: str, retry_after: str | None) -> TransportError:
    """Kind and sentence of an error answer: JSON of any dialect, plain text or an HTML page."""
    message, error_type = text[:200], ""
    if isinstance(body, dict):
        error = body.get("error", body.get("message", ""))
        message = str(error.get("message", error) if isinstance(error, dict) else error)
        error_type = str(body.get("error_type", ""))
    elif "<html" in text[:500].lower():
        message = "an HTML page instead of an answer"
    kinds = {429: "overloaded", 503: "overloaded", 424: "generation", 422: "validation", 400: "validation"}
    by_type = {"overloaded": "overloaded", "validation": "validation", "generation": "generation"}
    kind = by_type.get(error_type) or kinds.get(status) or ("server" if status >= 500 or status < 400 else "refused")
    retryable = status in RETRYABLE_STATUS or (status < 400 and kind != "validation")
    wait = _seconds(retry_after) if retry_after else None
    return TransportError(kind, f"HTTP {status}: {message}", retryable=retryable, status=status, retry_after=wait)


def _seconds(retry_after: str) -> float | None:
    """Seconds from now of a Retry-After header: a number or a date (RFC 9110, 10.2.3); `None` for anything else."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


@contextmanager
def _expected_shape() -> Iterator[None]:
    """JSON of another shape than the dialect's is a bad body, not a crash."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        message = f"The answer is not of this dialect ({type(error).__name__}: {error})."
        raise TransportError("bad_body", message, retryable=True) from error


def _whole(value: Any) -> int | None:
    """A limit that a server states; anything but a number above zero is none."""
    return int(value) if isinstance(value, int | float) and 1 <= value < 1e9 else None


class TgiTransport:
    """TGI's native `/generate` with the model profile's template; needs the extra `tgi`."""

    def __init__(self, template: str) -> None:
        try:
            from text_generation import types
        except ImportError as error:
            raise ErcSynthError(
                "The engine tgi needs the package text-generation.",
                hint="pip install 'erc-synth[tgi]', or use --engine openai.",
            ) from error
        self._types = types
        self._template = template

    async def identify(self, session: aiohttp.ClientSession, url: str) -> Identity:
        """From `/info`."""
        info = await _request(session, "GET", f"{url}/info")
        with _expected_shape():
            return Identity(
                "tgi",
                str(info.get("model_id", "")),
                str(info.get("model_sha") or ""),
                str(info.get("model_dtype") or ""),
                str(info.get("version", "")),
                _whole(info.get("max_concurrent_requests")),
                _whole(info.get("max_total_tokens")),
                {k: info[k] for k in ("sha", "docker_label", "router", "max_input_tokens") if k in info},
            )

    def wire(self, sampling: Sampling, constrained: bool) -> tuple[dict[str, Any], list[str]]:
        """Neutral values are left out: TGI refuses top_p and typical_p of 1.0, and top_k of 0."""
        sent = {k: v for k, v in sampling.items() if k == "repetition_penalty" or NEUTRAL.get(k) != v}
        return {**sent, "do_sample": True, "details": True, "return_full_text": False}, []

    async def complete(
        self, session: aiohttp.ClientSession, url: str, prompt: Prompt, sampling: Sampling
    ) -> Completion:
        """POST /generate."""
        types = self._types
        parameters, _ = self.wire(sampling, prompt.constraint is not None)
        if prompt.constraint:
            parameters["grammar"] = types.Grammar(type=types.GrammarType.Regex, value=prompt.constraint.regex)
        raw = apply_template(self._template, prompt.messages)
        request = types.Request(inputs=raw, parameters=types.Parameters(**parameters, seed=prompt.seed))
        body = await _request(session, "POST", f"{url}/generate", request.model_dump(mode="json", exclude_none=True))
        with _expected_shape():
            answer = body[0] if isinstance(body, list) else body
            details = answer["details"]
            return Completion(
                str(answer["generated_text"]),
                str(details["finish_reason"]),
                len(details.get("prefill") or []),
                int(details["generated_tokens"]),
                details.get("seed"),
            )


class OpenAITransport:
    """`/v1/chat/completions` of vLLM, SGLang, llama.cpp or TGI; the flavour decides what it takes."""

    # What each flavour calls a parameter; a missing one is not supported.
    NAMES: Mapping[str, Mapping[str, str]] = {
        "llama.cpp": {k: k for k in ("top_k", "typical_p")} | {"repetition_penalty": "repeat_penalty"},
        "vllm": {k: k for k in ("top_k", "repetition_penalty")},
        "sglang": {k: k for k in ("top_k", "repetition_penalty")},
        "tgi-messages": {},
        "unknown": {},
    }

    def __init__(self, flavour: str = "unknown", model: str = "") -> None:
        self.flavour = flavour
        self.model = model

    async def identify(self, session: aiohttp.ClientSession, url: str) -> Identity:
        """Tell the servers apart by the routes that only one of them has."""
        models = await _request(session, "GET", f"{url}/v1/models")
        with _expected_shape():
            entry = (models.get("data") or [{}])[0]
            length = entry.get("max_model_len") or (entry.get("meta") or {}).get("n_ctx")
            self.model = model = str(entry.get("id", ""))  # several endpoints are asked at once
        version, extra, limit = "", {}, None
        for path, flavour in (
            ("/props", "llama.cpp"),
            ("/server_info", "sglang"),
            ("/info", "tgi-messages"),
            ("/version", "vllm"),
        ):
            try:
                answer = await _request(session, "GET", f"{url}{path}")
            except TransportError:
                continue
            if not isinstance(answer, dict) or (flavour == "llama.cpp" and "total_slots" not in answer):
                continue
            self.flavour = flavour
            version = str(answer.get("version") or answer.get("build_info") or "")
            limit = answer.get("total_slots") or answer.get("max_concurrent_requests")
            extra = {k: answer[k] for k in ("model_path", "model_ftype") if k in answer}
            break
        return Identity(f"openai/{self.flavour}", model, version=version, max_concurrent=_whole(limit),
                        max_total_tokens=_whole(length), extra=extra)  # fmt: skip

    def wire(self, sampling: Sampling, constrained: bool) -> tuple[dict[str, Any], list[str]]:
        """Chat names; what this flavour has no name for and is not neutral is reported."""
        names = self.NAMES[self.flavour]
        sent: dict[str, Any] = {"max_tokens": int(sampling["max_new_tokens"])}
        dropped = []
        for name, value in sampling.items():
            if name in ("temperature", "top_p"):
                sent[name] = value
            elif name in names:
                off = -1 if self.flavour == "sglang" and name == "top_k" and value == 0 else value
                sent[names[name]] = off
            elif name != "max_new_tokens" and NEUTRAL.get(name) != value:
                dropped.append(name)
        if constrained and self.flavour == "unknown":
            dropped.append("constraint")
        return sent, dropped

    async def complete(
        self, session: aiohttp.ClientSession, url: str, prompt: Prompt, sampling: Sampling
    ) -> Completion:
        """POST /v1/chat/completions."""
        parameters, _ = self.wire(sampling, prompt.constraint is not None)
        body = {"model": self.model, "messages": list(prompt.messages), "seed": prompt.seed, **parameters}
        if prompt.constraint:
            body |= self._constraint(prompt)
        answer = await _request(session, "POST", f"{url}/v1/chat/completions", body)
        with _expected_shape():
            choice = answer["choices"][0]
            usage = answer.get("usage") or {}
            return Completion(
                str(choice["message"]["content"] or ""),
                str(choice.get("finish_reason") or ""),
                int(usage.get("prompt_tokens") or 0),
                int(usage.get("completion_tokens") or 0),
            )

    def _constraint(self, prompt: Prompt) -> dict[str, Any]:
        assert prompt.constraint is not None
        regex = prompt.constraint.regex
        by_flavour: dict[str, dict[str, Any]] = {
            "llama.cpp": {"grammar": prompt.constraint.gbnf},
            "vllm": {"structured_outputs": {"regex": regex}},
            "sglang": {"regex": regex},
            "tgi-messages": {"response_format": {"type": "regex", "value": regex}},
        }
        return by_flavour.get(self.flavour, {})


def new_session(concurrency: int, timeout: float) -> aiohttp.ClientSession:
    """One pooled session; a request fails after `timeout` seconds without a byte, or twice as many in all.

    The pool is larger than the limit, so the clock of a request starts when it is sent, not while it waits.
    """
    limit = aiohttp.TCPConnector(limit=0, limit_per_host=concurrency + 4)
    return aiohttp.ClientSession(
        connector=limit,
        timeout=aiohttp.ClientTimeout(total=2 * timeout, sock_connect=10, sock_read=timeout),
        headers={"Accept": "application/json"},
    )


async def identify_all(transport: Transport, session: aiohttp.ClientSession, urls: list[str]) -> dict[str, Identity]:
    """Endpoints that answer, and who they are; all must serve the same model.

    Raises:
        ErcSynthError: No endpoint answers, or they serve different models.
    """
    answers = await asyncio.gather(*(transport.identify(session, url) for url in urls), return_exceptions=True)
    found = {url: answer for url, answer in zip(urls, answers, strict=True) if isinstance(answer, Identity)}
    for problem in answers:
        if isinstance(problem, BaseException) and not isinstance(problem, TransportError):
            raise problem
        if isinstance(problem, BaseException) and not found:
            raise ErcSynthError(
                f"No endpoint answers: {problem}", hint="Start the server, or check --endpoint and --engine.",
                retryable=True,
            ) from problem  # fmt: skip
    if len({(identity.model_id, identity.model_sha) for identity in found.values()}) > 1:
        names = ", ".join(sorted({identity.model_id for identity in found.values()}))
        raise ErcSynthError(f"The endpoints serve different models: {names}.", hint="Give endpoints of one model.")
    return found
