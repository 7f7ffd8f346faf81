"""Labels beside those of a plain judge: agreement with a classifier of real lines, and lines that look mislabelled.

Purpose: the generator wrote text and label together; a judge that learnt from real data has no part in that.
Input: two `Subject`s, a sentence encoder. Output: figures and notes in `Findings`, and `Judged`.
Not covered: the judge itself (`labels`), judges that read whole dialogues (`annotate`), people (`sheet`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from erc_synth.generation.quality import labels as label_check
from erc_synth.generation.quality import likeness
from erc_synth.generation.quality.diversity import Estimate
from erc_synth.generation.quality.findings import Findings
from erc_synth.generation.quality.meaning import ENCODED_LINES
from erc_synth.generation.quality.subject import Subject
from erc_synth.loaders.contracts import Agreement, Doubtful
from erc_synth.loaders.schema import Dialogue, LabelSet
from erc_synth.loaders.seeds import numpy_seed

JUDGE_LINES = 4000
DOUBTFUL_SHOWN = 20


@dataclass(slots=True)
class Judged:
    """What `quality.json` holds of the judge besides figures; `agreement` is ``None`` where there can be none."""

    agreement: Agreement | None = None
    doubtful: list[Doubtful] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A sample of labelled lines; `owners` numbers their dialogues, `places` says where they stand."""

    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)


def check_labels(
    findings: Findings, subject: Subject, reference: Subject | None, encode: likeness.Encode, seed: int
) -> Judged:
    """Add the share of doubtful labels, and kappa with a judge of the reference's train split beside its ceiling.

    Args:
        findings: Where figures and notes go.
        subject: The set.
        reference: Real data with a train and a test split; ``None``, or the set itself, gives no kappa.
        encode: Sentence encoder.
        seed: Of the lines that are drawn, of the judge and of resampling.
    """
    own = _labelled(subject.dialogues, ENCODED_LINES, seed)
    if not own.labels:
        findings.note("No labels: no label check.")
        return Judged()
    vectors = encode(own.texts)
    # The judge's train lines begin with these: they are encoded once.
    real = _labelled((_split(reference, "train") or reference.dialogues) if reference else [], ENCODED_LINES, seed)
    judged = Judged(doubtful=_doubts(findings, own, vectors, real, encode, seed))
    if reference is not None and reference.name != subject.name:
        judged.agreement = _agreement(findings, (own, vectors), subject.labels, reference, encode, seed)
    return judged


def _split(subject: Subject, name: str) -> Sequence[Dialogue]:
    return subject.splits.get(name, [])


def _agreement(
    findings: Findings,
    sample: tuple[_Labelled, np.ndarray],
    labels: LabelSet,
    reference: Subject,
    encode: likeness.Encode,
    seed: int,
) -> Agreement | None:
    own, vectors = sample
    own_name, real_name, over = common_labels(labels, reference.labels)
    train = _labelled(_split(reference, "train"), JUDGE_LINES, seed)
    test = _labelled(_split(reference, "test"), ENCODED_LINES, seed)
    if len({real_name(label) for label in train.labels}) < 2 or not test.labels:
        findings.note(f"{reference.name} has no labelled train and test split: no agreement.")
        return None
    judge = label_check.judge(encode(train.texts), [real_name(label) for label in train.labels], seed)

    def kappas(given: _Labelled, name: likeness.Name, lines: np.ndarray) -> tuple[Estimate, dict[str, Estimate]]:
        said = list(judge.predict(lines))
        return label_check.kappas([name(label) for label in given.labels], said, given.owners, over, seed)

    agreement, by_label = kappas(own, own_name, vectors)
    ceiling, ceiling_by_label = kappas(test, real_name, encode(test.texts))
    findings.add("labels", "label agreement (kappa)", agreement, ceiling)
    return {
        "judge_trained_on": f"{reference.name}/train",
        "over": list(over),
        "kappa_by_label": {label: found.to_json() for label, found in by_label.items()},
        "ceiling_by_label": {label: found.to_json() for label, found in ceiling_by_label.items()},
    }


def _doubts(
    findings: Findings, own: _Labelled, vectors: np.ndarray, real: _Labelled, encode: likeness.Encode, seed: int
) -> list[Doubtful]:
    doubts, examined = label_check.doubtful(vectors, own.labels, own.owners, seed)
    if not examined:
        findings.note("Too few lines of each label to look for doubtful labels.")
        return []
    theirs = None
    if real.texts:
        real_doubts, real_examined = label_check.doubtful(encode(real.texts), real.labels, real.owners, seed)
        theirs = _doubt_share(real_doubts, real_examined, real.owners, seed)
    findings.add("labels", "doubtful labels", _doubt_share(doubts, examined, own.owners, seed), theirs)
    findings.note("Doubtful labels: the judge sees one line alone, so compare with the share of real data.")
    return [
        {
            "dialogue_id": own.places[doubt.position][0],
            "utterance_id": own.places[doubt.position][1],
            "given": doubt.given,
            "likelier": doubt.likelier,
        }
        for doubt in doubts[:DOUBTFUL_SHOWN]
    ]


def _doubt_share(
    doubts: Sequence[label_check.Doubt], examined: Sequence[int], owners: Sequence[int], seed: int
) -> Estimate:
    doubted = {doubt.position for doubt in doubts}
    flags = np.array([position in doubted for position in examined])
    return likeness.share_by_dialogue(flags, np.array([owners[position] for position in examined]), seed)


def _labelled(dialogues: Sequence[Dialogue], size: int, seed: int) -> _Labelled:
    """At most `size` labelled lines of dialogues in random order."""
    sample = _Labelled()
    for number in np.random.default_rng([numpy_seed(seed), 2]).permutation(len(dialogues)):
        if len(sample.texts) == size:
            break
        dialogue = dialogues[int(number)]
        for position, turn in enumerate(dialogue.utterances):
            if turn.emotion is not None and len(sample.texts) < size:
                sample.texts.append(turn.text)
                sample.labels.append(turn.emotion)
                sample.owners.append(int(number))
                sample.places.append((dialogue.dialogue_id, position))
    return sample


def common_labels(own: LabelSet, real: LabelSet) -> tuple[likeness.Name, likeness.Name, tuple[str, ...]]:
    """How to name both sets' labels so that they compare, as they are or by sentiment; and these names."""
    if own.labels == real.labels:
        return str, str, own.labels
    return (
        lambda label: own.sentiment.get(label, "other"),
        lambda label: real.sentiment.get(label, "other"),
        ("positive", "neutral", "negative"),
    )
