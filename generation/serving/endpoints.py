"""Who is spoken to: the endpoints of one run, asked at the start and again whenever there is doubt.

Input: a transport, a session, addresses. Output: identities, or a sentence that the user can act on. All endpoints of a
run serve one model. Not covered: how many requests each gets (`limiter`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from erc_synth.generation.serving.access import KEY_VARIABLE, Secrets, read_access
from erc_synth.generation.serving.errors import TransportError
from erc_synth.generation.serving.openai import OpenAITransport
from erc_synth.generation.serving.session import Identity, Session, Transport
from erc_synth.loaders.errors import ErcSynthError

RECHECK = 5.0  # seconds after which an endpoint that answers is asked again who it is
TRIES = 3  # of that question
KEY_HINT = f"Set {KEY_VARIABLE}, or name another variable with --api-key-env, or a file with --api-key-file."


@dataclass(slots=True)
class _Known:
    """What is known of one endpoint."""

    identity: Identity | None = None
    answered_as: str = ""  # `model` of its first answer
    checked: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Roster:
    """The endpoints of one run and who they are.

    Args:
        say: Gets sentences that the user must see.
    """

    def __init__(
        self,
        transport: Transport,
        session: Session,
        urls: Sequence[str],
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._transport, self._session, self._say = transport, session, say
        self._known = {url: _Known() for url in urls}

    @property
    def identities(self) -> dict[str, Identity]:
        """Those that answered, in the order they were given."""
        return {url: known.identity for url, known in self._known.items() if known.identity}

    @property
    def identity(self) -> Identity:
        """The first that answered; all others serve the same model."""
        return next(iter(self.identities.values()))

    async def meet(self) -> None:
        """Ask all who they are, and each for one token.

        Raises:
            ErcSynthError: None answers, one wants a key, or they serve different models.
        """
        answers = await asyncio.gather(*(self._meet(url) for url in self._known), return_exceptions=True)
        problems = dict(zip(self._known, answers, strict=True))
        for url, problem in problems.items():
            if isinstance(problem, TransportError):
                if problem.kind == "denied" or not self.identities:
                    raise refusal(problem, url, has_key=self._session.has_key(url)) from problem
                self._say(f"{url} is left out until it answers: {problem}")
            elif isinstance(problem, BaseException):
                raise problem
        if len({identity.model for identity in self.identities.values()}) > 1:
            names = ", ".join(sorted({f"{i.model_id} {i.model_sha}".strip() for i in self.identities.values()}))
            raise ErcSynthError(f"The endpoints serve different models: {names}.", hint="Give endpoints of one model.")

    async def _meet(self, url: str) -> None:
        identity = await self._transport.identify(self._session, url)
        try:
            doubt = await self._transport.probe(self._session, url)
        except TransportError as error:
            # Whether one token is too short or the server busy now is for the run to see; no key, no way in.
            if error.kind in ("denied", "missing", "no_template", "connection"):
                raise
            doubt = ""
        self._known[url].identity = identity
        self._known[url].checked = time.monotonic()
        template = self._transport.template(url)
        self._say(
            f"{url}: {identity.dialect} {identity.version}, {identity.model_id or 'a model'}, template: {template}."
        )
        if doubt:
            self._say(doubt)

    def doubt(self, url: str) -> None:
        """Something happened that may mean a restart: the next answer counts once the endpoint has said who it is."""
        self._known[url].checked = float("-inf")

    async def vouch(self, url: str, answered_as: str = "") -> bool:
        """True when an answer of this endpoint is by the run's model.

        Raises:
            TransportError: It does not say who it is.
        """
        known = self._known[url]
        known.answered_as = known.answered_as or answered_as
        if answered_as != known.answered_as:
            self.doubt(url)
        if time.monotonic() - known.checked < RECHECK:
            return True
        async with known.lock:
            if time.monotonic() - known.checked < RECHECK:  # another answer's check was waited for
                return True
            identity = await self._ask_again(url)
            if self.identities and identity.model != self.identity.model:
                return False
            if answered_as != known.answered_as and answered_as != identity.model_id:
                return False
            known.identity, known.answered_as, known.checked = identity, answered_as, time.monotonic()
            return True

    async def _ask_again(self, url: str) -> Identity:
        for number in range(TRIES):
            try:
                return await self._transport.identify(self._session, url)
            except TransportError as error:
                if number == TRIES - 1 or not error.retryable:
                    raise
                await asyncio.sleep(0.1 * 2**number)
        raise AssertionError("unreachable")

    async def changed(self) -> list[str]:
        """Endpoints that serve another model now; one that is away says nothing."""
        found = []
        for url, known in self._known.items():
            if known.identity is None:
                continue
            self.doubt(url)
            try:
                same = await self.vouch(url, known.answered_as)
            except (TransportError, ErcSynthError):
                continue
            if not same:
                found.append(url)
        return found


def refusal(error: TransportError, url: str, *, has_key: bool) -> ErcSynthError:
    """The sentence for an error that no second try can mend, or for a server that does not answer at all."""
    if error.kind == "denied":
        said = "refuses the key" if has_key else "wants a key"
        return ErcSynthError(f"{url} {said} ({error}).", hint=KEY_HINT)
    told = {
        "missing": ("the server has no such route or model", "Check --endpoint, --engine and --model."),
        "too_large": ("the request is too large for the server", "Use fewer examples with --few-shot."),
        "too_long": (
            "prompt and answer do not fit the model's context",
            "Lower --max-new-tokens or --few-shot, or start the server with a longer context.",
        ),
        "no_template": (
            "the server has no chat template for its model",
            "Use --raw-prompt with the model's --profile, or start the server with --chat-template.",
        ),
    }
    if error.kind in told:
        said, hint = told[error.kind]
        return ErcSynthError(f"{said[0].upper()}{said[1:]}: {error}", hint=hint)
    return ErcSynthError(
        f"No endpoint answers: {error}", hint="Start the server, or check --endpoint and --engine.", retryable=True
    )


def who(url: str, *, secrets: Secrets | None = None, timeout: float = 5.0) -> Identity:
    """Who answers at an address, whatever its dialect.

    Raises:
        ErcSynthError: The address is none, nobody answers in time, or a key is wanted.
    """
    access = read_access([url], secrets or Secrets())
    (plain,) = access.urls

    async def ask() -> Identity:
        async with Session(1, timeout, access) as session:
            try:
                return await OpenAITransport().identify(session, plain)
            except TransportError as error:
                raise refusal(error, plain, has_key=session.has_key(plain)) from error

    return asyncio.run(ask())
