"""The report: what the runs, cells and statistics say, as HTML, Markdown, LaTeX and SVG.

Input: folders as the stages leave them (`results/`, `outputs/`, `curated/`, `runs/`), `stats.json`.
Everything is optional; what is missing is said. Output: one self-contained `report.html` (no network),
`report.md`, `tables/*.tex`, `figures/*.svg`. Not covered: what is shown (`content`, `tables`, `findings`).
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from erc_synth.stats.inputs import Inputs
from erc_synth.stats.report.content import collect, short_name
from erc_synth.stats.report.findings import p_text
from erc_synth.stats.table import NAMES, VARIANTS


def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("erc_synth.stats.report", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(("html.j2", "html")),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["p"] = p_text
    environment.filters["measure"] = measure_text
    environment.filters["short"] = short_name
    environment.filters["tex"] = tex_text
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    environment.globals["variants"] = VARIANTS
    environment.globals["names"] = NAMES
    return environment


def measure_text(value: float) -> str:
    """A measure with two or three digits that mean something; never a negative zero."""
    value = round(value, 2) + 0.0
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def tex_text(text: object) -> str:
    """Text that LaTeX takes literally."""
    table = {c: f"\\{c}" for c in "&%$#_{}"} | {
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
    return "".join(table.get(character, character) for character in str(text))


def write_report(inputs: Inputs, out: Path, *, title: str = "erc-synth report") -> Path:
    """Write all forms of the report; returns the path of report.html."""
    out.mkdir(parents=True, exist_ok=True)
    content = collect(inputs, out)
    try:
        number = version("erc-synth")
    except PackageNotFoundError:
        number = "unknown"
    environment = _environment()
    view = {"c": content, "title": title, "erc_synth": number}
    pages = {"report.html": "report.html.j2", "report.md": "report.md.j2"}
    if content.table2:
        pages["tables/table2.tex"] = "table2.tex.j2"
    if content.table3:
        pages["tables/table3.tex"] = "table3.tex.j2"
    for name, template in pages.items():
        _write(out / name, environment.get_template(template).render(**view))
    for name, figure in content.figures.items():
        _write(out / "figures" / f"{name}.svg", figure + "\n")
    return out / "report.html"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)
