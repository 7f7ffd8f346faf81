"""Dialogues as the inputs of one classifier: tokens, and what its `Spec` adds to them.

Input: a configuration, dialogues, a tokenizer. Output: `Encoded`, the same in training and in prediction.
Not covered: tokenising itself (`batching`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from accelerate import Accelerator

from erc_synth.loaders.schema import Dialogue, LabelSet
from erc_synth.training import batching
from erc_synth.training.batching import Encoded, Special
from erc_synth.training.config import RunConfig
from erc_synth.training.corpus import Corpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def encode(
    config: RunConfig,
    dialogues: Sequence[Dialogue],
    labels: LabelSet,
    tokenizer: PreTrainedTokenizerBase,
    special: Special,
) -> Encoded:
    """Tokens of the dialogues with the marker of the classifier, and its additions."""
    spec = config.spec
    encoded = batching.encode(dialogues, labels, tokenizer, special, spec.marker)
    return spec.prepare(config.options, dialogues, encoded, tokenizer)


class Inputs:
    """Encoded splits of a run's data sets, each made once."""

    def __init__(
        self,
        config: RunConfig,
        accelerator: Accelerator,
        found: dict[str, Corpus],
        tokenizer: PreTrainedTokenizerBase,
        special: Special,
    ) -> None:
        self.config, self.accelerator, self.found = config, accelerator, found
        self.tokenizer, self.special = tokenizer, special
        self._made: dict[tuple[str, str], Encoded] = {}

    def encoded(self, name: str, split: str) -> Encoded:
        """A split of a data set."""
        key = (name, split)
        if key not in self._made:
            found = self.found[name]
            # The first process asks servers and fills caches; the others then find the answers.
            with self.accelerator.main_process_first():
                self._made[key] = encode(self.config, found.split(split), found.labels, self.tokenizer, self.special)
        return self._made[key]
