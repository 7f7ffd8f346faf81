"""A real HTTP server that speaks TGI and the OpenAI-style dialects, with faults on demand.

It answers every prompt with an invented dialogue in the asked line format, after a set delay, and
counts what it saw. Faults are drawn from a seeded plan per request. Run as a script it serves until
it is killed: `python llm_server.py PORT [--delay S] [--faults 0.2] [--flavour tgi]`.
"""

import argparse
import asyncio
import contextlib
import contextvars
import json
import logging
import random
import re
import threading

from aiohttp import web

MODEL = "lmsys/vicuna-13b-v1.5"
WORDS = re.findall(
    r"\w+",
    "kite string rope tent lamp river garden bakery ladder window spoon train engine violin teacher captain doctor "
    "farmer painter neighbour cousin orange velvet silver wooden broken gentle hungry quiet sudden early crooked found "
    "lost painted carried borrowed counted promised followed opened buried under behind above beside towards without",
)
FAULTS = ("429", "503", "500", "424", "reset", "cut", "html", "text500", "garbage", "error200", "wrong_type")


def dialogue_for(prompt: str, seed: int) -> str:
    """An invented dialogue with numbers of the prompt's own list, different for each seed."""
    numbers = sorted(set(re.findall(r"(\d+) for [a-z]", prompt))) or ["0", "1"]
    names = ("Female", "Male") if "Female" in prompt else ("Ross", "Monica")
    draw = random.Random(seed)
    return "\n".join(
        f"Speaker: {names[i % 2]} Utterance: The {' '.join(draw.sample(WORDS, 6))}. Number: {draw.choice(numbers)}"
        for i in range(5)
    )


_since: contextvars.ContextVar[float] = contextvars.ContextVar("since")  # when the request came


@web.middleware
async def _client_may_leave(request, handler):
    """A client that is killed while it is answered is part of the tests, not an error of the server."""
    _since.set(asyncio.get_running_loop().time())
    try:
        return await handler(request)
    except ConnectionError:
        return web.Response()


class _NotTheClient(logging.Filter):
    """aiohttp logs a lost connection again when it cannot send the end of an answer."""

    def filter(self, record):
        return not (record.exc_info and isinstance(record.exc_info[1], ConnectionError))


class LlmServer:
    """Start with `with LlmServer(...) as server:`; `server.url` is its address.

    Args:
        delay: Seconds per answer.
        faults: Share of requests that meet a fault of `kinds`.
        limit: Requests in flight before 429 "Model is overloaded" (TGI's max_concurrent_requests).
        flavour: tgi, vllm, vllm-dev (its development mode), sglang or llama.cpp: decides which routes exist.
        key: Bearer token that is wanted, on the routes that the real server guards.
        chat: False: the model has no chat template.
        owner: `owned_by` of the model; `None` for the flavour's own.
        text: The answer, or a function of (request, seed) that gives it.
        slots: Requests worked on at a time, the others queue; `None` for any number.
    """

    def __init__(
        self, *, delay=0.0, faults=0.0, kinds=FAULTS, limit=128, flavour="tgi", model=MODEL, seed=0,
        retry_after=None, text=None, dead=False, slots=None, port=0, answer=None, key=None, chat=True, more_models=(),
        owner=None,
    ):  # fmt: skip
        self.delay, self.faults, self.kinds, self.limit = delay, faults, kinds, limit
        self.flavour, self.model, self.retry_after, self.text, self.dead = flavour, model, retry_after, text, dead
        self.queues = bool(slots)
        self.slots = asyncio.Semaphore(slots) if slots else contextlib.nullcontext()
        self.port, self.answer = port, answer
        self.key, self.chat, self.more_models, self.owner = key, chat, more_models, owner
        self.probes = 0
        self.headers: list[dict] = []
        self.draw = random.Random(seed)
        self.requests: list[dict] = []
        self.keep_requests = True
        self.served = 0
        self.in_flight = self.peak = 0
        self.url = ""

    # --- life ----------------------------------------------------------------------------------

    def app(self):
        app = web.Application(middlewares=[_client_may_leave, self._guard], client_max_size=2_000_000)
        if self.flavour == "tgi":
            app.router.add_post("/generate", self._generate)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completions)
        app.router.add_get("/v1/models", self._models)
        for route in self._pages():
            app.router.add_get(route, self._page)
        return app

    @web.middleware
    async def _guard(self, request, handler):
        """TGI guards all but /info, /health and /v1/models; vLLM guards /v1; llama.cpp all but the list of models."""
        path = request.path
        open_to_all = {"tgi": path in ("/info", "/health", "/v1/models"), "vllm": not path.startswith("/v1"),
                       "sglang": path == "/health", "llama.cpp": path in ("/health", "/v1/models")}  # fmt: skip
        allowed = self.key is None or request.headers.get("Authorization", "").lower() == f"bearer {self.key}".lower()
        if not allowed and not open_to_all[self.flavour.removesuffix("-dev")]:
            if self.flavour == "tgi":
                return web.Response(status=401)  # an empty body: a bare status of axum
            if self.flavour == "llama.cpp":
                error = {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}
                return web.json_response({"error": error}, status=401)
            return web.json_response({"error": "Unauthorized"}, status=401)
        return await handler(request)

    def __enter__(self):
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        def serve():
            asyncio.set_event_loop(self._loop)
            self._runner = web.AppRunner(self.app(), access_log=None)
            self._loop.run_until_complete(self._runner.setup())
            site = web.TCPSite(self._runner, "127.0.0.1", self.port, shutdown_timeout=0.1)
            self._loop.run_until_complete(site.start())
            self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
            started.set()
            self._loop.run_forever()
            self._loop.run_until_complete(self._runner.cleanup())
            self._loop.close()

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        started.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    # --- identity ------------------------------------------------------------------------------

    def _pages(self):
        """Routes by which a server says more of itself, as the real ones answer them."""
        info = {  # router/src/lib.rs, struct Info
            "model_id": self.model, "model_sha": "abc123", "model_pipeline_tag": "text-generation",
            "max_concurrent_requests": self.limit, "max_best_of": 2, "max_stop_sequences": 4, "max_input_tokens": 4095,
            "max_total_tokens": 4096, "validation_workers": 2, "max_client_batch_size": 4,
            "router": "text-generation-router", "version": "3.3.7", "sha": "def456", "docker_label": "sha-def456",
        }  # fmt: skip
        server_info = {"model_path": self.model, "tp_size": 1, "mem_fraction_static": 0.88, "version": "0.5.23"}
        props = {
            "default_generation_settings": {"n_ctx": 4096}, "total_slots": 8,
            "model_path": f"/models/{self.model}.gguf",
            "chat_template": "{{ '<|im_start|>' + role }}" if self.chat else "", "build_info": "b1",
        }  # fmt: skip
        vllm = {"/version": {"version": "0.32.0"}}
        return {
            "tgi": {"/info": info, "/health": None},
            "vllm": vllm,
            "vllm-dev": {**vllm, "/server_info": {"vllm_config": "model='x', tokenizer='x'"}},
            "sglang": {"/server_info": server_info, "/model_info": {"model_path": self.model, "is_generation": True}},
            "llama.cpp": {"/props": props},
        }[self.flavour]

    async def _page(self, request):
        page = self._pages()[request.path]
        return web.json_response(page) if page is not None else web.Response()

    async def _models(self, request):
        names = {"tgi": self.model, "vllm": "vllm", "vllm-dev": "vllm", "sglang": "sglang", "llama.cpp": "llamacpp"}
        owner = names[self.flavour] if self.owner is None else self.owner
        length = {} if self.flavour in ("tgi", "llama.cpp") else {"max_model_len": 4096}
        entries = [
            {"id": name, "object": "model", "created": 0, "owned_by": owner, **length}
            for name in (self.model, *self.more_models)
        ]
        return web.json_response({"object": "list", "data": entries})

    # --- answers -------------------------------------------------------------------------------

    async def _generate(self, request):
        body = await request.json()
        parameters = body.get("parameters", {})
        for name in ("top_p", "typical_p"):
            if name in parameters and not 0 < parameters[name] < 1:
                said = f"Input validation error: `{name}` must be > 0.0 and < 1.0"
                return web.json_response({"error": said, "error_type": "validation"}, status=422)
        if len(parameters.get("stop", [])) > 4:
            said = "Input validation error: `stop` supports up to 4 stop sequences. Given: 5"
            return web.json_response({"error": said, "error_type": "validation"}, status=422)
        probe = parameters.get("max_new_tokens") == 1

        def answer(text, seed):  # details.prefill stays empty unless decoder_input_details is asked for
            details = {"finish_reason": "eos_token", "generated_tokens": 60, "seed": seed, "prefill": [], "tokens": []}
            return {"generated_text": text, **({"details": details} if parameters.get("details") else {})}

        return await self._answer(request, body, body["inputs"], (parameters.get("seed", 0), probe), answer)

    async def _chat(self, request):
        body = await request.json()
        if not self.chat:
            return self._no_template()

        def answer(text, seed):
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            return self._openai("chat.completion", body, choice)

        seed = (body.get("seed", 0), body.get("max_tokens") == 1)
        return await self._answer(request, body, body["messages"][-1]["content"], seed, answer)

    async def _completions(self, request):
        body = await request.json()

        def answer(text, seed):
            return self._openai("text_completion", body, {"index": 0, "finish_reason": "stop", "text": text})

        seed = (body.get("seed", 0), body.get("max_tokens") == 1)
        return await self._answer(request, body, body["prompt"], seed, answer)

    def _openai(self, kind, body, choice):
        usage = {"prompt_tokens": 100, "completion_tokens": 60, "total_tokens": 160}
        return {"id": "x", "object": kind, "created": 0, "model": self.model, "choices": [choice], "usage": usage}

    def _no_template(self):
        if self.flavour == "tgi":
            said = {"error": "Template error: template not found", "error_type": "template_error"}
            return web.json_response(said, status=422)
        said = (
            "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template "
            "if the tokenizer does not define one."
        )
        return web.json_response({"error": {"message": said, "type": "BadRequestError", "code": 400}}, status=400)

    async def _answer(self, request, body, prompt, drawn, shape):
        seed, probe = drawn
        if body.get("model", self.model) not in (self.model, *self.more_models) and self.flavour.startswith("vllm"):
            said = f"The model `{body['model']}` does not exist."
            return web.json_response({"error": {"message": said, "type": "NotFoundError", "code": 404}}, status=404)
        if probe and not self.dead:  # one token: takes no time and is no work
            self.probes += 1
            return self._json(shape("Hi", seed))
        if self.keep_requests:
            self.requests.append(body)
            self.headers.append(dict(request.headers))
        if self.dead:
            request.transport.abort()
            return web.Response()
        if self.in_flight >= self.limit:
            return self._overloaded()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            text = self._text(body, prompt, seed)
            content = shape(text, seed)
            async with self.slots:
                now = asyncio.get_running_loop().time()
                # The set delay is the whole of it: what Python needed for the answer is a part.
                await asyncio.sleep(self.delay if self.queues else _since.get() + self.delay - now)
            if self.answer is not None:  # any bytes at all, with status 200
                return web.Response(body=self.answer, content_type="application/json")
            kind = self.draw.choice(self.kinds) if self.draw.random() < self.faults else None
            if kind:
                return await self._fault(kind, request, content)
            self.served += 1
            return self._json(content)
        finally:
            self.in_flight -= 1

    def _text(self, body, prompt, seed):
        if callable(self.text):
            return self.text(body, seed)
        return dialogue_for(prompt, seed) if self.text is None else self.text

    def _json(self, content):
        """The answer; TGI tells in headers what it counted and how long it took (router/src/server.rs)."""
        headers = {}
        if "generated_text" in content:
            headers = {
                "x-compute-type": "gpu+optimized", "x-compute-time": "0.25", "x-compute-characters": "300",
                "x-total-time": "250", "x-validation-time": "1", "x-queue-time": "20", "x-inference-time": "229",
                "x-time-per-token": "3", "x-prompt-tokens": "100", "x-generated-tokens": "60",
            }  # fmt: skip
        return web.json_response(content, headers=headers)

    def _overloaded(self):
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        message = {"error": "Model is overloaded", "error_type": "overloaded"}
        return web.json_response(message, status=429, headers=headers)

    async def _fault(self, kind, request, content):
        whole = json.dumps(content).encode()
        if kind == "429":
            return self._overloaded()
        if kind == "reset":
            request.transport.abort()
            return web.Response()
        if kind == "cut":
            response = web.StreamResponse(
                headers={"Content-Length": str(len(whole)), "Content-Type": "application/json"}
            )
            await response.prepare(request)
            await response.write(whole[: len(whole) // 2])
            request.transport.abort()
            return response
        if kind == "drip":  # a byte at a time, never an end
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.05)
        plain = {
            "503": (503, '{"error": "unhealthy", "error_type": "healthcheck"}', "application/json"),
            "500": (
                500,
                '{"error": "Incomplete generation", "error_type": "incomplete_generation"}',
                "application/json",
            ),
            "424": (
                424,
                '{"error": "Request failed during generation", "error_type": "generation"}',
                "application/json",
            ),
            "422": (422, '{"error": "too long", "error_type": "validation"}', "application/json"),
            "html": (502, "<html><body>Bad Gateway</body></html>", "text/html"),
            "text500": (500, "something broke", "text/plain"),
            "garbage": (200, "\x00\x01 not json", "application/json"),
            "error200": (200, '{"error": "late failure", "error_type": "generation"}', "application/json"),
            "wrong_type": (200, whole[:-1].decode(), "text/html"),
        }
        status, text, kind = plain[kind]
        return web.Response(status=status, text=text, content_type=kind)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--limit", type=int, default=1024)
    parser.add_argument("--flavour", default="tgi")
    parser.add_argument("--slots", type=int)
    parser.add_argument(
        "--kinds", nargs="+", default=list(FAULTS), help="Faults; a kind given twice comes twice as often."
    )
    parser.add_argument("--retry-after", type=float)
    given = parser.parse_args()
    server = LlmServer(
        delay=given.delay, faults=given.faults, limit=given.limit, flavour=given.flavour, slots=given.slots,
        kinds=tuple(given.kinds), retry_after=given.retry_after,
    )  # fmt: skip
    server.keep_requests = False
    logging.getLogger("aiohttp.server").addFilter(_NotTheClient())
    web.run_app(server.app(), host="127.0.0.1", port=given.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
