"""Why a dialogue is left out: the named reasons, and the thresholds that decide.

Purpose: one list that curation, command line, recipes and cards share; a rule without a name here cannot drop.
Input: the ``[curation]`` table of a recipe. Output: `REASONS`, `REPORTED`, `Limits`.
Not covered: the rules themselves (`faults`, `artefacts`, `language`, `leaks`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

REASONS = {
    "empty_turn": "a turn without a word or without a speaker",
    "long_turn": "a turn of more words than allowed",
    "too_short": "fewer turns than allowed",
    "too_long": "more turns than allowed",
    "one_speaker": "all turns by one speaker",
    "one_label": "the same emotion in every turn",
    "repeated_lines": "a line said three times, or more than half of the lines repeated",
    "word_loop": "a word or phrase said again and again without a break",
    "letter_loop": "a letter or syllable repeated again and again",
    "copied_example": "a line copied from a few-shot example of the prompt",
    "prompt_echo": "repeats words of the prompt",
    "refusal": "the model speaks of itself or refuses",
    "template_token": "a token of a prompt template or tokenizer",
    "commentary": "speaks about the dialogue instead of holding it",
    "placeholder": "a gap that was not filled in, like [Name]",
    "label_in_text": "the text names its own emotion as a label",
    "role_speaker": "a speaker who is no person: a role of a chat, a narrator, a heading",
    "url": "an address on the web",
    "personal_data": "an e-mail address, a phone, card or account number",
    "html": "an HTML tag or entity",
    "markdown": "Markdown: bold, headings, links, lists, tables",
    "code": "JSON or program code",
    "broken_text": "control characters or damaged encoding",
    "language": "written in another language than the recipe's",
    "foreign_line": "more lines in another language than allowed",
    "cast": "a speaker outside the closed cast of the recipe",
    "leak": "repeats a dialogue of a benchmark (by default of a test split)",
    "duplicate": "the same words as an earlier dialogue of this config",
    "near_duplicate": "nearly the same words as an earlier dialogue of this config",
    "duplicate_across": "the same or nearly the same words as a dialogue of another config",
    "surplus": "more than the wanted size",
}
"""What drops a dialogue, in the order in which it is looked for: the first reason is the one that is counted."""

REPORTED = {"profanity": "a word that many readers find offensive"}
"""What is counted and never drops: real conversations have it."""


class Limits(BaseModel):
    """Thresholds of curation: the ``[curation]`` table of a recipe; unknown keys are refused.

    The defaults were set on MELD and EmoryNLP: what actors really said passes.

    Attributes:
        max_words: Most words of a turn (MELD has up to 69, EmoryNLP up to 148), or characters (see `wording`).
        min_turns: Fewest turns.
        max_turns: Most turns.
        min_speakers: Fewest speakers of a dialogue of four and more turns.
        max_same_line: How often a line of three and more words may be said.
        max_word_repeats: How often a word may follow itself.
        max_phrase_repeats: How often a phrase of two or three words may follow itself.
        max_clause_repeats: How often a phrase of four to eight words may follow itself.
        max_letter_repeats: How often a letter, sign or syllable may follow itself.
        language_words: Fewest words of a line whose language is judged; script is judged from two letters on.
        language_doubt: A line is foreign when the recipe's language is at most this probable.
        foreign_lines: How many lines may be in another language.
        keep: Reasons that do not drop.
        profanity: Words to report besides the ones shipped.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_words: int = Field(100, ge=1)
    min_turns: int = Field(2, ge=1)
    max_turns: int = Field(40, ge=1)
    min_speakers: int = Field(2, ge=1)
    max_same_line: int = Field(2, ge=1)
    max_word_repeats: int = Field(10, ge=1)
    max_phrase_repeats: int = Field(8, ge=1)
    max_clause_repeats: int = Field(4, ge=1)
    max_letter_repeats: int = Field(12, ge=1)
    language_words: int = Field(4, ge=1)
    language_doubt: float = Field(0.01, gt=0, lt=1)
    foreign_lines: int = Field(0, ge=0)
    keep: tuple[str, ...] = ()
    profanity: tuple[str, ...] = ()

    @field_validator("keep")
    @classmethod
    def _known(cls, keep: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(keep) - REASONS.keys())
        if unknown:
            raise ValueError(f"unknown reason {unknown[0]!r}; known: {', '.join(REASONS)}")
        return keep


DEFAULT = Limits()
