"""`test --import`: another tool's matrix as `[tool.provenv.matrix]`. Nothing is run or written."""

from __future__ import annotations

import configparser
import os

from provenv.core.errors import InputError
from provenv.formats.hatch import read_hatch
from provenv.formats.matrices import ForeignMatrix
from provenv.formats.nox import read_nox
from provenv.formats.tox import read_tox
from provenv.model import toml
from provenv.workspace.projects.context import read_text


def import_matrix(path: str) -> ForeignMatrix:
    """What a file declares: ``tox.ini``, ``setup.cfg``, ``noxfile.py``, or ``pyproject.toml`` (tox, Hatch).

    Raises:
        InputError: It cannot be read, is of another kind, or declares no matrix that could be taken over.
    """
    text = read_text(path)
    name = os.path.basename(path)
    if name.endswith(".py"):
        return read_nox(text, path)
    if name == "setup.cfg":
        return read_tox(_of_setup(text, path), path)
    if name.endswith((".ini", ".cfg")):
        return read_tox(text, path)
    if name == "pyproject.toml":
        tool = toml.Table(toml.parse(text, path), file=path, text=text).table("tool")
        legacy = tool.table("tox").get("legacy_tox_ini", str)
        return read_tox(legacy, path) if legacy is not None else read_hatch(text, path)
    raise InputError(
        "is not a file whose matrix could be taken over",
        file=path,
        hint="tox.ini, noxfile.py, and pyproject.toml with `[tool.hatch.envs]` are.",
    )


def _of_setup(text: str, path: str) -> str:
    """``[tox:tox]`` of a ``setup.cfg`` as it is called in ``tox.ini``."""
    try:
        configparser.ConfigParser(interpolation=None, strict=False).read_string(text)
    except configparser.Error as error:
        raise InputError(f"cannot be read: {str(error).splitlines()[0]}", file=path) from error
    return text.replace("[tox:tox]", "[tox]")
