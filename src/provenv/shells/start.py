"""Starting a shell that is in an environment from its first prompt on, the user's rc files read as always.

PATH alone would not do: rc files put other folders first. So each shell is made to source the
activation script after them, with what it has for that.
"""

from __future__ import annotations

from collections.abc import Mapping

from provenv.core.values import frozen
from provenv.shells.texts import activate, path, script_of


@frozen
class Start:
    """A command, and the variables that it needs besides; None: the variable must not be there."""

    words: tuple[str, ...]
    variables: Mapping[str, str | None]


def start(shell: str, program: str, folder: str, environ: Mapping[str, str]) -> Start:
    """How ``program``, a ``shell``, is started in the environment ``folder``.

    Raises:
        ValueError: The shell is not known, or cannot name the folder.
    """
    code = activate(shell, folder)
    script = script_of(shell, folder)
    if shell == "bash":  # reads the system's own file before this one, as it does with ~/.bashrc
        return Start(
            words=(program, "--rcfile", path("shell.bash"), "-i"),
            variables={"_PROVENV_ACTIVATE": script},
        )
    if shell == "zsh":
        return Start(
            words=(program, "-i"),
            variables={
                "_PROVENV_ACTIVATE": script,
                "_PROVENV_ZDOTDIR": environ.get("ZDOTDIR"),
                "ZDOTDIR": path("zsh"),
            },
        )
    if shell in ("tcsh", "csh"):
        return Start(
            words=(program,),
            variables={
                "_PROVENV_ACTIVATE": script,
                "_PROVENV_USER_HOME": environ.get("HOME", "/"),
                "HOME": path("csh"),
            },
        )
    if shell == "fish":
        return Start(words=(program, "--interactive", "--init-command", code), variables={})
    if shell == "pwsh":
        return Start(words=(program, "-NoExit", "-Command", code), variables={})
    if shell == "nu":
        return Start(words=(program, "--execute", code), variables={})
    return Start(
        words=(program, "-i"),
        variables={
            "_PROVENV_ACTIVATE": script,
            "_PROVENV_ENV": environ.get("ENV"),
            "ENV": path("shell.sh"),
        },
    )
