"""Lock × groups, extras, interpreter → the entries that are installed: the walk that each tool does."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Mapping
from functools import lru_cache

from packaging.markers import InvalidMarker, Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from provenv.core.errors import InputError
from provenv.core.values import frozen
from provenv.formats.foreign import BASE, Edge, Foreign, Pin, Place
from provenv.model.plan import canonical

# `extra == 'x'` asks for one extra at a time; PEP 751 has the set of all that are asked for.
_EXTRA = re.compile(r"""\bextra\s*(==|!=)\s*(['"])([^'"]*)\2""")
_EXTRA_LAST = re.compile(r"""(['"])([^'"]*)\1\s*(==|!=)\s*extra\b""")


@frozen
class Selected:
    """The entries that apply, sorted by name; ``missing`` are needed and not in the lock."""

    pins: tuple[Pin, ...]
    missing: tuple[str, ...]


def applies(marker: str, markers: Mapping[str, str], extras: Collection[str]) -> bool:
    """Whether a marker holds (PEP 508; ``extra`` means any of ``extras``).

    Raises:
        InvalidMarker: It is not one.
    """
    if not marker:
        return True
    variables: dict[str, str | frozenset[str]] = {
        **markers,
        "extras": frozenset(canonical(extra) for extra in extras),
        "dependency_groups": frozenset(),
    }
    return _parsed(marker).evaluate(variables, context="lock_file")


@lru_cache(4096)
def _parsed(marker: str) -> Marker:
    def membership(operator: str, name: str) -> str:
        return f"'{canonical(name)}' {'in' if operator == '==' else 'not in'} extras"

    text = _EXTRA.sub(lambda m: membership(m[1], m[3]), marker)
    text = _EXTRA_LAST.sub(lambda m: membership(m[3], m[2]), text)
    return Marker(text)


def select(
    foreign: Foreign,
    markers: Mapping[str, str],
    *,
    groups: Collection[str],
    extras: Collection[str],
) -> Selected:
    """What a lock installs for an interpreter with these ``markers`` (PEP 508).

    Raises:
        InputError: A marker cannot be read, or two entries of one name apply.
    """
    try:
        return _Walk(foreign, markers, frozenset(groups), frozenset(extras)).selected()
    except InvalidMarker as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"holds a marker that is none (PEP 508): {reason}", file=foreign.file
        ) from error


class _Walk:
    """A walk over the edges of a lock, from its roots."""

    def __init__(
        self,
        foreign: Foreign,
        markers: Mapping[str, str],
        groups: frozenset[str],
        extras: frozenset[str],
    ) -> None:
        self.foreign = foreign
        self.markers = markers
        self.conflicts = _conflict_names(foreign.name, groups, extras)
        self.places: list[Place] = [
            BASE,
            *(("extra", name) for name in sorted(extras)),
            *(("group", name) for name in sorted(groups)),
        ]
        self.extras = extras
        self.candidates: dict[str, list[Pin]] = {}
        for pin in foreign.pins:
            self.candidates.setdefault(pin.name, []).append(pin)
        for name, pins in self.candidates.items():
            if len(pins) > 1:
                self.candidates[name] = self._ordered(pins)

    def _ordered(self, pins: list[Pin]) -> list[Pin]:
        """Those for this Python first, and of those the newest: as a resolver would take them."""
        python = self.markers.get("python_full_version", "")

        def rank(pin: Pin) -> tuple[bool, Version]:
            fits = not pin.requires_python or _contains(pin.requires_python, python)
            try:
                return fits, Version(pin.version)
            except InvalidVersion:
                return fits, Version("0")

        return sorted(pins, key=rank, reverse=True)

    def selected(self) -> Selected:
        """Walk until every edge agrees with the entry that was taken for its name."""
        while True:
            chosen, missing = self._walk()
            if chosen is not None:
                pins = tuple(pin for _, pin in sorted(chosen.items()) if not pin.virtual)
                return Selected(pins=pins, missing=tuple(missing))

    def _walk(self) -> tuple[dict[str, Pin] | None, dict[str, None]]:
        """One walk; None in place of the entries where a later edge ruled out one that was taken."""
        chosen: dict[str, Pin] = {}
        missing: dict[str, None] = {}
        queue: deque[tuple[Edge, frozenset[str]]] = deque()
        for place in self.places:
            queue.extend((edge, self.extras) for edge in self.foreign.roots.get(place, ()))
        seen: set[tuple[str, str]] = set()
        while queue:
            edge, active = queue.popleft()
            if not applies(edge.marker, self.markers, active | self.conflicts):
                continue
            there = self.candidates.get(edge.name, [])
            fitting = [pin for pin in there if _fits(pin, edge)]
            if not fitting and edge.name in chosen:
                raise self._torn(edge, chosen[edge.name])
            if not fitting:
                missing[edge.name] = None
                continue
            if len(fitting) < len(there):
                self.candidates[edge.name] = fitting
                if edge.name in chosen and chosen[edge.name] not in fitting:
                    return None, {}
            pin = chosen.setdefault(edge.name, fitting[0])
            for extra in ("", *edge.extras):
                if (pin.name, extra) not in seen:
                    seen.add((pin.name, extra))
                    below = pin.extras.get(extra, ()) if extra else pin.edges
                    queue.extend((item, frozenset({extra} - {""})) for item in below)
        return chosen, missing

    def _torn(self, edge: Edge, pin: Pin) -> InputError:
        return InputError(
            f"{pin.name} {pin.version} is to be installed, and also {edge.version or edge.specifier}",
            file=self.foreign.file,
            hint="Have its own tool lock again.",
        )


def _conflict_names(project: str, groups: frozenset[str], extras: frozenset[str]) -> frozenset[str]:
    """How uv.lock names the extras and groups that its project declares as conflicting."""
    name = canonical(project)
    found = {f"extra-{len(name)}-{name}-{extra}" for extra in extras}
    return frozenset(found | {f"group-{len(name)}-{name}-{group}" for group in groups})


def _fits(pin: Pin, edge: Edge) -> bool:
    if edge.version:
        return pin.version == edge.version
    if not edge.specifier or not pin.version:
        return True
    return _contains(edge.specifier, pin.version)


def _contains(specifier: str, version: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True
