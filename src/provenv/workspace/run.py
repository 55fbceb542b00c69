"""``run``: become a command inside a generation.

The command runs in the generation's own real path, not through ``.venv/bin``: a switch while it runs
does not touch it. Imports nothing but ``os``.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn


def environment_for(folder: str, generation: int, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a process that runs in ``generation`` of the environment ``folder``."""
    own = dict(environ)
    before = own.get("VIRTUAL_ENV")
    path = own.get("PATH", os.defpath).split(os.pathsep)
    if before:  # an environment that is active is left, not stacked upon
        path = [entry for entry in path if entry != f"{before}/bin"]
    own["PATH"] = os.pathsep.join([f"{folder}/generations/{generation}/bin", *path])
    own["VIRTUAL_ENV"] = folder
    own.pop("PYTHONHOME", None)
    own.pop("PROVENV_HOOKED", None)  # a shell that is the command has not been hooked into this
    return own


def start(
    folder: str, generation: int, command: Sequence[str], environ: Mapping[str, str]
) -> NoReturn:
    """Replace this process by ``command``: signals, exit code, terminal and input are its own.

    A Python file that is not executable is run by the environment's Python.

    Raises:
        CommandError: It is not there, or cannot be executed.
    """
    own = environment_for(folder, generation, environ)
    words = list(command)
    if words[0].endswith(".py") and os.path.isfile(words[0]) and not os.access(words[0], os.X_OK):
        words.insert(0, "python")
    try:
        os.execvpe(words[0], words, own)  # noqa: S606  # becoming the command is the point
    except OSError as error:
        from provenv.core.errors import CommandError

        name = words[0]
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise CommandError(
                f"command not found: {name}",
                hint="It is neither in the environment nor on PATH; `provenv add` installs packages.",
                code=127,
            ) from error
        raise CommandError(
            f"cannot execute {name}: {error.strerror}", hint=None, code=126
        ) from error
