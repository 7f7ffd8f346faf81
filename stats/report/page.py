"""The report: what the runs, cells and statistics say, as HTML, Markdown, LaTeX and SVG.

Input: folders as the stages leave them (`results/`, `outputs/`, `curated/`, `runs/`), `stats.json`.
Everything is optional; what is missing is said. Output: one self-contained `report.html` (no network),
`report.md`, `tables/*.tex`, `figures/*.svg`. Not covered: what is shown (`content` and the modules that it names).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import jinja2

from erc_synth.stats.files import write_whole
from erc_synth.stats.report.content import collect
from erc_synth.stats.report.provenance import installed_version
from erc_synth.stats.report.runs import anchor
from erc_synth.stats.report.sheet import Sheet, slug
from erc_synth.stats.report.sources import Inputs

TEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    # A row that begins with a bracket would be read as the length of the line break before it.
    "[": "{[}",
    "]": "{]}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "≥": r"$\ge$",
    "±": r"$\pm$",
    "✓": r"$\surd$",
    "✗": r"$\times$",
    "“": "``",
    "”": "''",
}
MARKDOWN = {c: f"\\{c}" for c in "\\|*_`[]<>"} | {"\n": " "}


def tex_text(text: object) -> str:
    """Text that LaTeX takes literally."""
    return "".join(TEX.get(character, character) for character in str(text))


def markdown_text(text: object) -> str:
    """Text that Markdown takes literally, on one line."""
    return "".join(MARKDOWN.get(character, character) for character in str(text))


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("erc_synth.stats.report", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(("html.j2", "html")),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"tex": tex_text, "md": markdown_text, "anchor": anchor, "slug": slug}
    environment.globals["latex"] = lambda sheet: latex(environment, sheet)
    return environment


def latex(environment: jinja2.Environment, sheet: Sheet) -> str:
    """A table for a paper: booktabs, caption, label, grouped heads."""
    return environment.get_template("table.tex.j2").render(sheet=sheet)


def write_report(
    inputs: Inputs, out: Path, *, title: str = "erc-synth report", command: Sequence[str] = ("erc-synth", "report")
) -> Path:
    """Write all forms of the report; returns the path of report.html.

    Raises:
        StatsError: There is nothing to report (then nothing is written), or an input is broken.
    """
    content = collect(inputs, out, command=command)
    environment = _environment()
    templates = files("erc_synth.stats.report").joinpath("templates")
    view = {
        "c": content,
        "title": title,
        "version": installed_version(),
        "style": templates.joinpath("page.css").read_text("utf-8"),
        "script": templates.joinpath("page.js").read_text("utf-8"),
    }
    for name in ("report.html", "report.md"):
        write_whole(out / name, environment.get_template(f"{name}.j2").render(**view))
    for sheet in content.sheets():
        write_whole(out / "tables" / f"{slug(sheet.key)}.tex", latex(environment, sheet))
    for name, figure in content.figures.items():
        write_whole(out / "figures" / f"{name}.svg", figure + "\n")
    return out / "report.html"
