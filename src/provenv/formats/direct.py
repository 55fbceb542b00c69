"""Requirements that name a place: ``git+https://…@rev``, an archive's address, a folder, a wheel."""

from __future__ import annotations

import configparser
import re
import tomllib
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from provenv.core.http import split_credentials
from provenv.core.values import frozen
from provenv.formats.foreign import Direct, Left, Source
from provenv.model.plan import canonical

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_VCS = ("git", "hg", "svn", "bzr")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")
_EXTRAS = re.compile(r"^(.*?)\[([A-Za-z0-9._, -]*)\]$")


@frozen
class Place:
    """A place, and what is known of what lies there; ``name`` is empty where it does not say."""

    direct: Direct
    name: str = ""
    version: str = ""
    extras: tuple[str, ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()
    login: bool = False  # a user name or password stood in the address, and was left out


def read_place(text: str, source: Source, *, editable: bool = False) -> Place | None:
    """What a requirement without a name before it stands for; None where it is no place at all.

    What is ``editable`` is always one, and may have blanks in its path.
    """
    if not editable and any(character.isspace() for character in text):
        return None
    bare = text
    extras: tuple[str, ...] = ()
    if match := _EXTRAS.match(text):
        bare, names = match[1], match[2]
        extras = tuple(canonical(name.strip()) for name in names.split(",") if name.strip())
    if any(bare.startswith(f"{vcs}+") for vcs in _VCS):
        return _vcs(bare, extras)
    if "://" in bare:
        return _archive(bare, extras, source)
    looks = (
        editable or bare.startswith((".", "/")) or "/" in bare or bare.lower().endswith(_ARCHIVES)
    )
    return _local(bare, extras, source, editable=editable) if looks else None


def _split_vcs(url: str) -> tuple[str, str, str]:
    """``git+https://host/repo.git@rev#…`` → kind, address, revision."""
    kind, _, rest = url.partition("+")
    parts = urlsplit(rest)
    path, _, revision = parts.path.partition("@")
    return kind, urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")), revision


def is_commit(text: str) -> bool:
    """Whether a revision is a commit's full hash, which nobody can move."""
    return _COMMIT.fullmatch(text) is not None


def _vcs(text: str, extras: tuple[str, ...]) -> Place:
    kind, address, revision = _split_vcs(text)
    url, login = without_login(address)
    fragment = parse_qs(urlsplit(text).fragment)
    egg, more = _egg(fragment)
    return Place(
        direct=Direct(
            kind="vcs",
            url=url,
            commit=revision if is_commit(revision) else "",
            revision=revision,
            subdirectory=fragment.get("subdirectory", [""])[0],
            vcs=kind,
        ),
        name=egg,
        extras=extras or more,
        login=login,
    )


def _egg(fragment: dict[str, list[str]]) -> tuple[str, tuple[str, ...]]:
    egg = fragment.get("egg", [""])[0]
    if match := _EXTRAS.match(egg):
        names = [canonical(name.strip()) for name in match[2].split(",")]
        return canonical(match[1]), tuple(names)
    return (canonical(egg), ()) if egg else ("", ())


def _archive(text: str, extras: tuple[str, ...], source: Source) -> Place:
    parts = urlsplit(text)
    fragment = parse_qs(parts.fragment)
    egg, more = _egg(fragment)
    name, version = file_identity(parts.path)
    hashes = tuple((key, fragment[key][0]) for key in ("sha256", "sha512") if key in fragment)
    if parts.scheme == "file":
        local = _local(unquote(parts.path), extras or more, source, editable=False)
        return Place(
            direct=local.direct,
            name=egg or local.name,
            version=local.version,
            extras=local.extras,
            hashes=hashes,
        )
    url, login = without_login(urlunsplit(parts._replace(fragment="")))
    return Place(
        direct=Direct(
            kind="archive",
            url=url,
            subdirectory=fragment.get("subdirectory", [""])[0],
        ),
        name=egg or name,
        version=version,
        extras=extras or more,
        hashes=hashes,
        login=login,
    )


def without_login(url: str) -> tuple[str, bool]:
    """An address as it may be written down, and whether something was taken out of it.

    ``git@`` of an address for ssh says no more than how git is spoken to, and stays.
    """
    if not url.startswith(("http://", "https://")):
        return url, False
    bare, login = split_credentials(url)
    return bare, login is not None


def at_path(path: str, *, editable: bool) -> Direct:
    """What lies at a path: an archive, if its name says so, else a folder."""
    if path.lower().endswith(_ARCHIVES):
        return Direct(kind="archive", path=path)
    return Direct(kind="directory", path=path, editable=editable)


def login_left(url: str, file: str) -> Left:
    """What is said where :func:`without_login` took something out of the address of a place."""
    why = "git and pip find it in netrc or a credential helper; it is left out"
    return Left(what=f"user name or password for {url}", why=why, file=file)


def _local(text: str, extras: tuple[str, ...], source: Source, *, editable: bool) -> Place:
    direct = at_path(source.relative(text), editable=editable)
    if direct.kind == "archive":
        name, version = file_identity(text)
    else:
        name, version = folder_name(source, text), ""
    return Place(direct=direct, name=name, version=version, extras=extras)


def file_identity(path: str) -> tuple[str, str]:
    """Name and version that a wheel's or sdist's filename says; empty where it says none."""
    filename = unquote(path.rpartition("/")[2])
    try:
        if filename.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return "", ""
    return canonical(name), str(version)


def folder_name(source: Source, folder: str) -> str:
    """The name of the project in a folder, as its files say it; empty where they do not."""
    manifest = source.beside(f"{folder}/pyproject.toml")
    if manifest is not None:
        try:
            data: dict[str, Any] = tomllib.loads(manifest.data.decode("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            data = {}
        for table in (data.get("project", {}), data.get("tool", {}).get("poetry", {})):
            if isinstance(table, dict) and isinstance(table.get("name"), str):
                return canonical(table["name"])
    settings = source.beside(f"{folder}/setup.cfg")
    if settings is not None:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(settings.data.decode("utf-8-sig"))
        except (configparser.Error, UnicodeDecodeError):
            return ""
        if parser.has_option("metadata", "name"):
            return canonical(parser.get("metadata", "name"))
    script = source.beside(f"{folder}/setup.py")
    if script is not None:
        from provenv.formats.setuptools import setup_arguments

        name = setup_arguments(script).known.get("name")
        return canonical(name) if isinstance(name, str) else ""
    return ""


def source_table(direct: Direct) -> dict[str, Any]:
    """A place as an entry of ``[tool.uv.sources]``."""
    table: dict[str, Any] = {}
    if direct.kind == "vcs":
        table["git"] = direct.url
        if direct.revision or direct.commit:
            table["rev"] = direct.commit or direct.revision
    elif direct.url:
        table["url"] = direct.url
    else:
        table["path"] = direct.path
        if direct.editable:
            table["editable"] = True
    if direct.subdirectory:
        table["subdirectory"] = direct.subdirectory
    return table
