"""What can go wrong on the wire, as one error with a kind; foreign answers are mapped here only.

Input: a status, a body, headers of any server. Output: `TransportError`. A kind decides whether the same request may
succeed later. Not covered: waiting and trying again (`runs`), the sentences for the user (`endpoints`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

PASSING = frozenset({"overloaded", "generation", "server", "timeout", "connection", "bad_body", "other_model"})
KINDS = {
    400: "validation",
    401: "denied",
    403: "denied",
    404: "missing",
    408: "timeout",
    413: "too_large",
    422: "validation",
    424: "generation",
    429: "overloaded",
    503: "overloaded",
    504: "server",
}
# vLLM, SGLang, llama.cpp, TGI and OpenAI each say it in words of their own.
TOO_LONG = re.compile(
    r"context.?(length|size|window)|exceed_context|must have less than \d+ tokens|max_new_tokens` must be <=|"
    r"prompt is too long|longer than the model",
    re.IGNORECASE,
)
NO_TEMPLATE = re.compile(r"chat.?template|template not found", re.IGNORECASE)

KindOf = Callable[[int, Mapping[str, object]], str | None]  # status and JSON body -> kind, or `None` for the common map


class TransportError(Exception):
    """A request failed.

    Attributes:
        kind: overloaded, validation, generation, server, timeout, connection, bad_body, refused, denied, missing,
            too_large, too_long, no_template, other_model.
        status: Of the answer; 0 without one.
        retry_after: Seconds that the server asked for, if it did.
    """

    def __init__(self, kind: str, message: str, *, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(" ".join(message[:500].split()))
        self.kind = kind
        self.status = status
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """True when the same request may succeed later."""
        return self.kind in PASSING


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers, the text, and the JSON in it (`None` when it is none)."""

    status: int
    headers: Mapping[str, str]
    text: str
    body: Any


def http_error(answer: Answer, kind_of: KindOf | None = None) -> TransportError:
    """Kind and sentence of an error answer: JSON of any dialect, plain text, or an HTML page."""
    message, said = answer.text[:200], answer.text[:2000]
    if 300 <= answer.status < 400:
        message = f"it sends to {answer.headers.get('Location', 'another address')} instead"
    elif isinstance(answer.body, dict):
        error = answer.body.get("error", answer.body.get("message", answer.body.get("detail", "")))
        message = str(error.get("message", error) if isinstance(error, dict) else error)
    elif "<html" in answer.text[:500].lower():
        message = "an HTML page instead of an answer"
    return TransportError(
        _kind(answer, f"{message} {said}", kind_of),
        f"HTTP {answer.status}: {message}",
        status=answer.status,
        retry_after=seconds(answer.headers.get("Retry-After", "")),
    )


def _kind(answer: Answer, words: str, kind_of: KindOf | None) -> str:
    status = answer.status
    if 400 <= status < 500 and status != 429 and TOO_LONG.search(words):
        return "too_long"
    if status >= 400 and NO_TEMPLATE.search(words):
        return "no_template"
    found = kind_of(status, answer.body) if kind_of and isinstance(answer.body, dict) else None
    return found or KINDS.get(status) or ("server" if status >= 500 or status < 300 else "refused")


def seconds(retry_after: str) -> float | None:
    """Seconds from now of a Retry-After header: a number or a date (RFC 9110, 10.2.3); `None` for anything else."""
    given = retry_after.strip()
    if given.isascii() and given.isdecimal():  # "²" is a digit to Python and no number
        return float(given)
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


@contextmanager
def expected_shape() -> Iterator[None]:
    """JSON of another shape than the dialect's is a bad body, not a crash."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        message = f"The answer is not of this dialect ({type(error).__name__}: {error})."
        raise TransportError("bad_body", message) from error
