"""Which engine finds near-duplicate candidates best: SQLite row by row as `curate` does, DuckDB, polars, Ray Data.

Usage: pip install duckdb polars; python tests/benchmarks/bench_engines.py [--dialogues 200000]
The task is the part of curation that grows with the set: given 16 bands a dialogue (`curate` has 36), for each dialogue the first
earlier one that shares a band. Each engine runs in a process of its own, reads the same Parquet file and must find the
same dialogues. What judging a dialogue costs beside it stands in docs/scale.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS = "SELECT number, band FROM read_parquet('{path}')"


def sqlite(path):
    """The index of `generation.curation.copies`, one dialogue after the other."""
    import sqlite3

    import pyarrow.parquet as pq

    table = sqlite3.connect("")
    table.execute("PRAGMA cache_size = -262144")
    table.execute("CREATE TABLE bands (band INTEGER, number INTEGER, PRIMARY KEY (band, number)) WITHOUT ROWID")
    find = f"SELECT min(number) FROM bands WHERE band IN ({', '.join('?' * 16)})"
    found = 0
    for batch in pq.ParquetFile(path).iter_batches(16 * 4096):
        numbers, bands = (batch.column(name).to_numpy() for name in ("number", "band"))
        for number, own in zip(numbers[::16].tolist(), bands.reshape(-1, 16).tolist(), strict=True):
            found += table.execute(find, own).fetchone()[0] is not None
            table.executemany("INSERT OR IGNORE INTO bands VALUES (?, ?)", ((band, number) for band in own))
    return found


def duckdb(path):
    import duckdb

    rows = ROWS.format(path=path)
    query = f"""WITH bands AS ({rows}), firsts AS (SELECT band, min(number) AS first FROM bands GROUP BY band)
        SELECT count(DISTINCT number) FROM bands JOIN firsts USING (band) WHERE first < number"""
    return duckdb.sql(query).fetchall()[0][0]


def polars(path):
    import polars

    bands = polars.scan_parquet(path)
    firsts = bands.group_by("band").agg(polars.col("number").min().alias("first"))
    shared = bands.join(firsts, on="band").filter(polars.col("first") < polars.col("number"))
    return shared.select(polars.col("number").n_unique()).collect(engine="streaming").item()


def ray(path):
    import ray
    from ray import data
    from ray.data.expressions import col

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    data.DataContext.get_current().enable_progress_bars = False
    rows = data.read_parquet(path)
    firsts = rows.groupby("band").min("number").rename_columns({"min(number)": "first"})
    shared = rows.join(firsts, join_type="inner", num_partitions=8, on=("band",)).filter(
        expr=col("first") < col("number")
    )
    return len(shared.unique("number"))


ENGINES = {"sqlite": sqlite, "duckdb": duckdb, "polars": polars, "ray": ray}


def write_bands(path, dialogues, planted=0.02):
    """Random bands; the planted share repeats all bands but some of an earlier dialogue."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(0)
    bands = draw.integers(-(2**63), 2**63, (dialogues, 16), dtype=np.int64)
    for number in range(100, dialogues, round(1 / planted)):
        bands[number, :8] = bands[draw.integers(number), :8]
    numbers = np.repeat(np.arange(dialogues), 16)
    pq.write_table(pa.table({"number": numbers, "band": bands.reshape(-1)}), path, row_group_size=16 * 65536)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--dialogues", type=int, default=200_000)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--engine", choices=[*ENGINES, "write"])
    parser.add_argument("--path")
    args = parser.parse_args()
    if args.engine == "write":
        write_bands(args.path, args.dialogues)
        return
    if args.engine:
        print(ENGINES[args.engine](args.path))
        return
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "bands.parquet"
        here = [sys.executable, __file__, "--dialogues", str(args.dialogues), "--path", path, "--engine"]
        subprocess.run([*here, "write"], check=True)  # in a process of its own: a child counts its parent's memory
        for name in args.engines:
            start = time.perf_counter()
            child = subprocess.Popen([*here, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            said = child.stdout.read().split()
            _, status, used = os.wait4(child.pid, 0)
            found = f"{int(said[-1]):,} found" if status == 0 else "failed"
            print(f"{name:<8}{found:>14} {time.perf_counter() - start:8.1f} s {used.ru_utime + used.ru_stime:8.1f} CPU s "
                  f"{used.ru_maxrss / 1024:7.0f} MB", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
