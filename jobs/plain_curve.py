"""Curves as SVG text, without a plotting library: for machines that have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 360, 64, 40, 16
_COLOURS = ("#3b82c4", "#e08a1e", "#2a9d6f", "#d1495b", "#a07ed6", "#6b7280")
_TICKS = 5


def curve_svg(curves: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str) -> str:
    """An SVG of curves (x, y) by name, on axes that hold them all."""
    points = [point for curve in curves.values() for point in curve] or [(0.0, 0.0)]
    x0, x1 = _bounds([x for x, _ in points])
    y0, y1 = _bounds([y for _, y in points])

    def place(x: float, y: float) -> str:
        across = _LEFT + (x - x0) / (x1 - x0) * (_WIDTH - _LEFT - 16)
        down = _HEIGHT - _BOTTOM - (y - y0) / (y1 - y0) * (_HEIGHT - _BOTTOM - _TOP)
        return f"{across:.1f},{down:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<polyline fill="none" stroke="#888" points="{place(x0, y1)} {place(x0, y0)} {place(x1, y0)}"/>',
    ]
    for tick in range(_TICKS + 1):
        x, y = (low + tick / _TICKS * (high - low) for low, high in ((x0, x1), (y0, y1)))
        parts.append(_text(place(x, y0), f"{x:.4g}", "middle", 16))
        parts.append(_text(place(x0, y), f"{y:.4g}", "end", 4, -6))
    parts.append(_text(f"{_WIDTH / 2},{_HEIGHT - 6}", x_label, "middle"))
    parts.append(_text(f"{_LEFT},{_TOP - 4}", y_label, "middle"))
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        drawn = " ".join(place(x, y) for x, y in curve)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{drawn}"/>')
        parts.append(_text(f"{_WIDTH - 20},{_TOP + 14 + 16 * number}", name, "end", colour=colour))
    return "\n".join([*parts, "</svg>", ""])


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low, low + 1)


def _text(at: str, words: str, anchor: str, down: float = 0, right: float = 0, colour: str = "#333") -> str:
    x, y = map(float, at.split(","))
    return f'<text x="{x + right:.1f}" y="{y + down:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
