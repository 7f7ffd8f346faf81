"""AdamW groups, the schedule, and AdamW without bias correction (official TODKAT).

Purpose: the official recipes differ in what is decayed and in Adam's bias correction, which the class of
`transformers` that TODKAT used could leave out. Input: a model, `Optimisation`. Output: optimiser, step -> factor.
Not covered: gradient scaling (accelerate).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.optimizer import ParamsT

from erc_synth.training.options import Optimisation


class UncorrectedAdamW(Optimizer):
    """AdamW without bias correction; decay after the update, as in `transformers` before version 5."""

    def __init__(
        self, params: ParamsT, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-6
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update."""
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
                state["exp_avg"].mul_(first).add_(p.grad, alpha=1 - first)
                state["exp_avg_sq"].mul_(second).addcmul_(p.grad, p.grad, value=1 - second)
                p.addcdiv_(state["exp_avg"], state["exp_avg_sq"].sqrt().add_(group["eps"]), value=-group["lr"])
                p.mul_(1 - group["lr"] * group["weight_decay"])


def build(model: nn.Module, options: Optimisation) -> Optimizer:
    """The optimiser of a recipe. Without `decay_all`, names with "bias" or "LayerNorm" are not decayed."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            spared = not options.decay_all and ("bias" in name or "LayerNorm" in name)
            (plain if spared else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if options.bias_correction:
        return AdamW(groups, lr=options.learning_rate, eps=options.adam_eps, fused=True)  # one pass, on CPU too
    return UncorrectedAdamW(groups, lr=options.learning_rate, eps=options.adam_eps)


def factor(step: int, total: int, warmup: float) -> float:
    """Linear warm-up and decay, in optimiser steps; `step` counts from 0."""
    rise = int(total * warmup)
    if step < rise:
        return step / max(1, rise)
    return max(0.0, (total - step) / max(1, total - rise))
