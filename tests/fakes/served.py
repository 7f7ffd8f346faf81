"""Runs against a fake server, by the function and by the command line, as the tests of `runs` need them."""

import asyncio
import json
from dataclasses import replace

from erc_synth.cli.main import app, guarded
from erc_synth.generation.recipe import load_profile, load_recipe
from erc_synth.generation.runs.journal import read_attempts
from erc_synth.generation.runs.options import Options
from erc_synth.generation.runs.run import Run, Watch
from erc_synth.generation.serving.access import read_access
from erc_synth.generation.serving.engines import Opened
from erc_synth.generation.serving.openai import OpenAITransport

RECIPE = load_recipe("meld_balanced")


def options(**changes):
    base = Options(profile=load_profile("vicuna-1.5"), sampling=dict(RECIPE.sampling), dialogues=20, patience=20)
    return replace(base, **changes)


def opened(urls, transport=None):
    return Opened(read_access(urls), transport or OpenAITransport())


def run(server, out, recipe=RECIPE, transport=None, urls=None, **changes):
    """One run; returns its manifest and what was said."""
    said = []
    servers = opened(urls or [server.url], transport)
    asyncio.run(Run(recipe, options(**changes), servers, out, Watch(say=said.append)).execute())
    return json.loads((out / recipe.name / "manifest.json").read_text()), said


def attempts(out):
    return list(read_attempts(out / RECIPE.name / "journal.jsonl"))


def accepted(out):
    return [record for record in attempts(out) if record["outcome"] == "accepted"]


def erc(*words):
    """Exit code of the command line, run in this process."""
    return guarded(lambda: app([str(word) for word in words], standalone_mode=False))


def generate(server, out, *words, engine="openai", dialogues=4):
    given = ("--engine", engine, "--endpoint", server.url, "--out", out, "--dialogues", dialogues)
    return erc("generate", RECIPE.name, *given, *words)


def written(folder):
    """All that lies in a folder, as one text."""
    return "\n".join(path.read_text("utf-8", "replace") for path in sorted(folder.rglob("*")) if path.is_file())
