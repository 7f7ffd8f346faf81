"""The files between generation, curation, quality and cards as types: what each holds, in one place.

Input: none. Output: types; `schema_of` makes of them the schemas in `docs/contracts` (see its README for who writes
and who reads which). Keys may be added, none changes. Not covered: what training writes (`training.contracts`) and
statistics (`stats.contracts`, which imports nothing of ours), checks of files that people edit (`curated`).
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # pydantic reads the one of `typing` from Python 3.12 on only

JsonObject = dict[str, object]  # of a file that a person or a server wrote: nothing is known of its values


# --- journal.jsonl and manifest.json of a generation run ------------------------------------------------------------


class Server(TypedDict):
    """Who answered (`Identity.to_json`)."""

    dialect: str
    model_id: str
    model_sha: str
    dtype: str
    version: str
    max_concurrent: int | None
    max_total_tokens: int | None
    weights_sha256: str
    extra: JsonObject


class Asked(TypedDict):
    """What one session asks for: part of its run record and of the manifest."""

    fingerprint: str
    template: str
    server: Server
    sampling_sent: JsonObject
    dropped_parameters: list[str]
    few_shot: int
    constrained: bool
    run_seed: int


class RunRecord(Asked):
    """First line of each session in a journal."""

    type: Literal["run"]
    recipe: str
    source: str
    profile: str
    sampling: dict[str, float]
    turns: list[int] | None
    started: str
    erc_synth: str


_Try = TypedDict("_Try", {"try": int})  # a word of Python


class AttemptRecord(_Try):
    """One request: accepted and rejected ones have `text`, rejected ones `reason`, errors `error` and `message`."""

    type: Literal["attempt"]
    index: int
    attempt: int
    outcome: Literal["accepted", "rejected", "error"]
    seed: int
    emotion: str | None
    prompt_hash: str
    endpoint: str
    sent: str
    seconds: float
    finish_reason: NotRequired[str]
    prompt_tokens: NotRequired[int]
    completion_tokens: NotRequired[int]
    server_seed: NotRequired[int | None]
    compute_seconds: NotRequired[float]
    queue_seconds: NotRequired[float]
    labels: NotRequired[dict[str, int]]
    reason: NotRequired[str]
    error: NotRequired[str]
    message: NotRequired[str]
    text: NotRequired[str]


JournalRecord = RunRecord | AttemptRecord


class Model(TypedDict):
    """One model that wrote into a journal."""

    id: str
    revision: str | None
    weights_sha256: str | None
    server: str


class Counts(TypedDict):
    """Totals of a journal over all its sessions."""

    jobs: int
    attempts: int
    accepted: int
    rejected: dict[str, int]
    errors: dict[str, int]
    prompt_tokens: int
    completion_tokens: int


class Totals(TypedDict):
    """What a whole journal holds; seconds are summed over requests."""

    models: list[Model]
    counts: Counts
    label_counts: dict[str, int]
    seconds: float


class RecipeFacts(TypedDict):
    """The recipe of a run; `labels` are its labels with their numbers, `source` the TOML text.

    `examples` are the few-shot dialogues that jobs drew from: lines of speaker, text, label.
    """

    name: str
    label_set: str
    kind: str
    language: str
    balance: str
    fingerprint: str
    prompt: list[str]
    balanced_ending: str | None
    labels: dict[str, int]
    sampling: dict[str, float]
    splits: dict[str, float]
    source: str
    examples: NotRequired[list[list[list[str]]]]


class Licence(TypedDict):
    """Under which terms the text of a model stands."""

    id: str
    name: str
    link: str
    note: str


class Generator(TypedDict):
    """The model of the last session, as the manifest says it."""

    profile: str
    id: str
    revision: str | None
    weights_sha256: str | None
    template: str
    licence: Licence


class Manifest(Asked, Totals):
    """The content of ``runs/<recipe>/manifest.json`` (schema_version 1); what was asked is the last session's."""

    schema_version: Literal[1]
    recipe: RecipeFacts
    model: Generator
    started: str
    finished: str
    erc_synth: str


# --- <config>.jsonl and <config>.curation.json ----------------------------------------------------------------------


class CuratedTurn(TypedDict):
    """One turn of a curated line."""

    speaker: str
    text: str
    emotion: str


class CuratedLine(TypedDict):
    """One line of a curated file."""

    dialogue_id: str
    utterances: list[CuratedTurn]
    seed: int | None
    target_emotion: str | None
    recipe: str | None
    generator: str | None
    split: str


class Size(TypedDict):
    """How much a part holds."""

    dialogues: int
    utterances: int


class Labels(TypedDict):
    """A label set by name, with its labels in order."""

    name: str
    labels: list[str]


class LeakRow(TypedDict):
    """Dialogues that repeat one split of a benchmark, by kind; all 0 when it was not searched.

    A dialogue that repeats it in two ways stands under both kinds, and once in ``hit``. ``dropped`` were left out for
    it, ``kept`` are in the set; the rest was left out for another reason. Files of older versions lack both.
    """

    checked: bool
    exact: int
    ngram8: int
    near_duplicate: int
    dropped: int
    hit: NotRequired[int]
    kept: NotRequired[int]
    shared_lines: NotRequired[float]
    paraphrase: NotRequired[int | None]


class Curation(TypedDict):
    """The content of ``<config>.curation.json`` (schema_version 1)."""

    schema_version: Literal[1]
    config: str
    recipe: str | None
    generator: str | None
    generators: dict[str, int]
    label_set: Labels | None
    seed: int
    input: Size
    kept: Size
    dropped: dict[str, int]
    reported: dict[str, Size]
    splits: dict[str, Size]
    label_counts: dict[str, dict[str, int]]
    leaks: dict[str, LeakRow]
    options: JsonObject


# --- <config>.quality.json ------------------------------------------------------------------------------------------


class Interval(TypedDict):
    """A figure with its 95 % interval, where one can be given."""

    value: float
    low: float | None
    high: float | None


class Measure(Interval):
    """A figure of the set beside the same of the reference."""

    group: str
    reference: Interval | None
    reading: str


class QualitySize(Size):
    """How much was measured."""

    words: int


class Agreement(TypedDict):
    """Kappa of the generated labels with a judge, by label; the ceiling is the judge's on real test data."""

    judge_trained_on: str
    over: list[str]
    kappa_by_label: dict[str, Interval]
    ceiling_by_label: dict[str, Interval]


class AnnotatorAgreement(TypedDict):
    """Kappa of the generated labels with one annotator who reads whole dialogues; never mixed with another's."""

    annotator: str
    kappa: Interval
    ceiling: Interval | None
    kappa_by_label: dict[str, Interval]
    ceiling_by_label: dict[str, Interval]


class Compliance(TypedDict):
    """Dialogues that were asked to express an emotion: shares with a turn labelled so, and heard so by an annotator."""

    dialogues: int
    labelled: Interval
    heard: Interval | None


class Doubtful(TypedDict):
    """A line whose label looks wrong."""

    dialogue_id: str
    utterance_id: int
    given: str
    likelier: str


class Paraphrase(TypedDict):
    """A dialogue that tells a benchmark dialogue (`of`) again in other words; the similarity is 0..1."""

    dialogue_id: str
    of: str
    similarity: float


class Paraphrases(TypedDict):
    """What was found in one benchmark split, of so many dialogues that were long enough to be searched."""

    searched: int
    found: list[Paraphrase]


class Quality(TypedDict):
    """The content of ``<config>.quality.json`` (schema_version 1)."""

    schema_version: Literal[1]
    dataset: str
    reference: str | None
    seed: int
    size: QualitySize
    reference_size: QualitySize | None
    equal_words: int
    measures: dict[str, Measure]
    label_counts: dict[str, int]
    label_agreement: Agreement | None
    annotators: list[AnnotatorAgreement]
    target_compliance: dict[str, Compliance]
    doubtful_labels: list[Doubtful]
    leaks: dict[str, LeakRow]
    paraphrases: NotRequired[dict[str, Paraphrases]]
    notes: list[str]
    section: str


def schema_of(contract: Any) -> JsonObject:
    """JSON Schema of a type, as it stands in `docs/contracts`."""
    from pydantic import TypeAdapter

    made = TypeAdapter(contract).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
