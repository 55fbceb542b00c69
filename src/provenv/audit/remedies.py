"""Which versions of a package nothing is known against, and the least of them above one that is hit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.version import Version

from provenv.audit.database import Database
from provenv.audit.matching import answer, fixes, parsed
from provenv.core.values import frozen
from provenv.model.advisory import Affected
from provenv.model.plan import canonical


@frozen
class Known:
    """What is known against one package: the entries of each record that was not withdrawn."""

    package: str
    entries: tuple[tuple[Affected, ...], ...]

    def hits(self, version: str) -> bool:
        """Whether something is known against a version, or cannot be told apart from that."""
        return any(answer(rows, version) != "unaffected" for rows in self.entries)

    def fixed(self, version: str) -> list[Version]:
        """The versions above ``version`` that records name as fixed, without those that are hit."""
        named = {text for rows in self.entries for text in fixes(rows, version)}
        return sorted(Version(text) for text in named if not self.hits(text))


def known_against(database: Database, package: str) -> Known:
    """All that is known against a package, whatever the version."""
    name = canonical(package)
    rows = database.affected(name)
    valid = [one for one, record in database.records(rows).items() if record.withdrawn is None]
    return Known(package=name, entries=tuple(tuple(rows[one]) for one in valid))


def remedies(
    known: Known, locked: Sequence[str], offered: Iterable[Version] | None
) -> list[Version]:
    """The versions above all that are locked which nothing is known against, the lowest first.

    ``offered`` is what the index has; None where that is not known: then what the records name as fixed
    is taken in its place. Empty where a locked version cannot be compared.
    """
    own = [parsed(text) for text in locked]
    if any(version is None for version in own) or not own:
        return []
    lowest = max(version for version in own if version is not None)
    if offered is not None:
        return [one for one in sorted(offered) if one > lowest and not known.hits(str(one))]
    return [
        one for one in known.fixed(str(lowest)) if lowest.is_prerelease or not one.is_prerelease
    ]
