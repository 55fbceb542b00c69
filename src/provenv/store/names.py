"""Which paths inside a wheel are safe, and which two of them would become one file."""

from __future__ import annotations

from collections.abc import Iterable


def unsafe(path: str) -> str | None:
    """Why ``path`` must not be unpacked, or None where it is a plain relative path."""
    if not path:
        return "its name is empty"
    if "\0" in path:
        return "its name holds a NUL"
    if "\\" in path:
        return "its name holds a backslash"
    if path[0] == "/":
        return "its name is an absolute path"
    if path[1:2] == ":" and path[0].isalpha():
        return "its name begins with a drive letter"
    fenced = f"/{path}/"
    if "/../" in fenced:
        return "its name leads out of the wheel ('..')"
    if "/./" in fenced or "//" in fenced:
        return "its name has an empty or '.' part"
    if not path.isprintable() and any(ord(c) < 32 or 127 <= ord(c) < 160 for c in path):
        return "its name holds a control character"
    return None


def collision_key(path: str) -> str:
    """Equal for two paths that some file system takes for one (letter case, Unicode form)."""
    if path.isascii():
        return path.lower()
    from unicodedata import normalize

    return normalize("NFC", normalize("NFC", path).casefold())


def find_collision(paths: Iterable[str]) -> tuple[str, str, str] | None:
    """Two paths that cannot both be files, with the reason; None where all can."""
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        key = collision_key(path)
        other = seen.setdefault(key, path)
        if other is not path:
            reason = "twice" if other == path else "as names that differ only in case or form"
            return path, other, reason
        folders.setdefault(key.rpartition("/")[0], path)
    for folder, path in folders.items():
        while folder:
            if folder in seen:
                return path, seen[folder], "as a file and as a folder"
            folder = folder.rpartition("/")[0]
    return None
