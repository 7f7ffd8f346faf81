"""The model card of a trained classifier, and its push to the Hub.

Purpose: a card with data, recipe, seed and scores, from metrics.json alone. Names come from the user or from
data sets, so they are escaped. Input: metrics. Output: Markdown with YAML front matter.
Not covered: data set cards (`dataset_cards`).
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.training.contracts import Evaluation, Metrics, StageRecord

if TYPE_CHECKING:
    from jinja2 import Template

NONE = "-"  # a score that the label set does not have


def render(metrics: Metrics, *, example: str | None = None) -> str:
    """Markdown of the card.

    Args:
        metrics: Content of metrics.json.
        example: A text as `transformers.pipeline` takes it; ``None`` where transformers cannot load the model, and
            then the card does not say that it could.
    """
    run = metrics["run"]
    head = {
        "library_name": "transformers" if example else "erc-synth",
        **({"pipeline_tag": "text-classification"} if example else {}),
        "tags": ["emotion-recognition-in-conversation", "erc-synth", run["model"], run["recipe"]],
        "metrics": ["f1"],
    }
    config = run["config"]
    place = config.get("push_to_hub") or (f"{config['out']}/model" if config.get("out") else ".")
    body = _template().render(
        metrics=metrics,
        example=example,
        place=place,
        config=json.dumps(config, indent=1).replace("`", "'"),
    )
    return f"---\n{yaml.safe_dump(head, sort_keys=False).strip()}\n---\n\n{body}\n"


def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    # Markdown, not HTML: what comes from outside goes through `plain` or `code`.
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=False)
    environment.filters |= {"plain": _plain, "code": _code, "name_of": _name, "f4": _f4, "string_of": _string}
    return environment.from_string(
        files("erc_synth.training").joinpath("templates", "model_card.md.j2").read_text("utf-8")
    )


def push(folder: Path, repo: str) -> None:
    """Upload the folder in one commit; the token comes from the environment or the login.

    Raises:
        ErcSynthError: The Hub refused or is out of reach; the run itself stays finished on disk.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api = HfApi()
        api.create_repo(repo, exist_ok=True, private=True)
        api.upload_folder(repo_id=repo, folder_path=str(folder), commit_message="Add the trained classifier")
    except (HfHubHTTPError, OSError, ValueError, httpx.HTTPError) as error:
        raise ErcSynthError(
            f"The model could not be pushed to {repo}: {str(error).splitlines()[0]}",
            hint=f"Log in with write access, then run the same command again; the model is in {folder}.",
            exit_code=3,
        ) from error


def _name(entry: StageRecord | Evaluation) -> str:
    return f"{entry['dataset']}:{entry['config']}" if entry["config"] else str(entry["dataset"])


def _f4(value: float | None) -> str:
    return NONE if value is None else f"{value:.4f}"


def _string(text: str) -> str:
    """A Python string; a backtick would end the block of code."""
    return json.dumps(str(text)).replace("`", "\\u0060")


def _plain(text: str) -> str:
    """Text that cannot act as Markdown or HTML."""
    kept = "".join(c for c in text if c.isprintable()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in kept)


def _code(text: str) -> str:
    return "`" + "".join(c for c in text if c.isprintable() and c not in "`|") + "`"
