"""The servers behind OpenAI's routes: what each one calls a parameter, how it takes a grammar, how it is told apart.

Input: what a server says of itself. Output: the name of a flavour and facts. A server is known by its own word
(`owned_by` of its model) or by the body of a route, never by a route alone: vLLM's development mode has SGLang's.
Not covered: requests (`openai`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from erc_synth.generation.grammar import Constraint
from erc_synth.generation.serving.errors import TransportError
from erc_synth.generation.serving.session import Session


@dataclass(frozen=True, slots=True)
class Flavour:
    """One kind of server.

    Attributes:
        names: Our parameter -> its own; a missing one is not supported.
        grammar: A constraint as fields of the request; `None` when it takes none.
        raw_grammar: True when `/v1/completions` takes it too.
        owner: What it gives as `owned_by` of its model.
        route: Where it says more of itself.
        is_it: Whether the body of that route is this server's.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    grammar: Callable[[Constraint], dict[str, object]] | None = None
    raw_grammar: bool = True
    owner: str = ""
    route: str = ""
    is_it: Callable[[Mapping[str, object]], bool] = lambda body: False


FLAVOURS: Mapping[str, Flavour] = {
    "llama.cpp": Flavour(
        {"top_k": "top_k", "typical_p": "typical_p", "repetition_penalty": "repeat_penalty"},
        lambda constraint: {"grammar": constraint.gbnf},
        owner="llamacpp",
        route="/props",
        is_it=lambda body: "total_slots" in body,
    ),
    "tgi-messages": Flavour(
        grammar=lambda constraint: {"response_format": {"type": "regex", "value": constraint.regex}},
        raw_grammar=False,
        route="/info",
        is_it=lambda body: "max_concurrent_requests" in body and "model_id" in body,
    ),
    "sglang": Flavour(
        {"top_k": "top_k", "repetition_penalty": "repetition_penalty"},
        lambda constraint: {"regex": constraint.regex},
        owner="sglang",
        route="/server_info",
        is_it=lambda body: "vllm_config" not in body and ("model_path" in body or "tp_size" in body),
    ),
    "vllm": Flavour(
        {"top_k": "top_k", "repetition_penalty": "repetition_penalty"},
        lambda constraint: {"structured_outputs": {"regex": constraint.regex}},
        owner="vllm",
        route="/version",
        is_it=lambda body: set(body) == {"version"},
    ),
    "plain": Flavour(),  # OpenAI's own names and no more: hosted servers, and those that do not say who they are
}


async def recognise(session: Session, url: str, entry: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    """Name of the flavour of the server that lists `entry` among its models, and the body of its own route."""
    owner = str(entry.get("owned_by") or "").lower()
    named = next((name for name, flavour in FLAVOURS.items() if flavour.owner and flavour.owner == owner), None)
    if named:
        return named, await facts_of(session, url, named)
    for name, flavour in FLAVOURS.items():
        if flavour.route and flavour.is_it(body := await facts_of(session, url, name)):
            return name, body
    return "plain", {}


async def facts_of(session: Session, url: str, name: str) -> Mapping[str, object]:
    """What a server says at its flavour's own route; empty when it has none or guards it."""
    route = FLAVOURS[name].route
    if not route:
        return {}
    try:
        body = (await session.get(url, route)).body
    except TransportError:
        return {}
    return body if isinstance(body, dict) else {}
