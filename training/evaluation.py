"""Scores of a trained network on the test split of a data set, and its predictions as a table.

Input: a network, inputs, a data set name. Output: an `Evaluation` of metrics.json and a Parquet file beside it.
Not covered: the formulas (`scoring`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from erc_synth.training import scoring
from erc_synth.training.batching import Encoded
from erc_synth.training.contracts import Evaluation
from erc_synth.training.corpus import Corpus
from erc_synth.training.inputs import Inputs
from erc_synth.training.loop import predict


def evaluate(network: nn.Module, inputs: Inputs, name: str, folder: Path) -> Evaluation:
    """Score one data set; the first process writes the predictions into `folder`."""
    found, encoded = inputs.found[name], inputs.encoded(name, "test")
    logits = predict(inputs.accelerator, network, encoded)
    gold = encoded.labels[encoded.labels >= 0]
    file = f"predictions-{file_part(name)}.parquet"
    if inputs.accelerator.is_main_process:
        _write(found, encoded, logits, folder / file)
    labels = list(found.labels.labels)
    computed = scoring.scores(scoring.confusion(gold, logits.argmax(1), len(labels)), labels)
    dataset, config = found.parts
    return {
        "dataset": dataset,
        "config": config,
        "split": "test",
        "label_set": found.labels.name,
        "labels": labels,
        **computed,
        "fingerprint": found.fingerprints["test"],
        "revision": found.revision,
        "predictions": file,
    }


def file_part(name: str) -> str:
    """A data set's name as part of a file name; another name gives another part."""
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-")
    return kept if kept == name == name.lower() else f"{kept}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _write(found: Corpus, encoded: Encoded, logits: np.ndarray, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    chances = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    names, targets = found.labels.labels, encoded.targets()
    dialogues = [dialogue.dialogue_id for dialogue in found.split("test")]
    table = pa.table(
        {
            "dialogue_id": [dialogues[d] for d, _ in targets],
            "utterance_id": pa.array([t for _, t in targets], pa.int32()),
            "gold": [names[i] for i in encoded.labels[encoded.labels >= 0]],
            "predicted": [names[i] for i in logits.argmax(1)],
            "probabilities": pa.array(list(chances), pa.list_(pa.float32())),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)
