"""A pip that can be started without being installed: a wheel is a program, as ``python pip.whl/pip``."""

from __future__ import annotations

import ensurepip
import functools
import importlib.metadata
import os
import zipfile
from pathlib import Path


@functools.cache
def pip_to_start() -> str:
    """What to put behind ``python``: Python's own pip, or where it has none (Debian), that of the tests."""
    bundled = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    wheel = next(bundled, None) or _packed(Path(os.environ["HOME"]))
    return f"{wheel}/pip"


def _packed(folder: Path) -> Path:
    """The pip that is installed here, as an archive with the name of a wheel: pip does not list it then."""
    distribution = importlib.metadata.distribution("pip")
    wheel = folder / f"pip-{distribution.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in distribution.files or ():
            if file.parts[0].startswith("pip") and "__pycache__" not in file.parts:
                archive.write(str(distribution.locate_file(file)), file.as_posix())
    return wheel
