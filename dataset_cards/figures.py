"""Figures of the card as SVG that reads in light and dark.

Input: `Facts`. Output: SVG text. The colours follow the reader's colour scheme through a media query
inside the file, so one file serves both. Colour-blind-safe pair (Okabe and Ito). Values stand as text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from erc_synth.dataset_cards.facts import ConfigFacts, Facts

STYLE = """<style>
text{font:12px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600}.s{fill:#57606a;font-size:11px}
.syn{fill:#0072b2}.ref{fill:#d55e00}.axis{stroke:#afb8c1}.cell{fill:#0072b2}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.syn,.cell{fill:#56b4e9}.ref{fill:#e69f00}
.axis{stroke:#57606a}}
</style>"""
ROW, PANEL, GAP, LABELS = 22, 240, 28, 92


def _svg(width: int, height: int, title: str, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{STYLE}{body}</svg>\n'
    )


def label_distributions(facts: Facts) -> str:
    """Utterances per label on a log axis, synthetic and reference side by side (paper Figure 2)."""
    most = max(
        [max(c.label_counts.values(), default=1) for c in facts.configs]
        + [max(counts.values(), default=1) for counts in facts.references.values()]
    )
    decades = max(1, math.ceil(math.log10(max(most, 2))))
    width = LABELS + PANEL + 110
    panels = [
        (_panel(config, facts.references.get(config.labels.name, {}), decades), ROW * len(config.labels) + 46 + GAP)
        for config in facts.configs
    ]
    pieces, top = _two_columns(panels, width)
    legend = (
        '<rect class="syn" x="8" y="0" width="12" height="10"/><text x="26" y="10">synthetic (bar)</text>'
        '<circle class="ref" cx="150" cy="5" r="5"/><text x="162" y="10">reference, train split (dot)</text>'
    )
    body = "".join(pieces) + f'<g transform="translate(0 {top})">{legend}</g>'
    return _svg(2 * width, top + 24, "Utterances per label, log axis", body)


def _two_columns(panels: list[tuple[str, int]], width: int) -> tuple[list[str], int]:
    """Panels (drawing, height) side by side, natural left and balanced right; and the height of all."""
    pieces, top = [], 10
    for i in range(0, len(panels), 2):
        pair = panels[i : i + 2]
        pieces += [f'<g transform="translate({j * width} {top})">{panel}</g>' for j, (panel, _) in enumerate(pair)]
        top += max(height for _, height in pair)
    return pieces, top


def _panel(config: ConfigFacts, reference: Mapping[str, int], decades: int) -> str:
    def x(count: int) -> float:
        return LABELS + (math.log10(count) / decades * PANEL if count > 0 else 0)

    bottom = 24 + ROW * len(config.labels)
    parts = [f'<text class="t" x="8" y="14">{escape(config.name)}</text>']
    for decade in range(decades + 1):
        at = LABELS + decade / decades * PANEL
        parts.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="22" y2="{bottom}"/>')
        parts.append(f'<text class="s" x="{at:.1f}" y="{bottom + 14}" text-anchor="middle">{10**decade:,}</text>')
    for row, label in enumerate(config.labels.labels):
        y = 24 + row * ROW
        count, other = config.label_counts.get(label, 0), reference.get(label)
        width = max(x(count) - LABELS, 2 if count else 0)
        parts.append(f'<text x="{LABELS - 6}" y="{y + 15}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<rect class="syn" x="{LABELS}" y="{y + 4}" width="{width:.1f}" height="{ROW - 8}"/>')
        note = f"{count:,}"
        if other:
            parts.append(f'<circle class="ref" cx="{x(other):.1f}" cy="{y + ROW / 2}" r="5"/>')
            note += f" / {other:,}"
        parts.append(f'<text class="s" x="{LABELS + PANEL + 10}" y="{y + 15}">{note}</text>')
    return "".join(parts)


def label_transitions(facts: Facts) -> str:
    """Share of each next label after each label, one matrix per config."""
    cell, left = 26, 92
    panels, width = [], 0
    for config in facts.configs:
        labels = config.labels.labels
        parts = [f'<text class="t" x="8" y="14">{escape(config.name)}: next emotion (columns), %</text>']
        for i, row in enumerate(labels):
            total = sum(config.transitions.get((row, column), 0) for column in labels) or 1
            parts.append(f'<text x="{left - 6}" y="{44 + i * cell}" text-anchor="end">{escape(row)}</text>')
            for j, column in enumerate(labels):
                share = config.transitions.get((row, column), 0) / total
                x, y = left + j * cell * 2.2, 26 + i * cell
                parts.append(
                    f'<rect class="cell" x="{x:.1f}" y="{y}" width="{cell * 2.2 - 2:.1f}" height="{cell - 2}" '
                    f'fill-opacity="{0.08 + 0.5 * share:.2f}"/>'
                    f'<text class="s" x="{x + cell * 1.1 - 1:.1f}" y="{y + 17}" text-anchor="middle">'
                    f"{share * 100:.0f}</text>"
                )
        for j, column in enumerate(labels):
            at, y = left + (j + 0.5) * cell * 2.2, 40 + len(labels) * cell
            parts.append(f'<text class="s" x="{at:.1f}" y="{y}" text-anchor="middle">{escape(column[:8])}</text>')
        panels.append(("".join(parts), 56 + len(labels) * cell + GAP))
        width = max(width, int(left + len(labels) * cell * 2.2 + 40))
    pieces, top = _two_columns(panels, width)
    return _svg(2 * width, top, "Label transitions", "".join(pieces))
