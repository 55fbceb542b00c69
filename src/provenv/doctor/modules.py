"""Which module comes with what: Python itself, a distribution in an environment, a global interpreter."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from provenv.doctor.shelf import Shelf
from provenv.model.generation import Generation
from provenv.store.objects import StoredObject

# Modules that came after 3.8 or went since ("What's New" of each version; PEP 594 for 3.13).
ADDED = {
    "annotationlib": (3, 14), "compression": (3, 14), "graphlib": (3, 9), "tomllib": (3, 11),
    "zoneinfo": (3, 9),
}  # fmt: skip
REMOVED = {
    "_bootlocale": (3, 10), "aifc": (3, 13), "asynchat": (3, 12), "asyncore": (3, 12),
    "audioop": (3, 13), "binhex": (3, 11), "cgi": (3, 13), "cgitb": (3, 13), "chunk": (3, 13),
    "crypt": (3, 13), "distutils": (3, 12), "dummy_threading": (3, 9), "formatter": (3, 10),
    "imghdr": (3, 13), "imp": (3, 12), "lib2to3": (3, 13), "macpath": (3, 8), "mailcap": (3, 13),
    "msilib": (3, 13), "nis": (3, 13), "nntplib": (3, 13), "ossaudiodev": (3, 13),
    "parser": (3, 10), "pipes": (3, 13), "smtpd": (3, 12), "sndhdr": (3, 13), "spwd": (3, 13),
    "sunau": (3, 13), "symbol": (3, 10), "telnetlib": (3, 13), "uu": (3, 13), "xdrlib": (3, 13),
}  # fmt: skip

# Where a distribution's name does not tell what it is imported as.
KNOWN = {
    "Crypto": "pycryptodome", "MySQLdb": "mysqlclient", "OpenSSL": "pyopenssl", "PIL": "pillow",
    "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "docx": "python-docx", "dotenv": "python-dotenv", "fitz": "pymupdf", "git": "gitpython",
    "github": "pygithub", "google.protobuf": "protobuf", "googleapiclient": "google-api-python-client",
    "grpc": "grpcio", "igraph": "python-igraph", "jose": "python-jose", "jwt": "pyjwt",
    "kafka": "kafka-python", "ldap": "python-ldap", "magic": "python-magic", "mpl_toolkits":
    "matplotlib",
    "multipart": "python-multipart", "nacl": "pynacl", "pkg_resources": "setuptools",
    "pptx": "python-pptx", "psycopg2": "psycopg2-binary", "rest_framework": "djangorestframework",
    "serial": "pyserial", "skimage": "scikit-image", "sklearn": "scikit-learn",
    "slugify": "python-slugify", "socks": "pysocks", "telegram": "python-telegram-bot", "usb": "pyusb",
    "websocket": "websocket-client", "win32api": "pywin32", "win32con": "pywin32", "wx": "wxpython",
    "yaml": "pyyaml", "zmq": "pyzmq",
}  # fmt: skip
_STANDARD_PRIVATE = frozenset({"__future__", "__main__", "_typeshed"})
_DEPTH = 4


def standard_library(python: tuple[int, int]) -> frozenset[str]:
    """The top-level modules that come with a Python of that minor version."""
    names = {*sys.stdlib_module_names, *sys.builtin_module_names, *_STANDARD_PRIVATE}
    names |= {name for name, since in REMOVED.items() if since > python}
    names -= {name for name, since in REMOVED.items() if since <= python}
    names |= {name for name, since in ADDED.items() if since <= python}
    return frozenset(names - {name for name, since in ADDED.items() if since > python})


def distribution_of(module: str) -> str:
    """What one would install for a module, told from its name alone."""
    for depth in (2, 1):
        known = KNOWN.get(".".join(module.split(".")[:depth]))
        if known is not None:
            return known
    return canonicalize_name(module.partition(".")[0])


def provided_by(
    generations: Iterable[Generation], shelf: Shelf
) -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    """Module → distributions that have it, told by their objects, and those with entry points.

    Namespace packages (no ``__init__``) are told apart below: ``google.cloud.storage``.
    """
    found: dict[str, set[str]] = {}
    commanding: set[str] = set()
    objects = {item.sha256: (name, item) for one in generations for name, item in shelf.of(one)}
    for name, stored in objects.values():
        for module in _modules(stored.tree.get("site", {}), "", 1):
            found.setdefault(module, set()).add(name)
        if _has_entry_points(stored):
            commanding.add(name)
    return {name: frozenset(names) for name, names in found.items()}, frozenset(commanding)


def _has_entry_points(stored: StoredObject) -> bool:
    info = stored.tree.get("site", {}).get("d", {}).get(stored.dist_info, {})
    return bool(stored.scripts) or "entry_points.txt" in info.get("f", {})


def _modules(node: Mapping[str, Any], prefix: str, depth: int) -> Iterator[str]:
    for name in node.get("f", {}):
        stem, dot, suffix = name.partition(".")
        if dot and suffix.rpartition(".")[2] in ("py", "so", "pyd") and stem != "__init__":
            yield prefix + stem
    for name, inner in node.get("d", {}).items():
        if not name.isidentifier() or name == "__pycache__":
            continue
        files = inner.get("f", {})
        if not any(file.partition(".")[0] == "__init__" for file in files) and depth < _DEPTH:
            yield from _modules(inner, f"{prefix}{name}.", depth + 1)
        else:
            yield prefix + name


def global_folders(
    python: str | None, minor: tuple[int, int], user_home: str
) -> tuple[list[str], list[str]]:
    """Folders with packages of a global interpreter (``python``, its real path) and of the user.

    Returns:
        All of them, and those that the operating system looks after (Debian's ``dist-packages``).
    """
    version = f"{minor[0]}.{minor[1]}"
    folders = [f"{user_home}/.local/lib/python{version}/site-packages"]
    system: list[str] = []
    if python is not None:
        prefix = os.path.dirname(os.path.dirname(python))
        folders.append(f"{prefix}/lib/python{version}/site-packages")
        if prefix == "/usr":
            folders += [f"/usr/local/lib/python{version}/dist-packages"]
            system = ["/usr/lib/python3/dist-packages"]
    return [*folders, *system], system


def installed_in(folders: Iterable[str], wanted: Collection[str]) -> dict[str, str]:
    """Which of the wanted modules lie in which of these folders, the first that has one."""
    found: dict[str, str] = {}
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in {re.split(r"\.(?:py|cpython|abi3)", name)[0] for name in names}:
            if name in wanted:
                found.setdefault(name, folder)
    return found
