"""Bounds: requirements with other bounds, and the search for the oldest version that still works."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from provenv.core.values import frozen, replace

_LOWER = frozenset({">", ">="})
_UPPER = frozenset({"<", "<="})


@frozen
class Search:
    """The search among the versions of one distribution, the oldest first.

    Attributes:
        good: The place of the oldest that is known to work; at first that of the last, which is locked.
        bad: The place of the newest below it that does not; -1 where none is known.
        first: What is tried first, as the bound that is declared; None where nothing is.
    """

    versions: tuple[str, ...]
    good: int
    bad: int = -1
    first: int | None = None

    @property
    def next(self) -> int | None:
        """The place of what to try next; None where the search is at its end."""
        if self.good - self.bad <= 1:
            return None
        if self.first is not None and self.bad < self.first < self.good:
            return self.first
        return (self.good + self.bad) // 2

    def told(self, place: int, *, works: bool) -> Search:
        """The search with what came of one try; what is newer than what works is taken to work, too."""
        if works:
            return replace(self, good=min(self.good, place), first=None)
        return replace(self, bad=max(self.bad, place), first=None)

    def without(self, place: int) -> Search:
        """The search where that place may not be tried: it says nothing of those beside it."""
        return replace(
            self,
            versions=(*self.versions[:place], *self.versions[place + 1 :]),
            good=self.good - (place < self.good),
            bad=self.bad - (place <= self.bad),
            first=self.first if self.first == place else None,
        )


def begin(versions: Sequence[str], locked: str, declared: SpecifierSet) -> Search:
    """The search below ``locked``; what is tried first is the lowest version that is declared."""
    own = Version(locked)
    below = sorted(
        {Version(v) for v in versions if not Version(v).is_prerelease and Version(v) < own}
    )
    places = tuple(str(version) for version in (*below, own))
    lowest = next((n for n, v in enumerate(places) if declared.contains(v)), None)
    return Search(versions=places, good=len(places) - 1, first=lowest)


def declared(requirements: Sequence[Requirement]) -> SpecifierSet:
    """What all of them allow together."""
    found = SpecifierSet()
    for one in requirements:
        found &= one.specifier
    return found


def has_lower(specifiers: SpecifierSet) -> bool:
    """Whether something is said of what is too old."""
    return any(one.operator in {*_LOWER, "~=", "==", "==="} for one in specifiers)


def is_pinned(specifiers: SpecifierSet) -> bool:
    """Whether one version alone is allowed, by its name."""
    return any(
        one.operator == "===" or (one.operator == "==" and not one.version.endswith(".*"))
        for one in specifiers
    )


def without_lower(text: str, names: frozenset[str]) -> str:
    """A requirement on one of ``names`` as if nothing were too old for it; any other as it is."""
    return _changed(text, names, upper=True)


def without_upper(text: str, names: frozenset[str]) -> str:
    """A requirement on one of ``names`` as if nothing were too new for it; any other as it is."""
    return _changed(text, names, upper=False)


def with_lower(text: str, versions: dict[str, str]) -> str:
    """A requirement with another lower bound: ``versions`` by name."""
    requirement = Requirement(text)
    name = canonicalize_name(requirement.name)
    if name not in versions:
        return text
    bare = Requirement(_changed(text, frozenset({name}), upper=True))
    bare.specifier &= SpecifierSet(f">={versions[name]}")
    return str(bare)


def _changed(text: str, names: frozenset[str], *, upper: bool) -> str:
    requirement = Requirement(text)
    if canonicalize_name(requirement.name) not in names or requirement.url:
        return text
    kept: list[str] = []
    for one in requirement.specifier:
        kept += _sides(one, upper=upper)
    requirement.specifier = SpecifierSet(",".join(kept))
    return str(requirement)


def _sides(one: Specifier, *, upper: bool) -> list[str]:
    """What is left of one specifier without its lower, or its upper, side."""
    text = str(one)
    if one.operator in _LOWER:
        return [] if upper else [text]
    if one.operator in _UPPER:
        return [text] if upper else []
    series = one.version.endswith(".*")
    if one.operator == "~=" or (one.operator == "==" and series):
        release = Version(one.version.removesuffix(".*")).release
        fixed = release[:-1] if one.operator == "~=" else release
        after = ".".join(map(str, (*fixed[:-1], fixed[-1] + 1)))
        return [f"<{after}"] if upper else [f">={one.version.removesuffix('.*')}"]
    if one.operator in ("==", "==="):
        return []
    return [text]  # != says of single versions that they do not work
