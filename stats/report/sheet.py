"""One table of the report, told once and shown in four forms: HTML, Markdown, LaTeX, CSV (by the page itself).

Input: columns and items. Output: `Sheet`. Not covered: what stands in it (`tables`, `data`, `significance`), how a
form is written (the templates).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Item:
    """One cell: its text, the lines that stand small below it, and how it is shown.

    `shade` (0 to 1) colours the ground; `run` names the training that the number is from; `strong` is bold.
    """

    text: str
    small: Sequence[str] = ()
    strong: bool = False
    shade: float = 0.0
    run: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A head; neighbours of one `group` share a second head above."""

    name: str
    group: str = ""
    text: bool = False  # words, set left


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table; the first item of each row is its head. `key` is its id, file name and LaTeX label."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Item]]
    foot: Sequence[Sequence[Item]] = ()
    notes: Sequence[str] = ()
    sortable: bool = True

    def groups(self) -> list[tuple[str, int]]:
        """(group, columns) from left to right; empty where no column has a group."""
        if not any(column.group for column in self.columns):
            return []
        return [(name, len(list(some))) for name, some in groupby(self.columns, key=lambda column: column.group)]

    def spans(self) -> Iterator[tuple[str, int, int]]:
        """(group, first, last column counted from 1) of the named groups, for the rules of LaTeX."""
        first = 1
        for name, size in self.groups():
            if name:
                yield name, first, first + size - 1
            first += size


DASH = Item("–")


def items(*texts: object) -> list[Item]:
    """Plain items of texts; `None` is a dash."""
    return [DASH if text is None else Item(str(text)) for text in texts]


def slug(name: str) -> str:
    """A name as an id, a LaTeX label or a file name."""
    return re.sub(r"[^\w-]", "-", name)


def signed(value: float, digits: int = 2) -> str:
    """A difference with its sign; a rounded zero has none."""
    value = round(value, digits) + 0.0
    return f"{value:+.{digits}f}" if value else f"{value:.{digits}f}"
