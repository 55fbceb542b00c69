"""Building a tree from a recipe: the part of a sync that must cost milliseconds.

A *recipe* says in plain lines what a generation consists of. :mod:`compose` writes it once for a
plan; this module reads it and makes the tree, importing nothing but ``os``.

    provenv-recipe 1
    D <path>                      make a directory
    S <target> TAB <path>         make a symlink with this text
    L <source> TAB <path>         hard link; source is relative to the home folder
    P <source> TAB <path>         hard link; source is relative to the plan's folder
    N <source> TAB <path>         a new file with the content of that, which tools may edit
    E <source> TAB <path>         a new file with the content of that, the project's place filled in
    C <source> TAB <path>         clone (reflink) or copy
    Y <source> TAB <path>         copy
    W <source> TAB <path>         copy that a person may edit (:mod:`private`)
    X <source> TAB <path>         copy of a file outside the home: the executable of an interpreter

Paths are relative to the generation.
"""

from __future__ import annotations

import os

HEADER = "provenv-recipe 1"
_MAKING = ("S", "L", "P", "N", "E", "C", "Y", "W", "X")

# In the files of E steps: the project's folder as a path, and as the path of a file:// address. What is
# installed in place differs between two checkouts of one project in nothing else.
PLACE = b"@@provenv-project@@"
PLACE_IN_URL = b"@@provenv-project-url@@"
_ABOVE = b"@@provenv-above-"

Steps = list[tuple[str, str, str]]  # (kind, source, path); source is empty for directories


def render(steps: Steps) -> str:
    """The recipe as text.

    Raises:
        ValueError: A path holds a line break or a tab.
    """
    lines = [HEADER]
    for kind, source, path in steps:
        if "\n" in path or "\t" in path or "\n" in source or "\t" in source:
            raise ValueError(f"a path with a line break or a tab: {path!r}")
        lines.append(f"{kind} {source}\t{path}" if source else f"{kind} {path}")
    return "\n".join(lines) + "\n"


def parse(text: str) -> Steps | None:
    """Read a recipe back; None where the text is not a whole one of this format."""
    lines = text.split("\n")
    if lines[0] != HEADER or lines[-1] != "":
        return None
    steps: Steps = []
    for line in lines[1:-1]:
        kind, rest = line[0], line[2:]
        if kind == "D":
            steps.append(("D", "", rest))
        elif kind in _MAKING:
            source, _, path = rest.partition("\t")
            steps.append((kind, source, path))
        else:
            return None
    return steps


def make(steps: Steps, home: str, plan: str, root: str, *, project: str = "") -> bool:
    """Make the tree in ``root``, an empty folder.

    ``plan`` is the folder of the plan's own files, ``project`` what E steps fill in.

    Returns:
        True where every hard link shares its inode; False where some had to become new files
        (another file system, or no more links allowed).

    Raises:
        OSError: What the file system says; the caller removes ``root``.
    """
    shared = True
    bases = {"L": home, "P": plan}
    # Names below open folders: the kernel walks a few names for each call instead of twenty.
    here = _folder(root)
    opened: dict[str, int] = {}
    link, mkdir, symlink = os.link, os.mkdir, os.symlink
    try:
        for kind in {step[0] for step in steps} & bases.keys():
            opened[kind] = _folder(bases[kind])
        for kind, source, path in steps:
            if kind in opened:
                try:
                    link(
                        source,
                        path,
                        src_dir_fd=opened[kind],
                        dst_dir_fd=here,
                        follow_symlinks=False,
                    )
                except OSError:
                    whole = f"{bases[kind]}/{source}"
                    shared = _link_or_copy(whole, f"{root}/{path}") and shared
            elif kind == "D":
                mkdir(path, dir_fd=here)
            elif kind == "S":
                symlink(source, path, dir_fd=here)
            else:
                _write(kind, source, f"{root}/{path}", home, plan, project)
    finally:
        for descriptor in (here, *opened.values()):
            os.close(descriptor)
    return shared


def _folder(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _write(kind: str, source: str, target: str, home: str, plan: str, project: str) -> None:
    """Make a file that is no link."""
    if kind == "N":
        _rewrite(f"{plan}/{source}", target)
    elif kind == "E":
        _fill_in(f"{plan}/{source}", target, project)
    elif kind == "X":
        _copy(kind, source, target)
    else:
        _copy(kind, f"{home}/{source}", target)


def _rewrite(source: str, target: str) -> None:
    with open(source, "rb") as reader, open(target, "xb") as writer:
        writer.write(reader.read())


def _fill_in(source: str, target: str, project: str) -> None:
    with open(source, "rb") as reader, open(target, "xb") as writer:
        writer.write(filled_in(reader.read(), project))


def filled_in(text: bytes, project: str) -> bytes:
    """The content of an E step's file for a project in this folder."""
    place = os.fsencode(project)
    text = text.replace(PLACE, place).replace(PLACE_IN_URL, quoted(place))
    levels = 0
    while _ABOVE in text and levels < place.count(b"/"):
        levels += 1
        above = place.rsplit(b"/", levels)[0]
        path, url = above_places(levels)
        text = text.replace(path, above).replace(url, quoted(above))
    return text


def above_places(levels: int) -> tuple[bytes, bytes]:
    """What stands for the folder so many levels above the project's: as a path, and in an address."""
    return b"%s%d@@" % (_ABOVE, levels), b"%s%d-url@@" % (_ABOVE, levels)


def quoted(path: bytes) -> bytes:
    """``path`` as it stands in a file:// address (RFC 3986; ``urllib.parse`` costs 6 ms)."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
    return b"".join(bytes((c,)) if c in plain else b"%%%02X" % c for c in path)


def _link_or_copy(source: str, target: str) -> bool:
    """Try once more, and make a new file where the file system allows no link."""
    from provenv.core import links

    return links.hard_link(source, target)


def _copy(kind: str, source: str, target: str) -> None:
    from provenv.core import links

    if kind == "C" and not os.path.islink(source):
        links.clone(source, target)
    else:
        links.duplicate(source, target)
    if not os.path.islink(target):
        os.chmod(target, os.stat(target).st_mode | 0o200)
