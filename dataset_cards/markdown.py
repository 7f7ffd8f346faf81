"""Text as Markdown that shows it literally, and the blocks that the card is made of.

Input: strings of people, models and datasets. Output: Markdown in which none of them is mark-up: special signs are
escaped, control and direction characters are shown as signs, long texts are cut. Not covered: YAML (`card`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from erc_synth.loaders.schema import Dialogue

LONGEST = 240
"""Characters of one utterance in a sample; the rest is cut, and the cut is shown."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~$&:@-])")
_HTML = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def _shown(char: str) -> str:
    if char.isspace():
        return " "
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn"):  # they would hide or turn what follows
        return f"[U+{ord(char):04X}]"
    return char


def plain(text: object, longest: int | None = None) -> str:
    """One line; control and direction characters are shown by number; longer than `longest` is cut with "…"."""
    line = " ".join("".join(map(_shown, str(text))).split())
    return line if longest is None or len(line) <= longest else line[: longest - 1].rstrip() + "…"


def markdown_text(text: object, longest: int | None = None) -> str:
    """Text that Markdown and HTML take literally, on one line."""
    return _SPECIAL.sub(lambda m: _HTML.get(m[1], "\\" + m[1]), plain(text, longest))


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()) -> str:
    """A table of ready Markdown cells; the columns `right` hold numbers."""
    numbers = set(right)
    rule = ["--:" if column in numbers else "---" for column in range(len(head))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, rule, *rows))


def details(summary: str, content: str) -> str:
    """A block that opens on a click; `summary` is plain text."""
    words = _SPECIAL.sub(lambda m: _HTML.get(m[1], m[1]), plain(summary))
    return f"<details>\n<summary>{words}</summary>\n\n{content}\n\n</details>"


def code(lines: Iterable[str]) -> str:
    """An indented code block: no content can close it."""
    return "\n".join("    " + plain(line) for line in lines)


def sample(dialogue: Dialogue) -> str:
    """A dialogue as a table under its id and the emotion that was asked for."""
    asked = f", asked for {markdown_text(dialogue.target_emotion)}" if dialogue.target_emotion else ""
    rows = [
        [markdown_text(turn.speaker, 40), markdown_text(turn.emotion), markdown_text(turn.text, LONGEST)]
        for turn in dialogue.utterances
    ]
    return f"**{markdown_text(dialogue.dialogue_id, 80)}**{asked}\n\n" + table(["speaker", "emotion", "text"], rows)


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
