"""From options to targets: which environments, of which project, a call is about.

``-e NAME`` is an environment of the project at hand. Where that has none of this name, it is an
environment outside projects, which is a project of its own in the home folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from provenv.cli.draw import Screen
from provenv.core.errors import ProvenvError, UsageError, safe_of
from provenv.core.files import unforeseen
from provenv.core.values import frozen, replace
from provenv.model.layout import base_name, is_environment_name
from provenv.model.manifest import unknown_environment
from provenv.workspace.projects import outside
from provenv.workspace.projects.context import Project, find_root, open_project, refuse_bare

if TYPE_CHECKING:
    from provenv.cli.session import Session


@frozen
class Target:
    """One environment of one project.

    Attributes:
        environment: Its name, or None where the project's default one is meant.
        outside: The project lies outside of the one at hand: it was found by the environment's name.
    """

    project: Project
    environment: str | None
    outside: bool = False

    @property
    def name(self) -> str:
        """The environment's name, for people."""
        return self.project.manifest.environment(self.environment).name

    @property
    def option(self) -> str:
        """What must be added to a command line that means this environment: `` -e NAME``, or nothing."""
        spec = self.project.manifest.environment(self.environment)
        default = self.project.manifest.environment().name
        return f" -e {spec.name}" if self.outside or spec.name != default else ""


@frozen
class Answer:
    """What a command has to say of one target: its exit code and the twins, JSON and text.

    ``short`` is the text in a few words, for a table of many; ``environment`` is what it is about, where it
    was said without a target.
    """

    code: int
    data: Callable[[], dict[str, Any]]
    text: Callable[[Screen], None]
    short: str = ""
    environment: str | None = None


Tell = Literal["answer", "report", "verdict"]


def find(session: Session, name: str | None) -> Target:
    """The environment that ``name`` means here; of several Pythons, the first.

    Raises:
        UsageError: There is none of this name.
        InputError: There is no project, and no name.
    """
    if name is None:
        return Target(project=session.project, environment=None)
    root = find_root(os.getcwd())
    project = session.opened if root is not None else None
    if project is not None and project.bare:
        project = None
    if project is not None and base_name(name) in project.manifest.environments:
        project.manifest.environment(name)
        return Target(project=project, environment=name)
    home = session.context.home
    found = outside.find(home, base_name(name))
    if found is None:
        names = outside.names(home)
        if root is not None and project is None:
            refuse_bare(session.opened)
        if project is not None:
            raise unknown_environment(base_name(name), [*project.manifest.environments, *names])
        raise _nowhere(base_name(name), names)
    if project is not None:
        outside.remember(project.root, home.root, base_name(name))
    own = open_project(found)
    own.manifest.environment(name)
    return Target(project=own, environment=name if "@" in name else None, outside=True)


def _nowhere(name: str, names: Sequence[str]) -> UsageError:
    if not is_environment_name(name):
        return unknown_environment(name, names)
    listed = f"Environments outside projects: {', '.join(names)}. " if names else ""
    return UsageError(
        f"unknown environment {name!r}, and no project here",
        hint=f"{listed}`provenv env create {name}` makes one.",
        details={"known": list(names)},
    )


def one(session: Session) -> Target:
    """The one environment that a call is about; of several Pythons, the first.

    Raises:
        UsageError: Several were asked for, or there is none of this name.
    """
    target = find(session, session.options.environment)
    names = target.project.manifest.instances(target.environment)
    if len(names) == 1 or target.environment is None:  # the short way knows the default one as None
        return target
    return replace(target, environment=names[0].name)


def several(session: Session) -> list[Target]:
    """All environments that a call is about: every ``-e``, and of each every Python."""
    return instances(find(session, name) for name in session.options.environments or (None,))


def output_of(session: Session, given: str | None) -> str | None:
    """What ``--output`` names, absolute; None where each answer goes to standard output.

    Raises:
        UsageError: Several environments are meant, and it is no folder.
    """
    output = os.path.abspath(given) if given is not None else None
    if len(several(session)) > 1 and (output is None or not os.path.isdir(output)):
        raise UsageError(
            "several environments need a folder each file goes to", hint="Give -o FOLDER."
        )
    return output


def instances(targets: Iterable[Target]) -> list[Target]:
    """Of each target every Python; what is meant twice, once."""
    found: list[Target] = []
    for target in targets:
        specs = target.project.manifest.instances(target.environment)
        if len(specs) == 1:
            found.append(target)
        else:
            found += [replace(target, environment=spec.name) for spec in specs]
    unique: dict[tuple[str, str], Target] = {}
    for target in found:
        unique.setdefault((target.project.root, target.name), target)
    return list(unique.values())


def for_each(
    session: Session, verb: str, act: Callable[[Target], Answer], *, tell: Tell = "report"
) -> int:
    """Do ``act`` for every target, and tell all of it; one failure does not stop the others.

    Returns:
        The highest exit code.

    Raises:
        ProvenvError: There is one target, and it failed.
    """
    targets = several(session)
    if len(targets) == 1:
        answer = act(targets[0])
        getattr(session, tell)(verb, answer.data, answer.text)
        return answer.code
    results: list[dict[str, Any]] = []
    highest = 0
    for target in targets:
        said = attempt(act, target)
        if isinstance(said, ProvenvError):
            session.progress.close()
            if not session.options.json:
                session.alarm.error(f"{target.name}: {said.message}", said.hint, safe_of(said))
        else:
            _draw(session, said, tell, first=not results)
        results.append(entry(target.project.root, target.name, said))
        highest = max(highest, results[-1]["exit_code"])
    session.progress.close()
    if session.options.json:
        session.answer(f"{verb}-many", lambda: {"results": results}, lambda screen: None)  # noqa: ARG005
    return highest


def attempt(act: Callable[[Target], Answer], target: Target) -> Answer | ProvenvError:
    """What ``act`` answers, or the error that it failed with, where others are still to be done."""
    try:
        return act(target)
    except ProvenvError as error:
        return error
    except OSError as error:
        return unforeseen(error)


def _draw(session: Session, answer: Answer, tell: Tell, *, first: bool) -> None:
    session.progress.close()
    if session.options.json or (tell == "verdict" and session.options.quiet):
        return
    if tell != "report" and not first:
        session.out.line()
    answer.text(session.talk if tell == "report" else session.out)


def entry(root: str, environment: str | None, said: Answer | ProvenvError) -> dict[str, Any]:
    """One of the ``results``: what was done, or what went wrong as in ``provenv.error/1``."""
    if isinstance(said, ProvenvError):
        code, result, error = said.exit_code, None, said.data()
    else:
        code, result, error = said.code, said.data(), None
    return {
        "root": root,
        "environment": environment,
        "exit_code": code,
        "result": result,
        "error": error,
    }
