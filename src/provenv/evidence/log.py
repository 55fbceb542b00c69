"""The evidence log on the disk: appended to by one process at a time, read back, sealed.

    FOLDER/log.jsonl                       what is being written
    FOLDER/sealed/00000001-00000042.jsonl.gz     older lines, compressed; the numbers are their sequence
    FOLDER/lock                            held while it is written

A line is on the disk (``fsync``) before anybody goes on. One that a power cut left without its end
stays, and the next one begins below it and is marked ``torn``.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from provenv.core import digest, journal
from provenv.core.errors import DiskError, IntegrityError
from provenv.core.files import disk_error, ensure_folder, locked, write_atomic
from provenv.core.values import frozen
from provenv.evidence import records
from provenv.evidence.records import End, Entry, Record

Entries = Callable[[End], Sequence[Entry]]
"""What is to be recorded, asked while the log is held and with where it ends."""
FILE = "log.jsonl"
SEALED = "sealed"
_SEGMENT = re.compile(r"(\d{8,})-(\d{8,})\.jsonl\.gz")
_LARGEST = 1 << 30  # bytes of a segment, unpacked: a bomb is no log


@frozen
class Line:
    """A line as it lies there: its bytes without their end, whether it has one, and where it stands."""

    data: bytes
    whole: bool
    file: str
    number: int


@frozen
class Segment:
    """A sealed part: its file, and the first and the last sequence that its name says."""

    file: str
    first: int
    last: int


def append(
    folder: str,
    entries: Entries,
    *,
    waiting: Callable[[str], None] | None = None,
) -> tuple[Record, ...]:
    """Add records; ``entries`` is asked while nobody else writes, so that it may look at the log first.

    Raises:
        DiskError: The file system refused; no half of a record stays, as far as it allows that.
        IntegrityError: The last line that is whole is no record of an evidence log.
    """
    ensure_folder(folder)
    with locked(os.path.join(folder, "lock"), waiting=waiting):
        end = find_end(folder)
        wanted = entries(end)
        return _append(folder, end, wanted) if wanted else ()


def _append(folder: str, end: End, entries: Sequence[Entry]) -> tuple[Record, ...]:
    path = os.path.join(folder, FILE)
    made: list[bytes] = []
    for entry in entries:
        line, end = records.make(entry, end)
        made.append(line)
    try:
        new = not os.path.lexists(path)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            whole, _ = journal.last_line(descriptor, size)
            data = (b"" if whole else b"\n") + b"".join(line + b"\n" for line in made)
            journal.write_whole(descriptor, data, size, alone=True)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            _sync_folder(folder)
    except OSError as error:
        raise disk_error(error, "write", path) from error
    return tuple(records.parse(line) for line in made)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_end(folder: str) -> End:
    """Where the log ends; the beginning of a new one where there is none.

    Raises:
        DiskError: It cannot be read. IntegrityError: It ends in something else than records.
    """
    torn = 0
    last: bytes | None = None
    for lines in _backwards(folder):
        for line in reversed(lines):
            last = line.data if last is None else last
            try:
                record = records.parse(line.data)
            except ValueError:
                torn += 1
                continue
            if not line.whole:  # all of it is there but its end: the next line gives it that
                torn += 1
            return End(
                log=record.log,
                sequence=record.sequence + torn - (not line.whole),
                digest=journal.hash_of(last),
                time=record.entry.time,
                torn=torn,
            )
    if last is None:
        return End()
    if torn > 1:
        raise IntegrityError(
            f"{os.path.join(folder, FILE)} is no evidence log",
            hint="Nothing was written into it. `provenv evidence verify` says what is wrong with it.",
        )
    return End(sequence=1, digest=journal.hash_of(last), torn=1)


def newest(folder: str) -> Iterator[Record]:
    """The records, the last one first; what is none is left out.

    Sealed parts are read when they are reached.

    Raises:
        DiskError: A file cannot be read. IntegrityError: A sealed one cannot be unpacked.
    """
    path = os.path.join(folder, FILE)
    last = None
    written = [list(_lines(path, _read(path)))]
    for part in chain(written, map(_unpack, reversed(segments(folder)))):
        for line in reversed(part):
            with contextlib.suppress(ValueError):
                record = records.parse(line.data)
                if last is None or record.sequence < last:
                    last = record.sequence
                    yield record


def _unpack(segment: Segment) -> list[Line]:
    return list(unpacked(segment.file))


def _backwards(folder: str) -> Iterator[list[Line]]:
    """The lines file by file, the last file first; of the one that is written, at first only its end."""
    path = os.path.join(folder, FILE)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise disk_error(error, "read", path) from error
    else:
        try:
            whole, last = journal.last_line(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        if whole and last is not None and _is_record(last):
            yield [Line(data=last, whole=True, file=path, number=0)]
        yield list(_lines(path, _read(path)))
    for segment in reversed(segments(folder)):
        yield list(unpacked(segment.file))


def _is_record(line: bytes) -> bool:
    try:
        records.parse(line)
    except ValueError:
        return False
    return True


def lines(folder: str) -> list[Line]:
    """Every line, the oldest first.

    What is both sealed and in the log, since sealing was interrupted,
    once.

    Raises:
        DiskError: A file cannot be read. IntegrityError: A sealed one cannot be unpacked.
    """
    sealed = [line for segment in segments(folder) for line in unpacked(segment.file)]
    path = os.path.join(folder, FILE)
    written = list(_lines(path, _read(path)))
    first = written[0].data if written else b""
    for number, line in enumerate(sealed):
        if line.data == first:
            tail = [one.data for one in sealed[number:]]
            if [one.data for one in written[: len(tail)]] == tail:
                return [*sealed[:number], *written]
    return [*sealed, *written]


def segments(folder: str) -> list[Segment]:
    """The sealed parts, the oldest first."""
    place = os.path.join(folder, SEALED)
    try:
        names = os.listdir(place)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise disk_error(error, "read", place) from error
    found = [(_SEGMENT.fullmatch(name), name) for name in names]
    made = [
        Segment(file=os.path.join(place, name), first=int(match[1]), last=int(match[2]))
        for match, name in found
        if match is not None
    ]
    return sorted(made, key=lambda one: (one.first, one.last))


def unpacked(file: str) -> Iterator[Line]:
    """The lines of a sealed part.

    Raises:
        DiskError: It cannot be read. IntegrityError: It cannot be unpacked.
    """
    try:
        with gzip.open(file, "rb") as stream:
            data = stream.read(_LARGEST + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise IntegrityError(f"{file} cannot be unpacked: {error}") from error
    except OSError as error:
        raise disk_error(error, "read", file) from error
    if len(data) > _LARGEST:
        raise IntegrityError(f"{file} cannot be unpacked: it is too large to be a log")
    yield from _lines(file, data)


def _lines(file: str, data: bytes) -> Iterator[Line]:
    for number, (line, whole) in enumerate(journal.lines_of(data), 1):
        yield Line(data=line, whole=whole, file=file, number=number)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise disk_error(error, "read", path) from error


@frozen
class Sealed:
    """A part that was put away: its file and digest, which lines, and the digest of the last of them."""

    file: str
    sha256: str
    first: int
    last: int
    head: str
    until: str


def seal(
    folder: str,
    before: str,
    entry: Callable[[Sealed], Entry],
    *,
    waiting: Callable[[str], None] | None = None,
) -> Sealed | None:
    """Put away the lines that were written before a time, as one compressed file.

    None where there are none.

    First that file is on the disk, then a record that names it, and at last the lines go from the log: a
    kill leaves them in both, never in neither. The last record always stays where it is.

    Raises:
        DiskError: The file system refused. IntegrityError: A line is no record; it is not put away.
    """
    ensure_folder(folder)
    with locked(os.path.join(folder, "lock"), waiting=waiting):
        path = os.path.join(folder, FILE)
        written = _unsealed(folder, list(_lines(path, _read(path))))
        old = _older(written, before)
        if not old:
            return None
        last = records.parse(old[-1].data)
        first = last.sequence - len(old) + 1
        name = f"{first:08d}-{last.sequence:08d}.jsonl.gz"
        file = os.path.join(folder, SEALED, name)
        data = b"".join(line.data + b"\n" for line in old)
        packed = gzip.compress(data, mtime=0)
        ensure_folder(os.path.dirname(file))
        write_atomic(file, packed, mode=0o444)
        made = Sealed(
            file=file,
            sha256=digest.of_file(file),
            first=first,
            last=last.sequence,
            head=last.digest,
            until=last.entry.time,
        )
        _append(folder, find_end(folder), [entry(made)])
        text = _read(path)
        if not text.startswith(data):
            raise DiskError(f"{path} was changed by something else while it was being sealed")
        write_atomic(path, text[len(data) :])
        return made


def _unsealed(folder: str, written: list[Line]) -> list[Line]:
    """The lines of the log, where an interrupted sealing is finished first: what is sealed by name goes."""
    path = os.path.join(folder, FILE)
    parts = segments(folder)
    if not parts or not written:
        return written
    data = b"".join(line.data + b"\n" for line in unpacked(parts[-1].file))
    text = _read(path)
    named = any(
        os.path.basename(parts[-1].file) == record.entry.details.get("file")
        for record in _seals(written)
    )
    if named and text.startswith(data):
        write_atomic(path, text[len(data) :])
        return list(_lines(path, text[len(data) :]))
    if text.startswith(data):  # nothing names it yet: it is made anew, with what is older by now
        with contextlib.suppress(OSError):
            os.unlink(parts[-1].file)
    return written


def _seals(written: Sequence[Line]) -> Iterator[Record]:
    for line in written:
        with contextlib.suppress(ValueError):
            record = records.parse(line.data)
            if record.entry.kind == "seal":
                yield record


def _older(written: Sequence[Line], before: str) -> list[Line]:
    """The lines at the beginning that were written before a time; never the last one."""
    old: list[Line] = []
    odd: list[tuple[Line, ValueError]] = []
    for line in written[:-1]:
        try:
            record = records.parse(line.data)
        except ValueError as error:
            odd.append((line, error))
            continue
        if odd and "torn" not in record.marks:
            torn, reason = odd[0]
            raise IntegrityError(
                f"{torn.file}:{torn.number} is no record: {reason}",
                hint="`provenv evidence verify` says more. Nothing was sealed.",
            ) from reason
        if record.entry.time >= before:
            break
        old += [*(one for one, _ in odd), line]
        odd = []
    return old
