"""Figures of the report as inline SVG: critical-difference diagram, heat map, curves, distributions.

Input: plain numbers. Output: SVG text that takes its colours from CSS variables of the page (light,
dark) with fixed fall-backs for a file of its own. Colour-blind-safe palette (Okabe and Ito).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f")
# Prefixed names: the style of an inline SVG applies to the whole page.
STYLE = (
    "<style>.fig-ink{fill:var(--ink,#1f2328)}.fig-soft{fill:var(--soft,#57606a)}.fig-line{stroke:var(--ink,#1f2328);fill:none}"
    ".fig-grid{stroke:var(--edge,#d0d7de)}svg text{font:12px system-ui,sans-serif}</style>"
)


def svg(width: float, height: float, title: str, body: str) -> str:
    """A whole SVG element with a title for screen readers."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(title, quote=True)}"><title>{escape(title)}</title>{STYLE}{body}</svg>'
    )


def critical_difference(models: Sequence[str], mean_ranks: Sequence[float], difference: float | None) -> str:
    """Mean ranks on one axis (1 is best, left), bars join models closer than the critical difference."""
    k = len(models)
    order = sorted(range(k), key=lambda j: mean_ranks[j])
    left, width, top = 150, 400, 46
    half = (k + 1) // 2

    def x(rank: float) -> float:
        return left + (rank - 1) / max(k - 1, 1) * width

    parts = [f'<line class="fig-line" x1="{left}" x2="{left + width}" y1="{top}" y2="{top}"/>']
    for tick in range(1, k + 1):
        parts.append(f'<line class="fig-line" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top - 5}" y2="{top}"/>')
        parts.append(f'<text class="fig-soft" x="{x(tick):.1f}" y="{top - 10}" text-anchor="middle">{tick}</text>')
    groups = _groups([mean_ranks[j] for j in order], difference)
    base = top + 14 * len(groups) + 16
    for i, (first, last) in enumerate(groups):
        y = top + 12 + 14 * i
        a, b = x(mean_ranks[order[first]]) - 4, x(mean_ranks[order[last]]) + 4
        parts.append(f'<line class="fig-line" stroke-width="4" x1="{a:.1f}" x2="{b:.1f}" y1="{y}" y2="{y}"/>')
    for place, j in enumerate(order):
        on_left = place < half
        row = place if on_left else k - 1 - place
        y = base + 20 * row
        end = left - 8 if on_left else left + width + 8
        at = x(mean_ranks[j])
        parts.append(f'<polyline class="fig-line" points="{at:.1f},{top} {at:.1f},{y} {end},{y}"/>')
        anchor = "end" if on_left else "start"
        text = f"{escape(models[j])} ({mean_ranks[j]:.2f})"
        at = end + (-4 if on_left else 4)
        parts.append(f'<text class="fig-ink" x="{at}" y="{y + 4}" text-anchor="{anchor}">{text}</text>')
    note = "" if difference is None else f"; Nemenyi critical difference {difference:.2f}"
    return svg(left + width + 160, base + 20 * half + 6, f"Mean ranks of {k} models{note}", "".join(parts))


def _groups(ranks: Sequence[float], difference: float | None) -> list[tuple[int, int]]:
    """Longest runs of sorted ranks within the critical difference."""
    if difference is None:
        return []
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(i for i in range(first, len(ranks)) if ranks[i] - ranks[first] <= difference)
        if last > first and not any(a <= first and last <= b for a, b in found):
            found.append((first, last))
    return found


def curves(series: Mapping[str, Sequence[tuple[float, float]]], x_title: str, y_title: str) -> str:
    """Lines of (x, y) points with markers and a legend."""
    points = [point for line in series.values() for point in line]
    if not points:
        return ""
    x_low, x_high = min(p[0] for p in points), max(p[0] for p in points)
    y_low, y_high = 0.0, max(max(p[1] for p in points), 1e-9) * 1.08
    left, top, width, height = 50, 12, 420, 200

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - x_low) / (x_high - x_low) if x_high > x_low else 0.5
        return left + across * width, top + height - (point[1] - y_low) / (y_high - y_low) * height

    parts = []
    for i in range(5):
        value = y_low + (y_high - y_low) * i / 4
        y = place((x_low, value))[1]
        parts.append(f'<line class="fig-grid" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="fig-soft" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2g}</text>')
    for tick in range(math.ceil(x_low), math.floor(x_high) + 1, max(1, round((x_high - x_low) / 10))):
        x = place((tick, y_low))[0]
        parts.append(f'<text class="fig-soft" x="{x:.1f}" y="{top + height + 16}" text-anchor="middle">{tick}</text>')
    for i, (name, line) in enumerate(series.items()):
        colour, dash = PALETTE[i % len(PALETTE)], ("" if i < len(PALETTE) else ' stroke-dasharray="5 3"')
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, line))
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2"{dash} points="{path}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in map(place, line)]
        parts.append(f'<rect x="{left}" y="{top + height + 44 + 18 * i}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text class="fig-ink" x="{left + 18}" y="{top + height + 54 + 18 * i}">{escape(name)}</text>')
    middle, below = left + width / 2, top + height + 32
    parts.append(f'<text class="fig-soft" x="{middle}" y="{below}" text-anchor="middle">{escape(x_title)}</text>')
    return svg(left + width + 20, top + height + 58 + 18 * len(series), f"{y_title} by {x_title}", "".join(parts))


def log_bars(title: str, counts: Mapping[str, int], reference: Mapping[str, int], decades: int) -> str:
    """Counts per label on a log axis as bars, the reference as dots (the paper's Figure 2)."""
    left, width, row = 96, 230, 22
    parts = []

    def x(count: int) -> float:
        return left + (math.log10(count) / decades * width if count > 0 else 0)

    bottom = 8 + row * len(counts)
    for decade in range(decades + 1):
        at = left + decade / decades * width
        parts.append(f'<line class="fig-grid" x1="{at:.1f}" x2="{at:.1f}" y1="4" y2="{bottom}"/>')
        parts.append(f'<text class="fig-soft" x="{at:.1f}" y="{bottom + 14}" text-anchor="middle">{10**decade}</text>')
    for i, (label, count) in enumerate(counts.items()):
        y = 8 + row * i
        parts.append(f'<text class="fig-ink" x="{left - 6}" y="{y + 14}" text-anchor="end">{escape(label)}</text>')
        long = max(x(count) - left, 2 if count else 0)
        parts.append(f'<rect fill="{PALETTE[0]}" x="{left}" y="{y + 3}" width="{long:.1f}" height="14"/>')
        note = str(count)
        if reference.get(label):
            note += f" / {reference[label]}"
            parts.append(f'<circle fill="{PALETTE[1]}" cx="{x(reference[label]):.1f}" cy="{y + 10}" r="5"/>')
        parts.append(f'<text class="fig-soft" x="{left + width + 8}" y="{y + 14}">{note}</text>')
    return svg(left + width + 90, bottom + 20, f"{title}: utterances per label, log axis", "".join(parts))


def heat_map(rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]], title: str) -> str:
    """A table of numbers over one colour whose strength grows with the value; the numbers stay readable."""
    left, top, wide, high = 118, 84, 54, 26
    low, most = min(map(min, values)), max(map(max, values))
    parts = []
    for j, name in enumerate(columns):
        x = left + (j + 0.5) * wide
        parts.append(
            f'<text class="fig-ink" transform="translate({x:.0f},{top - 8}) rotate(-40)">{escape(name)}</text>'
        )
    for i, (name, line) in enumerate(zip(rows, values, strict=True)):
        y = top + i * high
        parts.append(f'<text class="fig-ink" x="{left - 8}" y="{y + 17}" text-anchor="end">{escape(name)}</text>')
        for j, value in enumerate(line):
            share = (value - low) / (most - low) if most > low else 0.5
            parts.append(
                f'<rect fill="{PALETTE[0]}" fill-opacity="{0.04 + 0.46 * share:.2f}" x="{left + j * wide}" y="{y}" '
                f'width="{wide - 2}" height="{high - 2}"/>'
            )
            x = left + j * wide + wide / 2 - 1
            parts.append(f'<text class="fig-ink" x="{x}" y="{y + 17}" text-anchor="middle">{value:.1f}</text>')
    return svg(left + len(columns) * wide + 50, top + len(rows) * high + 4, title, "".join(parts))
