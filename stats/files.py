"""Files as they are: JSON, whole-file writes, and the rows of CSV, TSV, JSON and Parquet tables.

Input: paths. Output: parsed values. Text may be UTF-8, UTF-16 or cp1252, separated by comma, semicolon or tab, as
spreadsheets write it. Not covered: what the columns mean (`inputs`). The other stages have `loaders.files`; `stats`
imports nothing of ours.
"""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
from pathlib import Path

from erc_synth.stats.errors import StatsError

FORMS = (".csv", ".tsv", ".txt", ".json", ".parquet")
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

Rows = list[dict[str, object]]


def write_whole(path: Path, text: str) -> None:
    """Write a file; an older one stays until the new one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> object:
    """Content of a JSON file; a broken one is named."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise StatsError(f"{path} is not JSON: {error}.", hint="Run the stage that wrote it again.") from error


def read_rows(path: Path) -> Rows:
    """Rows of a table file, by column name.

    Raises:
        StatsError: Unreadable or of an unknown form.
    """
    form = path.suffix.lower()
    if form not in FORMS:
        raise StatsError(f"{path}: unknown form {path.suffix!r}.", hint=f"Use {', '.join(FORMS)}.")
    try:
        if form == ".parquet":
            return _parquet_rows(path)
        text = decoded(path.read_bytes())
        records = json.loads(text) if form == ".json" else text_rows(text, str(path))
    except (ValueError, RecursionError) as error:  # broken text, JSON or Parquet (ArrowInvalid)
        reason = " ".join(str(error).split())
        raise StatsError(f"{path} cannot be read as {form[1:]}: {reason}", hint="Write it again.") from error
    if not isinstance(records, list):
        raise StatsError(
            f"{path} is not a list of rows.", hint='For example [{"model": .., "block": .., "score": ..}].'
        )
    for i, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise StatsError(f"{path}, row {i} is not a row with the columns model, block, score.")
    return records


def _parquet_rows(path: Path) -> Rows:
    import pyarrow.parquet as pq

    rows: Rows = pq.read_table(path).to_pylist()
    return rows


def decoded(data: bytes) -> str:
    """Text in the encoding that the bytes show: marked, UTF-16, UTF-8, else the cp1252 of Excel on Windows."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    if b"\0" in data[:64]:  # ASCII as UTF-16 has a zero in every second byte
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")


QUOTED = re.compile(r'"(?:[^"]|"")*"')


def text_rows(text: str, where: str) -> Rows:
    """Rows of separated text; the separator is the one that the header holds most of.

    Raises:
        StatsError: A column twice, a row longer or shorter than the header, or broken quotes.
    """
    lines = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.strip()]
    lines = [line for line in lines if not line.startswith("#")]
    separator = ""
    if lines and lines[0].lower().startswith("sep=") and len(lines[0]) == 5:  # Excel's own hint to itself
        separator, lines = lines[0][4], lines[1:]
    if not lines:
        return []
    separator = separator or max((";", "\t", ","), key=QUOTED.sub("", lines[0]).count)
    try:
        header, *body = csv.reader([line + "\n" for line in lines], delimiter=separator, strict=True)
    except csv.Error as error:
        raise StatsError(f"{where} cannot be read as csv: {error}.", hint="Look for an open quote.") from error
    header = [name.strip() for name in header]
    twice = [name for i, name in enumerate(header) if name in header[:i]]
    if twice:
        raise StatsError(f"{where}: the column {twice[0]!r} is there twice.", hint="Give each column its own name.")
    for i, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise StatsError(
                f"{where}, row {i}: {len(row)} fields, the header has {len(header)}.",
                hint="Decimal commas need quotes, or ; between the columns.",
            )
    return [dict(zip(header, (value.strip() for value in row), strict=True)) for row in body]
