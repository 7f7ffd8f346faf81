"""Quality of a data set, with figures: new, diverse, like the real, rightly labelled, balanced?

Purpose: evidence about the data before anybody trains on it; for curated sets, repos and benchmarks alike.
Input: a `Subject` and, if wanted, a reference `Subject`, the benchmarks, a sentence encoder.
Output: the content of `quality.json` (`measure_quality`); `quality_table` shows it.
Not covered: usefulness for training (TSTR is measured by training), people's judgement (`sheet`).

`quality.json` (schema_version 1): `dataset`, `reference` (name or null), `seed`, `size` and
`reference_size` {dialogues, utterances, words}, `equal_words`, `measures` {name: {group, value, low, high,
reference {value, low, high} or null, reading}}, `label_counts`, `label_agreement` (null or {judge_trained_on, over,
kappa_by_label, ceiling_by_label}, both {label: {value, low, high}}), `annotators` and `target_compliance` (see
`loaders.contracts`), `doubtful_labels` [{dialogue_id,
utterance_id, given, likelier}], `leaks` (see `leaks.check_set`), `paraphrases` where asked for, `notes` [str],
`section` (the measures as a Markdown table, for card and report). A share is a fraction 0..1; intervals are 95 %.

What depends on size is measured at equal size: wording and divergence at equal words, meaning at an equal number
of lines (each is one point of the encoder's space). Means and shares do not, and use the whole set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from erc_synth.generation.curation.copies import repeated
from erc_synth.generation.curation.leaks import LeakTable, check_set
from erc_synth.generation.quality import annotate, diversity, likeness, manifold, shape
from erc_synth.generation.quality import labels as label_check
from erc_synth.generation.quality.diversity import Estimate
from erc_synth.generation.quality.paraphrases import paraphrases
from erc_synth.generation.quality.table import section
from erc_synth.loaders.contracts import Agreement, AnnotatorAgreement, Doubtful, Measure, Quality, QualitySize
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, LabelSet
from erc_synth.loaders.seeds import numpy_seed
from erc_synth.loaders.wording import lines

Count = Callable[[Sequence[Dialogue], likeness.Name], Counter[str]]
ENCODED_LINES = 1000
JUDGE_LINES = 4000
DOUBTFUL_SHOWN = 20
READINGS = {
    "turns per dialogue": "",
    "speakers per dialogue": "",
    "words per utterance": "",
    "repeated dialogues": "0 = each one is new",
    "label entropy": "1 = balanced",
    "distinct-1": "higher = more diverse",
    "distinct-2": "higher = more diverse",
    "distinct-3": "higher = more diverse",
    "compression ratio": "lower = more diverse",
    "self-BLEU": "lower = more diverse",
    "vocabulary": "higher = more diverse",
    "Heaps exponent": "higher = vocabulary keeps growing",
    "label divergence": "0 = same distribution",
    "label transition divergence": "0 = same distribution",
    "questions": "share of lines",
    "readability (ARI)": "US school years",
    "self-repetition": "lower = more diverse",
    "template rate": "share of lines that open like three others",
    "two-sample accuracy": "0.5 = cannot be told apart, less = near copies",
    "density": "1 = as dense as real",
    "coverage": "1 = covers all of the real region",
    "Fréchet distance": "0 = same mean and spread",
    "Vendi score": "effective number of different lines",
    "MAUVE": "1 = same distribution",
    "precision": "1 = all inside the real region",
    "recall": "1 = covers all of the real region",
    "label agreement (kappa)": "reference = the judge's ceiling on real test data",
    "doubtful labels": "share by confident learning",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A data set to be measured.

    Attributes:
        name: As it was asked for.
        splits: Split -> dialogues.
        labels: Its label set.
        curated: True when it was read from a curated file.
    """

    name: str
    splits: Mapping[str, Sequence[Dialogue]]
    labels: LabelSet
    curated: bool = False

    @property
    def dialogues(self) -> list[Dialogue]:
        """All dialogues that have a turn, split after split."""
        return [dialogue for split in self.splits.values() for dialogue in split if dialogue.utterances]


@dataclass(frozen=True, slots=True)
class Extras:
    """What a measurement may have besides data.

    Attributes:
        annotators: Judges that read whole dialogues (see `annotate`).
        mauve: Measure MAUVE as well (needs the extra `mauve`, takes some seconds).
        paraphrases: Look for paraphrases of benchmark dialogues (encodes every line of the benchmarks: minutes).
        say: Told the name of each step when it starts.
    """

    annotators: tuple[label_check.Annotator, ...] = ()
    mauve: bool = False
    paraphrases: bool = False
    say: Callable[[str], None] = lambda _: None


def measure_quality(
    subject: Subject,
    reference: Subject | None = None,
    *,
    benchmarks: Mapping[str, Sequence[Dialogue]] | None = None,
    encode: likeness.Encode | None = None,
    seed: int = 0,
    extras: Extras | None = None,
) -> Quality:
    """Measure everything that the given inputs allow; what is left out is said in ``notes``.

    Args:
        subject: The data set.
        reference: Real data to compare with.
        benchmarks: ``<benchmark>/<split>`` -> dialogues, for the leak check.
        encode: Sentence encoder; ``None`` leaves out what needs one.
        seed: Of every draw.
        extras: Annotators, and who is told of each step.

    Raises:
        ErcSynthError: The set is empty or has no word, or an annotator knows other labels.
    """
    extras = extras or Extras()
    say = extras.say
    for annotator in extras.annotators:
        annotate.check_labels(annotator, subject.labels)
    for checked in (subject, *([reference] if reference else [])):
        if not any(word for dialogue in checked.dialogues for word in lines(dialogue)):
            raise ErcSynthError(f"{checked.name} has no text to measure.", hint="Check the file or the split.")
    work = _Work(subject, reference, likeness.remembered(encode) if encode else None, seed)
    work.mauve = extras.mauve
    if extras.mauve:
        manifold.need_mauve()
    say("shape and labels")
    work.shape()
    say("wording")
    work.wording()
    if encode is None:
        work.notes.append("No sentence encoder: figures of meaning and label check left out.")
    else:
        say("meaning (sentence encoder)")
        work.meaning()
        say("label check")
        work.label_check()
    for annotator in extras.annotators:
        say(f"annotator {annotator.name}")
        work.annotator(annotator)
    say("leaks")
    content = work.content(check_set(subject.name, subject.splits, benchmarks or {}))
    if extras.paraphrases and work.encode is not None:
        say("paraphrases")
        others = {source: ds for source, ds in (benchmarks or {}).items() if source.split("/")[0] != subject.name}
        content["paraphrases"] = paraphrases(subject.dialogues, others, work.encode)
    return content


class _Work:
    """Collects the measures of one subject."""

    mauve = False

    def __init__(self, subject: Subject, reference: Subject | None, encode: likeness.Encode | None, seed: int) -> None:
        self.subject, self.reference, self.encode, self.seed = subject, reference, encode, seed
        self.own = subject.dialogues
        self.real = reference.dialogues if reference else []
        self.measures: dict[str, Measure] = {}
        self.notes: list[str] = []
        self.agreement: Agreement | None = None
        self.annotators: list[AnnotatorAgreement] = []
        self.heard: annotate.Said | None = None
        self.doubtful: list[Doubtful] = []
        self.budget = 0

    def add(self, group: str, name: str, own: Estimate, real: Estimate | None = None) -> None:
        reference = None if real is None else real.to_json()
        self.measures[name] = {**own.to_json(), "group": group, "reference": reference, "reading": READINGS[name]}

    def shape(self) -> None:
        classes, real_classes = len(self.subject.labels), len(self.reference.labels) if self.reference else 0
        theirs = shape.shape(self.real, self.seed)
        has_blanks = shape.spaced(self.own)
        for name, estimate in shape.shape(self.own, self.seed).items():
            if has_blanks or name != shape.READABILITY:
                self.add("shape", name, estimate, theirs.get(name))
        if not has_blanks:
            self.notes.append(
                "No readability: it counts letters of words, and this script puts no blanks between them."
            )
        again, real_again = (Estimate(float(np.mean(repeated(ds)))) if ds else None for ds in (self.own, self.real))
        self.add("shape", "repeated dialogues", again or Estimate(0.0), real_again)

        def balance(ds: Sequence[Dialogue], classes: int) -> float:
            return likeness.entropy(likeness.label_counts(ds), classes)

        real = self._estimate(self.real, lambda ds: balance(ds, real_classes))
        self.add("labels", "label entropy", self._need(self.own, lambda ds: balance(ds, classes)), real)
        self._divergences()

    def _divergences(self) -> None:
        """Both sets against one half of the reference; the other half says what chance alone gives."""
        if not self.reference:
            return
        if len(self.real) < 2:
            self.notes.append(f"{self.reference.name} has too few dialogues for divergences.")
            return
        own_name, real_name, _ = _common_labels(self.subject.labels, self.reference.labels)
        half, other = self.real[::2], self.real[1::2]
        budget = diversity.equal_words(*([lines(d) for d in ds] for ds in (self.own, half)))
        for title, count in (
            ("label divergence", likeness.label_counts),
            ("label transition divergence", likeness.transition_counts),
        ):
            theirs = count(other, real_name)
            self.add(
                "labels",
                title,
                *(
                    likeness.at_equal_words(ds, _distance(count, name, theirs), budget, self.seed)
                    for ds, name in ((self.own, own_name), (half, real_name))
                ),
            )
        self.notes.append(f"Divergences at {budget} words.")

    def wording(self) -> None:
        own, real = ([lines(d) for d in ds] for ds in (self.own, self.real))
        self.budget = diversity.equal_words(own, *([real] if real else []))
        theirs = diversity.diversity(real, self.budget, self.seed) if real else {}
        for name, estimate in diversity.diversity(own, self.budget, self.seed).items():
            self.add("wording", name, estimate, theirs.get(name))

    def meaning(self) -> None:
        if not self.reference or self.encode is None:
            return
        texts, owners = likeness.sample_lines(self.own, ENCODED_LINES, self.seed)
        halves = [likeness.sample_lines(self.real[part::2], len(texts), self.seed) for part in (0, 1)]
        size = min(len(texts), *(len(half[0]) for half in halves))
        if min(len(set(o[:size])) for o in (owners, halves[0][1], halves[1][1])) < 2:
            self.notes.append("Too few dialogues for the two-sample test.")
            return
        self.notes.append(f"Meaning at {size} lines of each.")
        made, real, other = (self.encode(t[:size]) for t in (texts, halves[0][0], halves[1][0]))
        by = (owners[:size], halves[0][1][:size])
        real_by = (halves[1][1][:size], halves[0][1][:size])
        self._clouds(_pair_of_clouds(made, real, by, self.seed), _pair_of_clouds(other, real, real_by, self.seed))
        if self.mauve:
            pairs = ((made, real), (other, real))
            self.add("meaning", "MAUVE", *(Estimate(manifold.mauve(*pair, self.seed)) for pair in pairs))
        self.notes.append("Reference column of meaning and divergence: one half of the reference against the other.")

    def _clouds(self, own: Mapping[str, Estimate], floor: Mapping[str, Estimate]) -> None:
        for name, estimate in own.items():
            self.add("meaning", name, estimate, floor[name])

    def annotator(self, annotator: label_check.Annotator) -> None:
        """Agreement with one annotator, and its own on the reference's test split."""
        own = annotate.ask(annotator, self.own, self.seed)
        self.heard = self.heard or own
        test = self._real_split("test") if self.reference and self.reference.name != self.subject.name else []
        same = self.reference is not None and set(self.reference.labels.labels) == set(annotator.labels)
        real = annotate.ask(annotator, list(test), self.seed) if test and same else None
        if found := annotate.agreement(annotator, own, real, self.subject.labels, self.seed):
            self.annotators.append(found)
        if len(own.dialogues) < len(self.own):
            self.notes.append(f"{annotator.name} read {len(own.dialogues)} of {len(self.own)} dialogues.")
        if any(d.generator and d.generator in annotator.name for d in self.own):
            self.notes.append(f"{annotator.name} wrote this set itself: it is no second opinion.")

    def label_check(self) -> None:
        encode = self.encode
        if encode is None:
            return
        own = _labelled(self.own, ENCODED_LINES, self.seed)
        if not own.labels:
            self.notes.append("No labels: no label check.")
            return
        vectors = encode(own.texts)
        # The judge's train lines begin with these: they are encoded once.
        real = _labelled(self._real_split("train") or self.real, ENCODED_LINES, self.seed)
        self._doubts(own, vectors, real, encode(real.texts) if real.texts else None)
        if self.reference is None or self.reference.name == self.subject.name:
            return
        own_name, real_name, over = _common_labels(self.subject.labels, self.reference.labels)
        train = _labelled(self._real_split("train"), JUDGE_LINES, self.seed)
        test = _labelled(self._real_split("test"), ENCODED_LINES, self.seed)
        if len({real_name(label) for label in train.labels}) < 2 or not test.labels:
            self.notes.append(f"{self.reference.name} has no labelled train and test split: no agreement.")
            return
        judge = label_check.judge(encode(train.texts), [real_name(label) for label in train.labels], self.seed)
        own_side = _Side([own_name(label) for label in own.labels], list(judge.predict(vectors)), own.owners)
        test_labels = [real_name(label) for label in test.labels]
        self._agreement(own_side, _Side(test_labels, list(judge.predict(encode(test.texts))), test.owners), over)

    def _real_split(self, name: str) -> Sequence[Dialogue]:
        return self.reference.splits.get(name, []) if self.reference else []

    def _agreement(self, own: _Side, test: _Side, over: tuple[str, ...]) -> None:
        agreement, by_label = label_check.kappas(own.given, own.said, own.owners, over, self.seed)
        best, best_by_label = label_check.kappas(test.given, test.said, test.owners, over, self.seed)
        self.add("labels", "label agreement (kappa)", agreement, best)
        self.agreement = {
            "judge_trained_on": f"{self.reference.name}/train" if self.reference else "",
            "over": list(over),
            "kappa_by_label": {label: found.to_json() for label, found in by_label.items()},
            "ceiling_by_label": {label: found.to_json() for label, found in best_by_label.items()},
        }

    def _doubts(self, own: _Labelled, vectors: np.ndarray, real: _Labelled, real_vectors: np.ndarray | None) -> None:
        doubts, examined = label_check.doubtful(vectors, own.labels, own.owners, self.seed)
        if not examined:
            self.notes.append("Too few lines of each label to look for doubtful labels.")
            return
        theirs = None
        if real_vectors is not None:
            real_doubts, real_examined = label_check.doubtful(real_vectors, real.labels, real.owners, self.seed)
            theirs = _doubt_share(real_doubts, real_examined, real.owners, self.seed)
        self.add("labels", "doubtful labels", _doubt_share(doubts, examined, own.owners, self.seed), theirs)
        self.notes.append("Doubtful labels: the judge sees one line alone, so compare with the share of real data.")
        self.doubtful = [
            {
                "dialogue_id": own.places[doubt.position][0],
                "utterance_id": own.places[doubt.position][1],
                "given": doubt.given,
                "likelier": doubt.likelier,
            }
            for doubt in doubts[:DOUBTFUL_SHOWN]
        ]

    def _estimate(
        self, dialogues: Sequence[Dialogue], measure: Callable[[Sequence[Dialogue]], float]
    ) -> Estimate | None:
        return likeness.resampled(dialogues, measure, self.seed) if dialogues else None

    def _need(self, dialogues: Sequence[Dialogue], measure: Callable[[Sequence[Dialogue]], float]) -> Estimate:
        return likeness.resampled(dialogues, measure, self.seed)

    def content(self, leaks: LeakTable) -> Quality:
        return {
            "schema_version": 1,
            "dataset": self.subject.name,
            "reference": self.reference.name if self.reference else None,
            "seed": self.seed,
            "size": _size(self.own),
            "reference_size": _size(self.real) if self.reference else None,
            "equal_words": self.budget,
            "measures": self.measures,
            "label_counts": dict(sorted(likeness.label_counts(self.own).items())),
            "label_agreement": self.agreement,
            "annotators": self.annotators,
            "target_compliance": annotate.compliance(self.own, self.heard, self.seed),
            "doubtful_labels": self.doubtful,
            "leaks": leaks,
            "notes": self.notes,
            "section": section(self.measures, self.reference.name if self.reference else None),
        }


@dataclass(frozen=True, slots=True)
class _Side:
    """Labels of the same lines by two hands: `given` in the data, `said` by the judge."""

    given: list[str]
    said: list[str]
    owners: list[int]


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A sample of labelled lines; `owners` numbers their dialogues, `places` says where they stand."""

    texts: list[str]
    labels: list[str]
    owners: list[int]
    places: list[tuple[str, int]]


def _labelled(dialogues: Sequence[Dialogue], size: int, seed: int) -> _Labelled:
    sample = _Labelled([], [], [], [])
    chance = np.random.default_rng([numpy_seed(seed), 2])
    for number in chance.permutation(len(dialogues)):
        for position, turn in enumerate(dialogues[number].utterances):
            if turn.emotion is not None and len(sample.texts) < size:
                sample.texts.append(turn.text)
                sample.labels.append(turn.emotion)
                sample.owners.append(int(number))
                sample.places.append((dialogues[number].dialogue_id, position))
    return sample


def _common_labels(own: LabelSet, real: LabelSet) -> tuple[likeness.Name, likeness.Name, tuple[str, ...]]:
    """How to name both sets' labels so that they compare: as they are, or by sentiment."""
    if own.labels == real.labels:
        return str, str, own.labels
    return (
        lambda label: own.sentiment.get(label, "other"),
        lambda label: real.sentiment.get(label, "other"),
        ("positive", "neutral", "negative"),
    )


def _distance(count: Count, name: likeness.Name, theirs: Counter[str]) -> Callable[[Sequence[Dialogue]], float]:
    return lambda dialogues: likeness.divergence(count(dialogues, name), theirs)


def _doubt_share(
    doubts: Sequence[label_check.Doubt], examined: Sequence[int], owners: Sequence[int], seed: int
) -> Estimate:
    doubted = {doubt.position for doubt in doubts}
    flags = np.array([position in doubted for position in examined])
    return likeness.share_by_dialogue(flags, np.array([owners[position] for position in examined]), seed)


def _pair_of_clouds(
    made: np.ndarray, real: np.ndarray, owners: Sequence[Sequence[int]], seed: int
) -> dict[str, Estimate]:
    """Every figure of the embeddings of a set beside those of real lines, as many of each."""
    precision, recall = likeness.precision_recall(made, real, owners, seed)
    density, coverage = manifold.density_coverage(made, real, owners, seed)
    return {
        "two-sample accuracy": likeness.two_sample(made, real, owners, seed),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "Fréchet distance": manifold.jackknifed(manifold.frechet, (made, real), owners, seed),
        "Vendi score": manifold.jackknifed(manifold.vendi, (made,), owners[:1], seed),
    }


def _size(dialogues: Sequence[Dialogue]) -> QualitySize:
    count = sum(len(line) for dialogue in dialogues for line in lines(dialogue))
    return {"dialogues": len(dialogues), "utterances": sum(map(len, dialogues)), "words": count}
