"""Dialogues to read: one HTML page that needs no server and no network, or one dialogue as text.

Input: `Shown` dialogues. Output: the page, or lines for a terminal. All text is data: it reaches the page as JSON
and is shown by `textContent`, never as markup. Not covered: where dialogues come from (`shown`), a page on the Hub
(`space`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import jinja2

from erc_synth.dataset_cards.shown import Shown
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import write_whole

LARGEST = 60_000_000  # bytes of a page
MARK = "erc-synth browse"  # in what this module wrote, so that it replaces nothing else


class Pack(TypedDict):
    """Dialogues as the page holds them: names stand in lists, the dialogues have positions in these."""

    configs: list[str]
    splits: list[str]
    reasons: list[str]
    labels: list[str]
    speakers: list[str]
    dialogues: list[list[object]]


def page(shown: Sequence[Shown], beside: Sequence[Shown] = (), *, title: str = "Dialogues") -> str:
    """The whole page; `beside` are a benchmark's dialogues to compare with.

    Raises:
        ErcSynthError: It would be larger than 60 MB.
    """
    payload = _json({"main": _packed(shown), "beside": _packed(beside) if beside else None})
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("erc_synth.dataset_cards"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    text = environment.get_template("browse.html.j2").render(payload=payload, title=title, mark=MARK)
    if (size := len(text.encode())) > LARGEST:
        raise ErcSynthError(
            f"The page would have {size / 1e6:.0f} MB; {LARGEST / 1e6:.0f} are readable.",
            hint="Name fewer configs, or keep the first dialogues of each with --first.",
        )
    return text


def _packed(shown: Sequence[Shown]) -> Pack:
    """A name that stands ten thousand times is written once."""
    tables: dict[str, dict[str, int]] = {name: {} for name in ("configs", "splits", "reasons", "labels", "speakers")}

    def place(table: str, name: str | None) -> int:
        return -1 if name is None else tables[table].setdefault(name, len(tables[table]))

    def turns(one: Shown) -> list[list[object]]:
        guesses = one.guesses or [None] * len(one.dialogue)
        return [
            [
                place("speakers", turn.speaker),
                turn.text,
                place("labels", turn.emotion),
                *([place("labels", guess[0]), round(100 * guess[1])] if guess else []),
            ]
            for turn, guess in zip(one.dialogue.utterances, guesses, strict=True)
        ]

    rows: list[list[object]] = [
        [
            one.dialogue.dialogue_id,
            place("configs", one.config),
            place("splits", one.split),
            place("labels", one.dialogue.target_emotion),
            place("reasons", one.reason),
            one.detail,
            int(one.leaks),
            turns(one),
        ]
        for one in shown
    ]
    names = {name: list(table) for name, table in tables.items()}
    return Pack(
        configs=names["configs"], splits=names["splits"], reasons=names["reasons"], labels=names["labels"],
        speakers=names["speakers"], dialogues=rows,
    )  # fmt: skip


def _json(value: object) -> str:
    """JSON that no browser can take for the end of a script, a comment or a line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def check_target(path: Path) -> None:
    """The place of the page is free, or holds an older page of ours; found out before the work.

    Raises:
        ErcSynthError: It holds something else.
    """
    if path.is_dir():
        raise ErcSynthError(f"{path} is a folder.", hint="Give --out a file, or --space a new folder.")
    if path.exists() and MARK not in path.read_text("utf-8", errors="replace")[:2000]:
        raise ErcSynthError(f"{path} was not written by erc-synth browse.", hint="Give another --out.")


def write_page(path: Path, text: str) -> None:
    """Write the page; a file that is no page of ours is not replaced."""
    check_target(path)
    write_whole(path, [text])


def as_text(one: Shown) -> Iterator[str]:
    """Lines for a terminal; control characters in a text cannot move the cursor."""
    dialogue = one.dialogue
    asked = f", asked for {dialogue.target_emotion}" if dialogue.target_emotion else ""
    yield _plain(f"{dialogue.dialogue_id} ({one.config}, {one.split}{asked})")
    if one.reason:
        yield _plain(f"dropped: {one.reason} {one.detail}").rstrip()
    turns = [(_plain(turn.emotion or "-"), _plain(turn.speaker), _plain(turn.text)) for turn in dialogue.utterances]
    label, speaker = (max((len(turn[column]) for turn in turns), default=0) for column in (0, 1))
    for emotion, name, text in turns:
        yield f"  {emotion:<{label}}  {name:<{speaker}}  {text}"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
