"""What a measurement has found so far: figures by name, with what they are read by, and notes.

Input: `diversity.Estimate`s. Output: the `measures` and `notes` of `quality.json`. Not covered: any figure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from erc_synth.generation.quality.diversity import Estimate
from erc_synth.loaders.contracts import Measure

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


@dataclass(slots=True)
class Findings:
    """Figures and notes, in the order in which they were found."""

    measures: dict[str, Measure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, group: str, name: str, own: Estimate, real: Estimate | None = None) -> None:
        """Note a figure of the set and the same of the reference; `name` is one of `READINGS`."""
        reference = None if real is None else real.to_json()
        self.measures[name] = {**own.to_json(), "group": group, "reference": reference, "reading": READINGS[name]}

    def note(self, sentence: str) -> None:
        """Say something about how the figures came about."""
        self.notes.append(sentence)
