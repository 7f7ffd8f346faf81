"""OpenAI's routes as vLLM, SGLang, llama.cpp, TGI and hosted servers have them; the flavour decides what one takes.

Input: `Prompt`, sampling. Output: `Completion`. Messages go to `/v1/chat/completions`; to a server without a chat
template raw words in the profile's template go to `/v1/completions`. Each endpoint has a flavour of its own.
Not covered: who is spoken to and whether all serve one model (`endpoints`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from erc_synth.generation.prompts import Prompt, apply_template, stop_strings
from erc_synth.generation.serving.engines import Engine, Opened, Wish, opened
from erc_synth.generation.serving.errors import TransportError, expected_shape
from erc_synth.generation.serving.flavours import FLAVOURS, Flavour, facts_of, recognise
from erc_synth.generation.serving.session import (
    NEUTRAL,
    OWN_TEMPLATE,
    Completion,
    Identity,
    Sampling,
    Session,
    whole,
)
from erc_synth.loaders.errors import ErcSynthError

MARKS = {"vicuna": "USER:", "chatml": "<|im_start|>", "llama3": "<|start_header_id|>"}  # of a chat template's text


@dataclass(slots=True)
class _Served:
    """What was learnt of one endpoint."""

    flavour: str
    model: str
    raw: bool = False  # raw words instead of messages
    chat_template: str = ""  # as the server states it


class OpenAITransport:
    """The engine `openai`, and `embedded` on loopback.

    Args:
        flavour: What the user says the server is; empty: each endpoint is asked.
        model: Name of the model to ask for, where a server has several.
        template: The profile's template of raw prompts; empty: there is none.
        raw: True to send raw prompts from the start.
        wanted: The model that the profile means, chosen where a server has several.
    """

    def __init__(
        self, flavour: str = "", model: str = "", template: str = "", *, raw: bool = False, wanted: str = ""
    ) -> None:
        self._flavour = flavour
        self._model = model
        self._template = template
        self._raw = raw
        self._wanted = wanted
        self._served: dict[str, _Served] = {}

    def _of(self, url: str) -> _Served:
        """What is known of an endpoint; the first one's when it was never asked."""
        first = next(iter(self._served.values()), _Served(self._flavour or "plain", self._model, self._raw))
        return self._served.get(url, first)

    # --- who is it ------------------------------------------------------------------------------

    async def identify(self, session: Session, url: str) -> Identity:
        """Model from `/v1/models`, flavour from what the server says of itself."""
        entry = await self._entry(session, url)
        if self._flavour:
            name, facts = self._flavour, await facts_of(session, url, self._flavour)
        else:
            name, facts = await recognise(session, url, entry)
        with expected_shape():
            settings, meta = _table(facts, "default_generation_settings"), _table(entry, "meta")
            length = entry.get("max_model_len") or settings.get("n_ctx") or meta.get("n_ctx")
            served = _Served(name, str(entry["id"]), chat_template=str(facts.get("chat_template") or ""))
            before = self._served.get(url)
            served.raw = before.raw if before else self._raw
            self._served[url] = served
            return Identity(
                f"openai/{name}",
                served.model,
                str(facts.get("model_sha") or ""),
                version=str(facts.get("version") or facts.get("build_info") or ""),
                max_concurrent=whole(facts.get("total_slots") or facts.get("max_concurrent_requests")),
                max_total_tokens=whole(length),
                extra=_extra(facts, meta),
            )

    async def _entry(self, session: Session, url: str) -> Mapping[str, object]:
        """The entry of `/v1/models` that is to write."""
        try:
            body = (await session.get(url, "/v1/models")).body
        except TransportError as error:
            if error.kind == "missing" and self._model:  # a server without a list, and the user says what to ask for
                return {"id": self._model}
            raise
        with expected_shape():
            entries = [entry for entry in body["data"] if isinstance(entry, dict) and entry.get("id")]
        names = [str(entry["id"]) for entry in entries]
        for name in filter(None, (self._model, self._wanted)):
            if name in names:
                return dict(entries[names.index(name)])
        if self._model or len(names) > 1:
            problem = f"has no model {self._model!r}" if self._model else "has several models"
            shown = ", ".join(names[:20]) or "none"
            raise ErcSynthError(f"{url} {problem}; it lists: {shown}.", hint="Choose one with --model.")
        if not names:
            raise TransportError("bad_body", f"{url}/v1/models lists no model.")
        return dict(entries[0])

    async def probe(self, session: Session, url: str) -> str:
        """One token; finds a key that is wanted, and a server without a chat template."""
        served = self._of(url)
        if not served.raw and served.flavour == "llama.cpp" and self._template and not served.chat_template:
            facts = await facts_of(session, url, "llama.cpp")
            served.raw = "chat_template" in facts  # it says that it has none
        try:
            await self._one_token(session, url, served)
        except TransportError as error:
            if error.kind != "no_template" or served.raw or not self._template:
                raise
            served.raw = True
            await self._one_token(session, url, served)
        if served.raw and not self._raw:
            return f"{url} has no chat template: raw prompts in the form {self._template!r} go to /v1/completions."
        return self._template_doubt(url, served)

    async def _one_token(self, session: Session, url: str, served: _Served) -> None:
        asked = {"prompt": "Hello"} if served.raw else {"messages": [{"role": "user", "content": "Hello"}]}
        await session.post(url, _route(served), {"model": served.model, "max_tokens": 1, **asked})

    def _template_doubt(self, url: str, served: _Served) -> str:
        """A sentence when the server's template is plainly another model's than the profile's."""
        mark = MARKS.get(self._template)
        of_profile = self._wanted and self._wanted.rsplit("/", 1)[-1].lower() in served.model.lower()
        others = [name for name, sign in MARKS.items() if name != self._template and sign in served.chat_template]
        if served.raw or not mark or not of_profile or mark in served.chat_template or not others:
            return ""
        return (
            f"{url} uses a chat template of the form {others[0]}, the profile's model was trained with "
            f"{self._template}: use --raw-prompt, or start the server with the right template."
        )

    def template(self, url: str) -> str:
        """The form of a raw prompt; with messages the server applies its own."""
        return self._template if self._of(url).raw else OWN_TEMPLATE

    # --- ask it ---------------------------------------------------------------------------------

    def wire(self, sampling: Sampling, constrained: bool, url: str = "") -> tuple[dict[str, object], list[str]]:
        """Names of this flavour; what it has no name for and is not neutral is reported."""
        served = self._of(url)
        flavour = FLAVOURS[served.flavour]
        sent: dict[str, object] = {"max_tokens": int(sampling["max_new_tokens"])}
        dropped = []
        for name, value in sampling.items():
            if name in ("temperature", "top_p"):
                sent[name] = value
            elif name in flavour.names:
                off = -1 if served.flavour == "sglang" and name == "top_k" and value == 0 else value
                sent[flavour.names[name]] = off
            elif name != "max_new_tokens" and NEUTRAL.get(name) != value:
                dropped.append(name)
        if constrained and not _takes_grammar(flavour, served):
            dropped.append("constraint")
        if served.raw:
            sent["stop"] = list(stop_strings(self._template))
        return sent, dropped

    async def complete(self, session: Session, url: str, prompt: Prompt, sampling: Sampling) -> Completion:
        """POST /v1/chat/completions, or /v1/completions with raw words."""
        try:
            return await self._complete(session, url, prompt, sampling)
        except TransportError as error:
            served = self._of(url)
            if error.kind != "no_template" or served.raw or not self._template:
                raise
            served.raw = True  # an endpoint that was away came back without its template
            return await self._complete(session, url, prompt, sampling)

    async def _complete(self, session: Session, url: str, prompt: Prompt, sampling: Sampling) -> Completion:
        served = self._of(url)
        parameters, _ = self.wire(sampling, prompt.constraint is not None, url)
        body = {"model": served.model, "seed": prompt.seed, **parameters}
        if served.raw:
            body["prompt"] = apply_template(self._template, prompt.messages)
        else:
            body["messages"] = list(prompt.messages)
        flavour = FLAVOURS[served.flavour]
        if prompt.constraint and flavour.grammar and _takes_grammar(flavour, served):
            body |= flavour.grammar(prompt.constraint)
        answer = (await session.post(url, _route(served), body)).body
        with expected_shape():
            choice = answer["choices"][0]
            usage = answer.get("usage") or {}
            return Completion(
                str((choice["text"] if served.raw else choice["message"]["content"]) or ""),
                str(choice.get("finish_reason") or ""),
                int(usage.get("prompt_tokens") or 0),
                int(usage.get("completion_tokens") or 0),
                model=str(answer.get("model") or ""),
            )


def _takes_grammar(flavour: Flavour, served: _Served) -> bool:
    return flavour.grammar is not None and (flavour.raw_grammar or not served.raw)


def _route(served: _Served) -> str:
    return "/v1/completions" if served.raw else "/v1/chat/completions"


def _table(body: Mapping[str, object], key: str) -> Mapping[str, object]:
    """An object within what a server said; empty when it is none."""
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def _extra(facts: Mapping[str, object], meta: Mapping[str, object]) -> dict[str, object]:
    """What tells weights apart where no hash is stated; a path is given without the machine's folders."""
    extra = {k: facts[k] for k in ("model_ftype",) if k in facts}
    if facts.get("model_path"):
        extra["model_path"] = str(facts["model_path"]).replace("\\", "/").rsplit("/", 1)[-1]
    return extra | {k: meta[k] for k in ("n_params", "size") if isinstance(meta.get(k), int)}


def _open(wish: Wish) -> Opened:
    if wish.flavour and wish.flavour not in FLAVOURS:
        raise ErcSynthError(f"--flavour {wish.flavour} is unknown.", hint=f"Known: {', '.join(FLAVOURS)}.")
    profile = wish.profile
    return opened(wish, OpenAITransport(wish.flavour, wish.model, profile.template, raw=wish.raw, wanted=profile.id))


ENGINE = Engine("openai", profile="vicuna-1.5", open=_open)
