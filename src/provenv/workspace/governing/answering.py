"""Keeping what an audit answered, for the short way (:mod:`provenv.workspace.answered`)."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime, timedelta

from provenv.audit import database
from provenv.core.values import frozen
from provenv.workspace import answered
from provenv.workspace.governing.auditing import MAX_AGE, QUIET, AuditResult
from provenv.workspace.projects.context import MANIFEST_FILE, Context, Project


@frozen
class Before:
    """What decides on an audit, as it was before the audit began. ``begun``: Nothing was read earlier."""

    begun: datetime
    files: tuple[str, ...]


def look(project: Project, context: Context, begun: datetime) -> Before | None:
    """Look at what will decide on an audit; None where its answer cannot be kept.

    What changes while it is read would else pass for what was read.
    """
    path = database.current(context.home.advisories)
    if path is None:
        return None
    paths = [*_files(project), *_facts(context, path)]
    files = answered.look(paths, int(begun.timestamp() * 1e9))
    return None if files is None else Before(begun=begun, files=tuple(files))


def remember(
    project: Project, context: Context, result: AuditResult, code: int, answer: str, before: Before
) -> None:
    """Keep the answer of an audit of all of a project's locks; ``answer`` has :data:`answered.AGE` in it.

    What is doubtful is asked again each time.
    """
    if result.doubts:
        return
    imported = datetime.fromisoformat(result.facts.imported)
    tomorrow = before.begun.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    newest = datetime.fromisoformat(result.facts.newest)
    until = min(imported + MAX_AGE, newest + QUIET, tomorrow)
    with contextlib.suppress(OSError):  # it costs time later on, and nothing else
        answered.remember(
            project.root,
            context.home.root,
            code,
            imported.timestamp(),
            int(before.begun.timestamp()),
            int(until.timestamp()),
            before.files,
            answer,
        )


def _files(project: Project) -> list[str]:
    """What of the project decides, its workspace and its environments among it."""
    specs = list(project.manifest.all_instances())
    found = [project.manifest_path, project.locker.manifest_path, project.lock_path(None)]
    found += [project.lock_path(project.lock_key(spec)) for spec in specs]
    found += [os.path.join(project.root, path) for path in project.around]
    found += [f"{project.folder(spec)}/current" for spec in specs]
    above = os.path.dirname(project.root)
    while above != os.path.dirname(above):
        found.append(os.path.join(above, MANIFEST_FILE))
        above = os.path.dirname(above)
    return list(dict.fromkeys([*found, os.path.join(above, MANIFEST_FILE)]))


def _facts(context: Context, path: str) -> list[str]:
    """The advisories, and what indexes have said: a file that is replaced changes its folder."""
    indexes = context.home.indexes
    names = sorted(os.listdir(indexes)) if os.path.isdir(indexes) else []
    pointer = os.path.join(context.home.advisories, "current")
    return [pointer, path, indexes, *(os.path.join(indexes, name) for name in names)]
