"""``store list``: what lies in the store, how large it is on disk, and who holds it."""

from __future__ import annotations

from provenv.core.values import frozen
from provenv.environments import generations
from provenv.store.collect import weigh
from provenv.store.objects import read_object
from provenv.workspace.host import claims, registry
from provenv.workspace.projects.context import Context
from provenv.workspace.proving.collection import StoreSize, split
from provenv.workspace.proving.verification import all_objects


@frozen
class StoredItem:
    """One object.

    Attributes:
        size: Unpacked, in bytes. ``disk``: What it takes on disk, byte code included.
        holders: The environments' folders, those that are missing included.
    """

    sha256: str
    name: str
    version: str
    size: int
    disk: int
    holders: tuple[str, ...]


@frozen
class Storage:
    """The store: its objects, by name, and what it takes."""

    items: tuple[StoredItem, ...]
    size: StoreSize


def look_into_store(context: Context) -> Storage:
    """Every object with its size and who holds it, and what all of the store takes."""
    holders = _holders(context)
    ledger = weigh(context.home)
    found = []
    for sha256 in all_objects(context):
        stored = read_object(context.home, sha256)
        if stored is not None:
            found.append(
                StoredItem(
                    sha256=sha256,
                    name=stored.name,
                    version=stored.version,
                    size=stored.unpacked,
                    disk=ledger.size(sha256),
                    holders=tuple(sorted(holders.get(sha256, ()))),
                )
            )
    found.sort(key=lambda item: (item.name, item.version, item.sha256))
    return Storage(items=tuple(found), size=split(ledger, holders))


def list_store(context: Context) -> list[StoredItem]:
    """Every object with its size and who holds it, by name."""
    return list(look_into_store(context).items)


def _holders(context: Context) -> dict[str, set[str]]:
    holders: dict[str, set[str]] = {}
    for root in claims.entries(context):
        if root.folder is None or registry.absence(root.folder) is not None:
            held = set(claims.held(root) or ())
        else:
            read = generations.read_all(root.folder)
            held = {package.sha256 for generation in read for package in generation.packages}
        for sha256 in held:
            holders.setdefault(sha256, set()).add(root.label)
    return holders
