"""Where provenv keeps what all projects share, and other facts of this machine's user.

The only module that reads environment variables for the hot path; imports nothing but ``os``.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class NoHomeError(OSError):
    """Nobody says where the user's home folder is."""


def home_folder(environ: Mapping[str, str]) -> str:
    """``PROVENV_HOME``, or the platform's user data folder.

    Raises:
        NoHomeError: There is no home folder that it could be in.
    """
    named = environ.get("PROVENV_HOME")
    if named:
        return os.path.abspath(named)
    platform: str = sys.platform  # a plain string: mypy would otherwise check one platform alone
    if platform == "linux":  # what platformdirs says, without its 6 ms
        data = environ.get("XDG_DATA_HOME", "")
        if not os.path.isabs(data):
            home = environ.get("HOME") or os.path.expanduser("~")
            if not os.path.isabs(home):
                raise NoHomeError
            data = os.path.join(home, ".local", "share")
        return os.path.join(data, "provenv")
    else:  # noqa: RET505  # the type checker looks at one platform at a time
        import platformdirs

        return platformdirs.user_data_dir("provenv", appauthor=False)


def command_line(arguments: Sequence[str], words: Sequence[str] = ()) -> str:
    """The command as it is written into the history and the log: as typed, without what logs in anywhere.

    Of ``words``, a command that ``run`` starts, only the program is named: the rest may hold anything.
    """
    told = [*arguments]
    if len(words) > 1 and told[-len(words) :] == [*words]:
        told[1 - len(words) :] = ["…"]
    return " ".join(["provenv", *(_without_login(word) for word in told)])


def _without_login(word: str) -> str:
    """``word`` with user name and password replaced by ``****`` in every address that it holds."""
    start = word.find("://")
    while start >= 0:
        start += 3
        end = start
        while end < len(word) and word[end] not in "/?# \t":
            end += 1
        at = word.rfind("@", start, end)
        if at >= 0:
            word = f"{word[:start]}****{word[at:]}"
        start = word.find("://", start)
    return word
