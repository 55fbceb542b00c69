"""Metadata of wheels as their index serves them beside the files (PEP 658): verified, and kept.

They are believed where they have the hash that the index's page gives beside that very wheel, and kept
under the wheel's own hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Sequence

from provenv.core.errors import DiskError, NetworkError
from provenv.core.files import ensure_folder, write_atomic
from provenv.core.http import Transport, redacted
from provenv.core.seal import is_sealed, sealed
from provenv.resolve.pages import IndexFile, files_of
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, Project

_SHA256 = re.compile(r"[0-9a-f]{64}")  # it becomes the name of a file


class Served:
    """One round of asking, safe to share between threads; who does not answer is not asked again."""

    def __init__(self, project: Project, context: Context) -> None:
        self._context = context
        self._transport = Transport(
            access.http_settings(project, context),
            emit=context.emit,
            look_up=access.look_up(context),
        )
        self._silent: set[str] = set()

    def of_wheel(self, index: str, name: str, filename: str, sha256: str) -> bytes | str:
        """The metadata of a locked wheel, or why there are none."""
        if index in self._silent:
            return _silence(index)
        try:
            files = files_of(self._transport, index, name) or ()
        except NetworkError as error:
            return self._failed(index, error)
        file = next((file for file in files if file.filename == filename), None)
        if file is None or sha256_of(file) != sha256:
            return f"{redacted(index)} has no such file any more"
        return self.of_file(index, file)

    def of_file(self, index: str, file: IndexFile) -> bytes | str:
        """The metadata of a wheel on the index's page, or why there are none."""
        wanted = file.metadata.get("sha256", "").lower()
        if not wanted:
            where = redacted(index)
            return f"{where} serves no metadata with a hash: `provenv sync` brings the wheel"
        text = kept(self._context, sha256_of(file)) if sha256_of(file) else None
        if text is not None:
            return text
        if index in self._silent:
            return _silence(index)
        try:
            answer = self._transport.get(f"{file.url}.metadata")
        except NetworkError as error:
            return self._failed(index, error)
        if answer.status != 200:
            return f"{redacted(index)} answered HTTP status {answer.status} for its metadata"
        if hashlib.sha256(answer.body).hexdigest() != wanted:
            return (
                f"the metadata that {redacted(index)} serves have another hash than its page says"
            )
        _keep(self._context, sha256_of(file), answer.body)
        return answer.body

    def _failed(self, index: str, error: NetworkError) -> str:
        if "status" in error.details:
            return error.message
        self._silent.add(index)
        return _silence(index)


def sha256_of(file: IndexFile) -> str:
    """The digest that the index's page gives for a file; empty where it gives none that is one."""
    said = file.hashes.get("sha256", "").lower()
    return said if _SHA256.fullmatch(said) else ""


def speaker(files: Sequence[IndexFile]) -> IndexFile | None:
    """The wheel that speaks for a version: one for any platform first."""
    wheels = [file for file in files if file.is_wheel and sha256_of(file)]
    return min(
        wheels,
        key=lambda file: (not file.filename.endswith("-any.whl"), file.filename),
        default=None,
    )


def _silence(index: str) -> str:
    return f"{redacted(index)} does not answer"


def _place(context: Context, sha256: str) -> str:
    return os.path.join(context.home.cache, "metadata", sha256[:2], f"{sha256}.json")


def kept(context: Context, sha256: str) -> bytes | None:
    """What was fetched for a wheel before; None where it is not here, or not as it was written."""
    try:
        with open(_place(context, sha256), "rb") as stream:
            text = stream.read()
        if not is_sealed(text):
            return None
        data = json.loads(text)
        if data["of"] != sha256:
            return None
        return str(data["text"]).encode("utf-8", "surrogateescape")
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(context: Context, sha256: str, text: bytes) -> None:
    if not sha256:
        return
    data = {"of": sha256, "text": text.decode("utf-8", "surrogateescape")}
    path = _place(context, sha256)
    with contextlib.suppress(OSError, DiskError):  # it is asked for again, and nothing else
        ensure_folder(os.path.dirname(path))
        write_atomic(path, sealed(json.dumps(data).encode()))
