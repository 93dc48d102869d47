"""Figures of synthesised frames as a table: the run, copying, and optical flow on the same clips."""

from __future__ import annotations

from typing import Any

from ..pipeline.measure_frames import METHODS

_NAME = 24
_COLUMNS = ("l1", "seen_l1", "next_l1", "next_psnr", "next_ssim", "kept_l1", "kept_psnr", "kept_ssim")
_TITLES = ("l1", "seen l1", "next l1", "PSNR", "SSIM", "kept l1", "PSNR", "SSIM")


def motion_table(record: dict[str, Any]) -> list[str]:
    """Lines: l1 over all frames of a clip, then the last alone; for flow also that by the flow of the pair before."""
    lines = [
        f"{record['clips']} clips of {record['protocol']}, {record['side']}x{record['side']} px, in [-1, 1]; "
        f"{record['run']} is better than copying on {record['better_than_copy']:.0%} of them",
        f"{'':<{_NAME}}" + "".join(f"{title:>10}" for title in _TITLES),
    ]
    for method in METHODS:
        figures = record["methods"][method]
        name = record["run"] if method == "run" else method
        lines.append(f"{name[:24]:<{_NAME}}" + "".join(_cell(figures.get(column), column) for column in _COLUMNS))
    return [
        *lines,
        "seen: frames that all see; next: the one after the clip, which flow alone sees; kept: by the flow before it",
    ]


def _cell(value: float | None, column: str) -> str:
    if value is None:
        return f"{'-':>10}"
    return f"{value:>10.2f}" if column.endswith("psnr") else f"{value:>10.4f}"
