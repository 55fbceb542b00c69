"""One file, from a server or from disk, on its way to a place where it is trusted.

Nothing stands under its final name before its size and sha256 are those that the lock demands.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import unquote, urlsplit

from provenv.core import digest
from provenv.core.disk import doing
from provenv.core.errors import DiskError, IntegrityError, NetworkError, ProvenvError
from provenv.core.events import Emit, ItemAdvanced, ItemFinished, ItemStarted, Retrying, silent
from provenv.core.files import disk_error, ensure_folder, temporary_name
from provenv.core.http import MOST, Credentials, HttpSettings, Transport, redacted
from provenv.model.plan import Artifact
from provenv.store.ingest import mismatch

PHASE = "fetch"
LookUp = Callable[[str], Credentials | None]
_CHUNK = 1 << 18
_REPORT = 1 << 19  # bytes between two ItemAdvanced
_MAX_DELAY = 8.0
_MAX_WRONG = 2  # a whole body with a wrong hash is asked for once more, and no more


class StoppedError(Exception):
    """Somebody else failed or gave up, and this download ended early; never leaves this room."""


def download(
    artifact: Artifact,
    destination: str,
    *,
    base: str,
    http: HttpSettings,
    emit: Emit = silent,
    look_up: LookUp | None = None,
) -> str:
    """Put the file of a wheel, sdist or archive into the folder ``destination``.

    A file that is there already, and is the right one, is kept. ``base`` is the folder that a
    relative ``artifact.path`` begins at.

    Returns:
        The path of the verified file.

    Raises:
        ValueError: The artifact has no file with a known sha256 (a directory, version control).
        NetworkError: The server did not answer as it must; names the package and the index.
        IntegrityError: The file is not the one that the lock demands.
        DiskError: The file system refused.
    """
    if not artifact.filename or not artifact.sha256 or "/" in artifact.filename:
        raise ValueError(f"{artifact.label} ({artifact.kind}) has no file to download")
    ensure_folder(destination)
    final = os.path.join(destination, artifact.filename)
    try:
        if os.path.exists(final) and digest.of_file(final) == artifact.sha256:
            return final
        temporary = temporary_name(final)
        try:
            Courier(base, Transport(http, emit=emit, look_up=look_up), emit).bring(
                artifact, temporary
            )
            os.replace(temporary, final)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise disk_error(error, "write", final) from error
    return final


class Courier:
    """Brings files. Safe to share between threads; :meth:`stop` ends every download soon."""

    def __init__(self, base: str, transport: Transport, emit: Emit) -> None:
        self._base = base
        self._transport = transport
        self._emit = emit
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let running and future downloads end with :class:`StoppedError`."""
        self._stopped.set()

    def bring(self, artifact: Artifact, path: str) -> None:
        """Write the file of ``artifact`` to ``path``, whole and verified.

        Raises:
            NetworkError, IntegrityError, DiskError: As :func:`download`; ``path`` is not to be used.
            StoppedError: :meth:`stop` was called.
        """
        self._emit(ItemStarted(phase=PHASE, name=artifact.label, size=artifact.size))
        settings = self._transport.settings
        delay, wrong = settings.backoff, 0
        for attempt in range(1, settings.attempts + 1):
            try:
                with doing(f"downloading {artifact.label}", path):
                    self._once(artifact, path)
                break
            except IntegrityError as error:
                # a wrong count of bytes may be a cut connection; a wrong hash hardly ever passes
                wrong += 1 if error.details.get("whole") else 0
                if wrong == _MAX_WRONG or attempt == settings.attempts:
                    raise
                failure: ProvenvError = error
            except NetworkError as error:
                if not error.details.get("passing") or attempt == settings.attempts:
                    raise _named(error, artifact) from error
                failure = error
            pause = min(delay, _MAX_DELAY)
            delay *= 2
            self._emit(
                Retrying(
                    url=redacted(artifact.url or artifact.path),
                    reason=failure.message,
                    attempt=attempt,
                    delay=pause,
                )
            )
            if self._stopped.wait(pause):
                raise StoppedError
        self._emit(ItemFinished(phase=PHASE, name=artifact.label))

    def _once(self, artifact: Artifact, path: str) -> None:
        hasher = hashlib.sha256()
        size = reported = 0
        source = redacted(artifact.url) if artifact.url else self._local(artifact)
        try:
            try:
                with self._open(artifact) as pieces, open(path, "wb", buffering=0) as out:
                    for piece in pieces:
                        if self._stopped.is_set():
                            raise StoppedError
                        hasher.update(piece)
                        _write(out.fileno(), piece)
                        size += len(piece)
                        if artifact.size is not None and size > artifact.size:
                            break
                        if size - reported >= _REPORT:
                            self._advance(artifact, size - reported)
                            reported = size
            except OSError as error:
                raise disk_error(error, "write", path) from error
            _check(artifact, size, hasher.hexdigest(), source)
        except ProvenvError:
            if reported:
                self._advance(artifact, -reported)  # none of it counts
            raise
        self._advance(artifact, size - reported)

    def _advance(self, artifact: Artifact, amount: int) -> None:
        self._emit(ItemAdvanced(phase=PHASE, name=artifact.label, amount=amount))

    @contextmanager
    def _open(self, artifact: Artifact) -> Iterator[Iterator[bytes]]:
        local = self._local(artifact)
        if not local:
            most = MOST if artifact.size is None else artifact.size + _CHUNK
            with self._transport.stream(artifact.url, chunk=_CHUNK, most=most) as pieces:
                yield pieces
            return
        try:
            stream = open(local, "rb", buffering=0)  # noqa: SIM115  # closed below
        except OSError as error:
            raise disk_error(error, "read", local) from error
        with stream:
            yield iter(lambda: stream.read(_CHUNK) or b"", b"")

    def _local(self, artifact: Artifact) -> str:
        """The path of a file on this machine; empty where the file is fetched from a server."""
        parts = urlsplit(artifact.url)
        if parts.scheme == "file":
            if parts.netloc not in ("", "localhost"):
                raise DiskError(f"{artifact.url}: a file on another machine cannot be read")
            return unquote(parts.path)
        if artifact.url or not artifact.path:
            return ""
        return os.path.join(self._base, artifact.path)


def _write(descriptor: int, piece: bytes) -> None:
    done = os.write(descriptor, piece)
    while done < len(piece):
        done += os.write(descriptor, piece[done:])


def _check(artifact: Artifact, size: int, sha256: str, source: str) -> None:
    if artifact.size is not None and size != artifact.size:
        more = "or more " if size > artifact.size else ""
        raise mismatch(
            artifact.filename, "size", f"{artifact.size} bytes", f"{size} {more}bytes", source
        )
    if sha256 != artifact.sha256:
        error = mismatch(artifact.filename, "sha256", artifact.sha256, sha256, source)
        error.details["whole"] = True
        raise error


def _named(error: NetworkError, artifact: Artifact) -> NetworkError:
    """The same error, saying for which package and from which index."""
    index = redacted(artifact.index) if artifact.index else ""
    where = f" (index {index})" if index else ""
    details = {**error.details, "package": artifact.name}
    if index:
        details["index"] = index
    details.pop("passing", None)
    hint = error.hint
    if details.get("status") in (404, 410):
        hint = (
            "The file that was locked is no longer there. Where its server is well, "
            f"`provenv lock --upgrade-package {artifact.name}` locks another."
        )
    return NetworkError(f"{artifact.label}{where}: {error.message}", hint=hint, details=details)
