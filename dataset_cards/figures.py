"""Figures of the card as SVG on a ground of their own, so that they read on light and dark pages.

Input: `Facts`. Output: SVG text, one column of panels, no wider than a page. Two colours that colour-blind readers
tell apart (Okabe and Ito); every value stands beside its bar as text. Not covered: the figures of the report (`stats`).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from erc_synth.dataset_cards.facts import ConfigFacts, Facts

STYLE = """<style>
text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600;font-size:14px}.s{fill:#57606a;font-size:11px}
.syn{fill:#0072b2}.ref{fill:#d55e00}.axis{stroke:#afb8c1}.cell{fill:#0072b2}
</style>"""
WIDTH, LABELS, BAR, EDGE = 480, 100, 13, 14
ROW = 2 * BAR + 8


def _svg(height: int, title: str, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{STYLE}'
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>{body}</svg>\n'
    )


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def label_distributions(facts: Facts) -> str:
    """Share of each label, beside the train split of the benchmark (paper Figure 2 as shares)."""
    shares = [_share(c.counts.labels) for c in facts.configs] + [_share(r) for r in facts.references.values()]
    most = max((max(share.values(), default=0.0) for share in shares), default=0.0) or 1.0
    parts, top = [], EDGE
    parts.append(f'<rect class="syn" x="{EDGE}" y="{top}" width="14" height="{BAR}"/>')
    parts.append(_text(EDGE + 20, top + 10, "this dataset"))
    if facts.references:
        parts.append(f'<rect class="ref" x="140" y="{top}" width="14" height="{BAR}"/>')
        parts.append(_text(160, top + 10, "train split of the benchmark"))
    top += 30
    for config in facts.configs:
        panel, height = _panel(config, facts.references.get(config.labels.name, {}), most)
        parts.append(f'<g transform="translate(0 {top})">{panel}</g>')
        top += height
    return _svg(top, "Share of each label", "".join(parts))


def _share(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {label: count / total for label, count in counts.items()} if total else {}


def _panel(config: ConfigFacts, reference: Mapping[str, int], most: float) -> tuple[str, int]:
    """One config: a pair of bars for each label; and its height."""
    room = WIDTH - LABELS - 130 - 2 * EDGE
    counts = config.counts.labels
    own, other = _share(counts), _share(reference)
    parts = [_text(EDGE, 14, config.name, "t")]
    for row, label in enumerate(config.labels.labels):
        y = 26 + row * ROW
        parts.append(_text(EDGE + LABELS - 8, y + (ROW - 8) / 2 + 5, label, anchor="end"))
        pairs = [("syn", own, counts)] + ([("ref", other, reference)] if reference else [])
        for place, (style, share, numbers) in enumerate(pairs):
            at, width = y + place * BAR, room * share.get(label, 0.0) / most
            parts.append(f'<rect class="{style}" x="{EDGE + LABELS}" y="{at}" width="{width:.1f}" height="{BAR - 1}"/>')
            note = f"{100 * share.get(label, 0.0):.1f} % ({numbers.get(label, 0):,})"
            parts.append(_text(EDGE + LABELS + width + 6, at + 10, note, "s"))
    return "".join(parts), 26 + ROW * len(config.labels) + 18


def label_transitions(facts: Facts) -> str:
    """Share of each next label after each label, one matrix for each config."""
    parts, top = [], EDGE
    for config in facts.configs:
        panel, height = _matrix(config)
        parts.append(f'<g transform="translate(0 {top})">{panel}</g>')
        top += height
    return _svg(top, "Label transitions", "".join(parts))


def _matrix(config: ConfigFacts) -> tuple[str, int]:
    labels = config.labels.labels
    cell, row_height = min(64.0, (WIDTH - LABELS - 2 * EDGE) / len(labels)), 26
    below = 30 + len(labels) * row_height
    parts = [_text(EDGE, 14, f"{config.name}: the next emotion (columns), %", "t")]
    for i, row in enumerate(labels):
        total = sum(config.counts.transitions[row, column] for column in labels)
        parts.append(_text(EDGE + LABELS - 8, 44 + i * row_height, row, anchor="end"))
        for j, column in enumerate(labels):
            share = config.counts.transitions[row, column] / total if total else 0.0
            x, y = EDGE + LABELS + j * cell, 26 + i * row_height
            parts.append(
                f'<rect class="cell" x="{x:.1f}" y="{y}" width="{cell - 2:.1f}" height="{row_height - 2}" '
                f'fill-opacity="{0.06 + 0.5 * share:.2f}"/>'
            )
            parts.append(_text(x + cell / 2 - 1, y + 17, f"{100 * share:.0f}" if total else "", "s", "middle"))
    for j, column in enumerate(labels):
        x, y = EDGE + LABELS + (j + 0.6) * cell, below + 12
        parts.append(_text(x, y, column, "s", "end", f' transform="rotate(-35 {x:.1f} {y:.1f})"'))
    return "".join(parts), below + 80
