"""ZIP files changed on purpose: bytes put in, fields added, sizes told elsewhere (APPNOTE 6.3)."""

from __future__ import annotations

import struct
import zlib


def shifted(data: bytes, at: int, more: bytes) -> bytes:
    """``data`` with ``more`` put in at ``at``, and every offset behind it set right."""
    end = data.rindex(b"PK\5\6")
    count, _, start = struct.unpack_from("<HII", data, end + 10)
    out, entry = bytearray(data), start
    for _ in range(count):
        lengths = struct.unpack_from("<HHH", data, entry + 28)
        (offset,) = struct.unpack_from("<I", data, entry + 42)
        struct.pack_into("<I", out, entry + 42, offset + len(more) * (offset >= at))
        entry += 46 + sum(lengths)
    struct.pack_into("<I", out, end + 16, start + len(more))
    out[at:at] = more
    return bytes(out)


def starts(data: bytes) -> list[int]:
    """Where the local headers begin, and the directory."""
    found, at = [], 0
    while data[at : at + 4] == b"PK\3\4":
        found.append(at)
        packed, _, name, extra = struct.unpack_from("<IIHH", data, at + 18)
        at += 30 + name + extra + packed
    return [*found, at]


def with_extra(data: bytes, extra: bytes, *, local: bool) -> bytes:
    """``data`` with ``extra`` as the extra field of its first member."""
    (name,) = struct.unpack_from("<H", data, 26)
    if local:
        data = data[:28] + struct.pack("<H", len(extra)) + data[30:]
        return shifted(data, 30 + name, extra)
    at = data.index(b"PK\1\2")
    data = data[: at + 30] + struct.pack("<H", len(extra)) + data[at + 32 :]
    data = data[: at + 46 + name] + extra + data[at + 46 + name :]
    end = data.rindex(b"PK\5\6")
    size = struct.unpack_from("<I", data, end + 12)[0] + len(extra)
    return data[: end + 12] + struct.pack("<I", size) + data[end + 16 :]


def described(data: bytes, form: str = "<4xIII", change: int = 0) -> bytes:
    """``data`` with the sizes of its first member told behind it (APPNOTE 4.3.9)."""
    entry, end = data.index(b"PK\1\2"), starts(data)[1]
    crc, packed, size = struct.unpack_from("<III", data, 14)
    out = bytearray(data)
    out[6] |= 8
    out[entry + 8] |= 8
    out[14:26] = bytes(12)
    descriptor = struct.pack(form, crc, packed, size + change)
    if form[1] == "4":
        descriptor = b"PK\7\10" + descriptor[4:]
    return shifted(bytes(out), end, descriptor)


def field(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def local_file(name: bytes, content: bytes) -> bytes:
    """A whole member, as it stands before the directory."""
    sizes = (zlib.crc32(content), len(content), len(content), len(name), 0)
    return b"PK\3\4" + struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, *sizes) + name + content


def wide(data: bytes, count: int | None) -> bytes:
    """``data`` with ZIP64 end records, which tell of ``count`` members."""
    end = data.rindex(b"PK\5\6")
    told, size, start = struct.unpack_from("<HII", data, end + 10)
    count = told if count is None else count
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, start)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    short = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, size, start, 0)
    return data[:end] + record + locator + short
