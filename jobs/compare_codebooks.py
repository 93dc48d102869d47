"""`motionpipe compare-codebooks`: what two codebooks have in common, and what moved between them."""

from __future__ import annotations

import json
from typing import Any

import click
import numpy as np

from ..pipeline.codebook_file import usage
from ..pipeline.match_codebooks import Match, match_codebooks
from ..pipeline.store import Store
from ..schemas.codebook import Codebook
from .codebook import read_codebook

_SHOWN = 12


def compare_codebooks(store: Store, first: str, second: str, as_json: bool) -> None:
    """Print how two codebooks match; each is a NAME of the store, or STORE:NAME of another."""
    a, b = (_codebook(store, place) for place in (first, second))
    compared = comparison(first, a, second, b, match_codebooks(a, b))
    click.echo(json.dumps(compared, indent=1) if as_json else "\n".join(comparison_lines(compared)))


def comparison(first: str, a: Codebook, second: str, b: Codebook, match: Match) -> dict[str, Any]:
    """Everything that is known of the match, as JSON has it; lengths in mm or px a step."""
    factor = 1000.0 if a.unit == "m" else 1.0
    p, q = a.prior(), b.prior()
    return {
        "codebooks": [_described(first, a), _described(second, b)],
        "unit": "mm" if a.unit == "m" else "px",
        "matched": [
            {
                "codes": [int(i), int(j)],
                "distance": round(float(d) * factor, 4),
                "centres": [(a.centres[i] * factor).round(3).tolist(), (b.centres[j] * factor).round(3).tolist()],
                "shares": [round(float(p[i]), 6), round(float(q[j]), 6)],
            }
            for (i, j), d in zip(match.pairs, match.distances, strict=True)
        ],
        "only": [match.only_a.tolist(), match.only_b.tolist()],
        "total_variation": round(match.total_variation, 6),
        "earth_mover": None if match.earth_mover is None else round(match.earth_mover * factor, 6),
    }


def comparison_lines(compared: dict[str, Any]) -> list[str]:
    """The comparison as a table; the pairs with the most moved mass first."""
    unit, pairs = compared["unit"], compared["matched"]
    distances = np.array([pair["distance"] for pair in pairs])
    quantiles = (np.quantile(distances, share) for share in (0.5, 0.95, 1.0))
    middle, high, most = (f"{value:.2f}" for value in quantiles)
    mover = compared["earth_mover"]
    lines = [
        f"{label} {book['name']}: {book['kind']}, K = {book['size']}, perplexity {book['perplexity']:.1f}, "
        f"{book['dead']} dead, zero codeword {100 * book['zero_code_share']:.1f} %"
        for label, book in zip("AB", compared["codebooks"], strict=True)
    ]
    alone = [f"{len(codes)} of {label}" for label, codes in zip("AB", compared["only"], strict=True) if codes]
    lines += [
        f"{len(pairs)} pairs of codewords"
        + (f", {' and '.join(alone)} alone" if alone else "")
        + f"; distance median {middle}, 95 % {high}, largest {most} {unit} a step",
        f"moved mass: {100 * compared['total_variation']:.2f} % of the cells; earth mover's distance "
        + (f"{mover:.3f} {unit} a step" if mover is not None else "not computed for so many codewords"),
        "",
        f"{'A':>5} {'B':>5} {'distance':>9} {'share A':>8} {'share B':>8}   centre A → centre B ({unit} a step)",
    ]
    order = sorted(pairs, key=lambda pair: -abs(pair["shares"][0] - pair["shares"][1]))
    lines += [_line(pair) for pair in order[:_SHOWN]]
    more = len(pairs) - _SHOWN
    return [*lines, *([f"  … and {more} more pairs; --json lists all"] if more > 0 else [])]


def _line(pair: dict[str, Any]) -> str:
    centres = " → ".join("(" + ", ".join(f"{value:.1f}" for value in centre) + ")" for centre in pair["centres"])
    shares = "".join(f"{100 * share:>7.2f} %"[-9:] for share in pair["shares"])
    return f"{pair['codes'][0]:>5} {pair['codes'][1]:>5} {pair['distance']:>9.2f} {shares}   {centres}"


def _described(name: str, book: Codebook) -> dict[str, Any]:
    used = usage(book)
    dead = used["dead_codes"]
    assert isinstance(dead, list)
    kept = {key: used[key] for key in ("cells", "entropy_bits", "perplexity", "zero_code_share")}
    return {"name": name, "kind": book.kind, "size": book.size, "dead": len(dead), **kept}


def _codebook(store: Store, place: str) -> Codebook:
    uri, colon, name = place.rpartition(":")
    book, _ = read_codebook(Store.at(uri) if colon else store, name)
    return book
