"""The ``git`` program behind one verb: this commit, in that folder."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence

from provenv.core import process
from provenv.core.errors import InputError, NetworkError, UndecidedError
from provenv.core.http import redacted, split_credentials

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# Where another repository is meant, or another's index: set by hooks and aliases around us.
_WITHHELD = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR",
        "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE",
    }
)  # fmt: skip
_REMOTE = "git:http:https:ssh"


def check_out(
    url: str, commit: str, folder: str, *, environ: Mapping[str, str], offline: bool, label: str
) -> None:
    """Check ``commit`` of the repository ``url`` out into the new folder ``folder``, submodules too.

    The whole history comes along (without the content of old files where the server can leave it
    out), because versions are often told from tags.

    Raises:
        InputError: ``commit`` is not a full commit hash.
        NetworkError: The repository cannot be reached, or does not have the commit.
        UndecidedError: There is no git program.
    """
    if not _COMMIT.fullmatch(commit):
        raise InputError(
            f"{label}: {commit!r} is not a full commit hash",
            hint="Lock again with `provenv lock`; it writes the whole hash.",
        )
    local = _is_local(url)
    if offline and not local:
        raise NetworkError(
            f"{label} must be fetched from {redacted(url)}, and this is an offline run",
            hint="Run it once without --offline.",
            details={"url": redacted(url)},
        )
    git = _Git(url, environ, label=label, local=local)
    git.run(["clone", "--quiet", "--no-checkout", *git.filters, "--", url, folder])
    if git.attempt(["cat-file", "-e", f"{commit}^{{commit}}"], folder).code != 0:
        git.run(["fetch", "--quiet", "origin", commit], folder)
    git.run(["checkout", "--quiet", "--detach", commit, "--"], folder)
    if os.path.isfile(os.path.join(folder, ".gitmodules")):
        git.run(["submodule", "--quiet", "update", "--init", "--recursive"], folder)


class _Git:
    """One git program and the environment that it runs in."""

    def __init__(self, url: str, environ: Mapping[str, str], *, label: str, local: bool) -> None:
        program = shutil.which("git", path=environ.get("PATH", os.defpath))
        if program is None:
            raise UndecidedError(
                f"git is needed to fetch {label} from {redacted(url)}, and is not on PATH",
                hint="Install git (for example `apt install git`), and try again.",
            )
        self.program = program
        self.url = url
        self.label = label
        self.filters = [] if local else ["--filter=blob:none"]
        self.environ = {k: v for k, v in environ.items() if k not in _WITHHELD}
        self.environ.update(
            {
                "GIT_ALLOW_PROTOCOL": f"file:{_REMOTE}" if local else _REMOTE,
                "GIT_TERMINAL_PROMPT": "0",
                "LC_ALL": "C.UTF-8",
            }
        )
        self.environ.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")

    def attempt(self, arguments: Sequence[str], folder: str | None = None) -> process.Completed:
        """Run git and see what comes of it."""
        return process.run([self.program, *arguments], env=self.environ, cwd=folder)

    def run(self, arguments: Sequence[str], folder: str | None = None) -> None:
        """Run git, which must succeed."""
        done = self.attempt(arguments, folder)
        if done.code == 0:
            return
        secret = split_credentials(self.url)[1]
        text = done.stderr.strip().replace(self.url, redacted(self.url))
        if secret is not None and secret.password:
            text = text.replace(secret.password, "****")
        lines = [line for line in text.splitlines() if line.strip()][-5:]
        shown = "".join(f"\n  {line}" for line in lines)
        raise NetworkError(
            f"{self.label} cannot be fetched from {redacted(self.url)}: git {arguments[0]} failed{shown}",
            hint="Check the address, your access to it (an SSH key, a token), and that the commit exists.",
            details={"url": redacted(self.url), "command": arguments[0]},
        )


def _is_local(url: str) -> bool:
    return url.startswith(("file://", "/", "."))
