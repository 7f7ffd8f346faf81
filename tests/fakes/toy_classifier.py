"""A user's own classifier in one file, named by $ERC_MODELS: mean of the first-token states of target and context."""

from dataclasses import dataclass

from torch import nn

from erc_synth.training.models.registry import Spec
from erc_synth.training.options import opt


class Toy(nn.Module):
    unit = "utterance"

    def __init__(self, encoder, classes, weight):
        super().__init__()
        self.encoder, self.head, self.weight = encoder, nn.Linear(encoder.hidden, classes), weight

    def forward(self, batch):
        read = batch.encoded
        alone = self.encoder([read.alone(*target) for target in batch.targets])
        return self.head(alone + self.weight * self.encoder([read.context(*target) for target in batch.targets]))


@dataclass(frozen=True, slots=True)
class ToyOptions:
    weight: float = opt(0.5, "weight of the context", least=0)


class ToySpec(Spec):
    name = "toy"
    options = ToyOptions
    marker = "name"
    presets = {"fast": {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3}}  # noqa: RUF012

    def build(self, options, encoder, classes):
        return Toy(encoder(), classes, options.weight)


SPEC = ToySpec()
