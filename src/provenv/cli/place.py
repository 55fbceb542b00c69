"""Where provenv keeps what all projects share, and other facts of this machine's user.

The only module that reads environment variables for the hot path; imports nothing but ``os``.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Mapping


def home_folder(environ: Mapping[str, str]) -> str:
    """``PROVENV_HOME``, or the platform's user data folder."""
    named = environ.get("PROVENV_HOME")
    if named:
        return os.path.abspath(named)
    platform: str = sys.platform  # a plain string: mypy would otherwise check one platform alone
    if platform == "linux":  # what platformdirs says, without its 6 ms
        data = environ.get("XDG_DATA_HOME", "")
        if not os.path.isabs(data):
            data = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "share")
        return os.path.join(data, "provenv")
    import platformdirs

    return platformdirs.user_data_dir("provenv", appauthor=False)
