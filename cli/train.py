"""`erc-synth train`: the same entry as `accelerate launch training/run.py`, on one process."""

from __future__ import annotations

import typer

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def train(context: typer.Context) -> int:
    """Train a classifier on any data set by name and score it (`erc-synth train --help` lists the flags)."""
    from erc_synth.training.run import main

    return main(context.args)
