"""What a judge who reads whole dialogues says of a set: a trained classifier or a language model as annotator.

Purpose: agreement of the generated labels with each annotator, beside the annotator's own on real test data; and
whether the emotion that was asked for is there. Each annotator stands alone: opinions are never mixed.
Input: labelled dialogues, `labels.Annotator`s. Output: records of `contracts.Quality`.
Not covered: the plain judge on sentence embeddings (`labels`), people (`answers`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from erc_synth.generation.quality.labels import Annotator, kappas
from erc_synth.generation.quality.likeness import share_by_dialogue
from erc_synth.loaders.contracts import AnnotatorAgreement, Compliance, Interval
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, LabelSet
from erc_synth.loaders.seeds import numpy_seed

MOST_DIALOGUES = 500


@dataclass(frozen=True, slots=True)
class Said:
    """What an annotator says of some dialogues: one label a turn."""

    dialogues: tuple[Dialogue, ...]
    labels: tuple[tuple[str, ...], ...]


def check_labels(annotator: Annotator, labels: LabelSet) -> None:
    """Refuse an annotator of other emotions before anything is measured.

    Raises:
        ErcSynthError: The label sets differ.
    """
    if set(annotator.labels) != set(labels.labels):
        raise ErcSynthError(
            f"{annotator.name} knows {', '.join(annotator.labels)}; the set has {', '.join(labels.labels)}.",
            hint="Give a classifier that was trained on the same label set.",
        )


def ask(annotator: Annotator, dialogues: Sequence[Dialogue], seed: int) -> Said:
    """The annotator's labels of at most `MOST_DIALOGUES` dialogues, drawn by seed, without those it could not judge.

    Raises:
        ErcSynthError: It does not answer with one row a turn.
    """
    chance = np.random.default_rng([numpy_seed(seed), 7])
    taken = [dialogues[int(number)] for number in sorted(chance.permutation(len(dialogues))[:MOST_DIALOGUES])]
    answers = annotator.probabilities(taken) if taken else []
    if len(answers) != len(taken):
        raise ErcSynthError(f"{annotator.name} did not answer for each dialogue.")
    judged = [(dialogue, rows) for dialogue, rows in zip(taken, answers, strict=True) if rows is not None]
    if any(np.shape(rows) != (len(dialogue), len(annotator.labels)) for dialogue, rows in judged):
        raise ErcSynthError(f"{annotator.name} did not answer with one row for each turn.")
    said = tuple(tuple(annotator.labels[at] for at in rows.argmax(1)) for _, rows in judged)
    return Said(tuple(dialogue for dialogue, _ in judged), said)


def agreement(
    annotator: Annotator, own: Said, test: Said | None, labels: LabelSet, seed: int
) -> AnnotatorAgreement | None:
    """Kappa of the given labels with an annotator, and its ceiling on real test data; ``None`` without labels."""
    found = _kappas(own, labels, seed)
    if found is None:
        return None
    ceiling = _kappas(test, labels, seed) if test else None
    return {
        "annotator": annotator.name,
        "kappa": found[0],
        "ceiling": ceiling[0] if ceiling else None,
        "kappa_by_label": found[1],
        "ceiling_by_label": ceiling[1] if ceiling else {},
    }


def _kappas(said: Said, labels: LabelSet, seed: int) -> tuple[Interval, dict[str, Interval]] | None:
    rows = [
        (turn.emotion, heard, number)
        for number, (dialogue, spoken) in enumerate(zip(said.dialogues, said.labels, strict=True))
        for turn, heard in zip(dialogue.utterances, spoken, strict=True)
        if turn.emotion is not None
    ]
    if not rows:
        return None
    given, heard, owners = zip(*rows, strict=True)
    overall, by_label = kappas(given, heard, owners, labels.labels, seed)
    return overall.to_json(), {label: found.to_json() for label, found in by_label.items()}


def compliance(dialogues: Iterable[Dialogue], said: Said | None, seed: int) -> dict[str, Compliance]:
    """For each asked-for emotion: the share of dialogues in which a turn is labelled so, and heard so.

    ``labelled`` trusts the generator's own labels, ``heard`` the annotator's; both are shares 0..1 of dialogues.
    """
    heard_in = (
        {d.dialogue_id: set(spoken) for d, spoken in zip(said.dialogues, said.labels, strict=True)} if said else {}
    )
    labelled: dict[str, list[bool]] = defaultdict(list)
    heard: dict[str, list[bool]] = defaultdict(list)
    for dialogue in dialogues:
        emotion = dialogue.target_emotion
        if emotion is not None:
            labelled[emotion].append(emotion in dialogue.emotions)
            if dialogue.dialogue_id in heard_in:
                heard[emotion].append(emotion in heard_in[dialogue.dialogue_id])
    return {
        emotion: {
            "dialogues": len(flags),
            "labelled": _share(flags, seed),
            "heard": _share(heard[emotion], seed) if emotion in heard else None,
        }
        for emotion, flags in sorted(labelled.items())
    }


def _share(flags: Sequence[bool], seed: int) -> Interval:
    return share_by_dialogue(np.array(flags), np.arange(len(flags)), seed).to_json()
