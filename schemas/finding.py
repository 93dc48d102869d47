"""Something in a store that is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """where: file or folder in the store. what: how it differs from what it should be. todo: what the user can do."""

    where: str
    what: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.todo}"
