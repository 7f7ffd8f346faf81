"""Which run a folder holds: settings, data and backbone, kept in run.json and compared before anything is reused.

Purpose: a result is skipped or resumed only when all three are the same; how work is cut, and where things are, is
no part of it. Input: a configuration and its loaded data. Output: `Identity`; a refusal that names what differs.
Not covered: what decides the result among the settings (`config.RunConfig.identity`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.files import read_json, write_json
from erc_synth.training import backbones
from erc_synth.training.config import RunConfig
from erc_synth.training.contracts import RunFile
from erc_synth.training.corpus import Corpus

RUN, METRICS, PROGRESS = "run.json", "metrics.json", "progress"
WAY_OUT = "Use another --out, or --overwrite to throw the old run away"


@dataclass(frozen=True, slots=True)
class Identity:
    """What decides the result of a run.

    Attributes:
        settings: Fingerprint of the settings.
        data: Fingerprint of each split that the run reads, by ``name/split``.
        files: Hash of each further file that it reads, by option.
        backbone: Commit of a Hub repo, or hash of the files of a folder.
    """

    settings: str
    data: dict[str, str]
    files: dict[str, str]
    backbone: str

    @classmethod
    def of(cls, config: RunConfig, found: dict[str, Corpus]) -> Identity:
        """Of a configuration and its loaded data."""
        stages = [config.train, *([config.finetune] if config.finetune else [])]
        read = {(name, split) for name in stages for split in ("train", "validation")}
        read |= {(name, "test") for name in config.eval or stages[-1:]}
        data = {f"{name}/{split}": found[name].fingerprints.get(split, "none") for name, split in sorted(read)}
        files = {option: _hash([path]) for option, path in config.files().items()}
        return cls(config.fingerprint(), data, files, _backbone(config.backbone))

    def check(self, folder: Path) -> None:
        """Refuse the folder of another run, once something was trained in it.

        Raises:
            ErcSynthError: Settings, data or backbone differ; says which and the way out.
        """
        told = folder / RUN
        if not told.exists() or not holds_work(folder):
            return
        kept = cast(RunFile, read_json(told))
        if kept.get("fingerprint") != self.settings:
            raise ErcSynthError(f"{folder} holds another run (its settings are in {told}).", hint=f"{WAY_OUT}.")
        theirs: dict[str, str]
        for what, ours, theirs in (
            ("data", self.data, kept.get("data", {})),
            ("files", self.files, kept.get("files", {})),
            ("backbone", {"backbone": self.backbone}, {"backbone": kept.get("backbone", "")}),
        ):
            for name in sorted({*ours, *theirs}):
                if ours.get(name) != theirs.get(name):
                    raise ErcSynthError(
                        f"{folder} was trained on other {what}: {name} had the fingerprint {theirs.get(name)}, "
                        f"now it has {ours.get(name)}.",
                        hint=f"{WAY_OUT}; or bring back what it was trained on.",
                    )

    def write(self, folder: Path, config: RunConfig) -> None:
        """run.json."""
        content: RunFile = {
            "schema_version": 2,
            "fingerprint": self.settings,
            "config": config.to_dict(),
            "data": self.data,
            "files": self.files,
            "backbone": self.backbone,
        }
        write_json(folder / RUN, content)


def holds_work(folder: Path) -> bool:
    """Whether anything was trained in the folder: a start that failed before is nobody's run."""
    progress = folder / PROGRESS
    return (folder / METRICS).exists() or (progress.is_dir() and any(progress.rglob("*.safetensors")))


def _backbone(name: str) -> str:
    place = Path(backbones.resolve(name))
    if not place.is_dir():
        return backbones.commit_of(name)
    kept = [p for p in sorted(place.iterdir()) if p.suffix in (".safetensors", ".json", ".txt", ".model")]
    return _hash(kept)


def _hash(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
