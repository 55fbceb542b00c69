"""The ``git`` program, asked about the repository that a folder lies in. Nothing in it is changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence

from provenv.core import process
from provenv.core.errors import UndecidedError
from provenv.core.values import frozen

_TIME = 30.0  # seconds for one question


@frozen
class Commit:
    """A commit: its whole name, and when it was made (ISO 8601)."""

    name: str
    time: str

    @property
    def short(self) -> str:
        """As people read it."""
        return self.name[:10]


class Git:
    """Questions about the repository around ``folder``."""

    def __init__(self, folder: str, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        program = shutil.which("git", path=environ.get("PATH", os.defpath))
        self.there = program is not None
        self._fixed = [program or "git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false"]
        own = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
        own |= {"LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
        self._own = own

    def commit(self, revision: str) -> Commit | None:
        """The one commit that a revision means; None where it means none, or there is no repository."""
        if revision.startswith("-"):  # no revision does, and git would take it for an option
            return None
        name = self._ask(["rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"])
        return self._commit(["log", "-1", "--format=%H %cI", name.strip(), "--"]) if name else None

    def before(self, moment: str, path: str) -> Commit | None:
        """The last commit up to a moment (ISO 8601) that touched ``path``, on the way to HEAD."""
        limits = [f"--until={moment}", "HEAD", "--", path]
        return self._commit(["log", "-1", "--format=%H %cI", *limits])

    def read(self, commit: Commit, path: str) -> str | None:
        """A file as it is in a commit; ``path`` is relative to ``folder``. None where it is not there."""
        if os.path.isabs(path):
            return None
        return self._ask(["show", f"{commit.name}:./{path}"])

    def _commit(self, arguments: Sequence[str]) -> Commit | None:
        said = (self._ask(arguments) or "").split()
        return Commit(name=said[0], time=said[1]) if len(said) == 2 else None

    def _ask(self, arguments: Sequence[str]) -> str | None:
        """What git answers; None where it does not know, or there is none."""
        if not self.there:
            return None
        try:
            command = [*self._fixed, *arguments]
            done = process.run(command, env=self._own, cwd=self.folder, timeout=_TIME)
        except UndecidedError:
            return None
        return done.stdout if done.code == 0 else None
