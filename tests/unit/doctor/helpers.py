"""A project that is looked at in this process, by a shell whose variables are the test's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import provenv
from provenv.core.events import Emit, silent
from provenv.model.finding import Finding
from provenv.workspace.examining.doctor import DoctorResult, diagnose
from support import Project

TODAY = date(2026, 11, 22)


class Patient:
    """One project, and the shell that asks about it.

    Attributes:
        shell: The variables of that shell; its PATH holds git and nothing else at first.
    """

    def __init__(self, project: Project, tools: Path) -> None:
        self.project = project
        self.folder = project.folder
        tools.mkdir(parents=True)
        if (git := shutil.which("git")) is not None:
            (tools / "git").symlink_to(git)
        self.tools = tools
        self.shell: dict[str, str] = {**project.env, "PATH": str(tools), "LC_ALL": "C.UTF-8"}
        self.shell.pop("LANG", None)

    def sync(self, environment: str | None = None) -> provenv.SyncResult:
        """Make an environment, with whatever interpreter this machine has."""
        context = provenv.make_context(self.project.env)
        return provenv.sync(
            provenv.open_project(str(self.folder)), context, environment=environment
        )

    def look(
        self,
        *,
        only: tuple[str, ...] = (),
        ignore: tuple[str, ...] = (),
        fix: bool = False,
        environment: str | None = None,
        start: Path | None = None,
        variables: Mapping[str, str] | None = None,
        emit: Emit = silent,
    ) -> DoctorResult:
        """What doctor says."""
        context = provenv.make_context({**self.shell, **(variables or {})}, emit=emit)
        return diagnose(
            context,
            start=str(start or self.folder),
            only=only,
            ignore=ignore,
            fix=fix,
            environments=() if environment is None else (environment,),
            today=TODAY,
        )

    def seen(self, code: str, variables: Mapping[str, str] | None = None) -> list[Finding]:
        """The findings of one code."""
        return list(self.look(only=(code,), variables=variables).findings)

    def one(self, code: str, variables: Mapping[str, str] | None = None) -> Finding:
        """The only finding of that code."""
        (found,) = self.seen(code, variables)
        return found

    def git(self, *words: str) -> str:
        """Run git in the project."""
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        done = subprocess.run(
            ["git", *identity, *words],
            cwd=self.folder,
            env={**self.project.env, "GIT_CONFIG_GLOBAL": os.devnull},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


def places(finding: Finding, folder: Path) -> list[str]:
    """Where something was seen, relative to a folder: ``src/shop/api.py:7``."""
    return [
        os.path.relpath(place.file, folder) + (f":{place.line}" if place.line else "")
        for place in finding.places
    ]


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    """A file that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def fake_environment(folder: Path, *, python: bool = True, made_for: str | None = None) -> Path:
    """What another tool might have made: ``pyvenv.cfg``, ``activate``, pip and a python that exists."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib/python3.12/site-packages").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    (folder / "bin/activate").write_text(f'VIRTUAL_ENV="{made_for or folder}"\n')
    target = "/bin/sh" if python else "/nowhere/python3.12"
    (folder / "bin/python").symlink_to(target)
    executable(folder / "bin/pip", f"#!{made_for or folder}/bin/python\n")
    return folder
