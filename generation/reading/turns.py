"""What the styles hand to each other: a turn as read, and why a text is not read.

Input: values. Output: `Turn`, `Reject`, `REASONS`. Not covered: reading.
"""

from __future__ import annotations

from typing import NamedTuple

REASONS = {
    "empty": "no text at all",
    "no_turns": "nothing that looks like a turn",
    "too_few_turns": "fewer than two turns",
    "one_speaker": "fewer than two speakers",
    "unknown_label": "a label or number that the recipe does not have",
    "missing_label": "a turn without a label",
    "two_labels": "labels that contradict each other, or more than one",
    "label_in_text": "a label stands within what is said",
    "empty_text": "a turn without words",
    "mixed_styles": "turns or fields in different orders",
    "stray_line": "a line that belongs to no turn",
    "doubtful_speaker": "what stands for a speaker is no name",
    "markup": "emphasis that may be a stage direction, or brackets that do not close",
    "control_characters": "invisible control characters",
    "control_token": "a token of a chat template within the dialogue",
    "reasoning": "the model's thoughts are not closed off",
    "repeated": "the whole dialogue again",
}


class Turn(NamedTuple):
    """One turn: speaker and text as they will be published, label by name."""

    speaker: str
    text: str
    label: str


class Reject(Exception):
    """The text is not read. `reason` is one of `REASONS`; `detail` is the piece in doubt."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail[:80]
