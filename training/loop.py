"""The training loop: one stage from start weights to the weights of its best dev epoch.

Purpose: an optimiser step is a set of targets. It is shared among processes and cut in `accumulate` parts; each
part's summed loss is divided by the size of the whole step, so neither number changes a gradient and a smaller
last step weighs by its true size. Dropout is seeded from (seed, stage, step, process): a resumed run equals an
undisturbed one. Input: a model, a `Stage`. Output: `Progress`; the model holds the best weights.
Not covered: what the stages are (`stages`), files of a finished run (`results`).
accelerate brings devices, processes, precision, `reduce` and `no_sync`. Its own data loaders are not used: a step is
a set of targets that is cut by dialogue, so its parts differ in size, and they pad or drop to make parts equal; and
`gather_for_metrics`, which undoes that padding, knows only batches of such a loader.
"""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.optim import Optimizer
from tqdm import tqdm

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json, write_json
from erc_synth.training import batching, checkpoints, grayscale, optimiser, scoring
from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Batch, Encoded, Shuffle, Steps, Target
from erc_synth.training.config import RunConfig
from erc_synth.training.grayscale import Soft

SAVE_SECONDS = 600.0
EVAL_TARGETS = {"cpu": 256, "cuda": 2_048}  # of a batch without gradients; a dialogue counts as eight


@dataclass(frozen=True, slots=True)
class Stage:
    """One data set to train on.

    Attributes:
        index: Position in the run; part of every random seed.
        name: train, pretrain, finetune, or teacher-...
        train: Training split.
        dev: Validation split.
        epochs: Number of passes.
        soft: Soft targets of the train split, or ``None``.
    """

    index: int
    name: str
    train: Encoded
    dev: Encoded
    epochs: int
    soft: Soft | None = None


@dataclass(slots=True)
class Epoch:
    """One line of the history."""

    epoch: int
    train_loss: float
    dev_weighted_f1: float
    seconds: float
    dev_accuracy: float = 0.0


@dataclass(slots=True)
class Progress:
    """What a checkpoint knows besides weights."""

    step: int = 0  # optimiser steps done in this stage
    loss_sum: float = 0.0  # of the running epoch, over all processes
    seconds: float = 0.0
    tokens: int = 0
    epochs: list[Epoch] = field(default_factory=list)

    @classmethod
    def of(cls, state: dict[str, object]) -> Progress:
        """From a checkpoint's JSON."""
        from pydantic import TypeAdapter

        kept: Progress = TypeAdapter(cls).validate_python(state)
        return kept

    def best(self, key: str) -> int:
        """Index of the first epoch with the best dev score; -1 without any."""
        values = [e.dev_weighted_f1 if key == "weighted_f1" else e.dev_accuracy for e in self.epochs]
        return int(np.argmax(values)) if values else -1


def tokens_of(model: nn.Module) -> int:
    """Encoder tokens computed so far, padding included."""
    return sum(module.tokens for module in model.modules() if isinstance(module, Encoder))


class Trainer:
    """Runs stages of one configuration.

    Args:
        config: The run.
        accelerator: Devices, processes, precision, trackers.
        folder: Where progress is kept.
    """

    def __init__(self, config: RunConfig, accelerator: Accelerator, folder: Path) -> None:
        self.config, self.accelerator, self.folder = config, accelerator, folder
        self.stop_requested = False  # by a signal to this process
        self.stop_agreed = False  # by all processes, behind a step

    def fit(self, model: nn.Module, stage: Stage) -> Progress:
        """Train one stage; goes on from its newest checkpoint.

        Raises:
            ErcSynthError: The loss is not finite, or memory ran out.
        """
        place = self.folder / f"{stage.index}-{stage.name}"
        done = place / "done.json"
        best = place / "best.safetensors"
        if done.exists():
            checkpoints.load_weights(model, best)
            return Progress.of(read_json(done))
        with _memory_hint(), self._signals():
            progress = self._fit(model, stage, place)
        self.accelerator.wait_for_everyone()
        checkpoints.load_weights(model, best)
        if self.accelerator.is_main_process:
            write_json(done, asdict(progress))
        self.accelerator.wait_for_everyone()
        return progress

    def _fit(self, model: nn.Module, stage: Stage, place: Path) -> Progress:
        raw = optimiser.build(model, self.config.optimisation)
        state = checkpoints.load_checkpoint(place / "checkpoint", model, raw)
        progress = Progress.of(state) if state else Progress()
        wrapped, optim = self.accelerator.prepare(model, raw)
        try:
            for epoch in range(len(progress.epochs), stage.epochs):
                if self._waited_enough(progress):  # also when the run was killed right behind its last epoch
                    break
                self._epoch(wrapped, optim, stage, progress, place, epoch)
                self._end_epoch(model, raw, stage, progress, place)
        finally:
            self.accelerator.free_memory()  # it keeps what it prepared: the next stage has an optimiser of its own
        return progress

    def _waited_enough(self, progress: Progress) -> bool:
        options = self.config.optimisation
        waited = len(progress.epochs) - 1 - progress.best(options.select_by)
        return options.patience is not None and bool(progress.epochs) and waited >= options.patience

    def _batches(self, model: Any, stage: Stage, epoch: int) -> Steps:
        options = self.config.optimisation
        seed = self.config.seed + 7919 * stage.index
        shuffle = Shuffle(model.unit, options.batch_size, options.order, seed)
        steps = batching.epoch_batches(stage.train, shuffle, epoch)
        return batching.cut(steps, getattr(model, "max_turns", None))

    def _epoch(
        self, wrapped: nn.Module, optim: Optimizer, stage: Stage, progress: Progress, place: Path, epoch: int
    ) -> None:
        model = self.accelerator.unwrap_model(wrapped)
        options = self.config.optimisation
        steps = self._batches(model, stage, epoch)
        begun = progress.step - epoch * len(steps)
        bar = tqdm(
            total=len(steps.order),
            initial=int(steps.cuts[begun]),
            unit="utt",
            file=sys.stderr,
            desc=f"{stage.name} {epoch + 1}/{stage.epochs}",
            disable=not self._shows(),
            leave=False,
        )
        clock, saved, tokens = time.monotonic(), time.monotonic(), tokens_of(model)
        wrapped.train()
        for targets in (steps[i] for i in range(begun, len(steps))):
            factor = optimiser.factor(progress.step, len(steps) * stage.epochs, options.warmup)
            for group in optim.param_groups:
                group["lr"] = options.learning_rate * factor
            progress.loss_sum += self._step(wrapped, optim, stage, targets, progress.step)
            progress.step += 1
            bar.update(len(targets))
            due = options.save_steps and progress.step % options.save_steps == 0
            if due or self.stop_agreed or time.monotonic() - saved > SAVE_SECONDS:
                progress.seconds += time.monotonic() - clock
                progress.tokens += tokens_of(model) - tokens
                clock = saved = time.monotonic()
                tokens = tokens_of(model)
                self._save(model, optim, progress, place)
                if self.stop_agreed:
                    self.accelerator.wait_for_everyone()  # nobody leaves while the first one still writes
                    raise KeyboardInterrupt
        bar.close()
        progress.seconds += time.monotonic() - clock
        progress.tokens += tokens_of(model) - tokens

    def _step(
        self, wrapped: nn.Module, optim: Optimizer, stage: Stage, targets: tuple[Target, ...], step: int
    ) -> float:
        """One optimiser step over `targets`; their mean loss, the same on every process."""
        accelerator, options = self.accelerator, self.config.optimisation
        model = accelerator.unwrap_model(wrapped)
        world, rank = accelerator.num_processes, accelerator.process_index
        torch.manual_seed(_seed(self.config.seed, stage.index, step, rank))
        shares = batching.parts(targets, world * options.accumulate, model.unit)[rank::world]
        shares = [share for share in shares if share]
        weight = 1.0
        if not shares:  # a last step smaller than the number of processes: take part, weigh nothing
            shares, weight = [targets], 0.0
        value = 0.0
        for i, share in enumerate(shares):
            last = i == len(shares) - 1
            with nullcontext() if last else accelerator.no_sync(wrapped):
                loss = self._loss(wrapped, Batch(stage.train, share), stage) / len(targets) * weight
                value += float(loss.detach())
                accelerator.backward(loss * world)  # DDP averages over processes
        value = self._agree(value)
        if not math.isfinite(value):
            self._not_finite(stage, step)
        norm = accelerator.clip_grad_norm_(wrapped.parameters(), options.clip)
        # fp16 skips such a step by itself; elsewhere it would poison the weights.
        if norm is not None and options.precision != "fp16" and not math.isfinite(float(norm)):
            self._not_finite(stage, step)
        optim.step()
        optim.zero_grad(set_to_none=True)
        return value

    def _agree(self, value: float) -> float:
        """The loss over all processes; they also agree on stopping, so that none waits for one that has gone."""
        if self.accelerator.num_processes == 1:
            self.stop_agreed = self.stop_requested
            return value
        told = torch.tensor([value, float(self.stop_requested)], device=self.accelerator.device)
        total = self.accelerator.reduce(told, "sum").tolist()
        self.stop_agreed = total[1] > 0
        return float(total[0])

    def _loss(self, wrapped: nn.Module, batch: Batch, stage: Stage) -> torch.Tensor:
        logits = wrapped(batch)
        gold = torch.from_numpy(batch.labels).to(logits.device)
        if stage.soft is None:
            return grayscale.loss(logits, gold, None)
        rows = [batch.encoded.starts[d] + t for d, t in batch.targets]
        soft = torch.from_numpy(stage.soft.targets[rows]).to(logits.device, torch.float32)
        weights = {"hard_weight": stage.soft.hard_weight, "soft_weight": stage.soft.soft_weight}
        return grayscale.loss(logits, gold, soft, **weights)

    def _not_finite(self, stage: Stage, step: int) -> None:
        raise ErcSynthError(
            f"The loss of stage {stage.name!r} is not finite at step {step + 1}; the last good checkpoint is kept.",
            hint="Lower --learning-rate, use --precision no, or start again with --overwrite.",
            exit_code=3,
        )

    def _end_epoch(self, model: nn.Module, raw: Optimizer, stage: Stage, progress: Progress, place: Path) -> None:
        start, tokens = time.monotonic(), tokens_of(model)
        logits = predict(self.accelerator, model, stage.dev)
        gold = stage.dev.labels[stage.dev.labels >= 0]
        found = scoring.scores(scoring.confusion(gold, logits.argmax(1), logits.shape[1]), [""] * logits.shape[1])
        steps = progress.step // (len(progress.epochs) + 1)
        seconds = progress.seconds - sum(e.seconds for e in progress.epochs) + time.monotonic() - start
        progress.seconds += time.monotonic() - start
        progress.tokens += tokens_of(model) - tokens
        progress.epochs.append(
            Epoch(
                len(progress.epochs) + 1,
                progress.loss_sum / max(steps, 1),
                found["weighted_f1"],
                seconds,
                found["micro_f1"],
            )
        )
        progress.loss_sum = 0.0
        newest = progress.epochs[-1]
        self.accelerator.log(
            {f"{stage.name}/train_loss": newest.train_loss, f"{stage.name}/dev_weighted_f1": newest.dev_weighted_f1},
            step=progress.step,
        )
        if self.accelerator.is_main_process:
            print(
                f"{stage.name} epoch {newest.epoch}/{stage.epochs}: loss {newest.train_loss:.4f}, "
                f"dev weighted F1 {newest.dev_weighted_f1:.4f}, {newest.seconds:.1f} s",
                file=sys.stderr,
            )
            if progress.best(self.config.optimisation.select_by) == len(progress.epochs) - 1:
                checkpoints.save_weights(model, place / "best.safetensors")
        self._save(model, raw, progress, place)

    def _save(self, model: nn.Module, optim: Optimizer, progress: Progress, place: Path) -> None:
        if self.accelerator.is_main_process:
            inner = getattr(optim, "optimizer", optim)
            checkpoints.save_checkpoint(place / "checkpoint", model, inner, asdict(progress))

    def _shows(self) -> bool:
        return bool(self.accelerator.is_main_process) and sys.stderr.isatty()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM end the run behind the running step, with a checkpoint."""

        def ask(_signal: int, _frame: object) -> None:
            self.stop_requested = True

        try:
            before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not in the main thread
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> 1)


@torch.no_grad()
def predict(accelerator: Accelerator | None, model: Any, encoded: Encoded) -> np.ndarray:
    """Logits ``[labelled utterances, classes]`` in file order, the same on every process.

    Each process computes some batches and leaves zeros elsewhere; the sum over processes is exact.
    """
    world, rank = (accelerator.num_processes, accelerator.process_index) if accelerator else (1, 0)
    fixed = getattr(model, "fixed_batch", None)
    device = next(model.parameters()).device
    targets = EVAL_TARGETS.get(device.type, EVAL_TARGETS["cpu"])
    size = fixed or (targets // 8 if model.unit == "dialogue" else targets)
    batches = batching.evaluation_batches(encoded, unit=model.unit, size=size, sort=not fixed)
    wanted = encoded.rows()
    place = np.full(len(encoded.labels), -1)
    place[wanted] = np.arange(len(wanted))
    logits = torch.zeros(len(wanted), model.classes, device=device)
    before = model.training
    model.eval()
    cast = accelerator.autocast() if accelerator else nullcontext()
    with cast:
        for batch in islice(batches, rank, None, world):
            rows = torch.tensor([place[encoded.starts[d] + t] for d, t in batch], device=device)
            logits[rows] = model(Batch(encoded, batch)).float()
    model.train(before)
    if accelerator and world > 1:
        logits = accelerator.reduce(logits, "sum")
    return logits.cpu().numpy()


@contextmanager
def _memory_hint() -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory() from error
    except RuntimeError as error:
        if "allocate memory" in str(error) or "out of memory" in str(error):
            raise _out_of_memory() from error
        raise


def _out_of_memory() -> ErcSynthError:
    return ErcSynthError(
        "Memory ran out in training; the last checkpoint is kept.",
        hint="Raise --accumulate (same result, smaller parts), or lower --batch-size or --max-tokens.",
        exit_code=3,
    )
