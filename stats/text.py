"""Numbers as text, alike on the command line and in every form of the report.

Input: numbers. Output: short text that never shows a p-value as zero. Not covered: escaping (`report.page`).
"""

from __future__ import annotations


def p_text(value: float, digits: int = 4) -> str:
    """A p-value with so many decimals, or its power of ten where they would all be zero: 0.0206, 1.5e-31, 1."""
    if value <= 0:
        return "< 1e-300"  # below the range of a float
    if value < 10.0**-digits:
        return f"{value:.1e}"
    text = f"{value:.{digits}f}"
    return "1" if float(text) == 1 else text


def measure_text(value: float) -> str:
    """A measure with two or three digits that mean something; never a negative zero."""
    value = round(value, 2) + 0.0
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
