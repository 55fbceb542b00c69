"""What a build leaves: an object of the store, and what is known of where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provenv.core.values import frozen
from provenv.store.objects import StoredObject


@frozen
class Built:
    """A wheel that was built, now or earlier, as an object.

    Attributes:
        object: In the store.
        direct_url: The content of ``direct_url.json`` (PEP 610); None where it came from an index.
        inputs: Absolute paths whose change (as ``stat`` shows it, coming and going included) means
            "build again"; empty where the source cannot change.
        cached: Nothing was built: the wheel of an earlier build was used.
    """

    object: StoredObject
    direct_url: Mapping[str, Any] | None = None
    inputs: tuple[str, ...] = ()
    cached: bool = False
