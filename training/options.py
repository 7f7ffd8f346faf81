"""Options as frozen dataclasses: each field carries its help, its bounds, and whether it decides the result.

Purpose: one declaration serves the command line, configuration files, the checks and the fingerprint of a run.
Input: none. Output: `DataOptions`, `Optimisation`, and `opt` for those of a classifier (`models`).
Not covered: reading flags and files (`config`). Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from erc_synth.loaders.errors import ErcSynthError

Marker = Literal["id", "name"]  # what stands before an utterance in the context: `<s1>` or `Ann:`


def opt(
    default: object,
    text: str,
    *,
    least: float | None = None,
    most: float | None = None,
    identity: bool = True,
    file: bool = False,
) -> Any:
    """A field of an options dataclass.

    Args:
        default: Its default.
        text: Help text.
        least: Smallest value allowed.
        most: Largest value allowed.
        identity: False for what changes where, how fast or in what parts the work is done, but not its result:
            two runs that differ in it alone are the same run.
        file: The value may be the path of a file; then the content decides the result and the path does not.
    """
    return field(
        default=default, metadata={"help": text, "least": least, "most": most, "identity": identity, "file": file}
    )


def check_bounds(options: object) -> None:
    """Every number of a dataclass lies within its bounds; nested dataclasses are checked by themselves.

    Raises:
        ErcSynthError: One does not (also NaN, which compares with nothing).
    """
    assert is_dataclass(options)
    for given in fields(options):
        value, least, most = getattr(options, given.name), given.metadata.get("least"), given.metadata.get("most")
        if value is None or (least is None and most is None):
            continue
        low, high = -float("inf") if least is None else least, float("inf") if most is None else most
        if not low <= value <= high or abs(value) == float("inf"):
            wanted = f"{low:g} or more" if most is None else f"{low:g} to {high:.10g}"
            raise ErcSynthError(f"--{given.name.replace('_', '-')} is {value}.", hint=f"Use {wanted}.")


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Which dialogues a run sees."""

    data_dir: str | None = opt(None, "folder with benchmark files", identity=False)
    variant: str | None = opt(None, "published form of a benchmark: small (EmoryNLP), official (IEMOCAP), ...")
    revision: str | None = opt(None, "tag or commit of a Hub repo")
    label_map: str | None = opt(None, "join label sets by a named map, e.g. core5")
    max_train_dialogues: int | None = opt(None, "keep the first N train dialogues of each stage", least=1)
    draw_train: bool = opt(False, "keep N train dialogues drawn by --seed, not the first (--max-train-dialogues)")
    max_eval_dialogues: int | None = opt(None, "keep the first N dialogues of validation and test", least=1)
    drop_leaks: bool = opt(False, "drop train dialogues that share a line of 5+ words with an evaluated test")


@dataclass(frozen=True, slots=True)
class Optimisation:
    """How the weights move. A step is one optimiser step; warm-up counts in steps."""

    epochs: int = opt(5, "epochs of each stage", least=1)
    finetune_epochs: int | None = opt(None, "epochs of the fine-tuning stage (default: --epochs)", least=1)
    batch_size: int = opt(
        16, "targets per step over all processes (dialogues, where the model keeps them whole)", least=1
    )
    accumulate: int = opt(
        1, "cut each batch in N parts to save memory; the result is the same", least=1, identity=False
    )
    order: Literal["dialogue", "utterance"] = opt("dialogue", "shuffle dialogues, or single targets (official)")
    learning_rate: float = opt(2e-5, "peak learning rate", least=0)
    weight_decay: float = opt(0.01, "AdamW weight decay", least=0)
    decay_all: bool = opt(False, "decay bias and LayerNorm too (official CoMPM, EmoOne)")
    adam_eps: float = opt(1e-8, "AdamW epsilon", least=0)
    bias_correction: bool = opt(True, "AdamW bias correction (official TODKAT: off)")
    warmup: float = opt(0.1, "share of all steps", least=0, most=1)
    clip: float = opt(1.0, "gradient norm", least=0)
    patience: int | None = opt(None, "stop after N epochs without a better dev score", least=1)
    select_by: Literal["weighted_f1", "accuracy"] = opt("weighted_f1", "dev score that picks the best epoch")
    precision: Literal["no", "bf16", "fp16"] = opt("no", "mixed precision")
    compile: bool = opt(False, "torch.compile the encoders", identity=False)
    save_steps: int | None = opt(
        None, "checkpoint every N steps (default: every epoch and every 10 minutes)", least=1, identity=False
    )
