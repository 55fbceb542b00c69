"""Gathering all facts at once: what waits for git goes on beside what reads sources."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

from provenv.core.events import (
    Emit,
    ItemFinished,
    ItemStarted,
    PhaseFinished,
    PhaseStarted,
    Warned,
    silent,
)
from provenv.core.values import replace
from provenv.doctor.facts import Facts, Subject
from provenv.doctor.facts_environment import environment_facts, stranger_facts
from provenv.doctor.facts_git import git_facts
from provenv.doctor.facts_machine import machine_facts
from provenv.doctor.facts_project import project_facts
from provenv.doctor.facts_shell import shell_facts
from provenv.doctor.facts_sources import source_facts
from provenv.doctor.shelf import Shelf
from provenv.doctor.walk import walk
from provenv.environments.generations import is_ours

_PHASE = "examine"


def gather(subject: Subject, emit: Emit = silent) -> Facts:
    """Look at everything that rules may ask for. Nothing is changed."""
    started = time.monotonic()
    emit(PhaseStarted(phase=_PHASE))
    default = next((item.folder for item in subject.environments if item.default), None)
    if default is not None and not os.path.lexists(f"{default}/bin/python"):
        default = None
    facts = Facts(
        shell=shell_facts(subject.environ, subject.user_home, subject.start, default),
        machine=machine_facts(subject.home, subject.root),
    )
    if subject.root is not None:
        facts = _in_project(subject, subject.root, facts, emit)
    emit(PhaseFinished(phase=_PHASE, count=1, seconds=time.monotonic() - started))
    return facts


def _in_project(subject: Subject, root: str, facts: Facts, emit: Emit) -> Facts:
    _say(emit, "files")
    tree = walk(root)
    shelf = Shelf(subject.home)
    must = [f"{root}/pyproject.toml", f"{root}/pylock.toml"]
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(git_facts, root, tree.environments, must, subject.environ)
        _say(emit, "environments")
        environments = tuple(
            environment_facts(subject, item, shelf) for item in subject.environments
        )
        own = {item.folder for item in environments if not item.foreign}
        others = [folder for folder in tree.environments if folder not in own]
        project = project_facts(subject, root)
        _say(emit, "sources")
        own_name = subject.manifest.name if subject.manifest is not None else None
        sources = source_facts(
            root, tree, environments, facts.shell.python, shelf, subject.user_home, own_name
        )
        _say(emit, "git")
        git, trouble = asking.result()
    if trouble is not None:
        emit(Warned(message=f"git was not asked about everything: {trouble}"))
    return replace(
        facts,
        project=project,
        sources=sources,
        git=git,
        environments=environments,
        strangers=tuple(stranger_facts(item) for item in others if not is_ours(item)),
    )


def _say(emit: Emit, name: str) -> None:
    emit(ItemStarted(phase=_PHASE, name=name))
    emit(ItemFinished(phase=_PHASE, name=name))
