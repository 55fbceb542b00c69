"""What uv said when it failed, as an error of provenv: which kind, in plain words, with a hint."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.utils import canonicalize_name

from provenv.core.disk import refused_in
from provenv.core.errors import (
    BuildError,
    InputError,
    NetworkError,
    ProvenvError,
    UndecidedError,
    UnsatisfiableError,
)
from provenv.core.http import Transport, origin, redacted
from provenv.core.values import replace
from provenv.resolve.indexes import OVERRIDE, Indexes, authorized
from provenv.resolve.settings import ResolveSettings
from provenv.resolve.synthetic import NAME, PINNED_GROUP, Asked
from provenv.tools.uv import variable_part

_CHATTER = re.compile(
    r"^(?:Using (?:CPython|PyPy|Python).*|Resolved \d+ .*|\s+Updat(?:ed|ing) .*)$"
)
_PREFIX = re.compile(r"^(?:error: |  cause: |         |\s+[│├╰×]?(?:─▶)? ?)")
_BOX = re.compile(r"[│├╰×▶─]+ ?")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_ADDRESS = re.compile(r"https?://[^\s`'\"()<>]+")
_NETWORK = re.compile(
    r"Failed to fetch|error sending request|HTTP status (?:client|server) error|timed out|"
    r"Could not connect|network was disabled|Network connectivity is disabled|Git operation failed|"
    r"lack of valid authentication|\((?:401 Unauthorized|403 Forbidden)\)",
)
_DENIED = re.compile(r"401 Unauthorized|403 Forbidden")
_BUILD = re.compile(
    r"Failed to build|build backend|Failed to download and build|Failed to prepare distributions|"
    r"Failed to (?:parse|read) metadata|metadata from built"
)
_BANNED = re.compile(
    r"[Bb]uilding (?:source distributions|from source|from a source tree).* is disabled"
)
_PYTHONS = re.compile(r"(?:requires|depends on|satisfy) Python ?(?:>=(?P<from>3\.\d+)|[<>=!~])")
_SETTINGS = re.compile(r"Failed to parse.*\n(?:.*\n)*?\s+(?P<reason>\S.*)\n", re.MULTILINE)
# A member's part of a common lock, as `workspace/projects/sharing.py` calls it.
_MEMBER = re.compile(
    r"your project:member-([a-z0-9-]+?)(?:-(group|extra)-([a-z0-9-]+))?(?![a-z0-9-])"
)
_UV_SETTINGS_WARNING = "during settings discovery"


def failure(
    stderr: str,
    *,
    folder: str,
    asked: Asked,
    indexes: Indexes,
    settings: ResolveSettings,
) -> ProvenvError:
    """The error for a failed ``uv lock`` or ``uv export``.

    An index that refuses a package that is pinned to it is asked once more, to say with which status.
    """
    full = refused_in(stderr, folder)
    if full is not None:
        return full
    text, hints = explain(stderr, folder=folder, asked=asked)
    hint = " ".join(hints) or None
    refused = _refusal(text, indexes, settings)
    if refused is not None:
        return refused
    details: dict[str, object] = {"explanation": text, "hints": list(hints)}
    # A refusal or an absence of data stands in the hints, beside a "no solution" that means nothing.
    if _NETWORK.search(stderr):
        return _network_error(text, hint, indexes, details)
    if _BANNED.search(stderr):
        return UnsatisfiableError(
            text,
            hint="Allow the build in tool.provenv.no-build, or choose a version that has a wheel.",
            details=details,
        )
    if _BUILD.search(stderr):
        return BuildError(
            text,
            hint=hint or "Look at the output of the build backend above.",
            details={**details, "output": text},
        )
    if "No solution found" in stderr or "project's Python requirement" in stderr:
        return UnsatisfiableError(text, hint=_loosening(text, hint), details=details)
    if "not found at" in stderr or "does not appear to be a Python project" in stderr:
        hint = hint or "Correct the path in the requirement or in [tool.uv.sources]."
        return InputError(text, file=asked.manifest.file, hint=hint, details=details)
    return UndecidedError(text, hint=hint, details=details)


def check_settings(stderr: str, asked: Asked) -> None:
    """Refuse what uv only warns of: a ``[tool.uv]`` that it cannot read and then leaves out whole.

    Raises:
        InputError: Such a warning is there.
    """
    if _UV_SETTINGS_WARNING in stderr:
        warning = stderr[: stderr.find("\n\n")] + "\n"
        found = _SETTINGS.search(warning)
        lines = [line.strip() for line in warning.strip().splitlines()]
        reason = lines[-1] if found else warning.strip()
        raise InputError(
            f"uv cannot read it: {reason}",
            file=asked.manifest.file,
            key="tool.uv",
            hint="Correct or remove the setting.",
        )


def explain(stderr: str, *, folder: str, asked: Asked) -> tuple[str, tuple[str, ...]]:
    """Uv's explanation in plain lines, and its hints, one line each.

    Nothing in it names the folder or the project that uv was shown, or holds a password.
    """
    shown = stderr.replace(folder + "/pyproject.toml", asked.manifest.file)
    shown = shown.replace(folder, "the project's folder").replace(PINNED_GROUP, "pinned packages")
    shown = _USER_INFO.sub("****@", shown.replace(NAME, "your project"))
    if asked.manifest.workspace is not None and asked.manifest.workspace.shared_lock:
        shown = _MEMBER.sub(_member, shown)
    paragraphs: list[list[str]] = [[]]
    hints: list[list[str]] = []
    current = paragraphs[0]
    for line in shown.splitlines():
        if _CHATTER.match(line):
            continue
        if line.startswith(("hint:", "      hint:")):
            current = [line.partition("hint:")[2].strip()]
            hints.append(current)
        elif line.startswith("error:"):
            current = paragraphs[0]
            current.append(_plain(line))
        elif line.strip():
            current.append(_plain(line))
    text = "\n".join(line for line in paragraphs[0] if line)
    return text or "uv failed without a word", tuple(" ".join(lines) for lines in hints)


def _member(found: re.Match[str]) -> str:
    """A group of a common lock as the member that it stands for."""
    name, kind, inner = found.groups()
    return f"member {name}" + (f" ({kind} {inner})" if kind else "")


def told(output: str) -> str:
    """What uv said of anything else, in plain lines, without its chatter and without passwords."""
    shown = _USER_INFO.sub("****@", output)
    lines = [_plain(line) for line in shown.splitlines() if not _CHATTER.match(line)]
    return "\n".join(line for line in lines if line) or "uv failed without a word"


def from_error(output: str) -> str:
    """What uv wrote from its error on; all of it where it names none."""
    start = re.search(r"^error:", output, re.MULTILINE)
    return output[start.start() :] if start else output


def is_about_the_network(output: str) -> bool:
    """Whether uv failed because a server did not answer as it must."""
    return _NETWORK.search(output) is not None


def _plain(line: str) -> str:
    return _BOX.sub("", _PREFIX.sub("", line)).rstrip()


def _loosening(text: str, hint: str | None) -> str:
    """What to change where nothing satisfies everything.

    Where a dependency does not support every Python of the project, uv says that only if it runs on one
    that the dependency supports: said here, it is the same on every machine.
    """
    if hint is not None and not hint.startswith("While the active Python version"):
        return hint
    if found := _PYTHONS.search(text):
        return (
            "Raise requires-python to what the dependency supports, or give its requirement a marker"
            + (f": ; python_version >= '{found['from']}'" if found["from"] else "")
            + "."
        )
    return hint or "Loosen one of the requirements named above."


def _network_error(
    text: str, hint: str | None, indexes: Indexes, details: dict[str, object]
) -> NetworkError:
    address = next(iter(_ADDRESS.findall(f"{text} {hint}")), None)
    if address is not None:
        details["url"] = redacted(address)
        for name, url in indexes.urls.items():
            if address.startswith(url.rstrip("/")):
                details["index"] = name
                label = "the index given for this run" if name == OVERRIDE else f"index {name!r}"
                if hint and _DENIED.search(hint) and name != OVERRIDE:
                    hint = _credentials_hint(name)
                return NetworkError(
                    f"{label} ({redacted(url)}) did not answer as it must: {text}",
                    hint=hint or "Check its address, the network and the credentials; try again.",
                    details=details,
                )
    return NetworkError(text, hint=hint or "Check the network and try again.", details=details)


def _refusal(text: str, indexes: Indexes, settings: ResolveSettings) -> NetworkError | None:
    """The error for the first pinned package in ``text`` that its index does not hand out."""
    http = replace(authorized(settings, indexes), attempts=1)
    if http.offline:
        return None
    transport = Transport(http)
    for package in sorted(_mentioned(text, indexes.pins)):
        index = indexes.pins[package]
        url = indexes.urls.get(index, "")
        if not url.startswith(("http://", "https://")):
            continue
        try:
            status = transport.get(f"{url.rstrip('/')}/{package}/").status
        except NetworkError:
            continue
        if status in (401, 403, 404):
            return _refused(package, index, url, status, known=origin(url) in http.credentials)
    return None


def _refused(package: str, index: str, url: str, status: int, *, known: bool) -> NetworkError:
    username, password = _variables(index)
    if status == 404:
        hint = f"Check the name, the index's address, and whether {username} may see the package."
    elif known:
        hint = f"The credentials were refused; check {username} and {password}."
    else:
        hint = _credentials_hint(index)
    return NetworkError(
        f"{package} must come from index {index!r} ({redacted(url)}), which answered HTTP status "
        f"{status}; it is taken from nowhere else",
        hint=hint,
        details={
            "package": package,
            "index": index,
            "url": redacted(url),
            "status": status,
            "variables": [username, password],
        },
    )


def _variables(index: str) -> tuple[str, str]:
    part = variable_part(index)
    return f"PROVENV_INDEX_{part}_USERNAME", f"PROVENV_INDEX_{part}_PASSWORD"


def _credentials_hint(index: str) -> str:
    username, password = _variables(index)
    return f"Set {username} and {password}, or use netrc or a keyring."


def _mentioned(text: str, names: Iterable[str]) -> set[str]:
    words: set[str] = {
        canonicalize_name(word) for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", text)
    }
    return words.intersection(names)
