"""Building a tree from a recipe: the part of a sync that must cost milliseconds.

A *recipe* says in plain lines what a generation consists of. :mod:`compose` writes it once for a
plan; this module reads it and makes the tree, importing nothing but ``os``.

    provenv-recipe 1
    D <path>                      make a directory
    S <target> TAB <path>         make a symlink with this text
    L <source> TAB <path>         hard link; source is relative to the home folder
    P <source> TAB <path>         hard link; source is relative to the plan's folder
    N <source> TAB <path>         a new file with the content of that, which tools may edit
    C <source> TAB <path>         clone (reflink) or copy
    Y <source> TAB <path>         copy
    O <object folder>             from here on, K and F lines are inside this object
    K <mtime_ns> <path>           a directory that must have this mtime
    F <mtime_ns> <size> <path>    a file that must have this mtime and size

Paths are relative to the generation (D, S, L, P, N, C, Y) or to the object (K, F). A path that holds a
line break or a tab cannot be written down, and is refused by :func:`render`.
"""

from __future__ import annotations

import errno
import os

HEADER = "provenv-recipe 1"
_MAKING = ("D", "S", "L", "P", "N", "C", "Y")


class Recipe:
    """What a generation consists of.

    Attributes:
        steps: ``(kind, source, path)`` in order; ``source`` is empty for directories.
        checks: ``(object folder relative to the home, [(mtime_ns, size or "", path), …])``.
    """

    __slots__ = ("checks", "steps")

    def __init__(self) -> None:
        self.steps: list[tuple[str, str, str]] = []
        self.checks: list[tuple[str, list[tuple[str, str, str]]]] = []


def render(recipe: Recipe) -> str:
    """The recipe as text.

    Raises:
        ValueError: A path holds a line break or a tab.
    """
    lines = [HEADER]
    for kind, source, path in recipe.steps:
        if "\n" in path or "\t" in path or "\n" in source or "\t" in source:
            raise ValueError(f"a path with a line break or a tab: {path!r}")
        lines.append(f"{kind} {source}\t{path}" if source else f"{kind} {path}")
    for folder, rows in recipe.checks:
        lines.append(f"O {folder}")
        lines += [f"F {m} {size} {path}" if size else f"K {m} {path}" for m, size, path in rows]
    return "\n".join(lines) + "\n"


def parse(text: str) -> Recipe | None:
    """Read a recipe back; None where the text is not a whole one of this format."""
    lines = text.split("\n")
    if lines[0] != HEADER or lines[-1] != "":
        return None
    recipe = Recipe()
    steps = recipe.steps
    rows: list[tuple[str, str, str]] = []
    for line in lines[1:-1]:
        kind, rest = line[0], line[2:]
        if kind == "K":
            m, _, path = rest.partition(" ")
            rows.append((m, "", path))
        elif kind == "F":
            m, size, path = rest.split(" ", 2)
            rows.append((m, size, path))
        elif kind == "D":
            steps.append(("D", "", rest))
        elif kind == "O":
            rows = []
            recipe.checks.append((rest, rows))
        elif kind in _MAKING:
            source, _, path = rest.partition("\t")
            steps.append((kind, source, path))
        else:
            return None
    return recipe


def make(recipe: Recipe, home: str, plan: str, root: str) -> bool:
    """Make the tree in ``root``, an empty folder; ``plan`` is the folder of the plan's own files.

    Returns:
        True where every hard link shares its inode; False where some had to become new files
        (another file system, or no more links allowed).

    Raises:
        OSError: What the file system says; the caller removes ``root``.
    """
    shared = True
    root += "/"
    bases = {"L": home + "/", "P": plan + "/"}
    link, mkdir, symlink = os.link, os.mkdir, os.symlink
    for kind, source, path in recipe.steps:
        if kind in bases:
            try:
                link(bases[kind] + source, root + path, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP):
                    raise
                _duplicate(bases[kind] + source, root + path)
                shared = False
        elif kind == "D":
            mkdir(root + path)
        elif kind == "S":
            symlink(source, root + path)
        elif kind == "N":
            _rewrite(f"{plan}/{source}", root + path)
        else:
            _copy(kind, f"{home}/{source}", root + path)
    return shared


def _rewrite(source: str, target: str) -> None:
    with open(source, "rb") as reader, open(target, "xb") as writer:
        writer.write(reader.read())


def _duplicate(source: str, target: str) -> None:
    from provenv.core import links

    links.duplicate(source, target)


def _copy(kind: str, source: str, target: str) -> None:
    from provenv.core import links

    if kind == "C" and not os.path.islink(source):
        links.clone(source, target)
    else:
        links.duplicate(source, target)
    if not os.path.islink(target):
        os.chmod(target, os.stat(target).st_mode | 0o200)


def damaged(recipe: Recipe, home: str) -> list[str]:
    """The objects (folders relative to the home) that are not as they were when they were stored.

    Directory mtimes show files that came or went; size and mtime show a hard-linked file that was
    rewritten. Content is compared by ``verify``.
    """
    stat = os.stat
    found: list[str] = []
    for folder, rows in recipe.checks:
        base = f"{home}/{folder}/"
        try:
            for m, size, path in rows:
                status = stat(base + path)
                if str(status.st_mtime_ns) != m or (size and str(status.st_size) != size):
                    found.append(folder)
                    break
        except OSError:
            found.append(folder)
    return found
