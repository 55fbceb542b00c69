"""PV4xx: the environments of a project, and others that lie in it."""

from __future__ import annotations

from collections.abc import Iterator

from provenv.doctor.facts import EnvironmentFacts, Facts
from provenv.doctor.rule import Rule, Seen
from provenv.doctor.words import below, command, some
from provenv.environments.drift import Drift
from provenv.model.finding import Place

_PLACES = 20
_DONE = (("changed", "changed:"), ("missing", "deleted:"), ("added", "added:"))


def _sync(environment: EnvironmentFacts, *more: str) -> str:
    """The command that makes this environment what the lock says."""
    return command("provenv", "sync", *environment.asked.options, *more)


def not_made(facts: Facts) -> Iterator[Seen]:
    """The default environment is not there yet."""
    for item in facts.environments:
        if item.asked.default and not item.there:
            yield Seen(text=f"{item.name} is not made yet", mend=_sync(item), target=item.name)


def broken(facts: Facts) -> Iterator[Seen]:
    """An environment that cannot be used as it is."""
    for item in facts.environments:
        if item.broken is not None:
            yield Seen(
                text=f"{item.name}: {item.broken}",
                mend=_sync(item),
                places=(Place(file=item.folder),),
                target=item.name,
            )


def other_lock(facts: Facts) -> Iterator[Seen]:
    """An environment holds other packages than the lock says."""
    for item in facts.environments:
        if item.asked.pending and item.generation is not None:
            yield Seen(
                text=f"the lock asks for other packages in {item.name}: {some(item.asked.pending)}"
                + ("; a rollback chose it as it is" if item.held else ""),
                mend=_sync(item),
                weight="note" if item.held else None,
                places=(Place(file=item.folder),),
                target=None if item.held else item.name,
            )


def drifted(facts: Facts) -> Iterator[Seen]:
    """Files came, went or were replaced since the generation was made."""
    for item in facts.environments:
        drift = (*item.drift, *item.rewritten)
        if not drift or item.generation is None:
            continue
        root = f"{item.folder}/generations/{item.generation.number}"
        first = f"{command('provenv', 'verify', *item.asked.options)}; " if item.rewritten else ""
        yield Seen(
            text=f"{item.name}, since generation {item.generation.number} was made: {_told(drift)}",
            mend=first + _sync(item),  # only what verify has noted down does sync look for in files
            weight="warning" if all(d.kind == "added" for d in drift) else None,
            places=tuple(Place(file=f"{root}/{d.path}") for d in drift[:_PLACES]),
            target=item.name,
        )


def _told(drift: tuple[Drift, ...]) -> str:
    parts = []
    for kind, word in (("added", "installed"), ("changed", "changed"), ("missing", "deleted")):
        names = [_short(item.path) for item in drift if item.kind == kind]
        if names:
            parts.append(f"{word} {some(names)}")
    return "; ".join(parts)


def _short(path: str) -> str:
    """A path in a generation, as one says it: relative to ``site-packages``."""
    return path.rpartition("/site-packages/")[2]


def altered(facts: Facts) -> Iterator[Seen]:
    """Files of packages were edited, deleted or added where environments share them."""
    for item in facts.environments:
        if not item.altered:
            continue
        packages = sorted({package for _, package, _ in item.altered})
        kinds = [kind for _, _, kind in item.altered]
        done = [f"{word} {kinds.count(kind)}" for kind, word in _DONE if kinds.count(kind)]
        yield Seen(
            text=f"{item.name}, in {some(packages)}: files {', '.join(done)}",
            mend=command("provenv", "repair", *item.asked.options),
            places=tuple(Place(file=path) for path, _, _ in item.altered[:_PLACES]),
            target=item.name,
        )


def moved(facts: Facts) -> Iterator[Seen]:
    """An environment was copied or moved by hand."""
    for item in facts.environments:
        if item.points_to is not None:
            yield Seen(
                text=f"{item.name} was made for the project in {item.points_to}: it was copied or moved",
                mend=_sync(item),
                places=(Place(file=item.folder),),
                target=item.name,
            )
        elif item.unregistered and item.generation is not None:
            yield Seen(
                text=f"{item.name}: the store does not know of an environment in {item.folder}: it was "
                "copied or moved, or made with another PROVENV_HOME",
                mend=_sync(item),
                weight="warning",
                places=(Place(file=item.folder),),
                target=item.name,
            )
    for other in facts.strangers:
        if other.built_for is not None:
            yield Seen(
                text=f"{_name(facts, other.folder)} was made for {other.built_for}: it was "
                "copied or moved",
                advice="Such an environment cannot be moved: remove it, and make it anew.",
                places=(Place(file=other.folder),),
            )


def no_interpreter(facts: Facts) -> Iterator[Seen]:
    """The interpreter of an environment is gone."""
    for item in facts.environments:
        if item.interpreter_gone is not None:
            yield Seen(
                text=f"the interpreter of {item.name} is gone: {item.interpreter_gone}",
                mend=_sync(item),
                places=(Place(file=item.folder),),
                target=item.name,
            )
    for other in facts.strangers:
        if other.interpreter_gone is not None:
            yield Seen(
                text=f"the interpreter of {_name(facts, other.folder)} is gone: "
                f"{other.interpreter_gone}",
                advice="Remove that environment, and make it anew.",
                places=(Place(file=other.folder),),
            )


def end_of_life(facts: Facts) -> Iterator[Seen]:
    """A Python that gets no security fixes any more."""
    for item in facts.environments:
        if item.end_of_life is not None:
            yield Seen(
                text=f"{item.name} runs on Python {item.python}, whose support ended on "
                f"{item.end_of_life}",
                places=(Place(file=item.folder),),
            )


def foreign(facts: Facts) -> Iterator[Seen]:
    """A virtual environment that something else made."""
    own = {item.folder for item in facts.environments if item.foreign}
    for item in facts.environments:
        if item.foreign:
            yield Seen(
                text=f"{_name(facts, item.folder)} was made by another tool, where "
                f"{item.name} should be",
                mend=_sync(item, "--adopt"),
                advice="`--adopt` sets it aside under another name, and makes a new one.",
                weight="warning",
                places=(Place(file=item.folder),),
            )
    others = [other.folder for other in facts.strangers if other.folder not in own]
    if others:
        names = [_name(facts, folder) for folder in others]
        yield Seen(
            text=f"made by another tool: {some(names)}",
            places=tuple(Place(file=folder) for folder in others),
        )


def _name(facts: Facts, folder: str) -> str:
    return below(folder, facts.project.root) if facts.project else folder


def system_packages(facts: Facts) -> Iterator[Seen]:
    """An environment sees its base interpreter's packages."""
    for item in facts.environments:
        if item.user_site is not None:
            yield Seen(
                text=f"{item.name} sees the packages in {item.user_site} as well",
                mend="export PYTHONNOUSERSITE=1",
                weight="warning",
                places=(Place(file=f"{item.folder}/pyvenv.cfg"),),
            )
        elif item.system_packages:
            yield Seen(
                text=f"{item.name} sees the packages of its base interpreter as well",
                places=(Place(file=f"{item.folder}/pyvenv.cfg"),),
            )


RULES = (
    Rule(
        code="PV401",
        title="No environment yet",
        weight="note",
        why="Imports cannot be held against what is installed, and editors find no packages.",
        advice="Make it.",
        check=not_made,
        fix="sync",
    ),
    Rule(
        code="PV402",
        title="An environment that cannot be used",
        weight="error",
        why="Nothing starts in it.",
        advice="Let sync make a new generation; `provenv rollback` goes back to an earlier one.",
        check=broken,
        fix="sync",
    ),
    Rule(
        code="PV403",
        title="An environment that the lock has left behind",
        weight="warning",
        why="What runs here is not what the lock says, and not what others run.",
        advice="Sync.",
        check=other_lock,
        fix="sync",
    ),
    Rule(
        code="PV404",
        title="Drift",
        weight="error",
        why="It works here and nowhere else, and is gone with the next generation.",
        advice="Sync makes a generation without it; what is needed belongs into "
        "pyproject.toml (`provenv add PACKAGE`).",
        check=drifted,
        fix="sync",
    ),
    Rule(
        code="PV405",
        title="Files that were edited",
        weight="error",
        why="The store shares files between environments: every one that has the package "
        "runs the edit.",
        advice="`repair` puts every file back where it lies; nothing is switched.",
        check=altered,
        fix="repair",
    ),
    Rule(
        code="PV406",
        title="An environment that was copied or moved",
        weight="error",
        why="It still leads to its former place, and `store gc` does not spare what it uses.",
        advice="Sync.",
        check=moved,
        fix="sync",
    ),
    Rule(
        code="PV407",
        title="The interpreter is gone",
        weight="error",
        why="Nothing starts in the environment; an upgrade by pyenv, Homebrew or the system does this.",
        advice="Sync takes another interpreter that fits.",
        check=no_interpreter,
        fix="sync",
    ),
    Rule(
        code="PV408",
        title="A Python at the end of its life",
        weight="warning",
        why="Its security holes are not mended any more, and new releases of packages leave it out.",
        advice="Ask for a newer one in requires-python, .python-version or "
        "[tool.provenv.environments], and sync.",
        check=end_of_life,
    ),
    Rule(
        code="PV409",
        title="An environment by another tool",
        weight="note",
        why="Which of two environments a command works on depends on what was activated last.",
        advice="Remove it when nothing uses it any more.",
        check=foreign,
    ),
    Rule(
        code="PV410",
        title="Packages from outside of the environment",
        weight="note",
        why="What is installed there stands in no lock, and differs from machine to machine.",
        advice="Set `system-site-packages` only for what cannot be installed in any other way.",
        check=system_packages,
    ),
)
