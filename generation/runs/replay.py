"""Send a recorded request again: same prompt, seed and sampling, rebuilt from the journal.

Input: a journal and an attempt's number. Output: recorded text, new text. Servers do not promise
the same text for the same seed under other batches; the request is the same, which is checked by
its hash.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from erc_synth.generation.prompts import Prompt, build
from erc_synth.generation.recipe import Profile, load_profile, recipe_from_text
from erc_synth.generation.runs.journal import read_records
from erc_synth.generation.serving.endpoints import Roster
from erc_synth.generation.serving.engines import Opened
from erc_synth.generation.serving.errors import TransportError
from erc_synth.generation.serving.session import Session
from erc_synth.loaders.contracts import AttemptRecord, RunRecord
from erc_synth.loaders.errors import ErcSynthError


def recorded(journal: Path, number: int) -> tuple[RunRecord, AttemptRecord]:
    """Run record and attempt record of attempt `number` (from 0)."""
    header: RunRecord | None = None
    position = -1
    for record in read_records(journal):
        if record["type"] == "run":
            header = record
            continue
        position += 1
        if position == number and header is not None:
            return header, record
    raise ErcSynthError(f"{journal} has {position + 1} attempts, no number {number}.", hint="They count from 0.")


def rebuild(header: RunRecord, record: AttemptRecord) -> Prompt:
    """The prompt of a recorded attempt.

    Raises:
        ErcSynthError: The rebuilt prompt has another hash: prompts changed since.
    """
    recipe = recipe_from_text(header["source"], "journal")
    low_high = header.get("turns")
    turns = (low_high[0], low_high[1]) if low_high else None
    prompt = build(
        recipe,
        seed=record["seed"],
        emotion=record["emotion"],
        few_shot=header["few_shot"],
        constrain=header["constrained"],
        turns=turns,
    )
    if prompt.hash != record["prompt_hash"]:
        raise ErcSynthError(
            "The prompt cannot be rebuilt: this version of erc-synth writes it differently.",
            hint=f"It was written by erc-synth {header.get('erc_synth')}.",
        )
    return prompt


async def send_again(journal: Path, number: int, engine: Callable[[Profile], Opened]) -> tuple[str, str]:
    """Recorded and new text of one attempt."""
    header, record = recorded(journal, number)
    if record["outcome"] == "error":
        raise ErcSynthError(f"Attempt {number} never got an answer ({record['error']}).", hint="Choose another.")
    prompt = rebuild(header, record)
    with engine(load_profile(header["profile"])) as servers:
        url = servers.access.urls[0]
        async with Session(1, 600, servers.access) as session:
            await Roster(servers.transport, session, [url]).meet()
            try:
                answer = await servers.transport.complete(session, url, prompt, header["sampling"])
            except TransportError as error:
                raise ErcSynthError(f"The server did not answer: {error}", hint="Try again.") from error
    return record["text"], answer.text
