"""Facts to README.md: YAML front matter and the page, rendered with StrictUndefined.

Input: `Facts`, the written data, for which release. Output: `README.md`, `figures/*.svg`, and `recipes/` with recipe
and manifest of each config. Text of a model is data: escaped in Markdown, quoted in YAML. Sentences that claim
something are made in `claims`. Not covered: Parquet files (`parquet`).
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, Protocol

import jinja2

from erc_synth.dataset_cards import claims
from erc_synth.dataset_cards.facts import NOT_RECORDED, ConfigFacts, Facts
from erc_synth.dataset_cards.figures import label_distributions, label_transitions
from erc_synth.dataset_cards.licences import HUB_LICENCES
from erc_synth.dataset_cards.lint import size_category, text_of, yaml_of
from erc_synth.dataset_cards.markdown import code, details, listed, markdown_text, sample, table
from erc_synth.dataset_cards.parquet import ConfigData, yaml_features
from erc_synth.dataset_cards.proof import VARIANTS, Proof
from erc_synth.loaders.contracts import Licence, Quality
from erc_synth.loaders.labels import meanings
from erc_synth.loaders.schema import SPLITS

PRETTY_NAME = "erc-synth"
SOURCES = "recipes"


@dataclass(frozen=True, slots=True)
class Release:
    """For which repo and version the card speaks, version -> what changed, and what trainings have shown."""

    repo_id: str
    version: str
    changes: Mapping[str, str]
    proof: Proof | None = None


class Written(Protocol):
    """What the front matter must know of a written config."""

    @property
    def name(self) -> str:
        """Config name."""

    @property
    def splits(self) -> Mapping[str, Any]:
        """Split -> files, rows, num_bytes."""

    @property
    def download_size(self) -> int:
        """Bytes of its files."""


def front_matter(facts: Facts, written: Sequence[Written], version: str, default: str) -> dict[str, Any]:
    """The YAML of the card: `configs`, `dataset_info` (so that older `datasets` load it too), tags, licence."""
    total = sum(data.rows for config in written for data in config.splits.values())
    features = {config.name: yaml_features(config.labels) for config in facts.configs}
    return {
        "language": facts.languages,
        **_licence(facts),
        "pretty_name": PRETTY_NAME,
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        "multilinguality": ["monolingual" if len(facts.languages) == 1 else "multilingual"],
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
                "features": features[config.name],
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
    licences = {c.manifest["model"]["licence"]["id"]: c.manifest["model"]["licence"] for c in facts.configs}
    if any(len(c.generators) > 1 for c in facts.configs):  # the manifest knows the licence of one of them
        names = listed(sorted(licence["name"] for licence in licences.values()))
        return {"license": "other", "license_name": f"{names}; and that of each further generator"}
    if len(licences) > 1:
        return {"license": "other", "license_name": listed(sorted(one["name"] for one in licences.values()))}
    ((key, licence),) = licences.items()
    if key in HUB_LICENCES:
        return {"license": key}
    return {"license": "other", "license_name": licence["name"], "license_link": licence["link"]}


def render(facts: Facts, written: Sequence[Written], release: Release, default: str) -> str:
    """The page below the front matter."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("erc_synth.dataset_cards", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown: every text of a model goes through `markdown_text` or is indented code
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = markdown_text
    first = next(config for config in written if config.name == default)
    return environment.get_template("card.md.j2").render(
        pretty_name=PRETTY_NAME,
        release=release,
        default=default,
        first_file=next(iter(first.splits.values())).files[0],
        claims=claims,
        facts=facts,
        configs_table=_configs_table(facts),
        labels_table=_labels_table(facts),
        label_sets={c.labels.name: meanings(c.labels.labels) for c in facts.configs},
        label_names={c.labels.name: c.labels.labels for c in facts.configs},
        samples=[
            details(
                f"{c.name}: {claims.count(len(c.counts.samples), 'dialogue')}",
                "\n\n".join(map(sample, c.counts.samples)),
            )
            for c in facts.configs
        ],
        makers=_makers(facts),
        prompts=_prompts(facts),
        examples=_examples(facts),
        commands=code([*map(_command, facts.configs), "erc-synth curate runs && erc-synth build"]),
        dropped_table=_dropped_table(facts),
        leak_table=_leak_table(facts),
        quality=[
            details(f"{c.name}: figures", c.quality["section"])
            for c in facts.configs
            if c.quality and c.quality.get("section")
        ],
        scores=_scores(release.proof) if release.proof else "",
        licences=_licences(facts),
        erc_synth=package_version("erc-synth"),
        year=max(str(c.manifest.get("finished", ""))[:4] for c in facts.configs) or "n.d.",
        key=release.repo_id.split("/")[0].lower() + "_erc_synth_v" + release.version.replace(".", "_"),
        trim=lambda words: words.strip(),
    )


def _configs_table(facts: Facts) -> str:
    rows = []
    for c in facts.configs:
        sizes = c.curation.get("splits") or {}
        parts = " / ".join(f"{sizes[split]['dialogues']:,}" for split in SPLITS if split in sizes) or NOT_RECORDED
        kept = NOT_RECORDED if c.parse_yield is None else f"{c.parse_yield:.0%}"
        rows.append([f"`{c.name}`", f"{c.counts.dialogues:,}", parts, f"{c.counts.utterances:,}", kept])
    head = ["config", "dialogues", "train / validation / test", "utterances", "answers that could be read"]
    return table(head, rows, right=(1, 2, 3, 4))


def _labels_table(facts: Facts) -> str:
    """Utterances per label and split, one table for each config."""
    tables = []
    for c in facts.configs:
        splits = [split for split in SPLITS if split in c.counts.by_split]
        rows = [
            [markdown_text(label), *(f"{c.counts.by_split[s][label]:,}" for s in splits)] for label in c.labels.labels
        ]
        tables.append(f"**`{c.name}`**\n\n" + table(["label", *splits], rows, right=range(1, 4)))
    return details("Utterances per label and split", "\n\n".join(tables))


def _samples(config: ConfigFacts) -> str:
    chosen = config.counts.samples
    return details(f"{config.name}: {claims.count(len(chosen), 'dialogue')}", "\n\n".join(map(sample, chosen)))


def _figures(name: str, quality: Quality) -> str:
    """The figures of `erc-synth quality` as they stand in its file."""
    return details(f"{name}: figures", quality.get("section") or NOT_RECORDED)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{markdown_text(name)} {n:,}" for name, n in Counter(counts).most_common()) or "none"


def _dropped_table(facts: Facts) -> str:
    rows = [
        [
            f"`{c.name}`",
            _counted((c.manifest.get("counts") or {}).get("rejected") or {}),
            _counted(c.curation.get("dropped") or {}),
        ]
        for c in facts.configs
    ]
    return details("Reasons and counts", table(["config", "answers that could not be read", "dialogues dropped"], rows))


def _leak_table(facts: Facts) -> str:
    rows = [
        [
            f"`{c.name}`", f"{name} {split}", row["exact"], row["ngram8"], row["near_duplicate"], row["dropped"],
            row.get("kept", "not counted"),
        ]
        for c in facts.configs for name, found in c.leaks.items() for split, row in found.items() if row["checked"]
    ]  # fmt: skip
    head = ["config", "benchmark split", "exact", "8-gram", "near duplicate", "dropped for it", "kept"]
    return details("Every split that was searched", table(head, rows, right=range(2, 7))) if rows else ""


def _prompts(facts: Facts) -> list[str]:
    """The prompts; a balanced one as its difference to a natural one with the same sentences."""
    shown: dict[tuple[str, ...], str] = {}
    blocks = []
    for c in facts.configs:
        recipe = c.manifest["recipe"]
        sentences, ending = tuple(recipe.get("prompt") or [NOT_RECORDED]), recipe.get("balanced_ending")
        parts = []
        if not ending or sentences not in shown:
            shown.setdefault(sentences, c.name)
            parts.append(code(sentences))
        else:
            parts.append(f"As `{shown[sentences]}`.")
        if ending:
            parts.append("The end of the first sentence is, for each emotion in turn:\n\n" + code([ending]))
        blocks.append(details(f"{c.name}: prompt", "\n\n".join(parts)))
    return blocks


def _examples(facts: Facts) -> list[str]:
    """The few-shot dialogues that were drawn from; configs that share them are named together."""
    sharing: dict[str, list[str]] = {}
    for c in facts.configs:
        drawn = c.manifest["recipe"].get("examples") or []
        lines = [[f"{speaker}: {text} ({label})" for speaker, text, label in one] for one in drawn]
        if lines:
            sharing.setdefault("\n\n<br>\n\n".join(map(code, lines)), []).append(c.name)
    return [details(f"{listed(names)}: examples that jobs drew from", text) for text, names in sharing.items()]


def _makers(facts: Facts) -> list[dict[str, Any]]:
    """One entry for each way of generating; configs that share it are named together."""
    groups: dict[str, dict[str, Any]] = {}
    for config in facts.configs:
        manifest = config.manifest
        model: Mapping[str, Any] = manifest["model"]
        server: Mapping[str, Any] = manifest.get("server") or {}
        who = " ".join(str(server[key]) for key in ("dialect", "version", "dtype") if server.get(key))
        sent = ", ".join(f"{k} = {v}" for k, v in (manifest.get("sampling_sent") or {}).items())
        examples = manifest.get("few_shot", NOT_RECORDED)
        entry = {
            "model": model["id"],
            "lines": {
                "profile": model.get("profile") or NOT_RECORDED,
                "revision": model.get("revision") or NOT_RECORDED,
                "SHA-256 of the weights": model.get("weights_sha256") or NOT_RECORDED,
                "prompt template": model.get("template") or NOT_RECORDED,
                "server": who or NOT_RECORDED,
                "sampling that was sent": sent or NOT_RECORDED,
                "not taken by the server": ", ".join(manifest.get("dropped_parameters") or []) or "nothing",
                "seed of the run": manifest.get("run_seed", NOT_RECORDED),
                "few-shot examples": examples,
                "held to a grammar": "yes" if manifest.get("constrained") else "no",
            },
        }
        groups.setdefault(repr(entry), {**entry, "configs": []})["configs"].append(f"`{config.name}`")
    return list(groups.values())


def _command(config: ConfigFacts) -> str:
    """The command that makes a config again with the recipe in this repo."""
    manifest = config.manifest
    words: list[object] = ["erc-synth", "generate", f"{SOURCES}/{config.name}.toml"]
    words += ["--profile", manifest["model"].get("profile", "PROFILE"), "--seed", manifest.get("run_seed", 0)]
    words += ["--dialogues", (manifest.get("counts") or {}).get("jobs", config.counts.dialogues)]
    if manifest.get("few_shot"):
        words += ["--few-shot", manifest["few_shot"]]
    if manifest.get("constrained"):
        words.append("--constrain")
    return shlex.join(map(str, words))


def _scores(proof: Proof) -> str:
    """Weighted F1 by classifier and benchmark, then Friedman's test."""
    used = [variant for variant in VARIANTS if any(variant in row.scores for row in proof.rows)]
    rows = []
    for row in proof.rows:
        scores = [f"{row.scores[variant]:.2f}" if variant in row.scores else "–" for variant in used]
        size = row.utterances or NOT_RECORDED
        rows.append([markdown_text(row.model), markdown_text(row.benchmark), *scores, size, row.seeds])
    head = ["classifier", "benchmark", *(VARIANTS[v] for v in used), "test utterances", "seeds"]
    said = [table(head, rows, right=range(2, len(head)))]
    if proof.friedman is not None:
        said.append(f"Friedman's test over {proof.blocks} test sets: p = {proof.friedman:.2g}.")
        pairs = [[markdown_text(a), markdown_text(b), f"{p:.2g}"] for a, b, p in proof.pairs]
        head = ["higher rank sum", "lower rank sum", "exact p, not corrected"]
        said.append(details("Pairs with the smallest p-values", table(head, pairs, right=(2,))))
    return "\n\n".join(said)


def _licences(facts: Facts) -> list[tuple[Licence, str]]:
    """Each licence with the configs under it."""
    groups: dict[str, tuple[Licence, list[str]]] = {}
    for config in facts.configs:
        licence = config.manifest["model"]["licence"]
        groups.setdefault(licence["id"], (licence, []))[1].append(f"`{config.name}`")
    return [(licence, listed(names)) for licence, names in groups.values()]


def write_sources(facts: Facts, out: Path) -> None:
    """Recipe and manifest of each config, so that the set can be made again; no addresses or paths of the maker."""
    folder = out / SOURCES
    folder.mkdir(parents=True)
    for config in facts.configs:
        source = config.manifest["recipe"].get("source")
        if source:
            (folder / f"{config.name}.toml").write_text(str(source), "utf-8")
        manifest: dict[str, Any] = {**config.manifest}
        manifest["recipe"] = {key: value for key, value in manifest["recipe"].items() if key != "source"}
        if manifest.get("server"):
            manifest["server"] = {key: value for key, value in manifest["server"].items() if key != "extra"}
        text = yaml_of(manifest)
        (folder / f"{config.name}.manifest.yaml").write_text(text, "utf-8")


def default_config(written: Sequence[ConfigData]) -> str:
    """The config that `load_dataset` takes when none is named, and that the examples name."""
    names = [config.name for config in written]
    return "meld_balanced" if "meld_balanced" in names else names[0]


def write_card(facts: Facts, written: Sequence[ConfigData], release: Release, out: Path) -> Path:
    """Write `README.md` and the figures afresh; returns the card's path."""
    default = default_config(written)
    header = front_matter(facts, written, release.version, default)
    figures = out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    (figures / "label_distributions.svg").write_text(label_distributions(facts), "utf-8")
    (figures / "label_transitions.svg").write_text(label_transitions(facts), "utf-8")
    card = out / "README.md"
    card.write_text(text_of(header, f"\n{render(facts, written, release, default)}"), "utf-8")
    return card
