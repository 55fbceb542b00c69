"""Objects of the store, each read once for as long as a look at everything takes."""

from __future__ import annotations

from collections.abc import Iterable

from provenv.model.generation import Generation
from provenv.model.layout import HomeLayout
from provenv.store.objects import StoredObject, read_object


class Shelf:
    """What the store has, read when it is first asked for."""

    def __init__(self, home: HomeLayout) -> None:
        self._home = home
        self._read: dict[str, StoredObject | None] = {}

    def of(self, generation: Generation) -> Iterable[tuple[str, StoredObject]]:
        """Name and object of everything in a generation that the store has."""
        for package in generation.packages:
            if package.sha256 not in self._read:
                self._read[package.sha256] = read_object(self._home, package.sha256)
            stored = self._read[package.sha256]
            if stored is not None:
                yield package.name, stored
