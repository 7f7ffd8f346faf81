"""The Hub as `publish` uses it: one policy for faults that go away, one sentence for those that stay.

Input: calls of `HfApi` (both generations of the client). Output: their answers, or `ErcSynthError`.
Every request has a time limit. The token is never in a message. Not covered: what is sent (`publish`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import mktime_tz, parsedate_tz
from typing import TYPE_CHECKING, Any, TypeVar

from erc_synth.loaders.errors import ErcSynthError

if TYPE_CHECKING:
    import httpx

WAITS = (0.5, 1, 2, 4, 8, 15, 15, 15)  # seconds between tries: what goes away within a minute is survived
LONGEST_WAIT = 60.0
TIME_LIMIT = 120.0  # seconds of silence before a request counts as lost
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
HTTP_LIBRARIES = frozenset({"httpx", "httpx2", "httpcore", "requests", "urllib3"})

T = TypeVar("T")


def patiently(action: Callable[[], T], repo_id: str, say: Callable[[str], None]) -> T:
    """The answer of a call; what may go away is tried again after a while.

    Raises:
        ErcSynthError: It did not go away, or is none that does.
    """

    def once() -> T:
        with hub_errors(repo_id):
            return action()

    return persist(once, lambda error: isinstance(error, ErcSynthError) and error.retryable, say)


def persist(action: Callable[[], T], may_pass: Callable[[Exception], bool], say: Callable[[str], None]) -> T:
    """The answer of a call; a fault that may pass is waited for, as long as the server asks and a minute in all.

    Raises:
        Exception: The call's own, when it may not pass or did not.
    """
    for wait in (*WAITS, None):
        try:
            return action()
        except Exception as error:
            if wait is None or not may_pass(error):
                raise
            pause = min(max(wait, _retry_after(error)), LONGEST_WAIT)
            said = str(error.args[0]) if isinstance(error, ErcSynthError) else f"{type(error).__name__}."
            say(f"{said} Trying again in {pause:g} s.")
            time.sleep(pause)
    raise AssertionError("unreachable")


def _retry_after(error: BaseException | None) -> float:
    """Seconds that the server asks for, by their number or by a date; 0 when it asks for none.

    `datasets` wraps an answer in errors of its own, so the causes are looked through.
    """
    while error is not None:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        if asked := str(headers.get("Retry-After") or ""):
            return _seconds(asked, str(headers.get("Date") or ""))
        error = error.__cause__ or error.__context__
    return 0.0


def _seconds(asked: str, date: str) -> float:
    with suppress(ValueError):
        return max(0.0, float(asked))
    until, now = parsedate_tz(asked), parsedate_tz(date)  # the server's own clock: ours may be wrong by more
    return max(0.0, mktime_tz(until) - (mktime_tz(now) if now else time.time())) if until else 0.0


@contextmanager
def hub_errors(repo_id: str) -> Iterator[None]:
    """Map the Hub clients' errors (both generations) to one sentence each."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ErcSynthError(f"{repo_id} is gated.", hint="Ask for access on its page, then log in.") from error
    except errors.RepositoryNotFoundError as error:
        raise ErcSynthError(
            f"{repo_id} was not found, or this login may not see it.", hint="Check the name and the login."
        ) from error
    except errors.HFValidationError as error:
        raise ErcSynthError(f"{repo_id!r} is not a repo id.", hint="Use the form org/name.") from error
    except errors.LocalTokenNotFoundError as error:
        raise ErcSynthError("No Hub token was found.", hint="Run `hf auth login`, or set HF_TOKEN.") from error
    except errors.HfHubHTTPError as error:
        raise _http(repo_id, error) from error
    except RuntimeError as error:  # an upload's own wrapper; what happened is its cause
        if isinstance(error.__cause__, errors.HfHubHTTPError):
            raise _http(repo_id, error.__cause__) from error.__cause__
        raise _network(repo_id, error.__cause__ or error) from error
    except (OSError, ValueError) as error:
        raise _network(repo_id, error) from error
    except Exception as error:
        # hub 2 raises its HTTP library's own connection errors, hub 0.36 those of requests (OSErrors).
        if type(error).__module__.split(".")[0] in HTTP_LIBRARIES:
            raise _network(repo_id, error) from error
        raise


def _network(repo_id: str, error: BaseException) -> ErcSynthError:
    reason = str(error).splitlines()[0][:200] if isinstance(error, ValueError) and str(error) else type(error).__name__
    return ErcSynthError(
        f"The Hub could not be used for {repo_id} ({reason}).",
        hint="Check the network and run the same command again.",
        retryable=not isinstance(error, ValueError) or isinstance(error, json.JSONDecodeError),  # an answer cut short
    )


def _http(repo_id: str, error: object) -> ErcSynthError:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    sentences = {
        401: ("The Hub does not accept the token.", "Run `hf auth login` again, or set HF_TOKEN."),
        403: (f"This token may not write to {repo_id}.", "Use a token with write permission for that name."),
        412: (f"{repo_id} was changed by somebody else at the same time.", "Run the same command again."),
        413: ("The Hub refuses the size of this upload.", "Publish smaller files."),
    }
    message, hint = sentences.get(status, (f"The Hub answered {status} for {repo_id}.", "Run the same command again."))
    said = " ".join(str(getattr(error, "server_message", None) or "").split())[:200]
    if said:
        message += f" It says: {said.rstrip('.')}."
    return ErcSynthError(message, hint=hint, retryable=status in TRANSIENT)


def limit_time() -> None:
    """Give every request of the Hub's client a time limit; the client itself sets none for a commit."""
    try:
        from huggingface_hub import configure_http_backend
    except ImportError:
        _limit_httpx()
        return
    import requests
    from requests.adapters import HTTPAdapter

    class _Limited(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:  # type: ignore[override]
            return super().send(request, **{**how, "timeout": how.get("timeout") or TIME_LIMIT})

    def session() -> requests.Session:
        made = requests.Session()
        for scheme in ("http://", "https://"):
            made.mount(scheme, _Limited())
        return made

    configure_http_backend(backend_factory=session)


def _limit_httpx() -> None:
    import huggingface_hub
    import huggingface_hub.utils

    make = huggingface_hub.utils._http.default_client_factory  # the client exports no other

    def client() -> httpx.Client:
        made: httpx.Client = make()
        made.timeout = TIME_LIMIT
        return made

    huggingface_hub.set_client_factory(client)
