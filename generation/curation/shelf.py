"""Dialogues on disk, in order of their ids.

Purpose: a set of a million dialogues is judged, split and written without all of its text in memory.
Input: dialogues in any order. Output: a sequence of them that reads each when it is asked for.
It is a temporary database of SQLite, gone with the object. Not covered: copies (`copies`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue


class Shelf(Sequence[Dialogue]):
    """A sequence of dialogues, equal to a list of the same ones; memory holds their ids alone.

    Args:
        dialogues: In any order.
        what: Name of the set, for messages.

    Raises:
        ErcSynthError: Two dialogues have the same id.
    """

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __init__(self, dialogues: Iterable[Dialogue], what: str) -> None:
        self._table = sqlite3.connect("")
        self._table.execute("CREATE TABLE dialogues (id TEXT UNIQUE, record TEXT)")
        self._ids: list[str] = []
        for dialogue in dialogues:
            row = (dialogue.dialogue_id, json.dumps(dialogue.to_json()))
            if not self._table.execute("INSERT OR IGNORE INTO dialogues VALUES (?, ?)", row).rowcount:
                raise ErcSynthError(
                    f"Two dialogues of {what} have the id {dialogue.dialogue_id!r}.",
                    hint="Curate each run folder once.",
                )
            self._ids.append(dialogue.dialogue_id)
        self._ids.sort()

    def part(self, ids: Iterable[str]) -> Shelf:
        """The dialogues of these ids in this order."""
        part = object.__new__(Shelf)
        part._table, part._ids = self._table, list(ids)
        return part

    def of(self, dialogue_id: str) -> Dialogue:
        """One dialogue by its id."""
        (record,) = self._table.execute("SELECT record FROM dialogues WHERE id = ?", (dialogue_id,)).fetchone()
        return Dialogue.from_json(json.loads(record))

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> Dialogue: ...
    @overload
    def __getitem__(self, at: slice) -> Shelf: ...
    def __getitem__(self, at: int | slice) -> Dialogue | Shelf:
        """One dialogue, or a part that is read as lazily."""
        return self.part(self._ids[at]) if isinstance(at, slice) else self.of(self._ids[at])

    def __iter__(self) -> Iterator[Dialogue]:
        return map(self.of, self._ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | Shelf):
            return NotImplemented
        return len(self) == len(other) and all(own == its for own, its in zip(self, other, strict=True))
