"""What curation and quality write fits the schemas of docs/contracts."""

import json

from erc_synth.generation.curation.curate import Options
from erc_synth.generation.curation.files import curate_runs, run_folders
from erc_synth.generation.curation.leaks import LeakIndex
from erc_synth.generation.quality.measure import measure_quality
from erc_synth.generation.quality.subjects import find_subject
from erc_synth.loaders.files import write_json
from fakes.contracts import check, schema
from fakes.dialogues import invented
from fakes.runs import write_run


def test_every_written_file_fits(tmp_path):
    run = write_run(tmp_path / "runs", "meld_natural", [*invented(14), *invented(2, start=900, turns=1)])
    out = tmp_path / "curated"
    leaks = LeakIndex({"meld/test": invented(3, start=600)})
    list(curate_runs(run_folders([run]), out, Options(), leaks))
    subject = find_subject("meld_natural", out)
    write_json(out / "meld_natural.quality.json", measure_quality(subject, subject))
    for line in (out / "meld_natural.jsonl").read_text().splitlines():
        check("curated", json.loads(line))
    for name in ("curation", "quality"):
        written = json.loads((out / f"meld_natural.{name}.json").read_text())
        check(name, written)
        assert set(schema(name)["required"]) <= written.keys() <= schema(name)["properties"].keys()
