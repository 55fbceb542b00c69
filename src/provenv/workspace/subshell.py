"""``shell``, ``activate``: which shell is meant, and becoming one inside an environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NoReturn

from provenv.core.errors import CommandError, InputError, UsageError
from provenv.shells import start as starting
from provenv.shells import texts

_OTHER_NAMES = {"ksh93": "ksh", "powershell": "pwsh", "nushell": "nu", "ash": "sh", "rbash": "bash"}


def kind(program: str) -> str | None:
    """The shell that a program is, by its name; None where it is none that we know."""
    name = os.path.basename(program).removeprefix("-").removesuffix(".exe")
    name = _OTHER_NAMES.get(name, name)
    return name if name in texts.SHELLS else None


def asked_or_found(asked: str | None, environ: Mapping[str, str], process: int) -> tuple[str, str]:
    """The shell that is meant: its kind, and the program.

    What was asked for; else the shell that the process ``process`` is, or the nearest one above it;
    else ``SHELL``.

    Raises:
        UsageError: A shell was asked for that is not known, or none is found.
    """
    known = ", ".join(texts.SHELLS)
    if asked is not None:
        found = kind(asked)
        if found is None:
            raise UsageError(f"no such shell: {asked!r}", hint=f"Known are {known}.")
        return found, asked
    usual = environ.get("SHELL", "")
    found = _running(process)
    if found is not None:
        return found, usual if kind(usual) == found else found
    found = kind(usual)
    if found is None:
        raise UsageError(
            "cannot tell which shell this is", hint=f"Say it with --shell; known are {known}."
        )
    return found, usual


def _running(process: int) -> str | None:
    """The nearest shell among ``process`` and those that it descends from, where /proc tells (Linux)."""
    while process > 1:
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stream:
                name, _, rest = stream.read().partition("(")[2].rpartition(")")
        except OSError:
            return None
        if found := kind(name):
            return found
        process = int(rest.split()[1])
    return None


def code(shell: str, folder: str) -> str:
    """What ``shell`` must evaluate to enter the environment in ``folder``.

    Raises:
        InputError: The shell cannot name the folder.
    """
    try:
        return texts.activate(shell, folder)
    except ValueError as error:
        raise InputError(f"{folder}: {error}", hint="Rename the folder.") from error


def refuse_nested(folder: str, environ: Mapping[str, str]) -> None:
    """Refuse a shell inside a shell of the same environment.

    Raises:
        UsageError: This is one.
    """
    if environ.get("PROVENV_SHELL") == folder == environ.get("VIRTUAL_ENV"):
        raise UsageError(f"this is a shell in {folder} already", hint="`exit` leaves it.")


def become(shell: str, program: str, folder: str, environ: Mapping[str, str]) -> NoReturn:
    """Replace this process by a shell in the environment; its exit code is the shell's.

    Raises:
        InputError: The shell cannot name the folder.
        CommandError: It is not there, or cannot be executed.
    """
    try:
        how = starting.start(shell, program, folder, environ)
    except ValueError as error:
        raise InputError(f"{folder}: {error}", hint="Rename the folder.") from error
    own = {**environ, **how.variables, "PROVENV_SHELL": folder}
    # What a hook activated in the shell above is that shell's; here it is left at once for this one.
    own["PROVENV_HOOKED"] = None
    kept = {name: value for name, value in own.items() if value is not None}
    try:
        os.execvpe(how.words[0], how.words, kept)  # noqa: S606  # becoming the shell is the point
    except OSError as error:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        raise CommandError(
            f"shell not found: {program}"
            if missing
            else f"cannot start {program}: {error.strerror}",
            hint="--shell names another.",
            code=127 if missing else 126,
        ) from error
