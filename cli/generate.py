"""`erc-synth generate`, `parse`, `replay`: recipes to journals, and journals read again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def generate(
    recipes: Annotated[list[str], typer.Argument(help="Recipe names, `all`, or paths to TOML files.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    engine: Annotated[str, typer.Option(help="embedded, tgi or openai.")] = "embedded",
    endpoint: Annotated[list[str] | None, typer.Option(help="Server address; repeat for several.")] = None,
    profile: Annotated[str | None, typer.Option(help="Model profile; default by engine.")] = None,
    weights: Annotated[Path | None, typer.Option(help="GGUF file for the embedded engine.")] = None,
    dialogues: Annotated[int | None, typer.Option(min=1, help="Dialogues per recipe.")] = None,
    seed: Annotated[int, typer.Option(help="Run seed.")] = 0,
    few_shot: Annotated[int | None, typer.Option(min=0, help="Invented examples in the prompt.")] = None,
    constrain: Annotated[bool | None, typer.Option(help="Grammar from the recipe.")] = None,
    turns: Annotated[tuple[int, int] | None, typer.Option(help="Turns of a constrained dialogue.")] = None,
    temperature: Annotated[float | None, typer.Option()] = None,
    top_p: Annotated[float | None, typer.Option()] = None,
    top_k: Annotated[int | None, typer.Option()] = None,
    typical_p: Annotated[float | None, typer.Option()] = None,
    repetition_penalty: Annotated[float | None, typer.Option()] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1)] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Most requests in flight per endpoint.")] = 128,
    timeout: Annotated[float, typer.Option(help="Seconds without a byte before a request fails.")] = 600,
    patience: Annotated[float, typer.Option(help="Stop after so many seconds without an answer.")] = 600,
    parse_floor: Annotated[float, typer.Option(help="Stop below this parse rate (last 200).")] = 0.0,
    resume: Annotated[str, typer.Option(help="auto, always or never.")] = "auto",
    strict_sampling: Annotated[bool, typer.Option(help="Refuse a server that drops a parameter.")] = False,
    any_model: Annotated[bool, typer.Option(help="Accept another model than the profile's.")] = False,
) -> None:
    """Write dialogues: ask a server (or the embedded engine) for every job of the recipes."""
    import asyncio

    from erc_synth.cli.live import LiveLine, summary
    from erc_synth.generation.recipe import RECIPE_NAMES, load_profile, load_recipe
    from erc_synth.generation.runs.runner import Options, Run, with_profile_defaults
    from erc_synth.loaders.errors import ErcSynthError

    if engine not in ("embedded", "tgi", "openai"):
        raise ErcSynthError(f"Unknown engine {engine!r}.", hint="Use embedded, tgi or openai.")
    if resume not in ("auto", "always", "never"):
        raise ErcSynthError(f"--resume {resume} is unknown.", hint="Use auto, always or never.")
    names = [name for given in recipes for name in (RECIPE_NAMES if given == "all" else (given,))]
    loaded = [load_recipe(name) for name in dict.fromkeys(names)]
    model = load_profile(profile or ("smollm2-135m" if engine == "embedded" else "vicuna-1.5"))
    urls, transport, _keep = _engine(engine, endpoint, model, weights)
    runs: list[Run] = []
    try:
        for recipe in loaded:
            options = Options(
                profile=model,
                sampling={},
                run_seed=seed,
                dialogues=dialogues or recipe.dialogues,
                few_shot=model.few_shot if few_shot is None else few_shot,
                constrain=model.constrain if constrain is None else constrain,
                turns=turns,
                concurrency=concurrency,
                resume=resume,
                strict_sampling=strict_sampling,
                any_model=any_model or weights is not None,
                timeout=timeout,
                patience=patience,
                parse_floor=parse_floor,
            )
            options = with_profile_defaults(
                options, recipe, temperature=temperature, top_p=top_p, top_k=top_k, typical_p=typical_p,
                repetition_penalty=repetition_penalty, max_new_tokens=max_new_tokens,
            )  # fmt: skip
            with LiveLine(recipe.name) as line:
                runs.append(Run(recipe, options, transport, urls, out, show=line.show, say=line.say))
                asyncio.run(runs[-1].execute())
    finally:  # stopped or interrupted: what is there is shown
        summary([run for run in runs if run.tally.attempts or run.tally.accepted])


def _engine(engine: str, endpoint: list[str] | None, model: Any, weights: Path | None) -> tuple[list[str], Any, Any]:
    """Addresses, transport, and the embedded server to keep alive (or None)."""
    from erc_synth.generation.serving.transport import OpenAITransport, TgiTransport
    from erc_synth.loaders.errors import ErcSynthError

    if engine == "embedded":
        from erc_synth.generation.serving.embedded import EmbeddedServer

        server = EmbeddedServer(model, weights)
        return [server.url], OpenAITransport("llama.cpp"), server
    if not endpoint:
        raise ErcSynthError(f"The engine {engine} needs an address.", hint="Give --endpoint http://host:port.")
    urls = [url.rstrip("/") for url in endpoint]
    if not all(url.startswith(("http://", "https://")) for url in urls):
        raise ErcSynthError("An endpoint must begin with http:// or https://.", hint="Example: http://127.0.0.1:8080")
    return urls, (TgiTransport(model.template) if engine == "tgi" else OpenAITransport()), None


def parse(
    journal: Annotated[Path, typer.Argument(help="journal.jsonl of a run.")],
    out: Annotated[Path | None, typer.Option(help="Write the dialogues as JSONL.")] = None,
) -> None:
    """Parse a journal again, without a server."""
    import json
    from collections import Counter

    from erc_synth.generation.parsing import Rejection
    from erc_synth.generation.parsing import parse as parse_text
    from erc_synth.generation.runs.folder import accepted_dialogues, recipe_of
    from erc_synth.generation.runs.journal import read_attempts

    form = recipe_of(journal.parent).format
    reasons: Counter[str] = Counter()
    for record in read_attempts(journal):
        if record["outcome"] != "error":
            outcome = parse_text(record["text"], form, cut=record.get("finish_reason") == "length")
            reasons[outcome.reason if isinstance(outcome, Rejection) else "accepted"] += 1
    for reason, count in reasons.most_common():
        typer.echo(f"{reason:<16}{count:>8}")
    if out:
        with out.open("w", encoding="utf-8") as lines:
            for dialogue in accepted_dialogues(journal.parent):
                lines.write(json.dumps(dialogue.to_json(), ensure_ascii=False) + "\n")


def replay(
    journal: Annotated[Path, typer.Argument(help="journal.jsonl of a run.")],
    record: Annotated[int, typer.Option(help="Number of the attempt in the journal, from 0.")] = 0,
    engine: Annotated[str, typer.Option(help="embedded, tgi or openai.")] = "embedded",
    endpoint: Annotated[list[str] | None, typer.Option(help="Server address.")] = None,
) -> None:
    """Send a recorded request again and show the difference."""
    import asyncio
    import difflib

    from erc_synth.generation.runs.replay import send_again

    before, after = asyncio.run(send_again(journal, record, lambda model: _engine(engine, endpoint, model, None)))
    if before == after:
        typer.echo("The answer is the same.")
        return
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), "recorded", "now", lineterm=""):
        typer.echo(line)
