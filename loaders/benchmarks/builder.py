"""Benchmark corpora as `datasets` builders, with their counts checked.

Input: a `DatasetSpec`, official files from a folder or their download address. Output: a
`DatasetDict` of utterance rows, cached by `datasets` under the files' content.
Not covered: file formats (`readers`), choosing by name (`registry`).
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import datasets

from erc_synth.loaders.benchmarks.readers import INPUTS, READERS
from erc_synth.loaders.benchmarks.reading import Reader, fault
from erc_synth.loaders.benchmarks.specs import DatasetSpec, add_spec, local_files, specs
from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.labels import LabelSet, add_label_set, label_set, label_set_names
from erc_synth.loaders.schema import (
    SPLITS,
    Dialogue,
    Row,
    features,
    utterance_rows,
)

log = logging.getLogger("erc_synth.loaders")
_SPLIT_NAMES = {
    "train": datasets.Split.TRAIN,
    "validation": datasets.Split.VALIDATION,
    "test": datasets.Split.TEST,
}


def register(spec: DatasetSpec, reader: Reader | None = None, labels: LabelSet | None = None) -> None:
    """Make a corpus of your own known to `registry.load` in this process; $ERC_BENCHMARKS does it for all of them.

    Args:
        spec: The corpus; `spec.label_set` is a set of `labels.toml` or `labels.name`.
        reader: Reads one file; needed when `spec.reader` is none of `readers.READERS`. One that opens more than the
            path it is given needs an entry in `readers.INPUTS`, or its cache goes stale.
        labels: Its label set, when it is a new one.

    Raises:
        ErcSynthError: The name is taken, or reader or label set are unknown.
    """
    if spec.name in specs() or (labels and labels.name in label_set_names()):
        raise ErcSynthError(f"{spec.name} or its label set is known already.", hint="Choose other names.")
    if reader is None and spec.reader not in READERS:
        raise ErcSynthError(f"Unknown reader {spec.reader!r}.", hint=f"Known: {', '.join(READERS)}; or give one.")
    if labels:
        add_label_set(labels)
    label_set(spec.label_set)  # raises when it is unknown
    if reader:
        READERS[spec.reader] = reader
    add_spec(spec)


class BenchmarkConfig(datasets.BuilderConfig):
    """Builder configuration: the corpus, its local files (if any), and whether counts are checked."""

    def __init__(self, *, spec: DatasetSpec, paths: dict[str, Path] | None, verify: str, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.paths = paths
        self.verify = verify


class Benchmark(datasets.GeneratorBasedBuilder):
    """One benchmark corpus as utterance rows."""

    BUILDER_CONFIG_CLASS = BenchmarkConfig
    config: BenchmarkConfig

    def _info(self) -> datasets.DatasetInfo:
        spec = self.config.spec
        return datasets.DatasetInfo(
            features=features(label_set(spec.label_set)), license=spec.licence, citation=spec.citation
        )

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        paths = self.config.paths or self._download(dl_manager)
        return [
            datasets.SplitGenerator(name=_SPLIT_NAMES[split], gen_kwargs={"path": str(path), "split": split})
            for split, path in paths.items()
        ]

    def _download(self, dl_manager: datasets.DownloadManager) -> dict[str, Path]:
        spec = self.config.spec
        try:
            got = dl_manager.download({split: spec.url + spec.files[split][0] for split in SPLITS})
        except Exception as error:  # requests, aiohttp, httpx, hub: all mean that it was not to be had
            raise ErcSynthError(
                f"{spec.name} could not be downloaded from {spec.url} ({type(error).__name__}).",
                hint="Put its files into a folder and give it with --data-dir or $ERC_DATA.",
                retryable=True,
            ) from error
        paths = {split: Path(path) for split, path in got.items()}
        if self.config.verify == "full":
            digests = input_digests(spec, paths)
            say_differing(spec, {spec.files[split][0]: (path, digests[path]) for split, path in paths.items()})
        return paths

    def _generate_examples(self, path: str, split: str) -> Iterator[tuple[str, Row]]:
        spec, labels = self.config.spec, label_set(self.config.spec.label_set)
        dialogues = list(READERS[spec.reader](Path(path), split, labels, {**spec.options, "name": spec.name}))
        if not dialogues:
            raise ErcSynthError(f"{path}: no dialogue of the {split} split of {spec.name} was found.")
        if self.config.verify != "off":
            check_counts(spec, split, path, dialogues)
        for row in utterance_rows(dialogues, labels):
            yield f"{row['dialogue_id']}#{row['utterance_id']}", row


def check_counts(spec: DatasetSpec, split: str, path: str, dialogues: list[Dialogue]) -> None:
    """Compare one split with the published counts.

    Raises:
        ErcSynthError: A count differs; names file, expected and found.
    """
    expected = spec.counts.get(split)
    if not expected:
        return
    labels = label_set(spec.label_set).labels
    counted = Counter(turn.emotion for dialogue in dialogues for turn in dialogue.utterances)
    found: dict[str, int | list[int]] = {
        "dialogues": len(dialogues),
        "labels": [counted[label] for label in labels],
        "utterances": sum(map(len, dialogues)),
    }
    for what, number in expected.items():
        if found[what] != number:
            raise ErcSynthError(
                f"{path}: the {split} split of {spec.name} has {found[what]} {what}, expected {number}"
                f"{f' (in the order {list(labels)})' if what == 'labels' else ''}.",
                hint='Download the file again, or pass verify="off" for edited data.',
            )


def input_digests(spec: DatasetSpec, paths: Mapping[str, Path]) -> dict[Path, str]:
    """SHA-256 of every file that the reader opens, not only of those that the entry names.

    Raises:
        ErcSynthError: One of them is no file.
    """
    inputs = INPUTS.get(spec.reader)
    digests = {}
    for file in sorted({file for path in paths.values() for file in (inputs(path) if inputs else [path])}):
        try:
            with file.open("rb") as content:
                digests[file] = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise fault(file, 0, f"not readable ({error.strerror}).", "Check --data-dir.") from error
    return digests


def say_differing(spec: DatasetSpec, digests: Mapping[str, tuple[Path, str]]) -> None:
    """Warn of files that are not the published ones.

    Args:
        spec: The corpus; only files with an entry in its `sha256` are compared.
        digests: Published file name -> where it is and its SHA-256.
    """
    for name, (path, digest) in digests.items():
        if spec.sha256.get(name, digest) != digest:
            log.warning(
                "%s differs from the published file of %s: it is another release of it, or its text was edited.",
                path,
                spec.name,
            )


def _cache_key(spec: DatasetSpec, digests: Mapping[Path, str]) -> str:
    """What the rows depend on: the entry, the label set, the code that reads, and every file that is read."""
    code = [*sorted(Path(__file__).parent.glob("*.py")), Path(inspect.getfile(READERS[spec.reader]))]
    parts = [repr(spec), repr(label_set(spec.label_set)), *(f"{file}={digest}" for file, digest in digests.items())]
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape"))
    for file in code:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def builder(spec: DatasetSpec, folder: Path | None, *, verify: str = "full", cache_dir: str | None = None) -> Benchmark:
    """The builder of a corpus from a folder, or from its download address when there is none.

    Raises:
        ErcSynthError: No folder and no address, a file is missing in the folder, or the reader is unknown.
    """
    paths = local_files(spec, folder) if folder else None
    if folder and paths is None:
        wanted = [names[0] for names in spec.files.values()]
        raise ErcSynthError(f"{folder} lacks files of {spec.name}.", hint=f"It needs {', '.join(wanted)}.")
    if paths is None and not spec.url:
        hint = spec.apply or f"Give the folder with {', '.join(names[0] for names in spec.files.values())}."
        raise ErcSynthError(f"{spec.name} is not on this machine and cannot be downloaded.", hint=hint)
    if spec.reader not in READERS:
        raise ErcSynthError(f"{spec.name}: unknown reader {spec.reader!r}.", hint=f"Known: {', '.join(READERS)}.")
    digests = input_digests(spec, paths or {})
    if verify == "full":
        say_differing(spec, {file.name: (file, digest) for file, digest in digests.items()})
    return Benchmark(
        cache_dir=cache_dir,
        dataset_name=spec.name,
        config_name=f"{spec.name}-{verify}",
        hash=_cache_key(spec, digests),
        spec=spec,
        paths=paths,
        verify=verify,
    )
