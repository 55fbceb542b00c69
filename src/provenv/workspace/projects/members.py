"""Finding the workspace that a project belongs to, and its members, on disk."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from functools import cache

from packaging.utils import canonicalize_name

from provenv.core.disk import refuse_sick
from provenv.core.errors import InputError, UsageError
from provenv.core.values import field, frozen
from provenv.model import toml
from provenv.model.manifest import Manifest, WorkspaceSpec, parse_manifest
from provenv.model.members import is_pattern, with_members
from provenv.model.settings import read_workspace

_MANIFEST = "pyproject.toml"
_KEY = "tool.provenv.workspace"


@frozen
class Workspace:
    """A folder whose manifest names members, and what was found below it.

    Attributes:
        root: The folder, without symlinks.
        spec: Its ``[tool.provenv.workspace]``.
        folders: Of all members, in order; the root's own first where it is a project itself.
        names: Normalized project name → folder, of members that have a name.
        watched: Files and folders, there or not, that decide which members there are.
        notes: What a person wants to know of it.
        texts: Manifests that are not to be read from disk: path → text.
    """

    root: str
    spec: WorkspaceSpec
    folders: tuple[str, ...]
    names: Mapping[str, str]
    watched: tuple[str, ...]
    notes: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def manifest_path(self) -> str:
        """The path of the root's ``pyproject.toml``."""
        return os.path.join(self.root, _MANIFEST)

    @property
    def labels(self) -> Mapping[str, str]:
        """What each member's folder is called for people: its project's name, or its path."""
        named = {folder: name for name, folder in self.names.items()}
        return {
            folder: named.get(folder) or os.path.relpath(folder, self.root)
            for folder in self.folders
        }

    def manifest(self, folder: str) -> Manifest:
        """The manifest in a member's folder, as it stands there.

        Raises:
            InputError: It cannot be used.
        """
        path, text = self.read(folder)
        return _parsed(text, path)

    def read(self, folder: str) -> tuple[str, str]:
        """The path of the manifest in a member's folder, and its text.

        Raises:
            InputError: It cannot be read.
        """
        path = os.path.join(folder, _MANIFEST)
        try:
            return path, _text(path, self.texts)
        except OSError as error:
            refuse_sick(error, path)
            raise InputError(f"cannot be read: {error.strerror}", file=path) from error

    def complete(self, folder: str, manifest: Manifest) -> Manifest:
        """A member's manifest with what it needs of the other members.

        Raises:
            InputError: The manifest of a member that is reached cannot be used.
        """
        paths = {name: _relative(path, folder) for name, path in self.names.items()}
        return with_members(manifest, paths, lambda name: self.manifest(self.names[name]))

    def member(self, wanted: str, start: str) -> str:
        """The folder of the member that is called ``wanted``: by project name, or by path.

        Raises:
            UsageError: There is none.
        """
        found = self.names.get(canonicalize_name(wanted))
        if found is not None:
            return found
        for base in (start, self.root):
            folder = os.path.realpath(os.path.join(base, wanted))
            if folder in self.folders:
                return folder
        raise UsageError(
            f"the workspace in {self.root} has no member {wanted!r}",
            hint=_nearest(wanted, list(self.labels.values())),
        )


def _nearest(wanted: str, names: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
    listed = f"Its members: {', '.join(names) or 'none'}."
    return f"Did you mean {near[0]}? {listed}" if near else listed


def find_workspace(folder: str, text: str) -> Workspace | None:
    """The workspace that the project in ``folder`` is the root or a member of; None where in none.

    ``text`` is the project's manifest, which need not be what lies on disk.

    Raises:
        InputError: A workspace is declared that cannot be used, or one inside another.
    """
    here = os.path.realpath(folder)
    texts = {os.path.join(here, _MANIFEST): text}
    found: Workspace | None = None
    inner = here
    for above in (here, *parents(here)):
        spec = _declared(above, texts)
        if spec is None:
            continue
        workspace = _scan(above, spec, texts)
        if inner != above and inner not in workspace.folders:
            continue
        if found is not None:
            raise InputError(
                f"a workspace inside another: {above} has this folder for a member",
                file=found.manifest_path,
                key=_KEY,
                hint="Keep one of the two; `exclude` in the outer one leaves a folder out.",
            )
        found, inner = workspace, above
    return found


def parents(folder: str) -> Iterator[str]:
    """The folders above ``folder``, the nearest first."""
    above = os.path.dirname(folder)
    while above != folder:
        yield above
        folder, above = above, os.path.dirname(above)


def _declared(folder: str, texts: Mapping[str, str]) -> WorkspaceSpec | None:
    path = os.path.join(folder, _MANIFEST)
    try:
        text = _text(path, texts)
    except OSError:
        return None
    if "workspace" not in text or "provenv" not in text:
        return None
    root = toml.Table(toml.parse(text, path), file=path, text=text)
    tool = root.table("tool").table("provenv")
    return read_workspace(tool)


def _scan(root: str, spec: WorkspaceSpec, texts: Mapping[str, str]) -> Workspace:
    """Look for the members of the workspace in ``root``.

    Raises:
        InputError: A pattern leads outside, a named folder has no project, two have one name, or a
            member is a workspace itself.
    """
    path = os.path.join(root, _MANIFEST)
    watched = {path: None}
    excluded = {
        os.path.normpath(os.path.join(root, found))
        for pattern in spec.exclude
        for found in glob.glob(pattern.rstrip("/"), root_dir=root, recursive=True)
    }
    folders: dict[str, None] = {}
    notes: list[str] = []
    for pattern in spec.members:
        hits = _matching(root, pattern.rstrip("/"), watched)
        for folder in hits:
            manifest = os.path.join(folder, _MANIFEST)
            if "**" not in pattern or os.path.isfile(manifest):  # else it would be every folder
                watched[manifest] = None
        hits = [folder for folder in hits if not _below(folder, excluded)]
        if not hits and is_pattern(pattern):
            notes.append(f"{path}: {_KEY}.members: {pattern!r} matches no folder")
        for folder in hits:
            if _is_member(root, folder, pattern, path):
                folders[folder] = None
    names = _names(root, sorted(folders), path, texts)
    return Workspace(
        root=root,
        spec=spec,
        folders=(*([root] if _is_project(root, texts) else []), *sorted(folders)),
        names=names,
        watched=tuple(watched),
        notes=tuple(notes),
        texts=texts,
    )


def _matching(root: str, pattern: str, watched: dict[str, None]) -> list[str]:
    """The folders that a pattern stands for; where it looked gets into ``watched``."""
    if not is_pattern(pattern):
        return [os.path.normpath(os.path.join(root, pattern))]
    fixed = []
    for part in pattern.split("/")[:-1]:
        if is_pattern(part):
            break
        fixed.append(part)
    watched[os.path.join(root, *fixed)] = None
    found = sorted(glob.glob(pattern, root_dir=root, recursive=True))
    folders = [os.path.normpath(os.path.join(root, name)) for name in found]
    return [folder for folder in folders if folder != root and os.path.isdir(folder)]


def _below(folder: str, excluded: set[str]) -> bool:
    return any(folder == other or folder.startswith(f"{other}/") for other in excluded)


def _is_member(root: str, folder: str, pattern: str, path: str) -> bool:
    """Whether there is a project in a folder that ``pattern`` stands for."""
    if not os.path.isfile(os.path.join(folder, _MANIFEST)):
        if is_pattern(pattern):
            return False
        raise InputError(
            f"names {pattern!r}, where there is no {_MANIFEST}",
            file=path,
            key=f"{_KEY}.members",
            hint="`provenv init` in that folder makes one; or take the entry out.",
        )
    if os.path.realpath(folder) != folder:
        raise InputError(
            f"{os.path.relpath(folder, root)} is, or lies behind, a link to "
            f"{os.path.realpath(folder)}; a member is a folder of its own",
            file=path,
            key=f"{_KEY}.members",
            hint="Leave it out with `exclude`, or name the folder that it leads to.",
        )
    return True


def _names(root: str, folders: list[str], path: str, texts: Mapping[str, str]) -> dict[str, str]:
    """The folders of members by normalized name. What cannot be read has none: its own error says so."""
    names: dict[str, str] = {}
    for folder in (root, *folders):
        file = os.path.join(folder, _MANIFEST)
        try:
            data = toml.parse(_text(file, texts), file)
        except (InputError, OSError):
            continue
        project, tool = data.get("project"), data.get("tool")
        own = tool.get("provenv") if isinstance(tool, dict) else None
        if folder != root and isinstance(own, dict) and "workspace" in own:
            raise InputError(
                f"a workspace inside another: {root} has this folder for a member",
                file=file,
                key=_KEY,
                hint="Keep one of the two; `exclude` in the outer one leaves a folder out.",
            )
        name = project.get("name") if isinstance(project, dict) else None
        if not isinstance(name, str):
            continue
        other = names.setdefault(canonicalize_name(name), folder)
        if other != folder:
            raise InputError(
                f"two members are called {name!r}: {os.path.relpath(other, root)} and "
                f"{os.path.relpath(folder, root)}",
                file=path,
                key=f"{_KEY}.members",
                hint="Rename one of them, or leave one out with `exclude`.",
            )
    return names


def _is_project(root: str, texts: Mapping[str, str]) -> bool:
    """Whether the root has something to install by itself, and is not only there for its members."""
    path = os.path.join(root, _MANIFEST)
    data = toml.parse(_text(path, texts), path)
    return "project" in data or bool(data.get("dependency-groups"))


@cache
def _parsed(text: str, path: str) -> Manifest:
    """A manifest by its text: one call may look at the same member from many sides."""
    return parse_manifest(text, path)


def _relative(path: str, folder: str) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")


def _text(path: str, texts: Mapping[str, str]) -> str:
    if path in texts:
        return texts[path]
    with open(path, encoding="utf-8", newline="", errors="replace") as stream:
        return stream.read()
