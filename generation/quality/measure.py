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
Dialogues are read one after the other, or by number where they are drawn, and never held: memory grows by some
hundred bytes a dialogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

import numpy as np
from tqdm import tqdm

from erc_synth.generation.curation.copies import repeated
from erc_synth.generation.curation.leak_check import OWN_DIALOGUES, check_set, held_out
from erc_synth.generation.quality import annotate, diversity, judging, likeness, manifold, shape
from erc_synth.generation.quality.diversity import Estimate, Lines
from erc_synth.generation.quality.findings import Findings
from erc_synth.generation.quality.labels import Annotator
from erc_synth.generation.quality.meaning import compare_meaning
from erc_synth.generation.quality.paraphrases import paraphrases
from erc_synth.generation.quality.subject import Subject, Tally
from erc_synth.generation.quality.table import section
from erc_synth.loaders.contracts import AnnotatorAgreement, Quality, QualitySize
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue
from erc_synth.loaders.wording import lines

Count = Callable[[Sequence[Dialogue], likeness.Name], Counter[str]]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Extras:
    """What a measurement may have besides data.

    Attributes:
        annotators: Judges that read whole dialogues (see `annotate`).
        mauve: Measure MAUVE as well (needs the extra `mauve`, takes some seconds).
        paraphrases: Look for paraphrases of benchmark dialogues (encodes every line of the benchmarks: minutes).
        say: Told the name of each step when it starts.
    """

    annotators: tuple[Annotator, ...] = ()
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
    for annotator in extras.annotators:
        annotate.check_labels(annotator, subject.labels)
    if extras.mauve:
        manifold.need_mauve()
    extras.say("shape and labels")
    own, real = _Counted.of(subject), _Counted.of(reference) if reference else None
    work = _Work(own, real, likeness.remembered(encode) if encode else None, seed, extras)
    work.shape()
    extras.say("wording")
    work.wording()
    judged = work.meaning_and_labels()
    work.ask_annotators()
    extras.say("leaks")
    benchmarks = benchmarks or {}
    table = check_set(subject.name, subject.splits, benchmarks, seed)
    work.note_drawn_splits()
    content: Quality = {
        "schema_version": 1,
        "dataset": subject.name,
        "reference": reference.name if reference else None,
        "seed": seed,
        "size": own.size,
        "reference_size": real.size if real else None,
        "equal_words": work.budget,
        "measures": work.findings.measures,
        "label_counts": dict(sorted(own.tally.label_counts.items())),
        "label_agreement": judged.agreement,
        "annotators": work.annotators,
        "target_compliance": annotate.compliance(own.dialogues, work.heard, seed),
        "doubtful_labels": judged.doubtful,
        "leaks": table,
        "notes": work.findings.notes,
        "section": section(work.findings.measures, reference.name if reference else None),
    }
    if extras.paraphrases and work.encode is not None:
        extras.say("paraphrases")
        others = {source: ds for source, ds in benchmarks.items() if source.split("/")[0] != subject.name}
        content["paraphrases"] = paraphrases(_watched(own.dialogues, "paraphrases"), others, work.encode)
    return content


@dataclass(frozen=True, slots=True)
class _Counted:
    """A subject, its dialogues in one sequence, and their counts."""

    subject: Subject
    dialogues: Sequence[Dialogue]
    tally: Tally

    @classmethod
    def of(cls, subject: Subject) -> _Counted:
        dialogues = subject.dialogues
        tally = Tally(_watched(dialogues, "count"))
        if not tally.words.any():
            raise ErcSynthError(f"{subject.name} has no text to measure.", hint="Check the file or the split.")
        return cls(subject, dialogues, tally)

    @property
    def size(self) -> QualitySize:
        dialogues, utterances, _, words, *_ = self.tally.counts.sum(0, dtype=np.int64).tolist()
        return {"dialogues": dialogues, "utterances": utterances, "words": words}


class _Spoken(Sequence[Lines]):
    """The words of each dialogue, split when they are asked for."""

    def __init__(self, dialogues: Sequence[Dialogue]) -> None:
        self._dialogues = dialogues

    def __len__(self) -> int:
        return len(self._dialogues)

    @overload
    def __getitem__(self, at: int) -> Lines: ...
    @overload
    def __getitem__(self, at: slice) -> _Spoken: ...
    def __getitem__(self, at: int | slice) -> Lines | _Spoken:
        return _Spoken(self._dialogues[at]) if isinstance(at, slice) else lines(self._dialogues[at])


class _Work:
    """Measures one subject, step by step."""

    def __init__(
        self, own: _Counted, real: _Counted | None, encode: likeness.Encode | None, seed: int, extras: Extras
    ) -> None:
        self.own, self.real, self.encode, self.seed, self.extras = own, real, encode, seed, extras
        self.findings = Findings()
        self.annotators: list[AnnotatorAgreement] = []
        self.heard: annotate.Said | None = None
        self.budget = 0

    def shape(self) -> None:
        own, real, add = self.own, self.real, self.findings.add
        theirs = shape.shape(real.tally, self.seed) if real else {}
        has_blanks = shape.spaced(own.tally)
        for name, estimate in shape.shape(own.tally, self.seed).items():
            if has_blanks or name != shape.READABILITY:
                add("shape", name, estimate, theirs.get(name))
        if not has_blanks:
            self.findings.note(
                "No readability: it counts letters of words, and this script puts no blanks between them."
            )
        add("shape", "repeated dialogues", *(_repeated_share(counted) for counted in (own, real) if counted))
        even = (
            shape.balance(counted.tally, len(counted.subject.labels), self.seed) for counted in (own, real) if counted
        )
        add("labels", "label entropy", *even)
        if real:
            self._divergences(own, real)

    def _divergences(self, own: _Counted, real: _Counted) -> None:
        """Both sets against one half of the reference; the other half says what chance alone gives."""
        if len(real.dialogues) < 2:
            self.findings.note(f"{real.subject.name} has too few dialogues for divergences.")
            return
        own_name, real_name, _ = judging.common_labels(own.subject.labels, real.subject.labels)
        half, other = real.dialogues[::2], real.dialogues[1::2]
        half_words = real.tally.words[::2]
        budget = diversity.equal_words(int(own.tally.words.sum(dtype=np.int64)), int(half_words.sum(dtype=np.int64)))
        for title, count in (
            ("label divergence", likeness.label_counts),
            ("label transition divergence", likeness.transition_counts),
        ):
            theirs = count(other, real_name)
            self.findings.add(
                "labels",
                title,
                *(
                    likeness.at_equal_words(dialogues, _distance(count, name, theirs), budget, self.seed, sizes)
                    for dialogues, name, sizes in (
                        (own.dialogues, own_name, own.tally.words),
                        (half, real_name, half_words),
                    )
                ),
            )
        self.findings.note(f"Divergences at {budget} words.")

    def wording(self) -> None:
        sets = [counted for counted in (self.own, self.real) if counted]
        self.budget = diversity.equal_words(*(counted.size["words"] for counted in sets))
        found = [diversity.diversity(_Spoken(counted.dialogues), self.budget, self.seed) for counted in sets]
        for name in found[0]:
            self.findings.add("wording", name, *(estimates[name] for estimates in found))

    def meaning_and_labels(self) -> judging.Judged:
        """What needs the sentence encoder."""
        if self.encode is None:
            self.findings.note("No sentence encoder: figures of meaning and label check left out.")
            return judging.Judged()
        self.extras.say("meaning (sentence encoder)")
        own, real, encode = self.own, self.real, self.encode
        if real:
            compare_meaning(self.findings, own.dialogues, real.dialogues, encode, self.seed, mauve=self.extras.mauve)
        self.extras.say("label check")
        return judging.check_labels(self.findings, own.subject, real.subject if real else None, encode, self.seed)

    def ask_annotators(self) -> None:
        for annotator in self.extras.annotators:
            self.extras.say(f"annotator {annotator.name}")
            self._ask(annotator)

    def _ask(self, annotator: Annotator) -> None:
        """Agreement with one annotator, and its own on the reference's test split."""
        subject, reference = self.own.subject, self.real.subject if self.real else None
        own = annotate.ask(annotator, self.own.dialogues, self.seed)
        self.heard = self.heard or own
        same = reference is not None and set(reference.labels.labels) == set(annotator.labels)
        test = reference.splits.get("test", []) if reference and same and reference.name != subject.name else []
        real = annotate.ask(annotator, test, self.seed) if test else None
        if found := annotate.agreement(annotator, own, real, subject.labels, self.seed):
            self.annotators.append(found)
        if len(own.dialogues) < len(self.own.dialogues):
            self.findings.note(f"{annotator.name} read {len(own.dialogues)} of {len(self.own.dialogues)} dialogues.")
        if any(d.generator and d.generator in annotator.name for d in self.own.dialogues):
            self.findings.note(f"{annotator.name} wrote this set itself: it is no second opinion.")

    def note_drawn_splits(self) -> None:
        """Say it where the leak check compared the splits with a draw of a held-out one."""
        for split, dialogues in held_out(self.own.subject.splits).items():
            if len(dialogues) > OWN_DIALOGUES:
                self.findings.note(
                    f"Leaks between the set's own splits: {OWN_DIALOGUES} of {len(dialogues)} dialogues of {split} "
                    "were looked for."
                )


def _repeated_share(counted: _Counted) -> Estimate:
    return Estimate(float(np.mean(repeated(_watched(counted.dialogues, "repeated dialogues")))))


def _distance(count: Count, name: likeness.Name, theirs: Counter[str]) -> Callable[[Sequence[Dialogue]], float]:
    return lambda dialogues: likeness.divergence(count(dialogues, name), theirs)


def _watched(things: Iterable[_T], what: str) -> Iterable[_T]:
    """With a progress bar while it takes longer."""
    bar: Iterable[_T] = tqdm(things, desc=what, unit=" dialogues", leave=False, disable=None, delay=2)
    return bar
