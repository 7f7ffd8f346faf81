"""One attempt after the other: send, journal what came, and say what becomes of the job.

Input: an item of the plan and an endpoint with room. Output: `Verdict`, journal records, live counts.
Not covered: which item goes to which endpoint, and when (`run`).
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from erc_synth.generation.lines import LineFormat
from erc_synth.generation.parsing import Rejection, parse
from erc_synth.generation.prompts import Prompt
from erc_synth.generation.runs.journal import Journal
from erc_synth.generation.runs.options import Options
from erc_synth.generation.runs.plan import Item, Prompts
from erc_synth.generation.runs.tally import Tally
from erc_synth.generation.serving.endpoints import Roster, refusal
from erc_synth.generation.serving.errors import TransportError
from erc_synth.generation.serving.limiter import Endpoint, Limiter
from erc_synth.generation.serving.session import Completion, Session, Transport
from erc_synth.generation.serving.stopping import StopRule
from erc_synth.loaders.contracts import AttemptRecord
from erc_synth.loaders.errors import ErcSynthError

MAX_ATTEMPTS = 8  # answers asked of the model per job before it is given up
RETRY_BASE = 0.5  # seconds; doubles per try, with jitter, up to RETRY_CAP
RETRY_CAP = 30.0
MAX_TRIES = 50  # of one request that meets retryable errors; the stop rule usually comes first
FEW_TRIES = 10  # of one request that the server fails at (424, 500, broken answers): it may be the request's fault
LONG_WAIT = 10.0  # seconds; a server that asks for more is quoted to the user

DONE, GIVEN_UP, AGAIN = "done", "given up", "again"
Verdict = str | float  # one of these words, or the seconds until the item is tried again


@dataclass(frozen=True, slots=True)
class Tools:
    """What all attempts of a run share."""

    options: Options
    transport: Transport
    session: Session
    roster: Roster
    limiter: Limiter
    journal: Journal
    prompts: Prompts
    tally: Tally
    stop: StopRule
    say: Callable[[str], None]


class Worker:
    """Attempts of one run."""

    def __init__(self, tools: Tools, recipe_name: str, form: LineFormat) -> None:
        self._tools = tools
        self._name = recipe_name
        self._form = form
        self._jitter = random.Random(tools.options.run_seed)
        self._texts = 0  # answers with any text in them
        self._said: set[str] = set()

    @property
    def only_silence(self) -> bool:
        """True when the server answered, and never with a word."""
        return self._tools.tally.answers > 0 and self._texts == 0

    async def attempt(self, item: Item, endpoint: Endpoint) -> Verdict:
        """One request.

        Raises:
            ErcSynthError: The server refuses what no second try can mend.
        """
        tools = self._tools
        prompt = tools.prompts.of(item)
        clock = time.monotonic()
        facts: dict[str, object] = {
            "seed": prompt.seed,
            "emotion": prompt.emotion,
            "try": item.tries,
            "endpoint": endpoint.url,
            "prompt_hash": prompt.hash,
            "sent": datetime.now(UTC).isoformat(),
        }
        out = True  # until the limiter has heard how it went
        try:
            if endpoint.url not in tools.roster.identities and not await tools.roster.vouch(endpoint.url):
                raise self._other_model(endpoint)
            answer = await tools.transport.complete(tools.session, endpoint.url, prompt, tools.options.sampling)
            facts["seconds"] = round(time.monotonic() - clock, 3)
            tools.limiter.success(endpoint, max(1, answer.completion_tokens))
            out = False
            if not await tools.roster.vouch(endpoint.url, answer.model):
                facts["text"] = answer.text  # paid for, and kept, but not this run's
                raise self._other_model(endpoint)
        except TransportError as error:
            facts["seconds"] = round(time.monotonic() - clock, 3)
            self._heard(endpoint, error, counted=not out)
            out = False
            return await self._failed(item, endpoint, error, facts)
        finally:
            if out:
                tools.limiter.release(endpoint)
            tools.prompts.answered(prompt)
        return self._answered(item, answer, prompt, facts)

    # --- no answer ------------------------------------------------------------------------------

    def _other_model(self, endpoint: Endpoint) -> TransportError:
        self._tools.limiter.leave_out(endpoint)
        self._say_once(f"{endpoint.url} serves another model than the run's: it is left out.")
        return TransportError("other_model", f"{endpoint.url} serves another model.")

    def _heard(self, endpoint: Endpoint, error: TransportError, *, counted: bool) -> None:
        """Tell limiter, stop rule and roster what a failure means for the endpoint."""
        tools = self._tools
        refused = error.kind in ("overloaded", "timeout")
        if refused:
            tools.stop.refused(str(error), error.retry_after)
        if error.kind in ("connection", "timeout", "missing"):  # it may have been started anew
            tools.roster.doubt(endpoint.url)
        if not counted and refused:
            tools.limiter.overload(endpoint, error.retry_after)
        elif not counted:
            tools.limiter.failure(endpoint, connection=error.kind == "connection")
        if (error.retry_after or 0) > LONG_WAIT:
            self._say_once(
                f"{endpoint.url} asks to wait {error.retry_after:.0f} seconds ({error}); "
                f"the run stops after {tools.options.patience:.0f} without an answer."
            )

    async def _failed(self, item: Item, endpoint: Endpoint, error: TransportError, facts: dict[str, object]) -> Verdict:
        tools = self._tools
        tools.tally.errors[error.kind] += 1
        self._write(item, "error", {**facts, "error": error.kind, "message": str(error)})
        if error.kind == "missing" and not await tools.roster.vouch(endpoint.url):
            error = self._other_model(endpoint)  # it has another model's name now
        if not error.retryable:
            raise self._refused(endpoint, error) from error
        item.tries += 1
        item.faults += error.kind in ("server", "generation", "bad_body")
        if item.faults == FEW_TRIES or item.tries == MAX_TRIES:
            tools.tally.given_up += 1
            return GIVEN_UP
        pause = min(RETRY_CAP, RETRY_BASE * 2 ** (item.tries - 1)) * self._jitter.uniform(0.5, 1.0)
        return float(max(pause, error.retry_after or 0.0))

    def _refused(self, endpoint: Endpoint, error: TransportError) -> ErcSynthError:
        if error.kind in ("denied", "missing", "too_large", "too_long", "no_template"):
            return refusal(error, endpoint.url, has_key=self._tools.session.has_key(endpoint.url))
        return ErcSynthError(
            f"{self._name}: the server refused a request: {error}",
            hint="Mend the recipe's sampling or the server's limits, then run the same command again.",
        )

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._tools.say(sentence)

    # --- an answer ------------------------------------------------------------------------------

    def _answered(self, item: Item, answer: Completion, prompt: Prompt, facts: dict[str, object]) -> Verdict:
        tools = self._tools
        self._check_constraint(prompt, answer)
        outcome = parse(answer.text, self._form, cut=answer.finish_reason == "length")
        facts |= {
            "finish_reason": answer.finish_reason,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "server_seed": answer.seed,
        }
        facts |= {f"{name}_seconds": value for name, value in answer.times.items()}
        labels: Counter[str] = Counter()
        reason = outcome.reason if isinstance(outcome, Rejection) else None
        if isinstance(outcome, Rejection):
            facts["reason"] = reason
        else:
            labels.update(str(turn.emotion) for turn in outcome.utterances)
            facts["labels"] = dict(labels)
        self._texts += bool(answer.text.strip())
        tools.tally.answered(answer, labels, reason)
        self._write(item, "rejected" if reason else "accepted", {**facts, "text": answer.text})
        tools.stop.answered(reason is None)
        if reason is None:
            return DONE
        item.attempt, item.tries, item.faults = item.attempt + 1, 0, 0
        if item.attempt < MAX_ATTEMPTS:
            return AGAIN
        tools.tally.given_up += 1
        return GIVEN_UP

    def _check_constraint(self, prompt: Prompt, answer: Completion) -> None:
        """A grammar that is ignored looks like a bad model; say it at the first answer that breaks it."""
        if prompt.constraint is None or answer.finish_reason == "length" or "constraint" in self._said:
            return
        if not re.fullmatch(prompt.constraint.regex, answer.text.strip() + "\n"):
            self._said.add("constraint")
            self._tools.say(
                "The server ignored the grammar: an answer breaks it. Say with --flavour what the server is, "
                "or use --no-constrain."
            )

    def _write(self, item: Item, outcome: str, facts: dict[str, object]) -> None:
        self._tools.tally.attempts += 1
        head = {"type": "attempt", "index": item.index, "attempt": item.attempt, "outcome": outcome}
        self._tools.journal.append(cast(AttemptRecord, {**head, **facts}))
