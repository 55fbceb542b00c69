"""Reading a wheel as a ZIP file: which members it has, where their bytes lie, and what is refused.

The central directory is read strictly, each local header is held against it, and no byte of the file
may belong to neither: no two readers, one from the end and one from the front, see two different wheels
in one file. Layout: PKWARE APPNOTE 6.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NoReturn, cast

from isal import isal_zlib

from provenv.core.errors import InputError, IntegrityError
from provenv.store.names import MAX_PATH, quoted

# the stub of isal declares an instance where there is a class
_InflateError = cast("type[Exception]", isal_zlib.error)

# what is on PyPI stays far below: 60,000 members, 5 GB, and a ratio of 20 (deflate cannot pass 1,032)
MAX_MEMBERS = 250_000
MAX_UNPACKED = 20 << 30
MAX_RATIO = 200
_RATIO_FREE = 100 << 20  # below this size no ratio is suspicious
WHOLE = 1 << 20  # members up to this size are inflated in one piece
_PIECE = 1 << 18  # of greater ones: what is inflated, hashed and written while it is in the cache
_FEED = 1 << 16

_END = struct.Struct("<IHHHHIIH")
_END64_LOCATOR = struct.Struct("<IIQI")
_END64 = struct.Struct("<IQHHIIQQQQ")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _DESCRIBED, _UTF8 = 0x1 | 0x40 | 0x2000, 0x8, 0x800
_PATCHED = 0x20
_NEWEST = 63  # 6.3 (APPNOTE 4.4.3); `zipfile` opens no archive with a member that needs more
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075  # extra fields
_TOP = 0xFFFFFFFF
_DESCRIPTORS = ("<III", "<4xIII", "<IQQ", "<4xIQQ")  # APPNOTE 4.3.9: with and without a signature
_TYPES = {0o120000: "a symlink", 0o060000: "a block device", 0o020000: "a character device",
          0o010000: "a pipe", 0o140000: "a socket"}  # fmt: skip
_FOLDER = 0o040000


class Member:
    """One file of the archive. ``start`` is where its packed bytes begin."""

    __slots__ = ("crc", "executable", "method", "name", "packed", "size", "start")

    def __init__(
        self, name: str, method: int, crc: int, packed: int, size: int, start: int, executable: bool
    ) -> None:
        self.name = name
        self.method = method
        self.crc = crc
        self.packed = packed
        self.size = size
        self.start = start
        self.executable = executable


class Archive:
    """A wheel's bytes and its members, folders left out, in the order of the central directory."""

    def __init__(self, data: memoryview, filename: str) -> None:
        """Read the directory of ``data``.

        Raises:
            InputError: Not a ZIP file that can be read, or one that a wheel must not be.
        """
        self.data = data
        self.filename = filename
        self.folders: list[str] = []
        self._spans: list[tuple[int, int]] = []
        self._described: dict[int, tuple[int, int, int]] = {}  # by the end of the packed bytes
        try:
            count, start, end = self._directory()
            self.members = list(self._members(count, start, end))
            self._check_layout(start)
        except (struct.error, UnicodeDecodeError) as error:
            self._refuse(f"not a readable ZIP file ({error})")
        self._check_sizes()

    def read(self, member: Member) -> memoryview | bytes:
        """The whole content of ``member``, its size and CRC checked.

        Raises:
            IntegrityError: It is not what the directory promises.
        """
        raw = self.data[member.start : member.start + member.packed]
        content: memoryview | bytes = raw
        if member.method == _DEFLATED:
            inflater = isal_zlib.decompressobj(-15)
            try:
                content = inflater.decompress(raw, member.size + 1)
            except _InflateError as error:
                self._broken(member, f"cannot be inflated ({error})")
            if not inflater.eof or inflater.unused_data:
                self._broken(member, f"does not end after the {member.size} bytes it declares")
        if len(content) != member.size:
            self._broken(member, f"has {len(content)} bytes, and declares {member.size}")
        if isal_zlib.crc32(content) != member.crc:
            self._broken(member, "does not match its CRC")
        return content

    def pieces(self, member: Member) -> Iterator[memoryview | bytes]:
        """The content of ``member`` in pieces that a processor's cache holds, checked like :meth:`read`.

        Raises:
            IntegrityError: As :meth:`read`; pieces that came before are not to be trusted.
        """
        if member.size <= WHOLE:
            yield self.read(member)
            return
        crc = size = 0
        for piece in self._stream(member):
            size += len(piece)
            if size > member.size:
                break
            crc = isal_zlib.crc32(piece, crc)
            yield piece
        if size != member.size:
            self._broken(member, f"does not have the {member.size} bytes that it declares")
        if crc != member.crc:
            self._broken(member, "does not match its CRC")

    def _stream(self, member: Member) -> Iterator[memoryview | bytes]:
        raw = self.data[member.start : member.start + member.packed]
        if member.method == _STORED:
            for at in range(0, len(raw), _PIECE):
                yield raw[at : at + _PIECE]
            return
        inflater = isal_zlib.decompressobj(-15)
        try:
            for at in range(0, len(raw), _FEED):
                rest: memoryview | bytes = raw[at : at + _FEED]  # what is left over is copied
                while rest and not inflater.eof:
                    yield inflater.decompress(rest, _PIECE)
                    rest = inflater.unconsumed_tail
            while not inflater.eof and (piece := inflater.decompress(b"", _PIECE)):
                yield piece
        except _InflateError as error:
            self._broken(member, f"cannot be inflated ({error})")
        if not inflater.eof or inflater.unused_data:
            self._broken(member, f"does not end after the {member.size} bytes it declares")

    def _directory(self) -> tuple[int, int, int]:
        """Number of entries, start and end of the central directory."""
        data = self.data
        tail = bytes(data[-(_END.size + 0xFFFF) :])
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < _END.size:
            self._refuse("not a ZIP file: it has no end-of-directory record (is it cut off?)")
        _, disk, disk_start, here, count, size, start, comment = _END.unpack_from(tail, at)
        if at + _END.size + comment != len(tail):
            self._refuse("bytes follow the end of the ZIP file")
        end = len(data) - len(tail) + at
        if bytes(data[max(end - _END64_LOCATOR.size, 0) :][:4]) == b"PK\6\7":
            wide = self._directory64(end)
            short = (here, count, size, start)
            limits = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
            if any(n not in (m, top) for n, m, top in zip(short, wide, limits, strict=True)):
                self._refuse("its two ZIP end records disagree")
            _, count, size, start = wide
            end = start + size
        if disk or disk_start or (here != count and here != 0xFFFF):
            self._refuse("a ZIP file of several parts")
        if start + size != end:
            self._refuse("the ZIP directory is not where its end record says")
        return count, start, end

    def _directory64(self, end: int) -> tuple[int, int, int, int]:
        """Entries here and in all, size and start of the directory (APPNOTE 4.3.14, 4.3.15)."""
        locator = end - _END64_LOCATOR.size
        _, disk, at, disks = _END64_LOCATOR.unpack_from(self.data, locator)
        if at + _END64.size != locator or disk or disks > 1:
            self._refuse("its ZIP64 locator is broken")
        magic, _, _, _, disk, disk_start, here, count, size, start = _END64.unpack_from(
            self.data, at
        )
        if magic != 0x06064B50 or disk or disk_start or here != count or start + size != at:
            self._refuse("its ZIP64 end record is broken")
        return here, count, size, start

    def _members(self, count: int, start: int, end: int) -> Iterator[Member]:
        if reason := bomb(len(self.data), 0, count):
            self._refuse(reason)
        directory, at = bytes(self.data[start:end]), 0
        unpack, fixed = _CENTRAL.unpack_from, _CENTRAL.size
        for _ in range(count):
            (magic, _, needed, flags, method, _, _, crc, packed, size, name_length, extra_length,
             comment_length, disk, _, attributes, offset) = unpack(directory, at)  # fmt: skip
            if magic != 0x02014B50:
                self._refuse("the ZIP directory is broken")
            at += fixed
            raw = directory[at : at + name_length]
            at += name_length
            # without the UTF-8 flag it is code page 437 (APPNOTE, appendix D)
            name = raw.decode() if flags & _UTF8 or raw.isascii() else raw.decode("cp437")
            if extra_length:
                extra = self._extra(name, directory[at : at + extra_length], raw)
                size, packed, offset = self._wide(name, extra, size, packed, offset)
            elif _TOP in (packed, size, offset):
                self._refuse_member(name, "its ZIP64 sizes are missing")
            at += extra_length + comment_length
            if flags & _ENCRYPTED:
                self._refuse_member(name, "it is encrypted")
            if needed & 0xFF > _NEWEST or flags & _PATCHED:
                self._refuse_member(name, "it needs what readers of ZIP 6.3 do not have")
            if method not in (_STORED, _DEFLATED) or disk:
                self._refuse_member(name, f"compression method {method} is not used in wheels")
            mode = attributes >> 16  # whatever system made it: that is how pip reads it
            begin = self._local(name, raw, method, flags, offset, (crc, packed, size))
            if self._is_folder(name, mode, size or packed > 2):  # 2: nothing at all, deflated
                self.folders.append(name)
            else:
                yield Member(name, method, crc, packed, size, begin, bool(mode & 0o111))
        if at != len(directory):
            self._refuse("the ZIP directory does not end where it must")

    def _is_folder(self, name: str, mode: int, filled: bool) -> bool:
        kind = mode & 0o170000
        if kind in _TYPES:
            self._refuse_member(name, f"it is {_TYPES[kind]}, and only files are allowed")
        folder = name.endswith("/")
        if folder and filled:
            self._refuse_member(name, "it has a folder's name and a file's content")
        if kind == _FOLDER and not folder:
            self._refuse_member(name, "it has a file's name and is a folder")
        return folder

    def _extra(self, name: str, extra: bytes, raw: bytes) -> tuple[int, ...] | None:
        """The numbers of the ZIP64 field, or None; another name in a field is refused (APPNOTE 4.6.9)."""
        at = 0
        wide: tuple[int, ...] | None = None
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<HH", extra, at)
            field = extra[at + 4 : at + 4 + length]
            at += 4 + length
            if len(field) != length or (kind == _ZIP64 and wide is not None):
                self._refuse_member(name, "its extra fields are broken")
            if kind == _ZIP64:
                wide = struct.unpack_from(f"<{length // 8}Q", field)
            elif kind == _UNICODE_PATH and field[5:] != raw:
                self._refuse_member(name, "it has a second name in its extra fields")
        return wide

    def _wide(self, name: str, wide: tuple[int, ...] | None, *short: int) -> tuple[int, int, int]:
        """Size, packed size and offset, those that are too great for 32 bits from the ZIP64 field.

        The field holds just these (APPNOTE 4.5.3); some write all of them, and then all must be right.
        """
        wide = wide or ()
        if len(wide) > short.count(_TOP) and _TOP not in short[len(wide) :]:
            found = [*wide, *short[len(wide) :]]
        else:
            left = iter(wide)
            found = [next(left, -1) if n == _TOP else n for n in short]
            found += left
        if -1 in found:
            self._refuse_member(name, "its ZIP64 sizes are missing")
        if len(found) != 3 or any(n not in (m, _TOP) for n, m in zip(short, found, strict=True)):
            self._refuse_member(name, "its ZIP64 sizes are others than those beside them")
        size, packed, offset = found
        return size, packed, offset

    def _local(
        self,
        name: str,
        raw: bytes,
        method: int,
        flags: int,
        offset: int,
        told: tuple[int, int, int],
    ) -> int:
        """Where the packed bytes begin, after the local header was held against the directory."""
        (magic, _, local_flags, local_method, _, _, crc, packed, size, length, extra_length
         ) = _LOCAL.unpack_from(self.data, offset)  # fmt: skip
        at = offset + _LOCAL.size
        start = at + length + extra_length
        end = start + told[1]
        if magic != 0x04034B50 or end > len(self.data):
            self._refuse_member(name, "its bytes are not where the ZIP directory says")
        if extra_length:
            wide = self._extra(name, bytes(self.data[at + length : start]), raw)
            size, packed, _ = self._wide(name, wide, size, packed, 0)
        later = bool(flags & _DESCRIBED)  # sizes and CRC follow the packed bytes
        if (
            local_method != method
            or self.data[at : at + length] != raw
            or (local_flags ^ flags) & (_ENCRYPTED | _DESCRIBED | _UTF8)
            or ((crc, packed, size) != told and not (later and crc == packed == size == 0))
        ):
            self._refuse_member(name, "its local header and the ZIP directory disagree")
        if later and method == _STORED and packed != told[1]:
            self._refuse_member(name, "nothing before its bytes says where they end")
        self._spans.append((offset, end))
        if later:
            self._described[end] = told
        return int(start)

    def _check_layout(self, directory: int) -> None:
        """Member follows member from the first byte to the directory: nothing before, between, twice."""
        last = 0
        for start, end in (*sorted(self._spans), (directory, directory)):
            if start != last:
                if start < last:
                    self._refuse("members overlap: a bomb")
                if last not in self._described:
                    self._refuse(f"{start - last} bytes at {last} belong to no member")
                self._check_descriptor(last, start - last)
            elif last in self._described:
                self._refuse("what should follow a member is not there")
            last = end

    def _check_descriptor(self, at: int, length: int) -> None:
        """The data descriptor at ``at``, which must fill the gap and agree."""
        told = self._described[at]
        if not any(
            struct.calcsize(form) == length and struct.unpack_from(form, self.data, at) == told
            for form in _DESCRIPTORS
        ):
            self._refuse("what follows a member and the ZIP directory disagree")

    def _check_sizes(self) -> None:
        unpacked = sum(member.size for member in self.members)
        if reason := bomb(len(self.data), unpacked, len(self.members)):
            self._refuse(reason)

    def _refuse(self, reason: str) -> NoReturn:
        raise InputError(reason, file=self.filename, hint=HINT, details={"reason": reason})

    def _refuse_member(self, name: str, reason: str) -> NoReturn:
        raise refused(self.filename, name, reason)

    def _broken(self, member: Member, reason: str) -> NoReturn:
        raise IntegrityError(
            f"{self.filename}: {member.name!r} {reason}",
            hint=HINT,
            details={"file": self.filename, "member": member.name, "reason": reason},
        )


HINT = "The file is broken or hostile; nothing of it was kept. Report it to those who publish it."


def bomb(packed: int, unpacked: int, members: int) -> str | None:
    """Why no archive of ``packed`` bytes may come to so much, or None."""
    if members > MAX_MEMBERS:
        return f"{members} members, more than the {MAX_MEMBERS} that are allowed"
    if unpacked > MAX_UNPACKED:
        return f"it unpacks to {unpacked} bytes, more than the {MAX_UNPACKED} allowed"
    if unpacked > _RATIO_FREE and unpacked > MAX_RATIO * packed:
        return f"{packed} bytes unpack to {unpacked}: a bomb"
    return None


def refused(filename: str, member: str, reason: str) -> InputError:
    """The error for a member that must not be in a wheel."""
    return InputError(
        f"{quoted(member)}: {reason}",
        file=filename,
        hint=HINT,
        details={"member": member[:MAX_PATH], "reason": reason},
    )
