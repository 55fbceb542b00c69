"""What a wheel says that it is, in its filename and in its ``.dist-info`` (PEP 427)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from provenv.core.errors import InputError
from provenv.core.values import frozen
from provenv.store.archive import HINT, refused
from provenv.store.names import quoted
from provenv.store.spread import fold

_PLAIN_VERSION = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*\Z")


@frozen
class WheelName:
    """The parts of a wheel's filename; ``name`` and ``version`` normalized."""

    name: str
    version: str
    tags: tuple[str, ...]


def parse_filename(filename: str) -> WheelName:
    """Take ``name-version[-build]-python-abi-platform.whl`` apart.

    Raises:
        InputError: Not of that form.
    """
    parts = filename.removesuffix(".whl").split("-")
    if not filename.endswith(".whl") or len(parts) not in (5, 6) or not all(parts):
        raise InputError(
            "not a wheel's filename (name-version[-build]-python-abi-platform.whl)", file=filename
        )
    version = normal_version(parts[1])
    if version is None or "/" in filename:
        raise InputError(f"{parts[1]!r} is not a version", file=filename)
    tags = tuple(
        f"{python}-{abi}-{platform}"
        for python in parts[-3].split(".")
        for abi in parts[-2].split(".")
        for platform in parts[-1].split(".")
    )
    return WheelName(name=fold(parts[0]), version=version, tags=tags)


def normal_version(text: str) -> str | None:
    """``text`` as PEP 440 normalizes it; None where it is no version."""
    if _PLAIN_VERSION.match(text):
        return text
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(text.replace("_", "-")))
    except InvalidVersion:
        return None


def find_dist_info(names: Iterable[str], wheel: WheelName, filename: str) -> str:
    """The one ``.dist-info`` folder at the top of the wheel.

    Raises:
        InputError: None, several, or one of another distribution or version.
    """
    found = sorted(
        # as importlib.metadata looks for them: in any case
        {top for name in names if (top := name.partition("/")[0]).lower().endswith(".dist-info")}
    )
    if len(found) != 1:
        raise InputError(
            f"{len(found)} .dist-info folders ({', '.join(found[:3]) or 'none'}), and one is needed",
            file=filename,
            hint=HINT,
        )
    name, _, version = found[0].removesuffix(".dist-info").rpartition("-")
    if fold(name) != wheel.name or not _same_version(version, wheel.version):
        raise refused(
            filename, found[0], f"does not belong to {wheel.name} {wheel.version}, the wheel's name"
        )
    return found[0]


def check_metadata(text: str, wheel: WheelName, filename: str, member: str) -> None:
    """Hold the head of METADATA against the filename ("Core metadata" specification).

    Raises:
        InputError: It is of another distribution, or of a major version that nobody knows yet.
    """
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            break  # the description follows
        key, colon, value = line.partition(":")
        if colon and line[0] not in " \t|":
            key, value = key.lower(), value.strip()
            if fields.setdefault(key, value) != value and key in _ONCE:
                raise refused(filename, member, f"{key.title()} stands in it twice")
    name, version, metadata = (fields.get(key, "") for key in _ONCE)
    if fold(name) != wheel.name or not _same_version(version, wheel.version):
        about = quoted(f"{name} {version}".strip() or "nothing")
        raise refused(
            filename,
            member,
            f"is about {about}, and the wheel's name is {wheel.name} {wheel.version}",
        )
    if metadata.partition(".")[0] not in ("1", "2"):
        raise refused(
            filename, member, f"Metadata-Version is {quoted(metadata)}; this provenv knows 1 and 2"
        )


_ONCE = ("name", "version", "metadata-version")


def is_other_dist_info(path: str, dist_info: str) -> bool:
    """Whether a path in an object would become the metadata of another distribution."""
    found = _DIST_INFO.match(path)
    return found is not None and found[1] != dist_info


_DIST_INFO = re.compile(
    r"(?:site|data(?:/.*)?/(?:site|dist)-packages)/([^/]*\.dist-info)/", re.IGNORECASE | re.DOTALL
)


def _same_version(one: str, other: str) -> bool:
    if one == other or normal_version(one) == other:
        return True
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one.replace("_", "-")) == Version(other)
    except InvalidVersion:
        return False


def read_tags(text: str, filename: str) -> tuple[str, ...]:
    """The tags of a WHEEL file, whose version must be one that this program knows.

    Raises:
        InputError: Wheel-Version is missing, or its major number is not 1.
    """
    fields = [line.partition(":") for line in text.splitlines() if ":" in line]
    versions = [value.strip() for key, _, value in fields if key.strip().lower() == "wheel-version"]
    if len(versions) != 1 or versions[0].partition(".")[0] != "1":
        raise InputError(
            f"Wheel-Version is {quoted(versions[0]) if versions else 'missing'}; this provenv knows 1.x",
            file=filename,
            hint="Use a newer provenv, or another version of the package.",
        )
    return tuple(value.strip() for key, _, value in fields if key.strip().lower() == "tag")
