"""Figures of fine-tuned classifiers as a table: runs that differ by their seeds alone stand together."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any


def evaluation_table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of a table of figures; under runs that differ by their seeds alone, their mean and standard deviation."""
    head = f"{'run':24} {'from':20} {'protocol':9} {'top-1':>6} {'class':>6} {'mAP':>6} {'chance':>7} {'major':>6}"
    lines = [f"{head} n_train  n_test"]
    for group in by_settings(rows):
        lines += [_line(row) for row in group]
        if len(group) > 1:
            means = [f"{name} {spread(group, field)}" for name, field in _SPREAD.items()]
            lines.append(f"  {len(group)} seeds: {', '.join(means)}")
    return lines


def by_settings(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Figures of runs that differ by their seeds alone stand together."""
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row["protocol"], row["run"])):
        groups.setdefault((row["protocol"], row["settings"], row.get("crops", 1)), []).append(row)
    return list(groups.values())


def spread(rows: list[dict[str, Any]], field: str) -> str:
    """Mean and standard deviation of a figure."""
    return f"{fmean(row[field] for row in rows):.3f} ± {stdev(row[field] for row in rows):.3f}"


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['run']:24} {row['init'][-20:]:20} {row['protocol']:9} {row['top1']:6.3f} "
        f"{row['mean_class_accuracy']:6.3f} {row['mean_ap']:6.3f} {row['chance']:7.3f} {row['majority']:6.3f} "
        f"{row['n_train']:7} {row['n_test']}/{row['n_test_planned']}"
        + ("  LEAK" if row["leak"] else "")
        + (f"  {row['crops']} crops" if row.get("crops", 1) > 1 else "")
    )


_SPREAD = {"top-1": "top1", "mean class": "mean_class_accuracy", "mAP": "mean_ap"}
