"""What people write when they want a Python: ``3.12``, ``>=3.11,<3.13``, ``cpython3.13t``, a path."""

from __future__ import annotations

import os
import re
from typing import Protocol

from provenv.core.errors import UsageError
from provenv.core.values import frozen
from provenv.interpreters.versions import allows, checked_specifier, split_version

EXAMPLES = (
    "3.12, 3.12.1, '>=3.11,<3.13', cpython3.13t, pypy3.10, /usr/bin/python3, /path/to/environment, "
    "or the name of a pyenv version"
)

_IMPLEMENTATIONS = {
    "": None, "python": None, "py": None,
    "cpython": "cpython", "cp": "cpython",
    "pypy": "pypy", "pp": "pypy",
    "graalpy": "graalpy",
}  # fmt: skip
_NAMES = "cpython|graalpy|python|pypy|cp|py|pp"
_VERSION = (
    rf"(?P<name>{_NAMES})?[-@]?(?P<release>\d+(?:\.\d+){{0,2}})?(?P<pre>(?:a|b|rc)\d+)?"
    r"(?P<threads>t|\+freethreaded)?"
)
_RANGE = rf"(?P<name>{_NAMES})?\s*(?P<specifier>(?:[<>=!~]=|[<>]).*)"


class Described(Protocol):
    """What a request is held against: an interpreter, or a build that could become one."""

    @property
    def implementation(self) -> str: ...  # noqa: D102  # as in Interpreter

    @property
    def version(self) -> str: ...  # noqa: D102

    @property
    def free_threaded(self) -> bool: ...  # noqa: D102


@frozen
class Hint:
    """What a file's or folder's name promises of an interpreter, before anything is run.

    ``release`` holds as many numbers as the name gives; None (or an empty tuple) means that the name does
    not say.
    """

    implementation: str | None = None
    release: tuple[int, ...] = ()
    pre: str = ""
    free_threaded: bool | None = None


@frozen
class Request:
    """One request, read.

    Attributes:
        text: As it was written.
        implementation: ``cpython``, ``pypy``, … or None for any.
        release: The numbers that the version must start with.
        pre: ``rc1`` and the like, where a pre-release is asked for by name.
        free_threaded: Asked for with ``t``; None where it does not matter.
        specifier: A PEP 440 specifier set, or None.
        path: An absolute path of an executable or of a folder that holds one, or None.
    """

    text: str
    implementation: str | None = None
    release: tuple[int, ...] = ()
    pre: str = ""
    free_threaded: bool | None = None
    specifier: str | None = None
    path: str | None = None

    def may_match(self, hint: Hint) -> bool:
        """False where a name already says that the interpreter is not the one asked for."""
        if (
            self.implementation
            and hint.implementation
            and self.implementation != hint.implementation
        ):
            return False
        if self.free_threaded and hint.free_threaded is False:
            return False
        length = min(len(self.release), len(hint.release))
        return self.release[:length] == hint.release[:length]

    def matches(self, found: Described) -> bool:
        """Whether an interpreter is one that was asked for (paths are not compared)."""
        if self.implementation and self.implementation != found.implementation:
            return False
        if self.free_threaded and not found.free_threaded:
            return False
        numbers, pre = split_version(found.version)
        if self.release != numbers[: len(self.release)] or (self.pre and self.pre != pre):
            return False
        return allows(self.specifier, found.version)

    def demerits(
        self, numbers: tuple[int, ...], pre: str, *, other: bool, threads: bool
    ) -> tuple[bool, ...]:
        """What speaks against an interpreter, the worst first; nothing that the request names."""
        return (
            numbers[:1] == (2,) and self.release[:1] != (2,),
            bool(pre) and not self.pre,
            other and self.implementation is None,
            threads and not self.free_threaded,
        )

    def rank(self, found: Described) -> tuple[bool, ...]:
        """The demerits of one that is known."""
        numbers, pre = split_version(found.version)
        other = found.implementation != "cpython"
        return self.demerits(numbers, pre, other=other, threads=found.free_threaded)


def parse_request(text: str) -> Request:
    """Read a request.

    Raises:
        UsageError: It is none that provenv knows; the hint gives examples.
    """
    stripped = text.strip()
    if os.path.isabs(stripped):
        return Request(text=text, path=stripped)
    if match := re.fullmatch(_RANGE, stripped, re.IGNORECASE):
        return Request(
            text=text,
            implementation=_IMPLEMENTATIONS[(match["name"] or "").lower()],
            specifier=checked_specifier(match["specifier"], "the interpreter request"),
        )
    match = re.fullmatch(_VERSION, stripped, re.IGNORECASE)
    if not stripped or match is None or (match["pre"] and not match["release"]):
        relative = os.sep in stripped or stripped.startswith((".", "~"))
        reason = "a path must be absolute" if relative else "not a Python version, range or path"
        raise UsageError(
            f"cannot understand the interpreter request {text!r}: {reason}",
            hint=f"Write it like one of these: {EXAMPLES}.",
            details={"request": text},
        )
    return Request(
        text=text,
        implementation=_IMPLEMENTATIONS[(match["name"] or "").lower()],
        release=_release(match["release"] or ""),
        pre=(match["pre"] or "").lower(),
        free_threaded=True if match["threads"] else None,
    )


def absolute_request(text: str, folder: str) -> str:
    """The request with a relative path (``./env``, ``.venv``) made absolute, others as they are."""
    if (os.sep in text or text.startswith(".")) and not os.path.isabs(text):
        return os.path.normpath(os.path.join(folder, text))
    return text


def _release(text: str) -> tuple[int, ...]:
    if "." not in text and len(text) > 1:
        return int(text[0]), int(text[1:])  # py312, as tags and tox write it
    return tuple(map(int, text.split("."))) if text else ()
