"""Many objects, one tree: which directories may be linked whole, and where to go deeper.

The rules of ``docs/concepts.md``, "Linking":

* a directory that one object owns is one symlink;
* one that several objects share, a namespace package (another distribution may join it later), and
  one that leads to a native library whose search path leaves its wheel are real, and the same rule
  holds below them;
* ``*.dist-info`` is real (tools do not see a symlinked one); the wheel's RECORD stays in the store:
  a stand-alone tree gets one of its own (:func:`full_record`), and a linked one has none that can be
  read, which tells other installers "do not uninstall or upgrade me" (they would follow the symlinks);
* single files are hard links;
* two objects that own one file must agree on its bytes, or the manifest says who wins.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from provenv.core import digest
from provenv.core.errors import UnsatisfiableError
from provenv.core.values import field, frozen, mutable
from provenv.environments.looking import Block
from provenv.environments.tree import Steps
from provenv.model.interpreter import Interpreter
from provenv.model.layout import HomeLayout
from provenv.store.links import blocked_record, prepared_links
from provenv.store.objects import StoredObject
from provenv.store.record import installed_files

_UNLINKED = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s"})
_DATA_DEPTH = 3  # share/jupyter/labextensions is shared by convention (and so is an @scope in it)
_NAMESPACE_INIT_SIZE = 2048
_STEP = {"hardlink": "L", "clone": "C", "copy": "Y"}


@frozen
class ExtraFile:
    """A file of this environment alone, such as ``direct_url.json`` (PEP 610).

    ``scheme`` and ``path`` as in an object; ``source`` is a name in the plan's folder; ``kind`` is the
    step that makes it (see :mod:`tree`).
    """

    scheme: str
    path: str
    source: str
    kind: str = "P"


@mutable
class _Node:
    """One directory of the composed tree, with everyone who has something in it."""

    owners: list[tuple[StoredObject, Mapping[str, Any]]] = field(default_factory=list)


class _Composer:
    def __init__(
        self, layout: HomeLayout, interpreter: Interpreter, mode: str, owners: Mapping[str, str]
    ) -> None:
        self.layout = layout
        self.mode = mode
        self.file_owners = owners
        self.steps: Steps = []
        self.made: set[str] = set()
        self.linked: dict[str, list[tuple[str, str]]] = {}
        self.roots = {
            "site": interpreter.site_packages,
            "bin": "bin",
            "data": "",
            "include": interpreter.include,
        }

    def folder(self, path: str) -> None:
        """Make ``path`` and what is above it, once."""
        if not path or path in self.made:
            return
        self.folder(path.rpartition("/")[0])
        self.made.add(path)
        self.steps.append(("D", "", path))

    def scheme(self, name: str, objects: Sequence[StoredObject]) -> None:
        node = _Node([(o, o.tree[name]) for o in objects if name in o.tree])
        if node.owners:
            self.directory(name, "", self.roots[name], node, depth=0)

    def directory(self, scheme: str, inside: str, path: str, node: _Node, *, depth: int) -> None:
        """Make one real directory and everything below it."""
        self.folder(path)
        files: dict[str, list[StoredObject]] = {}
        folders: dict[str, _Node] = {}
        for owner, table in node.owners:
            for name in table.get("f", {}):
                files.setdefault(name, []).append(owner)
            for name, below in table.get("d", {}).items():
                folders.setdefault(name, _Node()).owners.append((owner, below))
        for name, having in files.items():
            self.file(f"{scheme}/{inside}{name}", f"{path}/{name}".lstrip("/"), having)
        for name, below in folders.items():
            target = f"{path}/{name}".lstrip("/")
            if self.may_link(scheme, f"{inside}{name}", below, depth):
                owner = below.owners[0][0]
                self.linked.setdefault(owner.sha256, []).append(
                    (f"{scheme}/{inside}{name}", target)
                )
            else:
                self.directory(scheme, f"{inside}{name}/", target, below, depth=depth + 1)

    def may_link(self, scheme: str, inside: str, node: _Node, depth: int) -> bool:
        """Whether the directory can be one symlink."""
        if self.mode != "linked" or len(node.owners) > 1:
            return False
        owner, table = node.owners[0]
        if scheme == "site":
            if inside == owner.dist_info or table.get("o"):
                return False
            return not _is_namespace(owner, table, inside, depth)
        if scheme == "data":
            return depth >= _DATA_DEPTH and not inside.rpartition("/")[2].startswith("@")
        return scheme == "include"

    def file(self, source: str, path: str, owners: Sequence[StoredObject]) -> None:
        owner = owners[0] if len(owners) == 1 else self.winner(source, path, owners)
        if source.rpartition("/") in [(f"site/{owner.dist_info}", "/", name) for name in _UNLINKED]:
            return
        self.steps.append((_STEP.get(self.mode, "L"), f"{self.relative(owner)}/{source}", path))

    def winner(self, source: str, path: str, owners: Sequence[StoredObject]) -> StoredObject:
        """Who provides a file that several objects own: equal bytes, or a declared winner."""
        for glob, name in self.file_owners.items():
            if fnmatch.fnmatchcase(source.partition("/")[2], glob):
                for owner in owners:
                    if owner.name == name:
                        return owner
        hashes = {digest.of_file(f"{owner.folder}/{source}") for owner in owners}
        if len(hashes) == 1:
            return owners[0]
        names = " and ".join(f"{owner.name} {owner.version}" for owner in owners)
        inside = source.partition("/")[2]
        raise UnsatisfiableError(
            f"{names} both install {path}, with different content",
            hint=f'Remove one of them, or say who wins: [tool.provenv.file-owners] "{inside}" = '
            f'"{owners[0].name}".',
            details={"path": path, "packages": [owner.name for owner in owners]},
        )

    def relative(self, owner: StoredObject) -> str:
        return self.inner(owner.folder)

    def inner(self, path: str) -> str:
        """``path`` relative to the home."""
        inside = path.removeprefix(self.layout.root + os.sep)  # relpath(): 7 ms for 1,500 paths
        if inside == path:
            inside = os.path.relpath(path, self.layout.root)
        return inside.replace(os.sep, "/")

    def links(self, objects: Mapping[str, StoredObject]) -> None:
        """Directory symlinks, as hard links to inodes that every generation shares."""
        for owner in objects.values() if self.mode == "linked" else ():
            record = f"{self.roots['site']}/{owner.dist_info}/RECORD"
            self.steps.append(("L", self.inner(blocked_record(self.layout, owner.sha256)), record))
        for sha256, rows in self.linked.items():
            sources = prepared_links(self.layout, sha256, [source for source, _ in rows])
            for source, (_, target) in zip(sources, rows, strict=True):
                self.steps.append(("L", self.inner(source), target))
        assert not (self.linked.keys() - objects.keys())

    def checks(self, objects: Iterable[StoredObject]) -> list[Block]:
        """What to look at before linking: every directory and file that this tree reaches."""
        blocks = []
        for owner in objects:
            block = Block(self.relative(owner))
            whole = {source for source, _ in self.linked.get(owner.sha256, ())}
            for scheme, table in owner.tree.items():
                _rows(block, table, scheme, whole, inside=False)
            blocks.append(block)
        return blocks


def _rows(
    block: Block, table: Mapping[str, Any], path: str, whole: Collection[str], *, inside: bool
) -> bool:
    """What to look at below ``path``; returns whether there is code below it.

    Below a linked directory, directories are checked by mtime, and of those only the ones that hold
    code or lead to it: what another installer does to a distribution shows there, and two thirds of
    all directories (translations, API descriptions, templates) need not be looked at in every sync.
    Elsewhere every directory and file counts. ``verify`` compares everything.
    """
    inside = inside or path in whole
    files = table.get("f", {})
    if not inside:
        block.files += [(f"{path}/{n}", f"{mtime} {size}") for n, (size, mtime) in files.items()]
    code = any(_is_code(name) for name in files)
    for name, below in table.get("d", {}).items():
        code |= _rows(block, below, f"{path}/{name}", whole, inside=inside)
    if code or not inside or path in whole:
        block.directories.append((path, str(table["m"])))
    return code


def _is_code(name: str) -> bool:
    return name.endswith((".py", ".so", ".pyd")) or ".so." in name


def _is_namespace(owner: StoredObject, table: Mapping[str, Any], inside: str, depth: int) -> bool:
    """Whether other distributions may put modules into this directory.

    It has no ``__init__`` of its own but Python below it (PEP 420), or an ``__init__.py`` that
    extends its path in the older ways (pkgutil, pkg_resources).
    """
    files = table.get("f", {})
    if "__init__.py" in files:
        if depth > 1 or files["__init__.py"][0] > _NAMESPACE_INIT_SIZE:
            return False
        with open(f"{owner.folder}/site/{inside}/__init__.py", "rb") as stream:
            text = stream.read()
        return b"extend_path" in text or b"declare_namespace" in text
    if any(name.startswith("__init__.") for name in files):
        return False
    return _has_modules(table)


def _has_modules(table: Mapping[str, Any]) -> bool:
    names = table.get("f", {})
    if any(name.endswith((".py", ".pyd", ".so")) for name in names):
        return True
    return any(_has_modules(below) for below in table.get("d", {}).values())


def compose(
    layout: HomeLayout,
    objects: Sequence[StoredObject],
    interpreter: Interpreter,
    *,
    mode: str = "linked",
    file_owners: Mapping[str, str] | None = None,
    extra: Sequence[ExtraFile] = (),
) -> tuple[Steps, list[Block]]:
    """The recipe for a tree that holds ``objects`` in the given link mode, and what to look at.

    Raises:
        UnsatisfiableError: Two objects own one file with different bytes.
    """
    composer = _Composer(layout, interpreter, mode, file_owners or {})
    composer.folder(interpreter.site_packages)
    composer.folder("bin")
    for scheme in ("site", "bin", "data", "include"):
        composer.scheme(scheme, objects)
    by_hash = {owner.sha256: owner for owner in objects}
    composer.links(by_hash)
    for item in extra:
        target = f"{composer.roots[item.scheme]}/{item.path}".lstrip("/")
        composer.steps = [step for step in composer.steps if step[2] != target]
        composer.folder(target.rpartition("/")[0])
        composer.steps.append((item.kind, item.source, target))
    return composer.steps, composer.checks(objects)


def refuse_overlaps(steps: Steps, objects: Iterable[StoredObject]) -> None:
    """Hold a whole recipe against itself: no place is made twice, and no file is a directory, too.

    Raises:
        UnsatisfiableError: Two distributions claim one place, or one claims the environment's own.
    """
    labels = {owner.sha256: f"{owner.name} {owner.version}" for owner in objects}
    leaves: dict[str, str] = {}
    for kind, source, path in steps:
        if kind != "D" and leaves.setdefault(path, source) is not source:
            raise _overlap(path, leaves[path], source, labels)
    folders: set[str] = set()
    for kind, _, path in steps:
        if kind == "D":
            if path in leaves or path in folders:
                inside = [source for leaf, source in leaves.items() if leaf.startswith(f"{path}/")]
                raise _overlap(path, leaves.get(path, inside[-1]), inside[0], labels)
            folders.add(path)


def _overlap(path: str, one: str, other: str, labels: Mapping[str, str]) -> UnsatisfiableError:
    names = []
    for source in (one, other):
        parts = source.split("/")
        label = labels.get(parts[3]) if parts[0] == "store" and len(parts) > 3 else None
        if label is not None and label not in names:
            names.append(label)
    if len(names) == 2:
        message = f"{' and '.join(names)} both install {path}, and it cannot be both"
    else:
        message = f"{''.join(names) or 'something'} installs {path}, which is made already"
    return UnsatisfiableError(
        message,
        hint="Choose other versions, or remove the package; its authors should hear of it.",
        details={"path": path, "packages": names},
    )


def full_record(owner: StoredObject, interpreter: Interpreter, extra: Sequence[ExtraFile]) -> str:
    """The RECORD of a distribution in a stand-alone tree (PEP 376, PEP 427): paths from purelib."""
    import csv
    import io

    up = "/".join([".."] * (interpreter.site_packages.count("/") + 1))
    roots = {
        "site": "",
        "bin": f"{up}/bin/",
        "data": f"{up}/",
        "include": f"{up}/{interpreter.include}/",
    }
    own = f"{owner.dist_info}/RECORD"
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for item in installed_files(owner):
        path = roots[item.scheme] + item.path
        if path != own:
            writer.writerow([path, f"sha256={digest.hex_to_urlsafe(item.sha256)}", item.size])
    for file in extra:
        if file.path.startswith(f"{owner.dist_info}/") and file.path != own:
            writer.writerow([file.path, "", ""])
    writer.writerow([own, "", ""])
    return out.getvalue()
