"""``requirements.txt`` as pip reads it: options, other files, hashes, variables, continued lines.

https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from provenv.core.errors import InputError
from provenv.formats.direct import Place, read_place, source_table
from provenv.formats.foreign import BASE, UNPINNED, Edge, Foreign, Left, Pin, PinnedFile, Source
from provenv.formats.indexes import Addresses
from provenv.model.plan import canonical

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHORT = {"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-i": "--index-url",
          "-f": "--find-links"}  # fmt: skip
_FLAGS = frozenset({"--require-hashes", "--no-index", "--pre", "--prefer-binary"})
_OPTION = re.compile(r"\s(--(?:hash|config-settings?|global-option|install-option)\b.*)$")
_HASH = re.compile(r"--hash(?:=|\s+)([A-Za-z0-9]+):([0-9A-Fa-f]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One requirement: PEP 508, or a place; ``where`` is ``FILE:LINE``."""

    where: str
    requirement: Requirement | None
    place: Place | None = None
    marker: str = ""
    hashes: tuple[tuple[str, str], ...] = ()
    constraint: bool = False
    file: str = ""

    @property
    def name(self) -> str:
        """Normalized; empty where a place does not say."""
        if self.requirement is not None:
            return canonical(self.requirement.name)
        return self.place.name if self.place is not None else ""

    @property
    def version(self) -> str:
        """The one version that it allows (``==`` or ``===``), normalized; else empty."""
        if self.requirement is None:
            return self.place.version if self.place is not None else ""
        specifiers = list(self.requirement.specifier)
        if len(specifiers) == 1 and specifiers[0].operator in ("==", "==="):
            try:
                return str(Version(specifiers[0].version))
            except InvalidVersion:
                return ""
        return ""


@dataclass(slots=True)
class Parsed:
    """All lines of a file and of those that it names."""

    lines: list[Line] = field(default_factory=list)
    addresses: Addresses = field(default_factory=Addresses)
    left: list[Left] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def decode(source: Source) -> str:
    """The text, in the encoding that pip finds: a byte order mark, a ``coding`` line, else UTF-8.

    Raises:
        InputError: It is not in that encoding.
    """
    data, encoding = source.data, "utf-8"
    for mark, name in _MARKS:
        if data.startswith(mark):
            encoding = name
            break
    else:
        for line in data.split(b"\n")[:2]:
            if found := _CODING.match(line):
                encoding = found[1].decode("ascii")
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise InputError(f"is not {encoding}: {error}", file=source.shown) from error


def parse(source: Source, *, constraint: bool = False) -> Parsed:
    """Read a file and those that it names with ``-r`` and ``-c``.

    Raises:
        InputError: A line is not a requirement, or a file that is named is not there.
    """
    parsed = Parsed()
    _parse(source, parsed, constraint=constraint, chain=())
    return parsed


def parse_lines(text: str, source: Source) -> Parsed:
    """Read lines that stand in another file (the pip part of ``environment.yml``)."""
    parsed = Parsed()
    for number, line in _logical(text):
        _line(line, f"{source.shown}:{number}", source, parsed, constraint=False, chain=())
    return parsed


def _parse(source: Source, parsed: Parsed, *, constraint: bool, chain: tuple[str, ...]) -> None:
    if source.path in chain:
        loop = " → ".join(os.path.basename(path) for path in (*chain, source.path))
        raise InputError(f"files name each other: {loop}", file=source.shown)
    if source.path in parsed.files:
        return
    parsed.files.append(source.path)
    text = decode(source)
    if text.lstrip()[:1] in ("{", "[") or "\0" in text:
        raise InputError(
            "is not a requirements file: it looks like JSON, TOML or binary data",
            file=source.shown,
            hint="A requirements file has one requirement a line, such as `flask==3.0.0`.",
        )
    for number, line in _logical(text):
        where = f"{source.shown}:{number}"
        _line(line, where, source, parsed, constraint=constraint, chain=(*chain, source.path))


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their number, continued ones joined, without comments and empty ones."""
    pending: list[str] = []
    start = 1
    for number, raw in enumerate(text.splitlines(), 1):
        if not pending:
            start = number
        is_comment = raw.lstrip().startswith("#")
        if raw.endswith("\\") and not is_comment:
            pending.append(raw[:-1])
            continue
        pending.append(f" {raw}" if is_comment and pending else raw)
        line = _COMMENT.sub("", "".join(pending)).strip()
        pending = []
        if line:
            yield start, line
    if pending and (line := _COMMENT.sub("", "".join(pending)).strip()):
        yield start, line


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """``${NAME}`` replaced by what the environment has, and left where it has nothing."""
    return _VARIABLE.sub(lambda match: environ.get(match[1]) or match[0], text)


def _line(
    line: str,
    where: str,
    source: Source,
    parsed: Parsed,
    *,
    constraint: bool,
    chain: tuple[str, ...],
) -> None:
    line = expanded(line, source.environ)
    if not line.startswith("-"):
        parsed.lines.append(_requirement(line, where, source, constraint=constraint))
        return
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise InputError(f"{line!r}: {error}", file=where) from error
    name, _, value = words[0].partition("=")
    name = _SHORT.get(name, name)
    if name not in _FLAGS and not value:
        short = name if name in _SHORT.values() or len(words) > 1 else words[0][:2]
        if not name.startswith("--") and words[0][:2] in _SHORT:  # `-rbase.txt`
            name, value = _SHORT[words[0][:2]], words[0][2:]
        elif len(words) > 1:
            value = " ".join(words[1:])
        elif short not in _FLAGS:
            raise InputError(
                f"{line!r} is not a requirement, nor an option with a value", file=where
            )
    _option(name, value, line, where, source, parsed, constraint=constraint, chain=chain)


def _option(
    name: str,
    value: str,
    line: str,
    where: str,
    source: Source,
    parsed: Parsed,
    *,
    constraint: bool,
    chain: tuple[str, ...],
) -> None:
    if name in ("--requirement", "--constraint"):
        other = None if "://" in value else source.beside(value)
        if other is None:
            raise InputError(f"{value} is named here, and is not there", file=where)
        inner = constraint or name == "--constraint"
        _parse(other, parsed, constraint=inner, chain=chain)
    elif name == "--editable":
        bare, _, marker = value.partition(" ;")
        place = read_place(bare.strip(), source, editable=True)
        if place is None:
            raise InputError(f"{value!r} is neither a folder nor an address", file=where)
        parsed.lines.append(
            Line(
                where=where, requirement=None, place=place, marker=marker.strip(),
                constraint=constraint, file=source.path,
            )
        )  # fmt: skip
    elif name == "--index-url":
        parsed.addresses.default(value)
    elif name == "--extra-index-url":
        parsed.addresses.also(value)
    elif name in ("--require-hashes", "--prefer-binary"):
        pass
    else:
        why = "provenv has no such setting in a project"
        if name == "--find-links":
            why = "add it as `find-links` to [tool.uv]"
        elif name in ("--no-binary", "--only-binary", "--pre"):
            why = "see `no-build` in [tool.provenv], `no-binary` and `prerelease` in [tool.uv]"
        parsed.left.append(Left(what=line, why=why, file=where))


def _requirement(line: str, where: str, source: Source, *, constraint: bool) -> Line:
    hashes: tuple[tuple[str, str], ...] = ()
    if found := _OPTION.search(f" {line}"):
        hashes = tuple((m[1].lower(), m[2].lower()) for m in _HASH.finditer(found[1]))
        line = f" {line}"[: found.start()].strip()
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        bare, _, marker = line.partition(" ;") if " ;" in line else line.partition("; ")
        place = read_place(bare.strip(), source)
        if place is None:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{line!r} is not a requirement (PEP 508): {reason}",
                file=where,
                hint="A requirements file has one requirement a line, such as `flask==3.0.0`.",
            ) from error
        return Line(
            where=where, requirement=None, place=place, marker=marker.strip(),
            hashes=hashes or place.hashes, constraint=constraint, file=source.path,
        )  # fmt: skip
    marker = str(requirement.marker) if requirement.marker is not None else ""
    place = None
    if requirement.url is not None:
        place = read_place(requirement.url, source)
    return Line(
        where=where,
        requirement=requirement,
        place=place,
        marker=marker,
        hashes=hashes or (place.hashes if place is not None else ()),
        constraint=constraint,
        file=source.path,
    )


def requirement_text(line: Line) -> str:
    """The requirement as PEP 508 without its place, which goes into ``sources``."""
    if line.requirement is not None and line.requirement.url is None:
        return str(line.requirement)
    extras = line.place.extras if line.place is not None else ()
    if line.requirement is not None:
        extras = tuple(sorted(line.requirement.extras))
    joined = f"[{','.join(extras)}]" if extras else ""
    return f"{line.name}{joined}" + (f" ; {line.marker}" if line.marker else "")


def sources_of(lines: list[Line]) -> dict[str, object]:
    """``[tool.uv.sources]`` for the lines that name a place."""
    return {
        line.name: source_table(line.place.direct)
        for line in lines
        if line.place is not None and line.name and not line.constraint
    }


def pins_of(lines: list[Line]) -> tuple[tuple[Edge, ...], tuple[Pin, ...], dict[str, str]]:
    """Roots, entries, and the lines that pin nothing."""
    constraints = {line.name: line for line in lines if line.constraint and line.version}
    edges: list[Edge] = []
    pins: dict[tuple[str, str, str], Pin] = {}
    unpinned: dict[str, str] = {}
    for line in lines:
        if line.constraint:
            continue
        bound = constraints.get(line.name)
        version = line.version or (bound.version if bound is not None and not line.place else "")
        direct = line.place.direct if line.place is not None else None
        hashes = line.hashes or (bound.hashes if bound is not None else ())
        if not _pinned(line, version, hashes):
            shown = line.requirement or f"{line.name or 'a place'} without a fixed revision or hash"
            name = line.name or line.where
            unpinned[name] = f"{shown} ({line.where})"
            edges.append(Edge(name=name, marker=line.marker, version=UNPINNED))
            continue
        extras = line.place.extras if line.place is not None else ()
        if line.requirement is not None:
            extras = tuple(sorted(map(canonical, line.requirement.extras)))
        edges.append(Edge(name=line.name, marker=line.marker, version=version, extras=extras))
        files = tuple(PinnedFile(hashes={kind: value}) for kind, value in hashes)
        key = (line.name, version, str(direct))
        pins.setdefault(key, Pin(name=line.name, version=version, files=files, direct=direct))
    return tuple(edges), tuple(pins.values()), unpinned


def _pinned(line: Line, version: str, hashes: tuple[tuple[str, str], ...]) -> bool:
    if line.place is None:
        return bool(version)
    direct = line.place.direct
    if not line.name:
        return False
    if direct.kind == "archive":
        return bool(hashes)
    return direct.kind == "directory" or bool(direct.commit)


def read_requirements(source: Source) -> Foreign:
    """A requirements file, and the files that it names, as what is asked for and what is pinned."""
    parsed = parse(source)
    return from_parsed(parsed, source, kind="requirements")


def from_parsed(parsed: Parsed, source: Source, *, kind: str) -> Foreign:
    """The value for lines that were read."""
    left = list(parsed.left)
    lines = []
    for line in parsed.lines:
        if not line.name:
            why = "nothing says its name: write `name @ …`, or `#egg=name`"
            left.append(Left(what=str(line.place.direct.url or line.place.direct.path)
                             if line.place else "", why=why, file=line.where))  # fmt: skip
        lines.append(line)
    edges, pins, unpinned = pins_of(lines)
    asked = [line for line in lines if not line.constraint and line.name]
    indexes, more = parsed.addresses.result(source.shown)
    return Foreign(
        kind=kind,
        file=source.shown,
        files=tuple(parsed.files),
        dependencies=tuple(dict.fromkeys(requirement_text(line) for line in asked)),
        constraints=tuple(
            requirement_text(line) for line in lines if line.constraint and not line.place
        ),
        sources=sources_of(lines),
        indexes=indexes,
        roots={BASE: edges},
        pins=pins,
        unpinned=unpinned,
        left=(*left, *more),
    )
