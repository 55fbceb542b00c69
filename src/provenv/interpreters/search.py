"""Where to look for interpreters, as a value: nothing here knows the environment or the home folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from provenv.core.values import frozen

PIN_FILE = ".python-version"
TOOL_FILE = ".tool-versions"
SYSTEM_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin", "/opt/local/bin")
_CONDA_FOLDERS = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba")


@frozen
class Search:
    """The places to look in, in the order in which they are looked at.

    Attributes:
        extra: Executables, environments or prefixes to look at before all else.
        pins: Requests from a ``.python-version`` or ``.tool-versions`` file; they decide where nothing
            else was asked for.
        pins_file: The file that the pins stand in.
        folder: On whose behalf is searched: where pyenv looks for its own ``.python-version``.
        path: The folders of PATH. pyenv's shims folder stands for the versions that pyenv selects.
        pyenv_root: Every version under its ``versions/`` is found.
        pyenv_version: What ``PYENV_VERSION`` selects, in place of ``pins`` and of pyenv's global versions.
        uv_python_dir: Where uv keeps the interpreters that it has downloaded.
        managed: Folders in which other version managers (asdf, mise) keep one installation a folder.
        system: Folders of the system's interpreters, whether or not PATH names them.
        prefixes: Folders like ``/opt``, in each folder of which an interpreter may be installed.
        conda: Conda installations and environments (their ``envs/`` is looked at, too).
        conda_list: conda's own list of its environments, ``~/.conda/environments.txt``.
    """

    extra: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    pins_file: str | None = None
    folder: str | None = None
    path: tuple[str, ...] = ()
    pyenv_root: str | None = None
    pyenv_version: tuple[str, ...] = ()
    uv_python_dir: str | None = None
    managed: tuple[str, ...] = ()
    system: tuple[str, ...] = SYSTEM_FOLDERS
    prefixes: tuple[str, ...] = ("/opt", "/opt/python")
    conda: tuple[str, ...] = ()
    conda_list: str | None = None

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, str],
        home: str,
        *,
        folder: str | None = None,
        extra: tuple[str, ...] = (),
    ) -> Search:
        """The usual places, from a process's environment variables and the user's home folder.

        With ``folder`` (a project's), the pins are those that count there.
        """
        pins = read_pins(folder) if folder is not None else None
        data = environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
        managers = (
            environ.get("ASDF_DATA_DIR") or os.path.join(home, ".asdf"),
            environ.get("MISE_DATA_DIR") or os.path.join(data, "mise"),
        )
        conda = [environ.get("CONDA_PREFIX"), environ.get("MAMBA_ROOT_PREFIX")]
        if program := environ.get("CONDA_EXE"):
            conda.append(os.path.dirname(os.path.dirname(program)))
        conda += [os.path.join(home, name) for name in _CONDA_FOLDERS]
        return cls(
            extra=extra,
            pins=pins.versions if pins is not None else (),
            pins_file=pins.file if pins is not None else None,
            folder=folder,
            path=tuple(filter(os.path.isabs, environ.get("PATH", "").split(os.pathsep))),
            pyenv_root=environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv"),
            pyenv_version=tuple(filter(None, environ.get("PYENV_VERSION", "").split(":"))),
            uv_python_dir=environ.get("UV_PYTHON_INSTALL_DIR")
            or os.path.join(data, "uv", "python"),
            managed=tuple(os.path.join(root, "installs", "python") for root in managers),
            conda=tuple(dict.fromkeys(filter(None, conda))),
            conda_list=os.path.join(home, ".conda", "environments.txt"),
        )


@frozen
class Pins:
    """The versions that a file pins, the preferred first, and the file."""

    file: str
    versions: tuple[str, ...]


def read_pins(folder: str, *, stop: str | None = None) -> Pins | None:
    """The versions that a project is pinned to, or None where no file says anything.

    Read from the nearest ``.python-version`` (pyenv: one version a line) or, where a folder has none, from
    the ``python`` line of its ``.tool-versions`` (asdf, mise), in ``folder`` or one above it. ``stop`` is
    the last folder looked at (a project's or a repository's root). Comments do not count, nor do files
    without a version.
    """
    for current in _upwards(folder, stop):
        for name, read in ((PIN_FILE, read_versions_file), (TOOL_FILE, _read_tool_versions)):
            file = os.path.join(current, name)
            versions = read(file)
            if versions:
                return Pins(file=file, versions=versions)
    return None


def read_python_version(folder: str, *, stop: str | None = None) -> tuple[str, ...]:
    """The versions of :func:`read_pins`; empty where there are none."""
    pins = read_pins(folder, stop=stop)
    return pins.versions if pins is not None else ()


def nearest(folder: str, name: str) -> str | None:
    """The file ``name`` in ``folder`` or the nearest folder above that has one."""
    paths = (os.path.join(current, name) for current in _upwards(folder, None))
    return next((path for path in paths if os.path.isfile(path)), None)


def _upwards(folder: str, stop: str | None) -> Iterator[str]:
    """``folder`` and those above it, up to ``stop`` or the root."""
    current = os.path.abspath(folder)
    last = os.path.abspath(stop) if stop is not None else None
    while True:
        yield current
        parent = os.path.dirname(current)
        if current in (last, parent):
            return
        current = parent


def read_versions_file(file: str) -> tuple[str, ...] | None:
    """The words of a pyenv version file, or None where there is no such file."""
    lines = _read_words(file)
    return None if lines is None else tuple(word for words in lines for word in words)


def _read_tool_versions(file: str) -> tuple[str, ...] | None:
    """The versions in the ``python`` line, or None where there is no such file or line."""
    return next(
        (tuple(words[1:]) for words in _read_words(file) or () if words[:1] == ["python"]), None
    )


def _read_words(file: str) -> list[list[str]] | None:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return [line.partition("#")[0].split() for line in stream]
    except OSError:
        return None
