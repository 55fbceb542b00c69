"""Pipenv: ``Pipfile`` and ``Pipfile.lock``.

https://pipenv.pypa.io/en/latest/pipfile.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.version import InvalidVersion, Version

from provenv.core.errors import InputError
from provenv.formats.direct import (
    at_path,
    file_identity,
    folder_name,
    is_commit,
    login_left,
    source_table,
    without_login,
)
from provenv.formats.foreign import (
    BASE,
    UNPINNED,
    Direct,
    Edge,
    Foreign,
    Left,
    Pin,
    PinnedFile,
    Place,
    Source,
    wrong,
)
from provenv.formats.indexes import Addresses
from provenv.formats.requirements import expanded
from provenv.formats.values import hashes_of, joined_markers, json_of, tables, toml_of
from provenv.model.plan import canonical

_NO_CATEGORIES = frozenset(
    {"source", "packages", "dev-packages", "requires", "scripts", "pipenv", "pipfile"}
)
_MARKERS = (
    "os_name", "sys_platform", "platform_machine", "platform_python_implementation",
    "platform_release", "platform_system", "platform_version", "python_version",
    "python_full_version", "implementation_name", "implementation_version",
)  # fmt: skip
_SPEC = 6


def read_manifest(source: Source) -> Foreign:
    """``Pipfile``: packages, their categories as groups, sources, the Python that it requires.

    Raises:
        InputError: It is not TOML, or an entry is none of Pipenv's.
    """
    data = toml_of(source, "a Pipfile")
    if not {"packages", "dev-packages", "source", "requires"} & data.keys():
        raise wrong(source, "a Pipfile", "it has neither [packages] nor [dev-packages]")
    left: list[Left] = []
    sources: dict[str, Any] = {}
    pinned: dict[str, list[str]] = {}
    places: dict[str, tuple[str, ...]] = {}
    for category in data:
        if category in _NO_CATEGORIES - {"packages", "dev-packages"}:
            continue
        texts = []
        for name, value in data[category].items():
            entry = {"version": value} if isinstance(value, str) else value
            if not isinstance(entry, Mapping):
                raise InputError(f"{value!r} is not a package", file=source.shown, key=name)
            texts.append(_requirement(source, name, entry, sources, left))
            if "index" in entry:
                pinned.setdefault(str(entry["index"]), []).append(canonical(name))
        places[category] = tuple(texts)
    addresses = _addresses(source, data.get("source"), pinned)
    indexes, more = addresses.result(source.shown)
    left += more
    left += [
        Left(what=f"[scripts] {name}", why="provenv has no scripts: `provenv run` takes the command",
             file=source.shown)
        for name in data.get("scripts", {})
    ]  # fmt: skip
    return Foreign(
        kind="Pipfile",
        file=source.shown,
        files=(source.path,),
        requires_python=_requires(data.get("requires", {})),
        dependencies=places.pop("packages", ()),
        groups={_group(category): texts for category, texts in places.items()},
        sources=sources,
        indexes=indexes,
        default_groups=tuple(name for name in ("dev",) if "dev-packages" in places),
        left=tuple(left),
    )


def _group(category: str) -> str:
    return "dev" if category in ("dev-packages", "develop") else canonical(category)


def _requires(table: Mapping[str, Any]) -> str:
    version = str(table.get("python_full_version") or table.get("python_version") or "")
    return f">={version}" if version[:1].isdigit() else ""


def _addresses(source: Source, rows: object, pinned: Mapping[str, list[str]]) -> Addresses:
    addresses = Addresses()
    for number, row in enumerate(tables(rows)):
        name = str(row.get("name", ""))
        url = expanded(str(row.get("url", "")), source.environ)
        addresses.add(url, name, default=number == 0, packages=pinned.get(name, ()))
    return addresses


def _requirement(
    source: Source,
    key: str,
    entry: Mapping[str, Any],
    sources: dict[str, Any],
    left: list[Left],
) -> str:
    name = canonical(key)
    extras = f"[{','.join(sorted(entry['extras']))}]" if entry.get("extras") else ""
    version = str(entry.get("version", "*")).replace(" ", "")
    version = "" if version == "*" else version
    if version[:1].isdigit():
        version = f"=={version}"
    direct = _direct(source, entry)
    if direct is not None:
        address = expanded(str(entry.get("git") or entry.get("file", "")), source.environ)
        if without_login(address)[1]:
            left.append(login_left(direct.url, source.shown))
        key = name = _name(source, key, entry)
        sources[name] = source_table(direct)
        version = ""
    terms = [str(entry["markers"])] if entry.get("markers") else []
    terms += [f"{variable} {entry[variable]}" for variable in _MARKERS if variable in entry]
    if entry.get("skip_resolver"):
        left.append(
            Left(what=f"{key}: skip_resolver", why="everything is resolved", file=source.shown)
        )
    marker = joined_markers(terms)
    return f"{key}{extras}{version}" + (f" ; {marker}" if marker else "")


def _name(source: Source, key: str, entry: Mapping[str, Any]) -> str:
    """The distribution's name: Pipenv gives folders keys of its own making."""
    folder = folder_name(source, str(entry["path"])) if "path" in entry else ""
    return folder or canonical(key)


def _direct(source: Source, entry: Mapping[str, Any]) -> Direct | None:
    if "git" in entry:
        revision = str(entry.get("ref", ""))
        return Direct(
            kind="vcs",
            url=without_login(expanded(str(entry["git"]), source.environ))[0],
            commit=revision if is_commit(revision) else "",
            revision=revision,
            subdirectory=str(entry.get("subdirectory", "")),
        )
    if "path" in entry:
        path = source.relative(str(entry["path"]))
        return at_path(path, editable=bool(entry.get("editable")))
    if "file" in entry:
        url = str(entry["file"])
        if "://" in url:
            return Direct(kind="archive", url=without_login(expanded(url, source.environ))[0])
        return Direct(kind="archive", path=source.relative(url))
    return None


def read_lock(source: Source) -> Foreign:
    """``Pipfile.lock``; its hashes name no files, so an index must be asked for their addresses.

    Raises:
        InputError: It is not JSON, or of another form.
    """
    data = json_of(source, "a Pipfile.lock")
    meta = data.get("_meta")
    if not isinstance(meta, Mapping):
        raise wrong(source, "a Pipfile.lock", "it has no _meta")
    spec = meta.get("pipfile-spec")
    if spec != _SPEC:
        raise wrong(source, f"a Pipfile.lock with pipfile-spec {_SPEC}", f"pipfile-spec {spec!r}")
    addresses = _addresses(source, meta.get("sources"), {})
    indexes, left = addresses.result(source.shown)
    urls = {index.name: index.url for index in indexes}
    roots: dict[Place, tuple[Edge, ...]] = {}
    pins: dict[tuple[str, str, str], Pin] = {}
    unpinned: dict[str, str] = {}
    for category, entries in data.items():
        if category == "_meta":
            continue
        if not isinstance(entries, Mapping):
            raise wrong(source, "a Pipfile.lock", "it is no object", category)
        place: Place = BASE if category == "default" else ("group", _group(category))
        edges = []
        for edge, pin in _entries(source, entries, urls, unpinned):
            edges.append(edge)
            if pin is not None:
                pins.setdefault((pin.name, pin.version, str(pin.direct)), pin)
        roots[place] = tuple(edges)
    groups = {name: () for kind, name in roots if kind == "group"}
    return Foreign(
        kind="Pipfile.lock",
        file=source.shown,
        files=(source.path,),
        requires_python=_requires(meta.get("requires", {})),
        groups=groups,
        indexes=indexes,
        roots=roots,
        pins=tuple(pins.values()),
        default_groups=("dev",) if "dev" in groups else (),
        unpinned=unpinned,
        left=left,
    )


def _entries(
    source: Source, entries: Mapping[str, Any], urls: Mapping[str, str], unpinned: dict[str, str]
) -> Iterator[tuple[Edge, Pin | None]]:
    for key, entry in entries.items():
        if not isinstance(entry, Mapping):
            raise wrong(source, "a Pipfile.lock", "it is no object", key)
        direct = _direct(source, entry)
        version = _version(source, key, str(entry.get("version", "")))
        name = _name(source, key, entry)
        marker = str(entry.get("markers", ""))
        if (direct is None and not version) or (direct is not None and _moves(direct, entry)):
            unpinned[name] = (
                f"{key} ({source.shown})"  # so Pipenv does with what is for other platforms
            )
            yield Edge(name=name, marker=marker, version=UNPINNED), None
            continue
        if direct is not None and direct.kind == "archive" and not version:
            version = file_identity(direct.url or direct.path)[1]
        yield (
            Edge(name=name, version=version, marker=marker),
            Pin(
                name=name,
                version=version,
                files=tuple(PinnedFile(hashes=hashes_of(text)) for text in entry.get("hashes", ())),
                direct=direct,
                index=urls.get(str(entry.get("index", "")), ""),
            ),
        )


def _moves(direct: Direct, entry: Mapping[str, Any]) -> bool:
    """Whether what lies at a place can change without the lock being changed."""
    if direct.kind == "vcs":
        return not direct.commit
    return direct.kind == "archive" and not entry.get("hashes")


def _version(source: Source, key: str, text: str) -> str:
    bare = text.removeprefix("===").removeprefix("==")
    if bare in ("", "*"):
        return ""
    try:
        return str(Version(bare))
    except InvalidVersion as error:
        raise wrong(source, "a Pipfile.lock", f"{text!r} is not one version", key) from error
