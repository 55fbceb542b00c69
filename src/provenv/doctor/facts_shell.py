"""Facts about the calling shell: its variables, what is on its PATH, what is active."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping

from provenv.doctor.facts import Command, ShellFacts
from provenv.interpreters import Search, read_python_version
from provenv.interpreters.executables import is_shim
from provenv.interpreters.pyenv import pyenv_python
from provenv.interpreters.search import read_versions_file

_ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")
_EXEC = re.compile(rb"""exec'? +(?:"([^"\n]*python[^"\n]*)"|(\S*python\S*)) """)


def shell_facts(
    environ: Mapping[str, str], user_home: str, start: str, default_environment: str | None
) -> ShellFacts:
    """What a command typed in ``start`` would meet. Nothing is run."""
    path = environ.get("PATH", os.defpath)
    search = Search.from_environ(environ, user_home)
    shim, selected, by, target = _pyenv(search, path, start)
    python = _python(path, shim, target)
    active = {name: folder for name in _ACTIVE if (folder := environ.get(name))}
    return ShellFacts(
        variables=dict(environ),
        python=python,
        pip=_pip(path, target),
        active={name: os.path.realpath(folder) for name, folder in active.items()},
        gone=tuple(name for name, folder in active.items() if not os.path.isdir(folder)),
        stacked=tuple(_stacked(path)),
        shim=shim,
        selected=selected,
        selected_by=by,
        shim_target=target,
        default_environment=os.path.realpath(default_environment) if default_environment else None,
    )


def _python(path: str, shim: str | None, target: str | None) -> Command | None:
    for name in ("python", "python3"):
        found = shutil.which(name, path=path)
        if found is None:
            continue
        real = target if found == shim else found
        prefix = _prefix(real) if real is not None else None
        return Command(name=name, path=real or found, prefix=prefix)
    return None


def _pip(path: str, target: str | None) -> Command | None:
    found = shutil.which("pip", path=path)
    if found is None:
        return None
    if is_shim(found):
        interpreter = target  # pyenv starts pip of the version that it starts python of
    else:
        interpreter = interpreter_of(found)
    prefix = _prefix(interpreter) if interpreter is not None else None
    return Command(name="pip", path=found, prefix=prefix)


def interpreter_of(script: str) -> str | None:
    """The interpreter that a script names in its first lines; None where it is no script of Python.

    Understands a path behind ``#!``, and the ``/bin/sh`` preambles that pip, uv
    and provenv write where a path is long or relative.
    """
    try:
        with open(script, "rb") as stream:
            head = stream.read(1024)
    except OSError:
        return None
    if not head.startswith(b"#!"):
        return None
    words = os.fsdecode(head[2:].splitlines()[0]).split() if len(head) > 2 else []
    if words and "python" in os.path.basename(words[0]):
        return words[0]
    match = _EXEC.search(head)
    if match is None:
        return None
    told = os.fsdecode(match[1] or match[2])
    if told.startswith("/"):
        return told
    return os.path.join(os.path.dirname(os.path.realpath(script)), os.path.basename(told))


def _prefix(executable: str) -> str:
    """The environment or the Python that an executable belongs to."""
    environment = _environment(os.path.dirname(os.path.dirname(executable)))
    return environment or os.path.dirname(os.path.dirname(os.path.realpath(executable)))


def _environment(folder: str) -> str | None:
    """An environment's real folder, a generation's own path standing for it; None where it is none."""
    if not os.path.lexists(f"{folder}/pyvenv.cfg") and not os.path.isdir(f"{folder}/conda-meta"):
        return None
    folder = os.path.realpath(folder)
    above, _, number = folder.rpartition("/")
    if number.isdigit() and os.path.basename(above) == "generations":
        return os.path.dirname(above)
    return folder


def _stacked(path: str) -> list[str]:
    """Environments whose folder of programs is on PATH, in that order, each once."""
    programs = [e for e in path.split(os.pathsep) if os.path.basename(e) in ("bin", "Scripts")]
    found = [_environment(os.path.dirname(entry)) for entry in programs]
    return list(dict.fromkeys(folder for folder in found if folder is not None))


def _pyenv(
    search: Search, path: str, start: str
) -> tuple[str | None, tuple[str, ...], str, str | None]:
    """The shim of pyenv for ``python``, where it is what PATH gives: what it would start, and why."""
    found = shutil.which("python", path=path) or shutil.which("python3", path=path)
    if found is None or search.pyenv_root is None:
        return None, (), "", None
    shims = os.path.realpath(os.path.join(search.pyenv_root, "shims"))
    if os.path.realpath(os.path.dirname(found)) != shims:
        return None, (), "", None
    names, by = _selected(search, start)
    for name in names:
        target = _without_shims(path, shims) if name == "system" else _version(search, name)
        if target is not None:
            return found, names, by, target
    if not names:
        return found, names, by, _without_shims(path, shims)
    return found, names, by, None


def _selected(search: Search, start: str) -> tuple[tuple[str, ...], str]:
    if search.pyenv_version:
        return search.pyenv_version, "PYENV_VERSION"
    names = read_python_version(start)
    if names:
        return names, ".python-version"
    file = os.path.join(search.pyenv_root or "", "version")
    return read_versions_file(file) or (), file


def _version(search: Search, name: str) -> str | None:
    """The interpreter of a pyenv version; ``3.12`` stands for the newest 3.12 that is there."""
    exact = pyenv_python(search, name.removeprefix("python-"))
    if exact is not None:
        return exact
    versions = os.path.join(search.pyenv_root or "", "versions")
    try:
        names = [n for n in os.listdir(versions) if re.fullmatch(rf"{re.escape(name)}\.\d+", n)]
    except OSError:
        return None
    newest = max(names, key=lambda n: int(n.rpartition(".")[2]), default=None)
    return pyenv_python(search, newest) if newest else None


def _without_shims(path: str, shims: str) -> str | None:
    rest = [entry for entry in path.split(os.pathsep) if os.path.realpath(entry) != shims]
    return shutil.which("python", path=os.pathsep.join(rest)) or shutil.which(
        "python3", path=os.pathsep.join(rest)
    )
