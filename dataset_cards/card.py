"""Facts to README.md: YAML front matter and the page, rendered with StrictUndefined.

Input: `Facts`, the written data (`ConfigData`-like objects with name, labels, splits, download_size).
Output: `README.md` and `figures/*.svg` in the repo folder. Text of a model is data: escaped in
Markdown, indented in samples, quoted in YAML. Not covered: Parquet files (`loaders.synthetic`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, Protocol

import jinja2
import yaml

from erc_synth.dataset_cards.facts import NOT_RECORDED, ConfigFacts, Facts
from erc_synth.dataset_cards.figures import label_distributions, label_transitions
from erc_synth.dataset_cards.licences import HUB_LICENCES
from erc_synth.dataset_cards.lint import size_category
from erc_synth.loaders.schema import Dialogue

PRETTY_NAME = "erc-synth"
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~$&:@-])")


class Written(Protocol):
    """What the card must know of a written config."""

    @property
    def name(self) -> str:
        """Config name."""

    @property
    def splits(self) -> Mapping[str, Any]:
        """Split -> files, rows, num_bytes."""

    @property
    def download_size(self) -> int:
        """Bytes of its files."""


def markdown_text(text: object) -> str:
    """Text that Markdown and HTML take literally, on one line."""
    line = " ".join(str(text).split())
    return _SPECIAL.sub(lambda m: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(m[1], "\\" + m[1]), line)


def _indented(lines: Sequence[str]) -> str:
    """An indented code block: no content can close it."""
    return "\n".join("    " + " ".join(line.split()) for line in lines)


def sample_block(dialogue: Dialogue) -> str:
    """A dialogue as an indented code block."""
    head = [f"[{dialogue.dialogue_id}]" + (f" asked for: {dialogue.target_emotion}" if dialogue.target_emotion else "")]
    return _indented([*head, *(f"{turn.speaker}: {turn.text} ({turn.emotion})" for turn in dialogue.utterances)])


def front_matter(
    facts: Facts, written: Sequence[Written], yaml_features: Mapping[str, Any], version: str, default: str
) -> dict[str, Any]:
    """The YAML of the card: `configs`, `dataset_info` (so that older `datasets` load it too), tags, licence."""
    total = sum(data.rows for config in written for data in config.splits.values())
    languages = sorted({config.manifest["recipe"].get("language", "en").split("-")[0] for config in facts.configs})
    return {
        "language": languages,
        **_licence(facts),
        "pretty_name": PRETTY_NAME,
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        "multilinguality": ["monolingual" if len(languages) == 1 else "multilingual"],
        "source_datasets": ["original"],
        "size_categories": [size_category(total)],
        "task_categories": ["text-classification"],
        "task_ids": ["multi-class-classification", "sentiment-classification"],
        "tags": ["synthetic", "emotion-recognition-in-conversation", "erc", "conversational", "datasets"],
        "configs": [
            {
                "config_name": config.name,
                "version": version,
                "data_files": [{"split": split, "path": f"{config.name}/{split}-*.parquet"} for split in config.splits],
                **({"default": True} if config.name == default else {}),
            }
            for config in written
        ],
        "dataset_info": [
            {
                "config_name": config.name,
                "features": yaml_features[config.name],
                "splits": [
                    {"name": split, "num_bytes": data.num_bytes, "num_examples": data.rows}
                    for split, data in config.splits.items()
                ],
                "download_size": config.download_size,
                "dataset_size": sum(data.num_bytes for data in config.splits.values()),
            }
            for config in written
        ],
    }


def _licence(facts: Facts) -> dict[str, str]:
    """The licence follows the generator's profile; several make `other`, spelled out in the card."""
    found = {c.manifest["model"]["licence"]["id"]: c.manifest["model"]["licence"] for c in facts.configs}
    if len(found) == 1:
        ((key, licence),) = found.items()
        if key in HUB_LICENCES:
            return {"license": key}
        return {"license": "other", "license_name": licence["name"], "license_link": licence["link"]}
    return {"license": "other", "license_name": " and ".join(sorted(licence["name"] for licence in found.values()))}


def render(facts: Facts, written: Sequence[Written], *, repo_id: str, version: str, default: str) -> str:
    """The page below the front matter."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("erc_synth.dataset_cards", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown: every text of a model goes through the filter `md` or is indented
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = markdown_text
    first = next(config for config in written if config.name == default)
    leaks = [
        {"config": c.name, "split": name, **row}
        for c in facts.configs for name, row in (c.curation.get("leaks") or {}).items() if row.get("checked")
    ]  # fmt: skip
    unchecked = sorted(
        {name.split("/")[0] for c in facts.configs for name, row in (c.curation.get("leaks") or {}).items()
         if not row.get("checked")}
    )  # fmt: skip
    return environment.get_template("card.md.j2").render(
        pretty_name=PRETTY_NAME,
        repo_id=repo_id,
        version=version,
        default=default,
        first_file=next(iter(first.splits.values())).files[0],
        configs=[_config_view(config) for config in facts.configs],
        total_dialogues=sum(c.dialogues for c in facts.configs),
        total_utterances=sum(c.utterances for c in facts.configs),
        generators=sorted({str(c.manifest["model"]["id"]) for c in facts.configs}),
        label_sets=list({c.labels.name: c.labels for c in facts.configs}.values()),
        missing_references=list(facts.missing_references),
        makers=_makers(facts),
        all_dropped=_counts(sum((Counter(c.curation.get("dropped") or {}) for c in facts.configs), Counter())),
        leaks=leaks,
        unchecked=unchecked,
        quality=[
            {"name": c.name, "section": c.quality["section"]}
            for c in facts.configs
            if c.quality and c.quality.get("section")
        ],
        limits=_limits(facts),
        licences=_licences(facts),
        erc_synth=package_version("erc-synth"),
        fingerprints=sorted({str(c.manifest["recipe"].get("fingerprint", NOT_RECORDED)) for c in facts.configs}),
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda x: -x[1])) or "none"


def _config_view(config: ConfigFacts) -> dict[str, Any]:
    recipe, counts = config.manifest["recipe"], config.manifest.get("counts") or {}
    splits = config.curation.get("splits") or {}
    return {
        "name": config.name,
        "dialogues": f"{config.dialogues:,}",
        "split_dialogues": " / ".join(str(split["dialogues"]) for split in splits.values()) or NOT_RECORDED,
        "utterances": f"{config.utterances:,}",
        "speakers": f"{config.speakers:,}",
        "words": f"{config.words:,}",
        "parse_yield": NOT_RECORDED if config.parse_yield is None else f"{config.parse_yield:.0%}",
        "rejected": _counts(counts.get("rejected") or {}),
        "dropped": _counts(config.curation.get("dropped") or {}),
        "samples": [sample_block(dialogue) for dialogue in config.samples],
        "prompt": _indented(list(recipe.get("prompt") or [NOT_RECORDED])),
        "balanced_ending": _indented([recipe["balanced_ending"]]) if recipe.get("balanced_ending") else "",
    }


def _makers(facts: Facts) -> list[dict[str, Any]]:
    """One entry for each way of generating; configs that share it are named together."""
    groups: dict[str, dict[str, Any]] = {}
    for config in facts.configs:
        manifest = config.manifest
        model, server = manifest["model"], manifest.get("server") or {}
        entry = {
            "model": model["id"],
            "profile": model.get("profile", NOT_RECORDED),
            "revision": model.get("revision") or NOT_RECORDED,
            "template": model.get("template", NOT_RECORDED),
            "server": " ".join(str(server.get(k)) for k in ("dialect", "version", "dtype") if server.get(k))
            or NOT_RECORDED,
            "sampling": ", ".join(f"{k} = {v}" for k, v in (manifest.get("sampling_sent") or {}).items())
            or NOT_RECORDED,
            "dropped_parameters": ", ".join(manifest.get("dropped_parameters") or []),
            "run_seed": manifest.get("run_seed", NOT_RECORDED),
            "few_shot": manifest.get("few_shot", NOT_RECORDED),
            "constrained": "yes" if manifest.get("constrained") else "no",
        }
        groups.setdefault(repr(entry), {**entry, "configs": []})["configs"].append(config.name)
    return list(groups.values())


def _limits(facts: Facts) -> list[str]:
    notes = {
        str(c.manifest["model"]["licence"].get("note", "")) for c in facts.configs if "135M" in str(c.manifest["model"])
    }
    return sorted(note for note in notes if note)


def _licences(facts: Facts) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for config in facts.configs:
        licence = config.manifest["model"]["licence"]
        entry = groups.setdefault(licence["id"], {**licence, "configs": []})
        entry["configs"].append(f"`{config.name}`")
    return list(groups.values())


def write_card(
    facts: Facts, written: Sequence[Written], yaml_features: Mapping[str, Any], out: Path, *, repo_id: str, version: str
) -> Path:
    """Write `README.md` and the figures afresh; returns the card's path."""
    default = "meld_balanced" if any(c.name == "meld_balanced" for c in written) else written[0].name
    header = yaml.safe_dump(
        front_matter(facts, written, yaml_features, version, default), sort_keys=False, allow_unicode=True
    )
    figures = out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    (figures / "label_distributions.svg").write_text(label_distributions(facts), "utf-8")
    (figures / "label_transitions.svg").write_text(label_transitions(facts), "utf-8")
    page = render(facts, written, repo_id=repo_id, version=version, default=default)
    card = out / "README.md"
    card.write_text(f"---\n{header}---\n\n{page}", "utf-8")
    return card
