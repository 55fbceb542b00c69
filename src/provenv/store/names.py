"""Which paths inside a wheel are safe, and which two of them would become one file."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_NAME = 255  # bytes; what file systems allow
MAX_PATH = 1024  # of the 4,096 that Linux allows, the rest is for where store and project lie
MAX_DEPTH = 64
# C0, DEL and C1, and what makes a terminal or an editor show the text in another order
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


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
    if reason := misleading(path):
        return f"its name {reason}"
    if len(path) > 63 and (reason := _too_long(path)):
        return f"its name {reason}"
    return None


def quoted(name: str, most: int = 200) -> str:
    """``name`` for a message: in quotes, what cannot be seen written out, and of bounded length."""
    return repr(name) if len(name) <= most else f"{name[:most]!r}…"


def misleading(text: str) -> str | None:
    """What a name holds that nobody can see or type, or None."""
    if not text.isprintable() and (found := _CONTROL.search(text)):
        return (
            "holds a control character" if ord(found[0]) < 160 else "changes the writing direction"
        )
    return None


def _too_long(path: str) -> str | None:
    encoded = path.encode(errors="replace")
    if len(encoded) > MAX_PATH:
        return f"has {len(encoded)} bytes, more than the {MAX_PATH} that are allowed"
    if path.count("/") > MAX_DEPTH:
        return f"lies {path.count('/')} folders deep, more than the {MAX_DEPTH} that are allowed"
    if any(len(part) > MAX_NAME for part in encoded.split(b"/")):
        return f"has a part of more than {MAX_NAME} bytes"
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
