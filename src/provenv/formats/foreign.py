"""What the files of other tools say, as one frozen value: what is asked for, what is pinned, what is left.

A file says one half of it or both: a manifest (``Pipfile``) asks, a lock (``Pipfile.lock``) pins, and
``requirements.txt`` may do either. Requirement strings are valid PEP 508; names are normalized.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal

from provenv.core.errors import InputError
from provenv.core.values import field, frozen
from provenv.model.manifest import IndexSpec

Place = tuple[Literal["base", "extra", "group"], str]
BASE: Place = ("base", "")
UNPINNED = "?"  # in place of a version


@frozen
class Left:
    """Something that is not carried over, and why."""

    what: str
    why: str
    file: str


@frozen
class PinnedFile:
    """One file of a pinned distribution. ``filename`` is empty where only the hash is known.

    ``url`` or ``path`` (relative to the project) say where it lies; both are empty where an index must
    be asked.
    """

    hashes: Mapping[str, str]
    filename: str = ""
    url: str = ""
    path: str = ""
    size: int | None = None


@frozen
class Direct:
    """A place that is no index: ``vcs`` at a commit, a ``directory``, or an ``archive`` with its hash.

    ``commit`` is empty where only a branch or a tag is named (``revision``): that pins nothing.
    """

    kind: Literal["vcs", "directory", "archive"]
    url: str = ""
    path: str = ""
    commit: str = ""
    revision: str = ""
    subdirectory: str = ""
    editable: bool = False
    vcs: str = "git"


@frozen
class Edge:
    """One distribution needs another, where ``marker`` holds.

    ``version`` names the entry, and ``specifier`` limits it, where a lock has several of that name.
    """

    name: str
    marker: str = ""
    version: str = ""
    specifier: str = ""
    extras: tuple[str, ...] = ()


@frozen
class Pin:
    """One entry of a lock.

    Attributes:
        version: Normalized (PEP 440); empty where a directory decides.
        files: With their hashes; empty where the lock has none.
        index: The address of the index that it was locked from; empty where the lock does not say.
        edges: What it needs. ``extras``: … and what each of its extras needs besides.
        virtual: It is not installed itself, only what it needs.
    """

    name: str
    version: str = ""
    files: tuple[PinnedFile, ...] = ()
    direct: Direct | None = None
    index: str = ""
    requires_python: str = ""
    edges: tuple[Edge, ...] = ()
    extras: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    virtual: bool = False


@frozen
class Foreign:
    """What one file says, or several that belong together.

    Attributes:
        kind: The format's name. ``file``: For messages. ``files``: All that were read, absolute.
        dependencies, extras, groups: Requirements, by their place.
        constraints: Requirements that limit versions and ask for nothing.
        sources: As ``[tool.uv.sources]``: where a name comes from, if not from an index.
        roots: What a lock is entered by. ``pins``: Its entries.
        default_groups, default_extras: What the other tool installs without being asked.
        package: Whether the project itself is installed; None where the file does not say.
        unpinned: By name, requirements that pin nothing, with where they stand; edges lead to them with
            :data:`UNPINNED` as version, and matter only where they apply.
        left: What is not carried over.
    """

    kind: str
    file: str
    files: tuple[str, ...] = ()
    name: str = ""
    version: str = ""
    requires_python: str = ""
    dependencies: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    sources: Mapping[str, Any] = field(default_factory=dict)
    indexes: tuple[IndexSpec, ...] = ()
    build_system: Mapping[str, Any] | None = None
    dynamic: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    roots: Mapping[Place, tuple[Edge, ...]] = field(default_factory=dict)
    pins: tuple[Pin, ...] = ()
    default_groups: tuple[str, ...] = ()
    default_extras: tuple[str, ...] = ()
    package: bool | None = None
    unpinned: Mapping[str, str] = field(default_factory=dict)
    left: tuple[Left, ...] = ()


@frozen
class Source:
    """A file that is to be read.

    Attributes:
        path: Absolute. ``shown``: As messages name it. ``data``: Its bytes.
        root: The project's folder: paths in what is read become relative to it.
        environ: For files that name variables (``${TOKEN}``).
        read: How neighbours are read: absolute path → bytes, or None where there is no such file.
    """

    path: str
    shown: str
    data: bytes
    root: str
    environ: Mapping[str, str]
    read: Callable[[str], bytes | None]

    @property
    def folder(self) -> str:
        """Where it lies."""
        return os.path.dirname(self.path)

    def text(self) -> str:
        """Its text in UTF-8.

        Raises:
            InputError: It is not UTF-8.
        """
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"is not UTF-8: {error.reason}", file=self.shown) from error

    def beside(self, name: str) -> Source | None:
        """A file named relative to this one; None where it is not there."""
        path = os.path.normpath(os.path.join(self.folder, name))
        data = self.read(path)
        if data is None:
            return None
        shown = os.path.normpath(os.path.join(os.path.dirname(self.shown), name))
        return Source(
            path=path, shown=shown, data=data, root=self.root, environ=self.environ, read=self.read
        )

    def relative(self, path: str) -> str:
        """A path that is written in this file, relative to the project, with ``/``."""
        full = os.path.normpath(os.path.join(self.folder, path))
        return os.path.relpath(full, self.root).replace(os.sep, "/")


def wrong(source: Source, expected: str, found: str, key: str | None = None) -> InputError:
    """The error for a file that is not what its name says."""
    return InputError(
        f"is not {expected}: {found}",
        file=source.shown,
        key=key,
        hint="Give another file, or have its own tool write it anew.",
    )
