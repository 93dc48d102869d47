"""Whose training parts a run, or what was made with it, has learned from, and which test recordings are among them.

What is learned notes in its identity each dataset and protocol of which it, whatever it began from and whatever
learned thing it reads have seen the training part: data["learned_from"] = [[dataset, protocol], …].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..pipeline.splits import recordings_in
from ..schemas.recording import PlannedRecording
from ..schemas.report import Manifest


def learned_from(made: Manifest) -> list[tuple[str, str]]:
    """Dataset and protocol of all that was learned from; nothing for what is not learned here."""
    return [(dataset, protocol) for dataset, protocol in made.identity.data.get("learned_from", [])]


def learned_data(own: tuple[str, str] | None, others: Iterable[Manifest]) -> dict[str, Any]:
    """What an identity notes: a run's `own` dataset and protocol, and what the others have learned from."""
    pairs = {pair for made in others for pair in learned_from(made)} | ({own} if own else set())
    return {"learned_from": [list(pair) for pair in sorted(pairs)]} if pairs else {}


def leak_of(
    plan: dict[str, PlannedRecording], dataset: str, protocol: str, made: Manifest, name: str, own: str | None = None
) -> str:
    """What `made`, told by its `name`, has seen of the test part of a protocol, in words; empty where it saw nothing.

    own: the protocol that it was trained on itself, where it was.
    """
    test = recordings_in(plan, protocol, "test")
    splits = [split for of, split in learned_from(made) if of == dataset]
    for split in sorted(splits, key=lambda split: split != own):
        if seen := recordings_in(plan, split, "train") & test:
            words = "was trained on" if split == own else "began from, or reads, what was trained on"
            return f"{name} {words} {split}, with {len(seen)} test recordings of {protocol}"
    return ""
