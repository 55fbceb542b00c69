"""Looking at executables without running them: what is a shim, what belongs to a virtual environment."""

from __future__ import annotations

import os

_SHIM_PROGRAMS = {"pyenv": "pyenv", "asdf": "asdf", "mise": "mise", "rtx": "mise"}
_SHIM_WORDS = (
    (b"pyenv exec", "pyenv"), (b'pyenv" exec', "pyenv"), (b"asdf exec", "asdf"), (b"mise exec", "mise"),
)  # fmt: skip
_PYTHON_NAMES = ("python3", "python", "python3.exe", "python.exe")


def is_executable(path: str) -> bool:
    """Whether ``path`` is a file (or leads to one) that may be run."""
    return os.path.isfile(path) and os.access(path, os.X_OK)


def shim_manager(path: str) -> str | None:
    """The version manager whose shim ``path`` is (``pyenv``, ``asdf``, ``mise``), or None.

    A shim only starts whichever interpreter the manager thinks fit. pyenv's and asdf's are short shell
    scripts, mise's are symlinks to mise. None is run to find out.
    """
    program = os.path.basename(os.path.realpath(path))
    if program in _SHIM_PROGRAMS:
        return _SHIM_PROGRAMS[program]
    try:
        with open(path, "rb") as stream:
            if stream.read(2) != b"#!":
                return None
            script = stream.read(2048)
    except OSError:
        return None
    return next((manager for words, manager in _SHIM_WORDS if words in script), None)


def is_shim(path: str) -> bool:
    """Whether ``path`` is a version manager's shim, which is no interpreter."""
    return shim_manager(path) is not None


def python_in(folder: str) -> str | None:
    """The interpreter of an environment or of an installation prefix, or None."""
    for place in ("bin", "Scripts", ""):
        for name in _PYTHON_NAMES:
            path = os.path.join(folder, place, name)
            if is_executable(path):
                return path
    return None


def base_executable(path: str) -> str | None:
    """The real path of the interpreter behind ``path``, outside of every virtual environment (PEP 405).

    None where ``path`` belongs to a virtual environment whose base interpreter cannot be found.
    """
    for _ in range(8):  # an environment made from an environment's python, and so on
        config = _virtual_environment(path)
        if config is None:
            return os.path.realpath(path)
        following = _behind(path, config)
        if following is None:
            return None
        path = following
    return None


def _behind(path: str, config: dict[str, str]) -> str | None:
    """One step from an environment's python towards its base."""
    real = os.path.realpath(path)
    if real != path and is_executable(real) and _virtual_environment(real) is None:
        return real
    home = config.get("home", "")
    names = (os.path.basename(path), *_PYTHON_NAMES)
    # base-executable is virtualenv's key, executable the standard library's since Python 3.11
    candidates = [config.get("base-executable", ""), config.get("executable", "")]
    if os.path.isabs(home):
        candidates += [os.path.join(home, name) for name in names]
    return next(
        (c for c in candidates if os.path.isabs(c) and is_executable(c) and c != path), None
    )


def _virtual_environment(executable: str) -> dict[str, str] | None:
    """The keys of the ``pyvenv.cfg`` beside or above an executable, or None where there is none."""
    folder = os.path.dirname(executable)
    for place in (folder, os.path.dirname(folder)):
        try:
            with open(
                os.path.join(place, "pyvenv.cfg"), encoding="utf-8", errors="replace"
            ) as stream:
                pairs = [line.partition("=") for line in stream]
        except OSError:
            continue
        return {key.strip().lower(): value.strip() for key, _, value in pairs}
    return None
