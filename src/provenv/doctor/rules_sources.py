"""PV110–PV119: what the sources import, and what the project says that it needs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from packaging.utils import canonicalize_name

from provenv.core.values import frozen
from provenv.doctor.declared import Declared, declared_by
from provenv.doctor.facts import Facts, Import, SourceFacts
from provenv.doctor.modules import REMOVED, distribution_of, standard_library
from provenv.doctor.rule import Rule, Seen
from provenv.doctor.words import command, many, some
from provenv.model.finding import Place, Weight

_PLACES = 10


@frozen
class Used:
    """A distribution, or a module that none here provides, and the imports of it."""

    name: str
    imports: tuple[Import, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """The first places."""
        return tuple(Place(file=item.file, line=item.line) for item in self.imports[:_PLACES])

    @property
    def weight(self) -> Weight:
        """How bad it is that it cannot be had."""
        if self.shipped:
            return "error"
        return "note" if all(item.late for item in self.imports) else "warning"

    @property
    def shipped(self) -> bool:
        """It is imported by what is shipped, not by tests and scripts alone."""
        return any(not item.development for item in self.imports)


def foreign_imports(sources: SourceFacts) -> Iterator[Import]:
    """Imports of neither the standard library nor the project itself."""
    standard = standard_library(sources.python)
    for item in sources.imports:
        if item.top not in standard and item.top not in sources.local and item.top not in REMOVED:
            yield item


def providers(item: Import, sources: SourceFacts) -> frozenset[str]:
    """The distributions of the environments that an import leads to; empty where none has it."""
    provided = sources.provided or {}
    found: frozenset[str] = frozenset()
    for name in (item.module, *(f"{item.module}.{name}" for name in item.names)):
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            here = provided.get(".".join(parts[:length]))
            if here is not None:
                found |= here
                break
    if not found:  # a namespace package itself
        inside = [names for name, names in provided.items() if name.startswith(f"{item.module}.")]
        found = frozenset().union(*inside)
    return found


def _answered(sources: SourceFacts) -> Iterator[tuple[Import, frozenset[str]]]:
    """Imports that must not fail, each with the distributions that it leads to."""
    for item in foreign_imports(sources):
        if not item.optional and not item.typing:
            yield item, providers(item, sources)


def _grouped(pairs: Iterable[tuple[str, Import]]) -> list[Used]:
    found: dict[str, list[Import]] = {}
    for name, item in pairs:
        found.setdefault(name, []).append(item)
    return [Used(name=name, imports=tuple(items)) for name, items in sorted(found.items())]


def _judged(facts: Facts) -> tuple[SourceFacts, Declared] | None:
    """What is imported, and what is declared; None where that cannot be known."""
    if facts.project is None or facts.sources is None:
        return None
    declared = declared_by(facts.project, facts.sources.metadata)
    return (facts.sources, declared) if declared is not None else None


def not_there(facts: Facts) -> Iterator[Seen]:
    """Imports that nothing in the environment answers, and nothing declared looks like."""
    judged = _judged(facts)
    if judged is None:
        return
    sources, declared = judged
    # declared, and not in the environments that are made: an extra, a group, or another platform's;
    # where none is made, that is all of it
    there = {name for names in (sources.provided or {}).values() for name in names}
    absent = declared.all - there
    missing = [
        item for item, found in _answered(sources) if not found and not _looks_like(item, absent)
    ]
    for used in _grouped((item.top, item) for item in missing):
        if used.name in sources.outside:
            continue  # told by the rule about global interpreters
        likely = distribution_of(used.imports[0].module)
        where = "is in no environment of the project, and not declared"
        if sources.provided is None:
            where = (
                "looks like nothing that is declared (told by its name: no environment is made yet)"
            )
        yield Seen(
            text=f"module {used.name} is imported, and {where}",
            mend=_add(facts, likely, used),
            weight=_weight(used, sources),
            places=used.places,
        )


def _looks_like(item: Import, distributions: Iterable[str]) -> bool:
    """Whether one of these distributions is likely to be what is imported, told by its name."""
    known, name = distribution_of(item.module), canonicalize_name(item.top)
    return any(
        known == other or name == other.replace("-", "") or name in (other, *other.split("-"))
        for other in distributions
    )


def _weight(used: Used, sources: SourceFacts) -> Weight:
    """What is told by names alone is no error."""
    return "warning" if sources.provided is None and used.shipped else used.weight


def _add(facts: Facts, name: str, used: Used) -> str | None:
    """The command that declares it; None where there is no manifest to declare it in."""
    if facts.project is None or facts.project.manifest is None:
        return None
    if used.shipped:
        return command("provenv", "add", name)
    return command("provenv", "add", "--group", "dev", name)


def undeclared(facts: Facts) -> Iterator[Seen]:
    """Imports of what is there only because something else needs it."""
    judged = _judged(facts)
    if judged is None:
        return
    sources, declared = judged
    pairs = [
        (min(found), item)
        for item, found in _answered(sources)
        if found and not found & declared.all
    ]
    for used in _grouped(pairs):
        yield Seen(
            text=f"{used.name} is imported and not declared: it is there because something "
            "else needs it",
            mend=_add(facts, used.name, used),
            weight="warning" if used.shipped else "note",
            places=used.places,
        )


def in_a_group_only(facts: Facts) -> Iterator[Seen]:
    """What is shipped imports what only a dependency group brings."""
    judged = _judged(facts)
    if judged is None:
        return
    sources, declared = judged
    pairs = [
        (min(found & declared.groups), item)
        for item, found in _answered(sources)
        if not item.development and found & declared.groups and not found & declared.own
    ]
    for used in _grouped(pairs):
        yield Seen(
            text=f"{used.name} is imported by what is shipped, and declared in a dependency group only",
            mend=command("provenv", "add", used.name),
            places=used.places,
        )


def never_imported(facts: Facts) -> Iterator[Seen]:
    """Declared, in the environment, and imported nowhere."""
    judged = _judged(facts)
    if judged is None:
        return
    sources, declared = judged
    if sources.provided is None or facts.project is None or not sources.imports:
        return
    used: set[str] = set()
    for item in sources.imports:
        used |= providers(item, sources)
    there = {name for names in sources.provided.values() for name in names}
    idle = sorted(
        name
        for name in (declared.own | declared.groups) & there
        if name not in used and name not in sources.commanding and not _is_helper(name)
    )
    if idle:
        yield Seen(
            text=f"declared and never imported: {some(idle, 10)}",
            mend=command("provenv", "remove", *idle) if len(idle) == 1 else None,
            places=(Place(file=facts.project.root + "/pyproject.toml"),),
        )


def _is_helper(name: str) -> bool:
    """Whether a distribution is there for type checkers, or as a plugin that is found by its name."""
    return name.startswith(("types-", "pytest-", "flake8-", "sphinx-", "mkdocs-")) or name.endswith(
        "-stubs"
    )


def installed_globally(facts: Facts) -> Iterator[Seen]:
    """Modules that only a global interpreter has."""
    judged = _judged(facts)
    if judged is None:
        return
    sources, declared = judged
    lacking: list[tuple[str, Import]] = []
    both: dict[str, list[str]] = {}
    for item in foreign_imports(sources):
        folder = sources.outside.get(item.top)
        if folder is None or item.typing:
            continue
        if providers(item, sources) or _looks_like(item, declared.all):
            if folder not in sources.system:
                both.setdefault(folder, []).append(item.top)
        elif not item.optional:
            lacking.append((item.top, item))
    for used in _grouped(lacking):
        yield Seen(
            text=f"module {used.name} is imported, and only {sources.outside[used.name]} has it",
            mend=_add(facts, distribution_of(used.imports[0].module), used),
            weight=_weight(used, sources),
            places=used.places,
        )
    for folder, names in sorted(both.items()):
        told = sorted(set(names))
        yield Seen(
            text=f"{folder} has {some(told)}, too, which the project has or declares anyway",
            weight="note",
            advice="What is installed there hides what is missing elsewhere; uninstall it "
            "when nothing else uses it.",
        )


def gone_from_python(facts: Facts) -> Iterator[Seen]:
    """Modules that the standard library does not have any more."""
    sources = facts.sources
    if sources is None:
        return
    pairs = [
        (item.top, item)
        for item in sources.imports
        if REMOVED.get(item.top, (9, 9)) <= sources.python
        and item.top not in sources.local
        and not item.optional
        and not item.typing
        and not providers(item, sources)
    ]
    for used in _grouped(pairs):
        since = ".".join(map(str, REMOVED[used.name]))
        here = ".".join(map(str, sources.python))
        yield Seen(
            text=f"module {used.name} went from the standard library with Python {since}; "
            f"this is {here}",
            weight=_weight(used, sources),
            places=used.places,
        )


def shadowed(facts: Facts) -> Iterator[Seen]:
    """Files of the project that are called as a module of the standard library is."""
    for name, path in sorted(facts.sources.shadows.items()) if facts.sources else ():
        folder = os.path.dirname(path)
        yield Seen(
            text=f"{os.path.basename(path)} hides the standard library's {name} from whatever "
            f"runs in {folder}",
            places=(Place(file=path),),
        )


def unparsed(facts: Facts) -> Iterator[Seen]:
    """Sources that could not be read."""
    found = facts.sources.unparsed if facts.sources else ()
    if found:
        yield Seen(
            text=f"{many(len(found), 'file')} could not be parsed, and what is imported there "
            "is not known: "
            f"{found[0][2]}",
            places=tuple(Place(file=path, line=line) for path, line, _ in found[:_PLACES]),
        )
    unread = facts.sources.unread if facts.sources else {}
    if unread:
        yield Seen(
            text=f"{many(len(unread), 'folder')} could not be looked into, and what lies there is "
            f"not known: {next(iter(unread.values()))}",
            advice="Give this user the right to read them.",
            places=tuple(Place(file=path) for path in list(unread)[:_PLACES]),
        )


RULES = (
    Rule(
        code="PV111",
        title="An import that nothing answers",
        weight="error",
        why="It works where somebody installed the package by hand, and fails on every other machine.",
        advice="Add what is imported to the project's dependencies.",
        check=not_there,
    ),
    Rule(
        code="PV112",
        title="An import that is not declared",
        weight="warning",
        why="The next release of that other package may need it no longer, or in another version.",
        advice="Add what is imported to the project's dependencies.",
        check=undeclared,
    ),
    Rule(
        code="PV113",
        title="Declared and never imported",
        weight="note",
        why="Every package that is installed must be downloaded, updated and trusted.",
        advice="Remove it, unless something loads it by name.",
        check=never_imported,
    ),
    Rule(
        code="PV114",
        title="Imported in production, declared for development",
        weight="warning",
        why="Tests pass, because they run where the group is installed; in prod the import fails.",
        advice="Move it from the group to the project's dependencies.",
        check=in_a_group_only,
    ),
    Rule(
        code="PV115",
        title="Packages of a global interpreter",
        weight="warning",
        why="They were installed outside of every project: no lock holds them, and no other "
        "machine has them.",
        advice="Add them to the project's dependencies.",
        check=installed_globally,
    ),
    Rule(
        code="PV116",
        title="A module that this Python does not have any more",
        weight="error",
        why="The import fails on this Python, and on every later one.",
        advice="Use what replaced it, a package from the index, or an older Python.",
        check=gone_from_python,
    ),
    Rule(
        code="PV117",
        title="A file that hides a module of the standard library",
        weight="warning",
        why="Whatever imports that module, in any package, gets this file instead and fails "
        "in odd ways.",
        advice="Rename the file.",
        check=shadowed,
    ),
    Rule(
        code="PV118",
        title="Sources that cannot be parsed",
        weight="note",
        why="What they import cannot be compared with what is declared.",
        advice="Mend the syntax; files for another Python than provenv's own may be right as they are.",
        check=unparsed,
    ),
)
