"""Addresses of indexes as other tools write them → ``[[tool.provenv.index]]``.

User names and passwords that stand in an address are left out: they have no place in a project.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from provenv.core.http import split_credentials
from provenv.core.values import field, mutable
from provenv.formats.foreign import Left
from provenv.model.manifest import IndexSpec

PYPI = ("pypi.org", "pypi.python.org", "files.pythonhosted.org")


@mutable
class Addresses:
    """Indexes as they are found in a file, in order."""

    found: dict[str, IndexSpec] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)

    def add(
        self,
        url: str,
        name: str = "",
        *,
        default: bool = False,
        explicit: bool = False,
        packages: Iterable[str] = (),
    ) -> None:
        """Note an index, ``default`` one that stands for PyPI. PyPI itself needs no mention."""
        if "://" in url:
            url, login = split_credentials(url)
            if login is not None:
                self.logins.append(url)
        if is_pypi(url):
            return
        key = name or host_name(url)
        while key in self.found and self.found[key].url.rstrip("/") != url.rstrip("/"):
            key += "-2"
        default = default and not any(index.default for index in self.found.values())
        known = self.found.get(key)
        self.found[key] = IndexSpec(
            name=key,
            url=url,
            default=default or (known is not None and known.default),
            explicit=explicit,
            packages=tuple(sorted({*(known.packages if known else ()), *packages})),
        )

    def result(self, file: str) -> tuple[tuple[IndexSpec, ...], tuple[Left, ...]]:
        """The indexes, and what was left out of their addresses."""
        left = tuple(
            Left(
                what=f"user name and password for {url}",
                why="keep them in PROVENV_INDEX_<NAME>_USERNAME and …_PASSWORD, netrc or a keyring",
                file=file,
            )
            for url in self.logins
        )
        return tuple(self.found.values()), left


def is_pypi(url: str) -> bool:
    """Whether an address is PyPI's own."""
    return (urlsplit(url).hostname or "") in PYPI


def host_name(url: str) -> str:
    """A name for an index that has none: its host."""
    host = urlsplit(url).hostname or url
    return re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-") or "index"
