"""The model card of a trained classifier, and its push to the Hub.

Purpose: a card with data, recipe, seed and scores, from metrics.json alone. Names come from the user or from
data sets, so they are escaped. Input: metrics. Output: Markdown with YAML front matter.
Not covered: data set cards (`dataset_cards`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from erc_synth.loaders.errors import ErcSynthError


def render(metrics: dict[str, Any]) -> str:
    """Markdown of the card."""
    run = metrics["run"]
    head = {
        "library_name": "erc-synth",
        "pipeline_tag": "text-classification",
        "tags": ["emotion-recognition-in-conversation", run["model"], run["recipe"]],
        "language": ["en"],
        "metrics": ["f1"],
    }
    lines = [
        "---", yaml.safe_dump(head, sort_keys=False).strip(), "---", "",
        f"# {_plain(run['name'])}", "",
        f"{_plain(run['model'])} on {_code(run['backbone'])}, recipe {_plain(run['recipe'])}, seed {run['seed']}.", "",
        "## Scores (fractions, best dev epoch, test scored once)", "",
        "| data set | split | examples | weighted F1 | macro F1 | micro F1 |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    lines += [
        f"| {_code(_name(e))} | {e['split']} | {e['examples']} | {e['weighted_f1']:.4f} | {e['macro_f1']:.4f} "
        f"| {e['micro_f1']:.4f} |"
        for e in metrics["evaluations"]
    ]
    lines += ["", "## Training", "", "| stage | data set | dialogues | fingerprint | epochs | best |",
              "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    lines += [
        f"| {s['name']} | {_code(_name(s))} | {s['dialogues']} | {_code(s['fingerprint'])} | {len(s['epochs'])} "
        f"| {s['best_epoch']} |"
        for s in metrics["stages"]
    ]
    for entry in metrics["evaluations"]:
        lines += _per_class(entry)
    labels = ", ".join(_plain(label) for label in metrics["evaluations"][0]["labels"])
    cost, versions = metrics["cost"], metrics["versions"]
    lines += [
        "", f"Labels, in order: {labels}.", "",
        f"Cost: {cost['seconds']:.0f} s, {cost['tokens']:,} encoder tokens, {cost['peak_memory_bytes'] / 1e9:.2f} GB, "
        f"{cost['parameters']:,} parameters.",
        "", "## Use", "", "```python", "from erc_synth.training.models.factory import load_model", "",
        'model, tokenizer, config, labels = load_model("path/to/this/folder")', "```", "",
        "Meant for research on emotion recognition in English conversations. The labels are those of the data sets "
        "above, with their biases; scripted or generated talk is not spontaneous talk. Not for decisions about people.",
        "", "## Configuration", "", "```json", json.dumps(run["config"], indent=1).replace("`", "'"), "```", "",
        "Versions: " + ", ".join(f"{name} {number}" for name, number in versions.items()) + ".", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _per_class(entry: dict[str, Any]) -> list[str]:
    """Scores of each class, and where its utterances went (a row of the confusion matrix)."""
    labels = [_plain(label) for label in entry["labels"]]
    lines = ["", f"### {_code(_name(entry))}, by class", "",
             f"| gold | precision | recall | F1 | support | {' | '.join(f'→ {label}' for label in labels)} |",
             "| --- " * (5 + len(labels)) + "|"]  # fmt: skip
    for key, label, row in zip(entry["labels"], labels, entry["confusion"], strict=True):
        found = entry["per_class"][key]
        lines.append(
            f"| {label} | {found['precision']:.3f} | {found['recall']:.3f} | {found['f1']:.3f} | {found['support']} | "
            + " | ".join(map(str, row)) + " |"
        )  # fmt: skip
    return lines


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


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['dataset']}:{entry['config']}" if entry["config"] else str(entry["dataset"])


def _plain(text: str) -> str:
    """Text that cannot act as Markdown or HTML."""
    kept = "".join(c for c in text if c.isprintable()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in kept)


def _code(text: str) -> str:
    return "`" + "".join(c for c in text if c.isprintable() and c not in "`|") + "`"
