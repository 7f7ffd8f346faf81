"""A look before the whole run: the first dialogues as parsed, and what the rest will need.

Input: the folder of a run that has just written a few dialogues. Output: lines of text, `Estimate`. The dialogues of a
preview are the first of the whole run: nothing is paid twice. Not covered: writing them (`run`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

from erc_synth.generation.runs.folder import accepted_dialogues
from erc_synth.generation.runs.tally import Tally, duration
from erc_synth.loaders.contracts import Manifest
from erc_synth.loaders.files import read_json


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the dialogues that are still wanted will need, at the rates of those that are there."""

    dialogues: int
    prompt_tokens: int
    completion_tokens: int
    seconds: tuple[float, float]  # with the server as full as may be, and with as little at a time as now
    price: float | None = None

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"The other {self.dialogues:,} dialogues need about"
        yield f"  tokens  {self.prompt_tokens:,} read, {self.completion_tokens:,} written"
        quick, slow = map(duration, self.seconds)
        yield f"  time    {quick if quick == slow else f'{quick} to {slow}'}"
        yield f"  price   {self.price:,.2f}" if self.price is not None else "  price   unknown (--price-per-million)"


def estimate(
    folder: Path, tally: Tally, wanted: int, width: int, prices: tuple[float, float] | None = None
) -> Estimate:
    """What is left of `wanted` dialogues.

    Args:
        folder: With journal and manifest; all its requests count, rejected ones too.
        tally: Of the session that has just ended.
        wanted: Dialogues of the whole run.
        width: Requests in flight that the servers are allowed.
        prices: Of a million tokens read, and written.
    """
    manifest = cast(Manifest, read_json(folder / "manifest.json"))
    counts = manifest["counts"]
    there = max(counts["accepted"], 1)
    left = max(wanted - counts["accepted"], 0)
    read, written = (round(left * counts[key] / there) for key in ("prompt_tokens", "completion_tokens"))
    one_by_one = left * manifest["seconds"] / there
    as_now = left * tally.seconds / tally.new if tally.new else one_by_one
    quick = one_by_one / max(1, min(width, left))
    price = (read * prices[0] + written * prices[1]) / 1e6 if prices else None
    return Estimate(left, read, written, (min(quick, as_now), as_now), price)


def shown(folder: Path, most: int) -> Iterator[str]:
    """The first dialogues as parsed."""
    for dialogue in islice(accepted_dialogues(folder), most):
        asked = f", asked for {dialogue.target_emotion}" if dialogue.target_emotion else ""
        yield f"{dialogue.dialogue_id}{asked}"
        yield from (f"  {turn.speaker}: {turn.text} ({turn.emotion})" for turn in dialogue.utterances)
        yield ""
