"""Bounds in requirements (PEP 440, PEP 508): what keeps a version out, and what would let it in.

A requirement says which versions its author has tried. What is proposed in its place is as narrow as
it was: a bound stays a bound, only further up.
"""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

_STEPS = ("major", "minor", "patch")


def allows(requirement: Requirement, version: Version) -> bool:
    """Whether a requirement lets a version in; a pre-release as any other."""
    return requirement.specifier.contains(version, prereleases=True)


def lifted(requirement: Requirement, version: Version) -> str:
    """The requirement, with each clause that keeps ``version`` out moved so that it lets it in.

    ``core[x]<2,>=1`` becomes ``core[x]>=1,<3`` for version 2.1; ``==1.0`` becomes ``==2.1``, ``~=1.4``
    becomes ``~=2.1``, and ``==1.*`` becomes ``==2.*``.
    """
    clauses = [
        clause if clause.contains(version, prereleases=True) else _moved(clause, version)
        for clause in requirement.specifier
    ]
    found = Requirement(str(requirement))
    found.specifier = SpecifierSet(",".join(sorted({str(c) for c in clauses if c is not None})))
    return str(found)


def _moved(clause: Specifier, version: Version) -> Specifier | None:
    """A clause that lets ``version`` in; None where it only kept that one out (``!=``)."""
    operator = clause.operator
    if operator in ("<", "<="):
        return Specifier(f"<{_epoch(version)}{version.major + 1}")
    if operator in (">", ">="):
        return Specifier(f">={version.public}")
    if operator == "~=":
        return Specifier(f"~={_cut(version, max(len(Version(clause.version).release), 2))}")
    if operator == "==" and clause.version.endswith(".*"):
        return Specifier(f"=={_cut(version, clause.version.count('.'))}.*")
    return None if operator == "!=" else Specifier(f"=={version.public}")


def _cut(version: Version, length: int) -> str:
    """The first numbers of a version, filled up with zeros."""
    numbers = (*version.release, *(0 for _ in range(length)))[:length]
    return _epoch(version) + ".".join(map(str, numbers))


def _epoch(version: Version) -> str:
    return f"{version.epoch}!" if version.epoch else ""


def step(before: Version, after: Version) -> str:
    """Which number moves between two versions: ``major``, ``minor`` or ``patch``.

    By position, whatever a project means by its numbers; what comes behind the third counts as a patch.
    """
    if before.epoch != after.epoch:
        return "major"
    one, two = ((*v.release, 0, 0)[:2] for v in (before, after))
    for number, name in enumerate(_STEPS[:2]):
        if one[number] != two[number]:
            return name
    return "patch"


def ceiling(version: Version, upto: str) -> str:
    """The first version that a step does not reach: ``1.5`` for patches of 1.4.2, ``2`` for minors.

    As the right side of ``<``. Empty for ``major``, which has none.
    """
    if upto == "major":
        return ""
    if upto == "minor":
        return f"{_epoch(version)}{version.major + 1}"
    return f"{_epoch(version)}{version.major}.{version.minor + 1}"
