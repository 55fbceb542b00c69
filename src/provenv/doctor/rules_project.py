"""PV101–PV109 and PV120–PV129: the files of a project, locks and requirements above all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from provenv.doctor.facts import Facts, ProjectFacts
from provenv.doctor.facts_project import is_requirements
from provenv.doctor.rule import Rule, Seen
from provenv.doctor.words import below, many, some
from provenv.interpreters.versions import allows
from provenv.model.finding import Place

_OTHER_LOCKS = ("poetry.lock", "uv.lock", "pdm.lock", "Pipfile.lock")
_MARKERS = re.compile(r"^(<{7}|>{7})( |$)", re.MULTILINE)
_COMMENT = re.compile(r"(^|\s)#.*$")
_NEWEST_MINOR, _NEWEST_PATCH = 20, 30


def unusable(facts: Facts) -> Iterator[Seen]:
    """A file of the project cannot be read as what it is."""
    project = facts.project
    for error in project.troubles if project else ():
        if project is not None and error.details.get("file") in _conflicting(project):
            continue  # told by the next rule, with every line
        file, line = error.details.get("file"), error.details.get("line")
        places = (Place(file=str(file), line=line if isinstance(line, int) else None),)
        text = error.message.removeprefix(f"{file}:{line}: ").removeprefix(f"{file}: ")
        yield Seen(text=text, advice=error.hint, places=places if file else ())


def merge_markers(facts: Facts) -> Iterator[Seen]:
    """A merge was not finished in a file that decides what is installed."""
    if facts.project is None:
        return
    for path, places in _conflicting(facts.project).items():
        lock = os.path.basename(path).startswith("pylock.")
        name = below(path, facts.project.root)
        yield Seen(
            text=f"{name} holds {many(len(places), 'line')} that git wrote where two branches differ",
            mend=f"git checkout --ours -- {name} && provenv lock" if lock else None,
            advice="Take either side of the lock and lock again: what both asked for is in "
            "the manifest."
            if lock
            else "Decide for one side, and take the lines out.",
            places=tuple(places),
        )


def _conflicting(project: ProjectFacts) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for path, text in project.texts.items():
        for match in _MARKERS.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.setdefault(path, []).append(Place(file=path, line=line))
    return found


def no_lock(facts: Facts) -> Iterator[Seen]:
    """The project has no lock."""
    project = facts.project
    if project is None or project.manifest is None or not (project.stale or "").endswith("missing"):
        return
    name = (project.stale or "").split()[0]
    others = [n for n in _OTHER_LOCKS if f"{project.root}/{n}" in project.texts]
    if others:
        yield Seen(
            text=f"{name} is not there, and {others[0]} of another tool is",
            weight="note",
            advice="Whoever uses that tool gets these versions. provenv makes a lock of its own.",
            places=(Place(file=f"{project.root}/{others[0]}"),),
        )
        return
    yield Seen(
        text=f"{name} is not there",
        mend="provenv lock",
        places=(Place(file=project.manifest.file),),
        target="",
    )


def no_manifest(facts: Facts) -> Iterator[Seen]:
    """There is no ``pyproject.toml``."""
    project = facts.project
    if project is not None and f"{project.root}/pyproject.toml" not in project.texts:
        yield Seen(text=f"{project.root} has none", mend="provenv init")


def stale_lock(facts: Facts) -> Iterator[Seen]:
    """The lock does not answer the manifest."""
    project = facts.project
    if project is None or project.stale is None or project.stale.endswith("missing"):
        return
    yield Seen(
        text=project.stale,
        mend="provenv lock",
        places=(Place(file=f"{project.root}/pylock.toml"),),
        target="",
    )


def unpinned(facts: Facts) -> Iterator[Seen]:
    """Lines of a requirements file that allow more than one version."""
    for path, text in facts.project.texts.items() if facts.project else ():
        if not is_requirements(path) or facts.project is None:
            continue
        lines = list(unpinned_lines(text))
        if not lines:
            continue
        names = [name for name, _ in lines]
        yield Seen(
            text=f"{below(path, facts.project.root)} leaves the version of "
            f"{many(len(names), 'package')} open: {some(names)}",
            mend=None if facts.project.manifest else "provenv init",
            advice="Put what the project asks for into pyproject.toml, and let the lock "
            "decide the versions.",
            places=tuple(Place(file=path, line=line) for _, line in lines),
        )


def unpinned_lines(text: str) -> Iterator[tuple[str, int]]:
    r"""Name and line of every requirement that is not one version, one file or one commit.

    The format is pip's: comments, ``\`` at the end of a line, options, and requirements (PEP 508).
    """
    start, whole = 1, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not whole:
            start = number
        if line.endswith("\\"):
            whole += line[:-1] + " "
            continue
        item = _COMMENT.sub("", whole + line).strip()
        whole = ""
        if item and not item.startswith("-"):
            name = _open_requirement(item)
            if name is not None:
                yield name, start


def _open_requirement(item: str) -> str | None:
    """The name of a requirement that is not pinned; None where it is, or is no requirement."""
    bare = re.split(r"\s--?[a-z]", item, maxsplit=1)[0].strip()
    try:
        requirement = Requirement(bare)
    except InvalidRequirement:
        return None  # a path or an address, which names one thing
    if requirement.url is not None:
        return None
    exact = [
        s for s in requirement.specifier if s.operator in ("==", "===") and "*" not in s.version
    ]
    return None if exact else requirement.name


def contradicting_pin(facts: Facts) -> Iterator[Seen]:
    """``.python-version`` asks for a Python that the project does not allow."""
    project = facts.project
    if project is None or project.manifest is None or project.manifest.requires_python is None:
        return
    requires = project.manifest.requires_python
    for pin, path, line in project.pins:
        if _allowed(pin, requires) is False:
            yield Seen(
                text=f"{below(path, project.root)} asks for Python {pin}, and requires-python "
                f"is {requires!r}",
                places=(Place(file=path, line=line), Place(file=project.manifest.file)),
            )


def _allowed(pin: str, requires: str) -> bool | None:
    """Whether some Python that the pin means is allowed; None where the pin is not a version."""
    match = re.fullmatch(r"(?:cpython-?|pypy-?|python-?)?(\d+(?:\.\d+){0,2})t?(?:-[\w.]+)?", pin)
    if match is None:
        return None
    parts = match[1].split(".")
    if len(parts) == 3:
        return allows(requires, match[1])
    minors = parts[1:] or [str(number) for number in range(_NEWEST_MINOR)]
    allowed = SpecifierSet(requires)
    return any(
        allowed.contains(f"{parts[0]}.{minor}.{patch}")
        for minor in minors
        for patch in range(_NEWEST_PATCH)
    )


def no_requires_python(facts: Facts) -> Iterator[Seen]:
    """The project does not say which Pythons it runs on."""
    project = facts.project
    if project is None or project.manifest is None or project.manifest.requires_python:
        return
    if project.manifest.name is not None:
        yield Seen(
            text="pyproject.toml has no requires-python",
            places=(Place(file=project.manifest.file),),
        )


RULES = (
    Rule(
        code="PV101",
        title="A file of the project cannot be used",
        weight="error",
        why="Nothing can be decided from it: neither a lock nor an environment can be made.",
        advice="Mend the line that is named.",
        check=unusable,
    ),
    Rule(
        code="PV102",
        title="Merge markers",
        weight="error",
        why="The file is neither the one side nor the other, and no tool can read it.",
        advice="Finish the merge.",
        check=merge_markers,
    ),
    Rule(
        code="PV103",
        title="No lock",
        weight="error",
        why="Every machine and every day may get other versions, and nobody can tell which "
        "were tested.",
        advice="Lock, and commit pylock.toml.",
        check=no_lock,
        fix="lock",
    ),
    Rule(
        code="PV104",
        title="A stale lock",
        weight="error",
        why="What is installed is not what the project asks for; `sync --locked`, as in CI, refuses.",
        advice="Lock again: nothing moves that need not.",
        check=stale_lock,
        fix="lock",
    ),
    Rule(
        code="PV105",
        title="No pyproject.toml",
        weight="note",
        why="Nothing says what the project needs, which Python it runs on, and what decides on versions.",
        advice="Make one.",
        check=no_manifest,
    ),
    Rule(
        code="PV121",
        title="Unpinned requirements",
        weight="warning",
        why="`pip install -r` gives other versions tomorrow: a release by somebody else breaks yours.",
        advice="Let a lock decide the versions.",
        check=unpinned,
    ),
    Rule(
        code="PV122",
        title="Pinned to a Python that the project does not allow",
        weight="warning",
        why="pyenv and others start a Python that the project cannot be installed on; "
        "provenv passes the pin over.",
        advice="Change .python-version, or requires-python in pyproject.toml.",
        check=contradicting_pin,
    ),
    Rule(
        code="PV123",
        title="No requires-python",
        weight="note",
        why="The lock must hold for every Python there is, which may rule out newer releases "
        "of packages.",
        advice="Add `requires-python` to [project] in pyproject.toml.",
        check=no_requires_python,
    ),
)
