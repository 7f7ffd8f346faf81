"""The contracts between stages: which type each schema in docs/contracts is made from.

`python tests/fakes/contracts.py` writes the schemas again after a change of the types.
"""

import json
from pathlib import Path

import jsonschema

from erc_synth.loaders.contracts import CuratedLine, Curation, JournalRecord, Manifest, Quality, schema_of
from erc_synth.stats.contracts import Analysis
from erc_synth.training.contracts import Cell, Metrics, RunFile

FOLDER = Path(__file__).parents[2] / "docs" / "contracts"
TYPES = {
    "journal": JournalRecord,
    "manifest": Manifest,
    "curated": CuratedLine,
    "curation": Curation,
    "quality": Quality,
    "run": RunFile,
    "metrics": Metrics,
    "cell": Cell,
    "stats": Analysis,
}


def schema(name):
    """The committed schema of a contract."""
    return json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8"))


def check(name, content, *, whole=True):
    """Raise unless `content` fits; with `whole`, it has no key that the contract does not name."""
    found = schema(name)
    jsonschema.validate(content, found)
    if whole:
        kinds = [found, *(found["$defs"][kind["$ref"].rpartition("/")[2]] for kind in found.get("anyOf", ()))]
        assert any(set(content) <= set(kind.get("properties", ())) for kind in kinds), set(content)


if __name__ == "__main__":
    for name, contract in TYPES.items():
        made = json.dumps(schema_of(contract), indent=1)
        (FOLDER / f"{name}.schema.json").write_text(made + "\n", encoding="utf-8")
