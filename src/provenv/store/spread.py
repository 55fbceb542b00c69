"""Where each file of a wheel lies in its object (PEP 427, "Spreading")."""

from __future__ import annotations

SCHEMES = {"purelib": "site", "platlib": "site", "scripts": "bin", "data": "data"}


def place(path: str, dist_info: str, name: str) -> str | None:
    """The path in the object of a wheel's member; None where it is not kept.

    Byte code that a wheel ships is not kept: it cannot be told from what Python writes later.

    Raises:
        ValueError: A folder in ``.data`` that is no installation scheme.
    """
    top, _, rest = path.partition("/")
    if top.endswith(".data") and _same(top[:-5], dist_info[:-10]):
        scheme, _, rest = rest.partition("/")
        if scheme == "headers" and rest:
            return f"include/{name}/{rest}"
        if scheme not in SCHEMES or not rest:
            raise ValueError(f"{scheme!r} is not an installation scheme")
        path = f"{SCHEMES[scheme]}/{rest}"
    else:
        path = "site/" + path
    return None if "/__pycache__/" in path or path.endswith("/__pycache__") else path


def _same(one: str, other: str) -> bool:
    return one == other or fold(one) == fold(other)


def fold(text: str) -> str:
    """Equal for two spellings of a name (PEP 503)."""
    parts = text.lower().replace("_", "-").replace(".", "-").split("-")
    return "-".join(part for part in parts if part)
