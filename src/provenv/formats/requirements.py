"""``requirements.txt`` as pip reads it: options, other files, hashes, variables, continued lines.

https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Iterator, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from provenv.core.errors import InputError
from provenv.core.http import redacted
from provenv.core.values import field, frozen, mutable
from provenv.formats.direct import Place, login_left, read_place, source_table
from provenv.formats.foreign import BASE, UNPINNED, Edge, Foreign, Left, Pin, PinnedFile, Source
from provenv.formats.indexes import Addresses
from provenv.model.plan import canonical
from provenv.model.requirements import requirement as checked

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
_ELSEWHERE = {
    "--find-links": "add it as `find-links` to [tool.uv]",
    "--no-binary": "see `no-binary` in [tool.uv]",
    "--only-binary": "see `no-build` in [tool.provenv]",
    "--pre": "see `prerelease` in [tool.uv]",
}
_OPTION = re.compile(r"\s(--(?:hash|config-settings?|global-option|install-option)\b.*)$")
_HASH = re.compile(r"--hash(?:=|\s+)([A-Za-z0-9]+):([0-9A-Fa-f]+)")


@frozen
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


@mutable
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


def parse(source: Source) -> Parsed:
    """Read a file and those that it names with ``-r`` and ``-c``.

    Raises:
        InputError: A line is not a requirement, or a file that is named is not there.
    """
    parsed = Parsed()
    _Reader(source=source, parsed=parsed).read()
    return parsed


def parse_lines(text: str, source: Source) -> Parsed:
    """Read lines that stand in another file (the pip part of ``environment.yml``)."""
    parsed = Parsed()
    _Reader(source=source, parsed=parsed).lines(text)
    return parsed


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


def shown(text: str) -> str:
    """A line as it may be shown: without user names and passwords of addresses in it."""
    return " ".join(redacted(word) for word in text.split())


@frozen
class _Reader:
    """One file that is being read; ``chain`` are those that led to it."""

    source: Source
    parsed: Parsed
    constraint: bool = False
    chain: tuple[str, ...] = ()

    def read(self) -> None:
        source = self.source
        if source.path in self.chain:
            loop = " → ".join(os.path.basename(path) for path in (*self.chain, source.path))
            raise InputError(f"files name each other: {loop}", file=source.shown)
        if source.path in self.parsed.files:
            return
        self.parsed.files.append(source.path)
        text = decode(source)
        if text.lstrip()[:1] in ("{", "[") or "\0" in text:
            raise InputError(
                "is not a requirements file: it looks like JSON, TOML or binary data",
                file=source.shown,
                hint="A requirements file has one requirement a line, such as `flask==3.0.0`.",
            )
        self.lines(text)

    def lines(self, text: str) -> None:
        for number, raw in _logical(text):
            where = f"{self.source.shown}:{number}"
            line = expanded(raw, self.source.environ)
            if line.startswith("-"):
                self._option(line, where)
            else:
                self.parsed.lines.append(self._requirement(line, where))

    def _option(self, line: str, where: str) -> None:
        name, value = _split_option(line, where)
        if name in ("--requirement", "--constraint"):
            other = None if "://" in value else self.source.beside(value)
            if other is None:
                raise InputError(f"{shown(value)} is named here, and is not there", file=where)
            constraint = self.constraint or name == "--constraint"
            chain = (*self.chain, self.source.path)
            _Reader(source=other, parsed=self.parsed, constraint=constraint, chain=chain).read()
        elif name == "--editable":
            bare, _, marker = _OPTION.sub("", value).partition(" ;")
            place = read_place(bare.strip(), self.source, editable=True)
            self.parsed.lines.append(self._placed(place, where, marker))
        elif name == "--index-url":
            self.parsed.addresses.add(value, default=True)
        elif name == "--extra-index-url":
            self.parsed.addresses.add(value)
        elif name not in ("--require-hashes", "--prefer-binary"):
            why = _ELSEWHERE.get(name, "provenv has no such setting in a project")
            self.parsed.left.append(Left(what=shown(line), why=why, file=where))

    def _placed(
        self,
        place: Place | None,
        where: str,
        marker: str,
        hashes: tuple[tuple[str, str], ...] = (),
        requirement: Requirement | None = None,
    ) -> Line:
        if place is not None and place.login:
            self.parsed.left.append(login_left(place.direct.url, where))
        return Line(
            where=where,
            requirement=requirement,
            place=place,
            marker=marker.strip(),
            hashes=hashes or (place.hashes if place is not None else ()),
            constraint=self.constraint,
            file=self.source.path,
        )

    def _requirement(self, line: str, where: str) -> Line:
        hashes: tuple[tuple[str, str], ...] = ()
        if found := _OPTION.search(line):
            hashes = tuple((m[1].lower(), m[2].lower()) for m in _HASH.finditer(found[1]))
            line = line[: found.start()].strip()
        try:
            requirement = checked(line)
        except InvalidRequirement as error:
            bare, _, marker = line.partition(" ;") if " ;" in line else line.partition("; ")
            place = read_place(bare.strip(), self.source)
            if place is None:
                reason = shown(str(error).splitlines()[0])
                raise InputError(
                    f"{shown(line)!r} is not a requirement (PEP 508): {reason}",
                    file=where,
                    hint="A requirements file has one requirement a line, such as `flask==3.0.0`.",
                ) from error
            return self._placed(place, where, marker, hashes)
        marker = str(requirement.marker) if requirement.marker is not None else ""
        place = read_place(requirement.url, self.source) if requirement.url is not None else None
        return self._placed(place, where, marker, hashes, requirement)


def _split_option(line: str, where: str) -> tuple[str, str]:
    """An option's long name and its value, in all the ways in which pip lets people write it.

    Raises:
        InputError: The value is missing, or a quotation mark.
    """
    try:
        first, *rest = shlex.split(line)
    except ValueError as error:
        raise InputError(f"{shown(line)!r}: {error}", file=where) from error
    if first[:2] in _SHORT:
        value = " ".join([first[2:].removeprefix("="), *rest]).strip()
        name = _SHORT[first[:2]]
    else:
        name, _, value = first.partition("=")
        value = value or " ".join(rest)
    if not value and name not in _FLAGS:
        raise InputError(
            f"{shown(line)!r} is neither a requirement nor an option with its value", file=where
        )
    return name, value


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
            said = line.requirement or f"{line.name or 'a place'} without a fixed revision or hash"
            name = line.name or line.where
            unpinned[name] = f"{shown(str(said))} ({line.where})"
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
    lines, left = parsed.lines, list(parsed.left)
    for line in lines:
        if not line.name and line.place is not None:
            why = "nothing says its name: write `name @ …`, or `#egg=name`"
            what = line.place.direct.url or line.place.direct.path
            left.append(Left(what=what, why=why, file=line.where))
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
