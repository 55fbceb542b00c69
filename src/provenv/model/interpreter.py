"""An interpreter: one Python executable and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from provenv.core.values import frozen

if TYPE_CHECKING:
    from packaging.tags import Tag


@frozen
class Interpreter:
    """One Python executable. Everything here was said by the interpreter itself.

    Attributes:
        executable: Absolute path of the base interpreter (never inside a virtual environment).
        version: Its full version, for example ``3.13.0``.
        implementation: ``cpython``, ``pypy``, …
        source: How it was found: ``pyenv``, ``path``, ``system``, ``uv``, ``conda``, ``request``.
        size, mtime_ns: Of the executable when it was probed; a change means "probe again".
        markers: The PEP 508 marker environment.
        tags: Compatible wheel tags (PEP 425), the best first, as ``cp313-cp313-manylinux_2_17_x86_64``.
        site_packages: Of an environment, relative to its root: ``lib/python3.13/site-packages``.
        include: Where headers go, relative to an environment's root, without the package's name.
        free_threaded: Built without the GIL (PEP 703).
        home: The folder of the executable, as ``home`` in ``pyvenv.cfg`` (PEP 405).
    """

    executable: str
    version: str
    implementation: str
    source: str
    size: int
    mtime_ns: int
    markers: Mapping[str, str]
    tags: tuple[str, ...]
    site_packages: str
    include: str
    home: str
    free_threaded: bool = False

    @property
    def minor(self) -> str:
        """For example ``3.13``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def tag(self) -> str:
        """The most specific tag, which tells builds of one package apart."""
        return self.tags[0]

    def satisfies(self, requires_python: str | None) -> bool:
        """Whether the version is allowed by a specifier; pre-releases of Python count."""
        if requires_python is None:
            return True
        from packaging.specifiers import SpecifierSet
        from packaging.version import Version

        return SpecifierSet(requires_python).contains(Version(self.version), prereleases=True)

    def wheel_tags(self) -> tuple[Tag, ...]:
        """The compatible tags as ``packaging`` values, the best first."""
        from packaging.tags import Tag

        return tuple(Tag(*text.split("-")) for text in self.tags)
