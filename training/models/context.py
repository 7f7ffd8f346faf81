"""Context model: first-token state and one linear layer, the network that `emoone` and `baseline` share.

Input: `Batch`. Output: logits. Not covered: options and soft labels (`emoone`, `baseline`).
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Batch


class ContextClassifier(nn.Module):
    """The classifier.

    Args:
        encoder: Encoder of the sequence.
        classes: Number of emotions.
        view: ``past`` (all turns up to the target), ``none`` (the target alone), ``future`` (past, target and
            two later turns, read at a CLS before the target: EmoOne's future teacher).
    """

    unit = "utterance"

    def __init__(self, encoder: Encoder, classes: int, *, view: Literal["past", "none", "future"] = "past") -> None:
        super().__init__()
        self.context_encoder = encoder
        self.classifier = nn.Linear(encoder.hidden, classes)
        self.view = view

    def forward(self, batch: Batch) -> Tensor:
        """Logits ``[targets, classes]``."""
        encoded = batch.encoded
        if self.view == "future":
            pairs = [encoded.future(*target) for target in batch.targets]
            states = self.context_encoder([ids for ids, _ in pairs], [at for _, at in pairs])
        else:
            read = encoded.context if self.view == "past" else encoded.alone
            states = self.context_encoder([read(*target) for target in batch.targets])
        return self.classifier(states)  # type: ignore[no-any-return]
