"""The files of a run as types: a line of the journal, the manifest. JSON Schemas: docs/contracts/.

Input and output: none, these are shapes. Not covered: who writes them (`run`, `worker`, `folder`).
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


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
    extra: dict[str, Any]


class Asked(TypedDict):
    """What one session asks for: part of its run record and of the manifest."""

    fingerprint: str
    template: str
    server: Server
    sampling_sent: dict[str, Any]
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
    turns: list[int] | tuple[int, int] | None
    started: str
    erc_synth: str


class AttemptRecord(TypedDict):
    """One request: `accepted` and `rejected` ones have `text`, rejected ones `reason`, errors `error`."""

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
