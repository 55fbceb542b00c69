"""Every error that provenv raises on purpose.

    ProvenvError
    ├── UsageError            2  the call itself is wrong
    ├── InputError            2  a file or value that provenv was given cannot be used
    ├── ForeignError          2  something there was not made by provenv, and is left alone
    ├── CheckFailedError      1  the question was understood, and the answer is no
    │   └── UnsatisfiableError   … because nothing can satisfy what was asked
    ├── CommandError        127  the command of `run` is not there (126: cannot be executed)
    └── UndecidedError        3  it could not be decided
        ├── NetworkError         an index or a file server did not answer as it must
        ├── IntegrityError       bytes are not the bytes that were promised
        ├── BuildError           a build backend failed
        └── DiskError            the file system refused

An error carries what happened (``message``), what to do next (``hint``, one line) and machine-readable
``details`` for ``--json``. It carries no markup: the front end draws it. What is safe in spite of it
(:func:`say_safe`) is said by the operation that failed.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs 4 ms to import, and every command imports this module
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar


class ProvenvError(Exception):
    """Base of all deliberate errors.

    Attributes:
        message: What happened, to what; one or more plain lines.
        hint: What to do next, one line, or None where there is nothing sensible to say.
        details: Machine-readable facts (JSON-compatible values only).
        kind: A stable, kebab-case name of the class of error.
        exit_code: What the command line exits with (1 no, 2 usage or input, 3 undecided).
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 3

    def __init__(
        self, message: str, *, hint: str | None = None, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, object] = dict(details or {})

    def data(self) -> dict[str, object]:
        """As it stands in ``provenv.error/1``."""
        return {
            "kind": self.kind, "message": self.message, "hint": self.hint, "details": self.details,
        }  # fmt: skip


class UsageError(ProvenvError):
    """The call itself is wrong: an unknown name, options that exclude each other."""

    kind = "usage"
    exit_code = 2


class InputError(ProvenvError):
    """A file or value that provenv was given cannot be used.

    ``details`` holds ``file`` and, where known, ``key`` (dotted path) and ``line`` (1-based).
    """

    kind = "input"
    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        key: str | None = None,
        line: int | None = None,
        hint: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        where = file or ""
        if line is not None:
            where += f":{line}"
        if key is not None:
            where = f"{where}: {key}" if where else key
        merged: dict[str, object] = {"file": file, "key": key, "line": line, **(details or {})}
        super().__init__(
            f"{where}: {message}" if where else message,
            hint=hint,
            details={k: v for k, v in merged.items() if v is not None},
        )


class ForeignError(ProvenvError):
    """Something there was not made by provenv; it is neither deleted nor overwritten."""

    kind = "foreign"
    exit_code = 2


class CheckFailedError(ProvenvError):
    """The question was understood, and the answer is no."""

    kind = "check-failed"
    exit_code = 1


class UnsatisfiableError(CheckFailedError):
    """Nothing can satisfy what was asked: no version, no wheel, no interpreter."""

    kind = "unsatisfiable"


class CommandError(ProvenvError):
    """The command of ``run`` cannot be started; exits as a shell does: 127 not found, 126 otherwise."""

    kind = "command"
    exit_code = 127

    def __init__(self, message: str, *, hint: str | None, code: int) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = code  # type: ignore[misc]  # one class, two codes, as in every shell


class UndecidedError(ProvenvError):
    """It could not be decided; nothing was changed."""

    kind = "undecided"
    exit_code = 3


class NetworkError(UndecidedError):
    """An index or a file server did not answer as it must (``details``: ``url``, ``status``)."""

    kind = "network"


class IntegrityError(UndecidedError):
    """Bytes are not the bytes that were promised (``details``: ``wanted``, ``found``, ``source``)."""

    kind = "integrity"


class BuildError(UndecidedError):
    """A build backend failed (``details``: ``output``, the last lines that it wrote)."""

    kind = "build"


class DiskError(UndecidedError):
    """The file system refused: full, read-only, not permitted.

    ``details`` holds ``path``, ``errno`` and, where known, ``filesystem`` (:mod:`provenv.core.disk`),
    ``phase`` (what was being done) and ``safe`` (what is as it was).
    """

    kind = "disk"

    def amend(self, phase: str, safe: str | None = None) -> None:
        """Say what was being done, and what is safe, unless that has been said more closely."""
        if "phase" not in self.details:
            self.details["phase"] = phase
            self.message = f"{phase}: {self.message}"
            self.args = (self.message,)
        if safe and "safe" not in self.details:
            self.details["safe"] = safe


NOTHING_CHANGED = "nothing was changed"


def say_safe(error: BaseException, text: str) -> None:
    """Let an error say what is safe in spite of it: in ``details``, or as a note (PEP 678).

    Who comes last knows best: by then everything is put back that could be.
    """
    if isinstance(error, ProvenvError):
        error.details["safe"] = text
    else:
        error.add_note(text)


def safe_of(error: BaseException) -> str | None:
    """What is safe in spite of an error, in one line; None where nobody has said it."""
    if isinstance(error, ProvenvError):
        said = error.details.get("safe")
        return said if isinstance(said, str) else None
    notes: list[str] = getattr(error, "__notes__", [])
    return notes[-1] if notes else None
