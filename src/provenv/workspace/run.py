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
    _refuse_vanished(folder, generation)
    _refuse_dead_shim(words[0], own)
    try:
        os.execvpe(words[0], words, own)  # noqa: S606  # becoming the command is the point
    except OSError as error:
        from provenv.core.errors import CommandError

        name = words[0]
        bin_folder = f"{folder}/generations/{generation}/bin"
        if os.path.lexists(f"{bin_folder}/python") and not os.path.exists(f"{bin_folder}/python"):
            raise CommandError(
                f"cannot start {name}: the interpreter of this environment is gone: "
                f"{os.readlink(f'{bin_folder}/python')}",
                hint="`provenv sync` repairs the environment with another.",
                code=126,
            ) from error
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise CommandError(
                f"command not found: {name}",
                hint="It is neither in the environment nor on PATH; `provenv add` installs packages.",
                code=127,
            ) from error
        raise CommandError(
            f"cannot execute {name}: {error.strerror}", hint=None, code=126
        ) from error


def _refuse_vanished(folder: str, generation: int) -> None:
    """Without its generation, the command would be another one of that name on PATH.

    Raises:
        CommandError: Somebody removed the environment, or the generation, since it was looked up.
        DiskError: The disk does not say whether it is there.
    """
    path = f"{folder}/generations/{generation}/bin"
    try:
        if os.stat(path).st_mode & 0o170000 == 0o040000:  # `stat.S_ISDIR`, without the module
            return
    except OSError as error:
        from provenv.core.disk import refuse_sick

        refuse_sick(error, path)
    from provenv.core.errors import CommandError

    raise CommandError(
        f"generation {generation} of {folder} was removed just now",
        hint="Call it again: the environment is made anew.",
        code=126,
    )


def _refuse_dead_shim(name: str, environ: Mapping[str, str]) -> None:
    """Say of a pyenv shim that would start nothing what it is; nothing else is looked at closely.

    Raises:
        CommandError: The command is not in the environment, and PATH leads to such a shim.
    """
    if os.sep in name or "shims" not in environ["PATH"]:
        return
    for folder in environ["PATH"].split(os.pathsep):
        path = f"{folder}/{name}"
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            if os.path.basename(folder) != "shims":
                return
            break
    else:
        return
    from provenv.core.errors import CommandError
    from provenv.interpreters.pyenv import read_shim
    from provenv.interpreters.search import Search

    shim = read_shim(path, Search.from_environ(environ, ""), os.curdir)
    if shim is not None and shim.starts is None:
        raise CommandError(
            f"{name} is not in the environment, and {path} cannot be run: {shim.reason()}",
            hint=shim.hint(),
            code=127,
        )
