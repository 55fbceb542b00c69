"""Looking ahead: which newer versions there are to try, within the declared bounds and beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from provenv.core.values import frozen

Kind = Literal["highest", "upgrade", "beyond", "pre-release", "everything", "python"]


@frozen
class Step:
    """One thing to try.

    Attributes:
        kind: ``highest``: the newest of all that the bounds allow, at once. ``upgrade``: one of these
            alone. ``beyond``: the newest of one, without its upper bound. ``pre-release``: likewise, and
            not final. ``everything``: the newest of all, without upper bounds. ``python``: a newer one.
        name: The distribution, or the request for the Python; empty for all at once.
        before: The version that is locked. ``after``: What is tried instead.
        bound: What is declared.
    """

    kind: Kind
    name: str = ""
    before: str = ""
    after: str = ""
    bound: str = ""

    @property
    def label(self) -> str:
        """What it is called in one line."""
        if self.kind == "python":
            return f"Python {self.after}"
        return {"highest": "highest allowed", "everything": "everything newest"}.get(
            self.kind, f"{self.name} {self.after}"
        )


def beyond(name: str, locked: str, declared: SpecifierSet, versions: Sequence[str]) -> list[Step]:
    """What there is of one distribution beyond its declared bounds: its newest, and a newer pre-release."""
    own = Version(locked)
    known = sorted(Version(version) for version in versions)
    final = [one for one in known if not one.is_prerelease and one > own]
    found = []
    newest = final[-1] if final else own
    if newest > own and not declared.contains(str(newest)):
        found.append(_step("beyond", name, locked, newest, declared))
    early = [one for one in known if one.is_prerelease and not one.is_devrelease and one > newest]
    if early:
        found.append(_step("pre-release", name, locked, early[-1], declared))
    return found


def _step(kind: Kind, name: str, locked: str, version: Version, declared: SpecifierSet) -> Step:
    return Step(kind=kind, name=name, before=locked, after=str(version), bound=str(declared))
