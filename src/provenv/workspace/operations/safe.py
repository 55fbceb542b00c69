"""What is safe where an operation did not come to its end: told from what was before it and what is now.

Nobody needs to remember what a failed command may have touched. Both sides are looked at, at the
moment of the failure or whenever the log is read, and said in one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_ELSEWHERE = {
    "advisories-import": "the advisories that were here are as they were",
    "advisories-update": "the advisories that were here are as they were",
    "audit": "what was known of releases is as it was, or newer",
    "env-prune": "the environments that `provenv env list` shows are untouched",
    "env-remove": "the same command removes what is left",
    "new": "the folder is there as a whole, or not at all",
    "publish": "nothing here was changed; what was uploaded before it stays there",
    "python-install": "the Pythons that were there are untouched",
    "python-uninstall": "the Pythons that `provenv python list` shows are untouched",
    "repair": "what was mended before it stays mended, and the rest is as it was",
    "test": "the project's own environments are as they were",
    "store-gc": "no environment has lost what it needs",
}


def words(verb: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What is safe, in one line: the environment and the files before an operation and now."""
    said = [*_environment(before, now), *_files(before, now)]
    if verb in _ELSEWHERE:
        said.append(_ELSEWHERE[verb])
    return "; ".join(said) or "what was done before it is whole"


def is_done(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether the environment has another generation than before: only the last line is missing."""
    was, number = before.get("generation"), now.get("generation")
    return number is not None and number != was


def _environment(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    if "generation" not in before or "generation" not in now:
        return []
    was, number = before["generation"], now["generation"]
    if number is None:
        return ["there is no environment yet" if was is None else "the environment is out of use"]
    if number == was:
        return [f"generation {number} is current and untouched"]
    back = f"; generation {was} is untouched" if was is not None else ""
    return [f"generation {number} is whole and current{back}"]


def _files(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Which files of the project are as they were, and which were written."""
    digests: Mapping[str, str | None] = before.get("files") or {}
    today: Mapping[str, str | None] = now.get("files") or {}
    known = [name for name in digests if name in today]
    same = [name for name in known if today[name] == digests[name] is not None]
    other = [name for name in known if today[name] != digests[name]]
    said = []
    if same:
        said.append(f"{listed(same)} {'is as it was' if len(same) == 1 else 'are as they were'}")
    if other:
        said.append(f"{listed(other)} {'was' if len(other) == 1 else 'were'} written")
    return said


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
