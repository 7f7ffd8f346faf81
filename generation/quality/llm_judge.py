"""A language model as annotator: it reads whole dialogues and names the emotion of each line.

Purpose: a second opinion beside the classifiers' (Zheng et al. 2023 call it LLM as a judge); opinions are never mixed.
Input: an opened engine of `serving` (TGI, OpenAI-style or embedded), dialogues. Output: a `labels.Annotator`.
An answer that does not name one emotion for every line is asked for again; a dialogue without a readable answer counts
as not read. Not covered: what the agreement is worth; a model that judges what it wrote itself is named as such
(`measure`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from erc_synth.generation.grammar import Constraint
from erc_synth.generation.prompts import Prompt
from erc_synth.generation.serving.endpoints import Roster, refusal
from erc_synth.generation.serving.engines import Opened
from erc_synth.generation.serving.errors import TransportError
from erc_synth.generation.serving.session import Session
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue

ANSWERS = 4  # asked for a dialogue until one can be read
FAULTS = 5  # of the server, in a row, for one dialogue
FIRST_PAUSE = 0.5  # seconds; doubles
SURE, OTHERWISE = 0.01, 0.7  # temperature of the first answer (TGI takes no 0), and of others after an unreadable one
TOKENS_A_LINE = 12
TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class LlmJudge:
    """A `labels.Annotator` that asks a server.

    Attributes:
        servers: The opened engine; whoever opened it closes it.
        labels: Emotions to choose from.
        name: ``LLM judge`` and the model that answers.
        width: Requests in flight for each endpoint.
    """

    servers: Opened
    labels: tuple[str, ...]
    name: str
    width: int = 8

    @classmethod
    def meet(cls, servers: Opened, labels: Sequence[str], width: int = 8) -> LlmJudge:
        """The judge at an engine's servers, once they have said who they are.

        Raises:
            ErcSynthError: None answers, a key is wanted, or they serve different models.
        """

        async def who() -> str:
            async with Session(1, TIMEOUT, servers.access) as session:
                roster = Roster(servers.transport, session, servers.access.urls)
                await roster.meet()
                return roster.identity.model_id

        return cls(servers, tuple(labels), f"LLM judge {asyncio.run(who())}", width)

    def probabilities(self, dialogues: Sequence[Dialogue]) -> list[np.ndarray | None]:
        """One array ``[turns, labels]`` of ones and zeros a dialogue; ``None`` where no answer could be read.

        Raises:
            ErcSynthError: The server refuses, or does not answer any more.
        """
        try:
            return asyncio.run(self._all(dialogues))
        except* ErcSynthError as several:  # each request may meet the same wall
            first = several.exceptions[0]
        raise first

    async def _all(self, dialogues: Sequence[Dialogue]) -> list[np.ndarray | None]:
        urls = self.servers.access.urls
        rooms = [asyncio.Semaphore(self.width) for _ in urls]
        async with Session(self.width * len(urls), TIMEOUT, self.servers.access) as session:
            with tqdm(total=len(dialogues), desc=self.name, unit=" dialogues", leave=False, disable=None) as bar:

                async def one(number: int, dialogue: Dialogue) -> np.ndarray | None:
                    at = number % len(urls)
                    async with rooms[at]:
                        said = await self._read(session, urls[at], dialogue)
                    bar.update()
                    return said

                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(one(*each)) for each in enumerate(dialogues)]
        return [task.result() for task in tasks]

    async def _read(self, session: Session, url: str, dialogue: Dialogue) -> np.ndarray | None:
        for seed in range(ANSWERS):
            prompt = prompt_of(dialogue, self.labels, seed)
            sampling = {
                "temperature": OTHERWISE if seed else SURE,
                "max_new_tokens": TOKENS_A_LINE * (len(dialogue) + 1),
            }
            said = read(await self._answer(session, url, prompt, sampling), len(dialogue), self.labels)
            if said is not None:
                return np.eye(len(self.labels))[said]
        return None

    async def _answer(self, session: Session, url: str, prompt: Prompt, sampling: dict[str, float]) -> str:
        for fault in range(FAULTS):
            try:
                return (await self.servers.transport.complete(session, url, prompt, sampling)).text
            except TransportError as error:
                if not error.retryable or fault == FAULTS - 1:
                    raise refusal(error, url, has_key=session.has_key(url)) from error
                await asyncio.sleep(max(error.retry_after or 0.0, FIRST_PAUSE * 2**fault))
        raise AssertionError("the last fault was raised")


def prompt_of(dialogue: Dialogue, labels: Sequence[str], seed: int) -> Prompt:
    """What the judge is asked; what the lines say is text, whatever it asks for."""
    lines = (
        f"{number}. {' '.join(turn.speaker.split())}: {' '.join(turn.text.split())}"
        for number, turn in enumerate(dialogue.utterances, 1)
    )
    words = "\n".join(
        [
            "Below is a dialogue of numbered lines. Say for each line which emotion its speaker expresses in it.",
            f"The emotions are: {', '.join(labels)}.",
            "Answer with one line for each line of the dialogue: its number, a colon, and one of the emotions.",
            "",
            *lines,
        ]
    )
    return Prompt(({"role": "user", "content": words},), seed, None, _constraint(len(dialogue), labels))


def _constraint(turns: int, labels: Sequence[str]) -> Constraint:
    numbers = range(1, turns + 1)
    rules = " ".join(f'"{number}: " emotion "\\n"' for number in numbers)
    choice = " | ".join(f'"{label}"' for label in labels)
    gbnf = f"root ::= {rules}\nemotion ::= {choice}\n"
    emotion = "|".join(map(re.escape, labels))
    return Constraint(turns, gbnf, "".join(f"{number}: ({emotion})\n" for number in numbers))


def read(answer: str, turns: int, labels: Sequence[str]) -> list[int] | None:
    """Index of the emotion of each line; ``None`` unless every line has exactly one."""
    places = {label.casefold(): at for at, label in enumerate(labels)}
    said: dict[int, set[int]] = {}
    for number, rest in re.findall(r"^\W*(\d+)\b\W*(.*)$", answer, re.MULTILINE):
        words = re.findall(r"\w+", rest.casefold())
        said.setdefault(int(number), set()).update(places[word] for word in words if word in places)
    found = [said.get(number, set()) for number in range(1, turns + 1)]
    if any(len(one) != 1 for one in found):
        return None
    return [at for one in found for at in one]
