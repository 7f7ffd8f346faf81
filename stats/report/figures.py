"""Figures of the report as inline SVG: critical-difference diagram, learning curves, label shares.

Input: plain numbers. Output: SVG text that takes its colours from CSS variables of the page (light,
dark) with fixed fall-backs for a file of its own. Colour-blind-safe palette (Okabe and Ito).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f")
# Prefixed names: the style of an inline SVG applies to the whole page.
STYLE = (
    "<style>.fig-ink{fill:var(--ink,#1f2328)}.fig-soft{fill:var(--soft,#57606a)}"
    ".fig-line{stroke:var(--ink,#1f2328);fill:none}.fig-grid{stroke:var(--edge,#d0d7de)}"
    ".fig-dot{stroke:var(--paper,#fff)}svg text{font:12px system-ui,sans-serif}</style>"
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


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) that span low to high, the last one at or above high."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class _Axes:
    """A plotting area; data to pixels."""

    x_low: float
    x_high: float
    y_high: float
    left: int = 64
    top: int = 14
    width: int = 420
    height: int = 200

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - self.x_low) / (self.x_high - self.x_low) if self.x_high > self.x_low else 0.5
        return self.left + across * self.width, self.top + self.height * (1 - point[1] / self.y_high)


def curves(series: Mapping[str, Sequence[tuple[float, float]]], x_title: str, y_title: str) -> str:
    """Lines of (x, y) points (y from 0, x whole numbers) with round ticks, titled axes, markers and a legend."""
    points = [point for line in series.values() for point in line]
    if not points:
        return ""
    rows = ticks(0, max(max(p[1] for p in points), 1))
    axes = _Axes(min(p[0] for p in points), max(p[0] for p in points), rows[-1])
    bottom = axes.top + axes.height
    parts = [_axis_lines(axes, rows, y_title)]
    steps = [x for x in ticks(axes.x_low, axes.x_high, 10) if x == int(x) and axes.x_low <= x <= axes.x_high]
    for x in steps or [axes.x_low]:
        at = axes.place((x, 0))[0]
        parts.append(f'<line class="fig-line" x1="{at:.1f}" x2="{at:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(_text(at, bottom + 17, f"{x:g}", soft=True, anchor="middle"))
    parts.append(_text(axes.left + axes.width / 2, bottom + 34, x_title, soft=True, anchor="middle"))
    for i, (name, line) in enumerate(series.items()):
        colour, dash = PALETTE[i % len(PALETTE)], ("" if i < len(PALETTE) else ' stroke-dasharray="5 3"')
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(axes.place, line))
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2"{dash} points="{path}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in map(axes.place, line)]
        y = bottom + 46 + 18 * i
        parts.append(f'<rect x="{axes.left}" y="{y}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(axes.left + 18, y + 10, name))
    size = axes.left + axes.width + 20, bottom + 54 + 18 * len(series)
    return svg(*size, f"{y_title} by {x_title.lower()}", "".join(parts))


def _axis_lines(axes: _Axes, rows: Sequence[float], title: str) -> str:
    """Grid lines with their values, and the title of the y axis along it."""
    parts = []
    for value in rows:
        y = axes.place((axes.x_low, value))[1]
        line = "fig-grid" if value else "fig-line"
        parts.append(f'<line class="{line}" x1="{axes.left}" x2="{axes.left + axes.width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(axes.left - 6, y + 4, f"{value:g}", soft=True, anchor="end"))
    middle = axes.top + axes.height / 2
    turned = f'transform="translate(16,{middle:.0f}) rotate(-90)" text-anchor="middle"'
    return "".join(parts) + f'<text class="fig-soft" {turned}>{escape(title)}</text>'


def _text(x: float, y: float, text: str, *, soft: bool = False, anchor: str = "start") -> str:
    ink = "fig-soft" if soft else "fig-ink"
    return f'<text class="{ink}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def share_bars(title: str, counts: Mapping[str, int], reference: Mapping[str, int]) -> str:
    """Share of each label in percent as bars from 0, the reference's as dots; counts stand beside."""
    left, width, row = 104, 220, 22
    shares, others = _shares(counts), _shares(reference)
    rows = ticks(0, max([*shares.values(), *others.values(), 1]), 5)
    bottom = 8 + row * len(counts)
    parts = []
    for value in rows:
        at = left + value / rows[-1] * width
        parts.append(f'<line class="fig-grid" x1="{at:.1f}" x2="{at:.1f}" y1="4" y2="{bottom}"/>')
        parts.append(_text(at, bottom + 15, f"{value:g} %", soft=True, anchor="middle"))
    for i, label in enumerate(counts):
        y = 8 + row * i
        long = shares[label] / rows[-1] * width
        parts.append(_text(left - 6, y + 14, label, anchor="end"))
        parts.append(f'<rect fill="{PALETTE[0]}" x="{left}" y="{y + 3}" width="{long:.1f}" height="14"/>')
        if label in others:
            at = left + others[label] / rows[-1] * width
            parts.append(f'<circle class="fig-dot" fill="{PALETTE[1]}" cx="{at:.1f}" cy="{y + 10}" r="5"/>')
        parts.append(_text(left + width + 14, y + 14, f"{shares[label]:.1f} % ({counts[label]:,})", soft=True))
    said = ", ".join(f"{label} {share:.1f} %" for label, share in shares.items())
    return svg(left + width + 120, bottom + 22, f"{title}, share of each label: {said}", "".join(parts))


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {label: 100 * count / total for label, count in counts.items()} if total else dict.fromkeys(counts, 0.0)
