"""What has become of waivers since the evidence log was written last: seen, changed, expired, withdrawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from provenv.core import digest
from provenv.evidence import log
from provenv.model.policy import Waiver

KEY = "waivers"
"""Where a record says in ``details`` how the waivers stood: title → ``digest`` and ``state``."""


def described(waivers: Iterable[Waiver], today: date) -> dict[str, dict[str, Any]]:
    """Everything that waivers say, by their titles, with a digest over it and how each stands."""
    return {waiver.title: _described(waiver, today) for waiver in waivers}


def _described(waiver: Waiver, today: date) -> dict[str, Any]:
    said = {**waiver.facts(), "until-fixed": waiver.until_fixed, "origin": waiver.origin}
    state = (
        "expired" if today > waiver.expires else "future" if today < waiver.created else "active"
    )
    return {**said, "title": waiver.title, "digest": digest.of_json(said), "state": state}


def short(waivers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the next record must know of them."""
    return {
        title: {"digest": one["digest"], "state": one["state"]} for title, one in waivers.items()
    }


def before(folder: str) -> Mapping[str, Mapping[str, Any]]:
    """How the waivers stood when the last record under a policy was written.

    Raises:
        DiskError, IntegrityError: The log cannot be read.
    """
    for record in log.newest(folder):
        found = record.entry.details.get(KEY)
        if isinstance(found, dict) and all(isinstance(one, dict) for one in found.values()):
            return found
    return {}


def moved(
    old: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The ``details`` of a record for each thing that has become of a waiver: ``what``, and ``waiver``."""
    for title, waiver in now.items():
        known = old.get(title)
        if known is None:
            yield {"what": "first-seen", "waiver": waiver}
        elif known.get("digest") != waiver["digest"]:
            yield {"what": "changed", "waiver": waiver}
        if waiver["state"] == "expired" and (known is None or known.get("state") != "expired"):
            yield {"what": "expired", "waiver": waiver}
    for title, known in old.items():
        if title not in now:
            yield {"what": "withdrawn", "waiver": {"title": title, **known}}
