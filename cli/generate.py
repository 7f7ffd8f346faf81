"""`erc-synth generate`, `merge`, `parse`, `replay`: recipes to journals, and journals read again."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from erc_synth.generation.recipe import Recipe
    from erc_synth.generation.runs.launchers import Job
    from erc_synth.generation.runs.options import Options
    from erc_synth.generation.runs.run import Run
    from erc_synth.generation.runs.shards import Shard
    from erc_synth.generation.serving.engines import Opened

WHO, HOW, WHAT, WHEN, MANY = "Servers and models", "Sampling", "Dialogues", "Pace and end", "Several machines"
ENGINE = typer.Option(help="embedded, tgi or openai.", rich_help_panel=WHO)
ENDPOINT = typer.Option(help="Server address; repeat for several.", rich_help_panel=WHO)
KEY_ENV = typer.Option(
    help="Variable that holds the key. Default: ERC_API_KEY, HF_TOKEN, OPENAI_API_KEY by host.", rich_help_panel=WHO
)
KEY_FILE = typer.Option(help="File that holds the key.", rich_help_panel=WHO)
HEADERS = typer.Option(help="File of further headers, one `Name: value` a line.", rich_help_panel=WHO)
FLAVOUR = typer.Option(
    help="What an OpenAI-style server is: vllm, sglang, llama.cpp, tgi-messages, plain.", rich_help_panel=WHO
)
CLUSTER = typer.Option(help="NAME=VALUE for ray.init; repeat for several.", rich_help_panel=MANY)
METRICS_HOST = typer.Option(help="Address that --metrics-port listens at.", rich_help_panel=WHEN)
MODEL = typer.Option(help="Which of a server's models.", rich_help_panel=WHO)
WEIGHTS = typer.Option(help="GGUF file for the embedded engine.", rich_help_panel=WHO)


def _number(text: str, panel: str = HOW, *, min: float | None = None) -> Any:
    return typer.Option(help=text, rich_help_panel=panel, min=min)


def generate(
    recipes: Annotated[list[str], typer.Argument(help="Recipe names, `all`, or paths to TOML files.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    engine: Annotated[str, ENGINE] = "embedded",
    endpoint: Annotated[list[str] | None, ENDPOINT] = None,
    profile: Annotated[str | None, typer.Option(help="Model profile; default by engine.", rich_help_panel=WHO)] = None,
    weights: Annotated[Path | None, WEIGHTS] = None,
    api_key_env: Annotated[str | None, KEY_ENV] = None,
    api_key_file: Annotated[Path | None, KEY_FILE] = None,
    headers_file: Annotated[Path | None, HEADERS] = None,
    flavour: Annotated[str, FLAVOUR] = "",
    model: Annotated[str, MODEL] = "",
    raw_prompt: Annotated[
        bool,
        typer.Option("--raw-prompt", help="The profile's template by /v1/completions.", rich_help_panel=WHO),
    ] = False,
    any_model: Annotated[
        bool, typer.Option("--any-model", help="Accept another model than the profile's.", rich_help_panel=WHO)
    ] = False,
    dialogues: Annotated[int | None, _number("Dialogues per recipe.", WHAT, min=1)] = None,
    seed: Annotated[int, _number("Run seed.", WHAT, min=0)] = 0,
    few_shot: Annotated[int | None, _number("Invented examples in the prompt.", WHAT, min=0)] = None,
    constrain: Annotated[bool | None, typer.Option(help="Grammar from the recipe.", rich_help_panel=WHAT)] = None,
    turns: Annotated[
        tuple[int, int] | None, typer.Option(help="Turns of a constrained dialogue.", rich_help_panel=WHAT)
    ] = None,
    temperature: Annotated[float | None, _number("0 or less is refused.")] = None,
    top_p: Annotated[float | None, _number("Above 0, at most 1.")] = None,
    top_k: Annotated[int | None, _number("0 is off.")] = None,
    typical_p: Annotated[float | None, _number("Above 0, at most 1.")] = None,
    repetition_penalty: Annotated[float | None, _number("1 is off.")] = None,
    max_new_tokens: Annotated[int | None, _number("Tokens of one answer.", min=1)] = None,
    strict_sampling: Annotated[
        bool,
        typer.Option("--strict-sampling", help="Refuse a server that drops a parameter.", rich_help_panel=HOW),
    ] = False,
    concurrency: Annotated[int, _number("Most requests in flight per endpoint.", WHEN, min=1)] = 128,
    timeout: Annotated[float, _number("Seconds without a byte before a request fails.", WHEN, min=0.01)] = 600,
    patience: Annotated[float, _number("Stop after so many seconds without an answer.", WHEN, min=0.01)] = 600,
    parse_floor: Annotated[float, _number("Stop below this parse rate (last 200).", WHEN, min=0)] = 0.0,
    resume: Annotated[str, typer.Option(help="auto, always or never.", rich_help_panel=WHEN)] = "auto",
    metrics_port: Annotated[
        int | None, typer.Option(help="Figures for Prometheus; 0: any port.", rich_help_panel=WHEN, min=0, max=65535)
    ] = None,
    metrics_host: Annotated[str, METRICS_HOST] = "127.0.0.1",
    shard: Annotated[str | None, typer.Option(help="I/N: only this part, to be merged.", rich_help_panel=MANY)] = None,
    launcher: Annotated[str, typer.Option(help="local or ray.", rich_help_panel=MANY)] = "local",
    shards: Annotated[int, _number("Parts of a run on a cluster.", MANY, min=1)] = 1,
    cluster: Annotated[list[str] | None, CLUSTER] = None,
    preview: Annotated[int | None, _number("Write and show so many; estimate the rest.", WHAT, min=1)] = None,
    price_per_million: Annotated[
        tuple[float, float] | None, typer.Option(help="Price of tokens read, and written.", rich_help_panel=WHAT)
    ] = None,
) -> None:
    """Write dialogues: ask a server (or the embedded engine) for every job of the recipes."""
    from erc_synth.generation.recipe import RECIPE_NAMES, load_profile, load_recipe
    from erc_synth.generation.runs import launchers
    from erc_synth.generation.runs.options import RESUME, Options, with_profile_defaults
    from erc_synth.generation.runs.shards import Shard
    from erc_synth.generation.serving.access import Secrets
    from erc_synth.generation.serving.engines import Wish, engine_of
    from erc_synth.loaders.errors import ErcSynthError

    if resume not in RESUME:
        raise ErcSynthError(f"--resume {resume} is unknown.", hint=f"Use {', '.join(RESUME)}.")
    launchers.check(launcher)
    part = Shard.read(shard) if shard else Shard()
    _check_parts(launcher, shards, part, resume, metrics_port, preview)
    chosen = engine_of(engine)
    names = [name for given in recipes for name in (RECIPE_NAMES if given == "all" else (given,))]
    served = load_profile(profile or chosen.profile)
    loaded = [load_recipe(name, served.recipes) for name in dict.fromkeys(names)]
    base = Options(
        profile=served,
        sampling={},
        run_seed=seed,
        few_shot=served.few_shot if few_shot is None else few_shot,
        constrain=served.constrain if constrain is None else constrain,
        turns=turns,
        concurrency=concurrency,
        resume=resume,
        strict_sampling=strict_sampling,
        any_model=any_model or weights is not None,
        timeout=timeout,
        patience=patience,
        parse_floor=parse_floor,
        shard=part,
    )
    flags = {"temperature": temperature, "top_p": top_p, "top_k": top_k, "typical_p": typical_p,
             "repetition_penalty": repetition_penalty, "max_new_tokens": max_new_tokens}  # fmt: skip
    planned = [(recipe, _checked(with_profile_defaults(base, recipe, **flags), recipe, dialogues)) for recipe in loaded]
    secrets = Secrets(api_key_env, api_key_file, headers_file)
    wish = Wish(served, tuple(endpoint or ()), secrets, weights, flavour, model, raw_prompt)
    if launcher == "ray":
        for recipe, options in planned:
            _run_on_ray(launchers.Job(recipe, options, engine, wish, out, shards), cluster or ())
        return
    runs: list[Run] = []
    with _figures(runs, metrics_port, metrics_host), chosen.open(wish) as servers:
        _run_all(planned, servers, out, _Preview(preview, price_per_million), runs)


def _check_parts(
    launcher: str, shards: int, part: Shard, resume: str, metrics_port: int | None, preview: int | None
) -> None:
    """Options that say nothing, or two things, about a run in parts are refused before any work."""
    from erc_synth.loaders.errors import ErcSynthError

    on_ray = launcher == "ray"
    problems = {
        "--shards is for --launcher ray; a single part is --shard I/N.": shards > 1 and not on_ray,
        "--shard is for runs that you start yourself; --launcher ray takes --shards N.": on_ray and not part.whole,
        "--metrics-port and --preview are for runs on this machine.": on_ray
        and (metrics_port, preview) != (None, None),
        "--resume never is for whole runs.": resume == "never" and (on_ray or not part.whole),
    }
    for sentence in (sentence for sentence, wrong in problems.items() if wrong):
        raise ErcSynthError(sentence, hint="See `erc-synth generate --help`.")


def _figures(runs: list[Run], port: int | None, host: str) -> AbstractContextManager[object]:
    """Figures for operators over HTTP, when they are asked for."""
    from contextlib import nullcontext

    if port is None:
        return nullcontext()
    from erc_synth.generation.runs.metrics import Exporter

    exporter = Exporter(runs, port, host)
    typer.echo(f"Figures at {exporter.url}", err=True)
    return exporter


def _run_on_ray(job: Job, cluster: Iterable[str]) -> None:
    """A recipe in shards on a cluster, and one run in the end; what the paths mean is settled here."""
    from dataclasses import replace

    from erc_synth.generation.runs.launchers import run_on_ray
    from erc_synth.training.grid.launchers import cluster_options

    wish, secrets = job.wish, job.wish.secrets
    key_file, headers_file = (path and path.resolve() for path in (secrets.key_file, secrets.headers_file))
    secrets = replace(secrets, key_file=key_file, headers_file=headers_file)
    wish = replace(wish, weights=wish.weights and wish.weights.resolve(), secrets=secrets)
    job = replace(job, wish=wish, out=job.out.resolve(), cluster=cluster_options(cluster))
    run_on_ray(job, lambda ended: typer.echo(f"shard {ended.shard}: {ended.said or 'done'}", err=True))
    if job.shards > 1:
        merge([job.out / job.recipe.name])


def merge(runs: Annotated[list[Path], typer.Argument(help="Folders of runs, e.g. runs/meld_natural.")]) -> None:
    """Join the shards of runs (`generate --shard`) into one journal and manifest each."""
    from erc_synth.generation.runs.shards import merge as merge_shards

    for run in runs:
        counts = merge_shards(run)
        typer.echo(f"{run}: {counts['accepted']} dialogues of {counts['jobs']} jobs")


class _Preview:
    """How many dialogues are looked at first (`None`: all are written), and the prices of the estimate."""

    def __init__(self, dialogues: int | None, prices: tuple[float, float] | None) -> None:
        self.dialogues, self.prices = dialogues, prices

    def cut(self, options: Options) -> Options:
        from dataclasses import replace

        return replace(options, dialogues=min(self.dialogues or options.dialogues, options.dialogues))

    def show(self, run: Run, wanted: int, width: int) -> None:
        from erc_synth.generation.runs.preview import estimate, shown

        if self.dialogues is None:
            return
        for line in shown(run.folder, self.dialogues):
            typer.echo(line)
        for line in estimate(run.folder, run.tally, wanted, width, self.prices).lines():
            typer.echo(line)
        typer.echo("The same command without --preview writes them.")


def _checked(options: Options, recipe: Recipe, dialogues: int | None) -> Options:
    """The options of one recipe, once its first prompt could be built."""
    from dataclasses import replace

    from erc_synth.generation.prompts import build, wanted_emotion

    build(
        recipe,
        seed=0,
        emotion=wanted_emotion(recipe, 0),
        few_shot=options.few_shot,
        constrain=options.constrain,
        turns=options.turns,
    )
    return replace(options, dialogues=dialogues or recipe.dialogues)


def _run_all(
    planned: list[tuple[Recipe, Options]], servers: Opened, out: Path, preview: _Preview, runs: list[Run]
) -> None:
    """One run after the other; stopped or interrupted, what is there is shown."""
    import asyncio

    from erc_synth.cli.live import LiveLine, summary
    from erc_synth.generation.runs.run import Run, Watch

    try:
        for recipe, options in planned:
            with LiveLine(recipe.name) as line:
                runs.append(Run(recipe, preview.cut(options), servers, out, Watch(line.show, line.say)))
                asyncio.run(runs[-1].execute())
            width = options.concurrency * len(servers.access.urls)
            preview.show(runs[-1], options.dialogues, width)
    finally:
        summary([run for run in runs if run.tally.attempts or run.tally.accepted])


def parse(
    journal: Annotated[Path, typer.Argument(help="journal.jsonl of a run.")],
    out: Annotated[Path | None, typer.Option(help="Write the dialogues as JSONL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: reasons and counts.")] = False,
) -> None:
    """Parse a journal again, without a server."""
    import json
    from collections import Counter

    from erc_synth.generation.parsing import Rejection
    from erc_synth.generation.parsing import parse as parse_text
    from erc_synth.generation.runs.folder import accepted_dialogues, recipe_of
    from erc_synth.generation.runs.journal import read_attempts
    from erc_synth.loaders.files import write_whole

    form = recipe_of(journal.parent).format
    reasons: Counter[str] = Counter()
    for record in read_attempts(journal):
        if record["outcome"] != "error":
            outcome = parse_text(record["text"], form, cut=record.get("finish_reason") == "length")
            reasons[outcome.reason if isinstance(outcome, Rejection) else "accepted"] += 1
    if out:
        dialogues = accepted_dialogues(journal.parent)
        write_whole(out, (json.dumps(dialogue.to_json(), ensure_ascii=False) + "\n" for dialogue in dialogues))
    if as_json:
        typer.echo(json.dumps(dict(reasons.most_common())))
        return
    for reason, count in reasons.most_common():
        typer.echo(f"{reason:<16}{count:>8}")


def replay(
    journal: Annotated[Path, typer.Argument(help="journal.jsonl of a run.")],
    record: Annotated[int, typer.Option(min=0, help="Number of the attempt in the journal, from 0.")] = 0,
    engine: Annotated[str, ENGINE] = "embedded",
    endpoint: Annotated[list[str] | None, ENDPOINT] = None,
    weights: Annotated[Path | None, WEIGHTS] = None,
    api_key_env: Annotated[str | None, KEY_ENV] = None,
    api_key_file: Annotated[Path | None, KEY_FILE] = None,
    headers_file: Annotated[Path | None, HEADERS] = None,
    flavour: Annotated[str, FLAVOUR] = "",
    model: Annotated[str, MODEL] = "",
) -> None:
    """Send a recorded request again and show the difference."""
    import asyncio
    import difflib

    from erc_synth.generation.recipe import Profile
    from erc_synth.generation.runs.replay import send_again
    from erc_synth.generation.serving.access import Secrets
    from erc_synth.generation.serving.engines import Wish, engine_of

    chosen, secrets = engine_of(engine), Secrets(api_key_env, api_key_file, headers_file)

    def opened(profile: Profile) -> Opened:
        return chosen.open(Wish(profile, tuple(endpoint or ()), secrets, weights, flavour, model))

    before, after = asyncio.run(send_again(journal, record, opened))
    if before == after:
        typer.echo("The answer is the same.")
        return
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), "recorded", "now", lineterm=""):
        typer.echo(line)
