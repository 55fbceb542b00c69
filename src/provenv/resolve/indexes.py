"""Package indexes: provenv's and uv's tables become one list, and pins keep to their index."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from packaging.utils import canonicalize_name

from provenv.core.http import Credentials, HttpSettings, origin, split_credentials
from provenv.core.values import frozen, replace
from provenv.model.manifest import Manifest
from provenv.model.origins import PYPI
from provenv.resolve.settings import ResolveSettings

OVERRIDE = "provenv-index-url"


@frozen
class Indexes:
    """Every index of a run.

    Attributes:
        tables: As ``[[tool.uv.index]]``.
        urls: By name, without credentials.
        pins: Normalized distribution → name of the index that it must come from.
        credentials: By name, those that stood in an address.
    """

    tables: tuple[Mapping[str, Any], ...]
    urls: Mapping[str, str]
    pins: Mapping[str, str]
    credentials: Mapping[str, Credentials]

    @property
    def default(self) -> str:
        """The address of the default index."""
        return next((str(t["url"]) for t in self.tables if t.get("default")), PYPI)


def collect_indexes(manifest: Manifest, project: str, override: str | None) -> Indexes:
    """The indexes of ``[tool.provenv]``, then those of ``[tool.uv]``, then ``override`` as default.

    With ``override``, what was the default index before is used only for what is pinned to it.
    """
    tables: list[dict[str, Any]] = [
        {"name": i.name, "url": i.url, "default": i.default, "explicit": i.explicit}
        for i in manifest.indexes
    ]
    known = {table["name"] for table in tables}
    tables += [dict(t) for t in manifest.uv.get("index", ()) if t.get("name") not in known]
    pins = {**_uv_pins(manifest), **{p: i.name for i in manifest.indexes for p in i.packages}}
    _one_default(tables)
    if override is not None:
        for table in tables:
            if table.pop("default", False):
                table["explicit"] = True
        tables.append({"name": OVERRIDE, "url": override, "default": True})
    credentials: dict[str, Credentials] = {}
    for table in tables:
        table["url"] = _absolute(str(table["url"]), project)
        bare, pair = split_credentials(table["url"])
        if pair is not None and table.get("name"):
            table["url"] = bare
            credentials[table["name"]] = pair
    return Indexes(
        tables=tuple(tables),
        urls={t["name"]: t["url"] for t in tables if t.get("name")},
        pins=pins,
        credentials=credentials,
    )


def authorized(settings: ResolveSettings, indexes: Indexes) -> HttpSettings:
    """The settings for HTTP with the credentials of every index, by origin."""
    known = {**indexes.credentials, **settings.credentials}
    by_origin = {origin(u): known[n] for n, u in indexes.urls.items() if n in known and "://" in u}
    return replace(
        settings.http,
        credentials={**settings.http.credentials, **by_origin},
        offline=settings.offline or settings.http.offline,
    )


def _one_default(tables: list[dict[str, Any]]) -> None:
    """The first default index stays; provenv's own tables come first."""
    seen = False
    for table in tables:
        if table.get("default"):
            if seen:
                table["default"] = False
            seen = True


def _uv_pins(manifest: Manifest) -> dict[str, str]:
    """Distributions that ``[tool.uv.sources]`` gives to one index, whatever the platform."""
    return {
        canonicalize_name(name): source["index"]
        for name, source in manifest.sources.items()
        if isinstance(source, Mapping) and set(source) == {"index"}
    }


def _absolute(url: str, project: str) -> str:
    return url if "://" in url else os.path.normpath(os.path.join(project, url))
