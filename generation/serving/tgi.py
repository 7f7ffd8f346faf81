"""TGI's native `/generate`, with the model profile's template; needs the extra `tgi`.

Input: `Prompt`, sampling. Output: `Completion`, with the token counts of TGI's headers. The types of a request and the
meaning of an error are those of the package text-generation. Source of routes, headers and limits: router/src/server.rs
and lib.rs of text-generation-inference 3.3. Not covered: TGI's Messages API, which is a flavour of `openai`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from erc_synth.generation.prompts import Prompt, apply_template, stop_strings
from erc_synth.generation.serving.engines import Engine, Opened, Wish, opened
from erc_synth.generation.serving.errors import Answer, expected_shape
from erc_synth.generation.serving.session import NEUTRAL, Completion, Identity, Sampling, Session, whole
from erc_synth.loaders.errors import ErcSynthError

if TYPE_CHECKING:
    from text_generation.types import Request

# text-generation's error classes -> our kinds; what it does not know follows the status alone.
KINDS = {
    "ValidationError": "validation",
    "GenerationError": "generation",
    "IncompleteGenerationError": "server",
    "OverloadedError": "overloaded",
    "BadRequestError": "validation",
    "ShardTimeoutError": "server",
    "NotFoundError": "missing",
    "RateLimitExceededError": "overloaded",
}
OWN_TIMES = {"compute": ("x-compute-time", 1.0), "queue": ("x-queue-time", 0.001)}  # header, seconds of its unit


class TgiTransport:
    """The engine `tgi`."""

    def __init__(self, template: str) -> None:
        try:
            self._types = import_module("text_generation.types")
            self._errors = import_module("text_generation.errors")
        except ImportError as error:
            raise ErcSynthError(
                "The engine tgi needs the package text-generation.",
                hint="pip install 'erc-synth[tgi]', or use --engine openai.",
            ) from error
        self._template = template
        self._stops = list(stop_strings(template))

    def _kind_of(self, status: int, body: Mapping[str, object]) -> str | None:
        """What TGI's own client makes of an error answer; a proxy's words in another shape are not its business."""
        if not isinstance(body.get("error"), str) or status in (401, 403):
            return None
        return KINDS.get(type(self._errors.parse_error(status, dict(body))).__name__)

    async def identify(self, session: Session, url: str) -> Identity:
        """From `/info`."""
        info = (await session.get(url, "/info")).body
        with expected_shape():
            return Identity(
                "tgi",
                str(info["model_id"]),
                str(info.get("model_sha") or ""),
                str(info.get("model_dtype") or ""),  # TGI 2 said it; TGI 3 does not
                str(info.get("version", "")),
                whole(info.get("max_concurrent_requests")),
                whole(info.get("max_total_tokens")),
                extra={k: info[k] for k in ("sha", "docker_label", "router", "max_input_tokens") if k in info},
            )

    async def probe(self, session: Session, url: str) -> str:
        """One token: TGI's key guards `/generate` and not `/info`."""
        parameters = self._types.Parameters(max_new_tokens=1)
        await self._post(session, url, self._types.Request(inputs="Hello", parameters=parameters))
        return ""

    def wire(self, sampling: Sampling, constrained: bool, url: str = "") -> tuple[dict[str, object], list[str]]:
        """Neutral values are left out: TGI refuses top_p and typical_p of 1.0, and top_k of 0."""
        sent = {k: v for k, v in sampling.items() if k == "repetition_penalty" or NEUTRAL.get(k) != v}
        return {**sent, "stop": self._stops, "do_sample": True, "details": True, "return_full_text": False}, []

    def template(self, url: str) -> str:
        """The form of the raw prompt."""
        return self._template

    async def complete(self, session: Session, url: str, prompt: Prompt, sampling: Sampling) -> Completion:
        """POST /generate."""
        types = self._types
        parameters, _ = self.wire(sampling, prompt.constraint is not None)
        if prompt.constraint:
            parameters["grammar"] = types.Grammar(type=types.GrammarType.Regex, value=prompt.constraint.regex)
        raw = apply_template(self._template, prompt.messages)
        request = types.Request(inputs=raw, parameters=types.Parameters(**parameters, seed=prompt.seed))
        return self._read(await self._post(session, url, request))

    async def _post(self, session: Session, url: str, request: Request) -> Answer:
        body = request.model_dump(mode="json", exclude_none=True)
        return await session.post(url, "/generate", body, self._kind_of)

    def _read(self, answer: Answer) -> Completion:
        with expected_shape():
            body = answer.body[0] if isinstance(answer.body, list) else answer.body
            details, text = body["details"], str(body["generated_text"])
            reason = str(details["finish_reason"])
            if reason == "stop_sequence":  # TGI leaves the stop string at the end of the text
                stop = next((stop for stop in self._stops if text.endswith(stop)), "")
                text = text.removesuffix(stop)
            return Completion(
                text,
                reason,
                _count(answer, "x-prompt-tokens"),
                _count(answer, "x-generated-tokens") or int(details["generated_tokens"]),
                details.get("seed"),
                times=_times(answer),
            )


def _count(answer: Answer, header: str) -> int:
    """A number of a header; 0 when a proxy took it away."""
    value = answer.headers.get(header, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else 0


def _times(answer: Answer) -> dict[str, float]:
    times = {}
    for name, (header, unit) in OWN_TIMES.items():
        try:
            times[name] = round(float(answer.headers.get(header, "")) * unit, 3)
        except ValueError:
            continue
    return times


def _open(wish: Wish) -> Opened:
    if wish.flavour or wish.model:
        raise ErcSynthError("--flavour and --model are for --engine openai.", hint="TGI serves one model.")
    return opened(wish, TgiTransport(wish.profile.template))


ENGINE = Engine("tgi", profile="vicuna-1.5", open=_open)
