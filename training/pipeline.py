"""A run from names to metrics.json: check the folder, load, train the stages, score the tests once, write.

A finished run is skipped, a broken one goes on. Input: `RunConfig`. Output: files of the contract
`outputs/<run>/`. Not covered: what the stages are (`stages`), scores (`evaluation`), files (`results`, `identity`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import DistributedDataParallelKwargs, gather_object, set_seed
from torch import nn

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json
from erc_synth.training import backbones, corpus, evaluation, results
from erc_synth.training.backbones import Encoder, encoder_of
from erc_synth.training.config import RunConfig, out_folder
from erc_synth.training.contracts import Metrics
from erc_synth.training.corpus import Corpus
from erc_synth.training.identity import METRICS, Identity
from erc_synth.training.inputs import Inputs
from erc_synth.training.loop import tokens_of
from erc_synth.training.models import factory
from erc_synth.training.stages import Stages


def run(config: RunConfig, command: Sequence[str] = ()) -> Metrics:
    """Do one run; returns the content of metrics.json.

    Raises:
        ErcSynthError: Bad input, another run or other data in the folder, NaN loss, no memory.
    """
    folder = out_folder(config)
    accelerator = _accelerator(config, folder)
    found = corpus.load_all(config)
    identity = Identity.of(config, found)
    if not config.overwrite:
        identity.check(folder)
        if (folder / METRICS).exists():
            return _finished(config, folder, accelerator)
    stages = _stages(config, accelerator, found, folder)  # what can fail early fails here, before the first file
    if accelerator.is_main_process:
        if config.overwrite:
            results.clear(folder)
        identity.write(folder, config)
    accelerator.wait_for_everyone()
    if config.trackers:
        flat = {k: v for k, v in config.to_dict().items() if isinstance(v, int | float | str | bool)}
        accelerator.init_trackers("erc-synth", config=flat)
    stages.run()
    metrics = _metrics(config, stages, identity, list(command))
    if accelerator.is_main_process:
        results.write(folder, stages.network, stages.inputs.tokenizer, config, metrics)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    if accelerator.is_main_process:
        _push(config, folder)
    return metrics


def _finished(config: RunConfig, folder: Path, accelerator: Accelerator) -> Metrics:
    """A run that is done; a push that failed is made up for (an equal one makes no commit)."""
    if accelerator.is_main_process:
        print(f"{folder} is finished (weighted F1 in {folder / METRICS}); skipped.", file=sys.stderr)
        _push(config, folder)
    return cast(Metrics, read_json(folder / METRICS))


def _push(config: RunConfig, folder: Path) -> None:
    if config.push_to_hub:
        from erc_synth.training import model_card

        model_card.push(folder / "model", config.push_to_hub)


def _accelerator(config: RunConfig, folder: Path) -> Accelerator:
    there = {tracker.value for tracker in get_available_trackers()}
    if missing := sorted(set(config.trackers) - there):
        raise ErcSynthError(
            f"Trackers not installed: {', '.join(missing)}.",
            hint=f"pip install {' '.join(missing)}, or leave them out.",
        )
    try:
        accelerator = Accelerator(
            mixed_precision=config.optimisation.precision,
            log_with=list(config.trackers) or None,
            project_dir=str(folder),
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
    except (ValueError, ImportError) as error:
        raise ErcSynthError(str(error).splitlines()[0], hint="Check --precision and --trackers.") from error
    if config.optimisation.precision == "fp16" and accelerator.device.type == "cpu":
        raise ErcSynthError("fp16 needs a GPU; accelerate would quietly train in fp32.", hint="Use --precision bf16.")
    return accelerator


def _stages(config: RunConfig, accelerator: Accelerator, found: dict[str, Corpus], folder: Path) -> Stages:
    """The network and all its inputs."""
    tokenizer = backbones.load_tokenizer(config.backbone)
    set_seed(config.seed)  # before any head is initialised
    network = factory.create(config, len(found[config.train].labels), tokenizer)
    special = factory.special_of(tokenizer, encoder_of(network), config.max_tokens)
    if config.optimisation.compile:
        _compile(network)
    network.to(accelerator.device)
    stages = Stages(config, Inputs(config, accelerator, found, tokenizer, special), network, folder)
    for _, name in stages.names:
        for split in ("train", "validation"):
            stages.inputs.encoded(name, split)
    for name in _evaluated(config):
        stages.inputs.encoded(name, "test")
    return stages


def _compile(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, Encoder):
            module.packs = False  # what is compiled is the backbone's own forward
            module.backbone.compile(dynamic=True)


def _evaluated(config: RunConfig) -> tuple[str, ...]:
    return config.eval or (config.finetune or config.train,)


def _metrics(config: RunConfig, stages: Stages, identity: Identity, command: list[str]) -> Metrics:
    network, accelerator = stages.network, stages.inputs.accelerator
    start, tokens = time.monotonic(), tokens_of(network)
    evaluations = [evaluation.evaluate(network, stages.inputs, name, stages.folder) for name in _evaluated(config)]
    own = stages.tokens + tokens_of(network) - tokens
    return {
        "schema_version": 1,
        "run": {
            "name": stages.folder.name,
            "model": config.model,
            "backbone": config.backbone,
            "recipe": config.resolved_recipe,
            "seed": config.seed,
            "command": command,
            "config": config.to_dict(),
            "fingerprint": identity.settings,
            "data": identity.data,
            "backbone_fingerprint": identity.backbone,
        },
        "stages": stages.records,
        "evaluations": evaluations,
        "cost": {
            "seconds": round(stages.seconds + time.monotonic() - start, 3),
            "tokens": sum(gather_object([own])),  # as whole numbers: a float32 sum loses some beyond 16 million
            "peak_memory_bytes": results.peak_memory(),
            "parameters": sum(p.numel() for p in network.parameters()),
            "processes": accelerator.num_processes,
        },
        "versions": results.versions(),
    }
