"""What the operations log says of one operation: a line where it begins, and one where it ends.

    {"time", "id", "event": "begin", "operation", "project", "environment", "folder",
     "command", "actor", "process", "before", "previous"}
    {"time", "id", "event": "end", "operation", "project", "environment", "folder",
     "outcome": "done" | "failed" | "interrupted", "error", "after", "previous"}

Times are UTC (RFC 3339). ``actor`` is who asked, ``process`` what tells this process from any other: a
line that began, has no end, and whose process is no more was interrupted. ``before`` and ``after`` are
what :func:`state` says of an environment, or other facts.

Imports nothing but ``os`` and ``time``: the short way writes here.
"""

from __future__ import annotations

import os
import time

from provenv.core import boot, journal
from provenv.environments.switch import current, quoted

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "log/operations.jsonl"
"""Where the log lies in the home folder."""

# Who a CI system says that it works for, and where that can be read: the variable that tells the
# system, its name, who, and which run.
_CI = (
    ("GITHUB_ACTIONS", "github", "GITHUB_ACTOR", "GITHUB_RUN_ID"),
    ("GITLAB_CI", "gitlab", "GITLAB_USER_LOGIN", "CI_JOB_URL"),
    ("JENKINS_URL", "jenkins", "BUILD_USER_ID", "BUILD_URL"),
    ("BUILDKITE", "buildkite", "BUILDKITE_BUILD_CREATOR", "BUILDKITE_BUILD_URL"),
    ("CIRCLECI", "circleci", "CIRCLE_USERNAME", "CIRCLE_BUILD_URL"),
    ("TF_BUILD", "azure", "BUILD_REQUESTEDFOR", "BUILD_BUILDID"),
    ("BITBUCKET_BUILD_NUMBER", "bitbucket", "BITBUCKET_STEP_TRIGGERER_UUID", "BITBUCKET_BUILD_NUMBER"),
    ("TRAVIS", "travis", "", "TRAVIS_BUILD_WEB_URL"),
    ("CI", "ci", "", ""),
)  # fmt: skip
_LONGEST = 4000  # characters of a command or a message


class Subject:
    """What an operation is about. ``verb`` is as in ``provenv.VERB/1``; empty is what does not apply."""

    __slots__ = ("environment", "folder", "id", "project", "verb")

    def __init__(
        self, verb: str, *, project: str = "", environment: str = "", folder: str = ""
    ) -> None:
        self.verb = verb
        self.project = project
        self.environment = environment
        self.folder = folder
        self.id = os.urandom(8).hex()


class Request:
    """Who asked for what: a verb, the command as it was typed, and the environment variables."""

    __slots__ = ("command", "environ", "since", "verb")

    def __init__(self, verb: str, command: str, environ: Mapping[str, str]) -> None:
        self.verb = verb
        self.command = command
        self.environ = environ
        self.since = time.time()

    def begin(self, subject: Subject) -> str:
        """The line with which an operation on an environment begins."""
        return begin(subject, self.command, self.environ, state(subject.folder), at=self.since)


def path(home: str) -> str:
    """The file of the operations log that is being written."""
    return f"{home}/{FILE}"


def begin(
    subject: Subject, command: str, environ: Mapping[str, str], before: str, *, at: float
) -> str:
    """The line of an operation that begins; ``before`` is JSON."""
    return (
        f"{_head(subject, 'begin', at)}, "
        f'"command": {_short(command)}, "actor": {actor(environ)}, "process": {_process()}, '
        f'"before": {before}}}'
    )


def end(subject: Subject, outcome: str, after: str, *, error: str = "null", at: float) -> str:
    """The line of an operation that ends; ``after`` and ``error`` are JSON."""
    return (
        f'{_head(subject, "end", at)}, "outcome": "{outcome}", "error": {error}, "after": {after}}}'
    )


def failure(kind: str, message: str) -> str:
    """What the ending line says of an error, as JSON."""
    return f'{{"kind": {quoted(kind)}, "message": {_short(message)}}}'


def write_end(home: str, subject: Subject, outcome: str, kind: str = "", message: str = "") -> None:
    """Write the line with which an operation on an environment ends; where it cannot be, it is missing."""
    error = failure(kind, message) if kind else "null"
    line = end(subject, outcome, state(subject.folder), error=error, at=time.time())
    try:
        write(home, [line])
    except OSError:
        return


def write(home: str, lines: list[str]) -> None:
    """Write lines into the operations log.

    Raises:
        OSError: What the file system says.
    """
    journal.append(path(home), lines)


def state(folder: str) -> str:
    """The environment in ``folder`` as it is: its current generation and what lock is in it, as JSON.

    Where a disk that fails does not tell, the object is empty.
    """
    try:
        number = current(folder)
    except OSError:  # the disk is sick, and nothing is said
        return "{}"
    if number is None:
        return '{"generation": null, "lock": null}'
    lock = _lock_digest(f"{folder}/generations/{number}/.provenv/contents.json")
    return f'{{"generation": {number}, "lock": {quoted(lock) if lock else "null"}}}'


def rfc3339(at: float) -> str:
    """A time in UTC, to the millisecond."""
    whole = int(at // 1)
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((at - whole) * 1000):03d}Z"
    )


def _head(subject: Subject, event: str, at: float) -> str:
    return (
        f'{{"time": "{rfc3339(at)}", "id": "{subject.id}", "event": "{event}", '
        f'"operation": "{subject.verb}", "project": {_or_null(subject.project)}, '
        f'"environment": {_or_null(subject.environment)}, "folder": {_or_null(subject.folder)}'
    )


def _or_null(text: str) -> str:
    return quoted(text) if text else "null"


def _short(text: str) -> str:
    return quoted(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def actor(environ: Mapping[str, str]) -> str:
    """Who asks for it: the user's number counts, names are as the environment says them."""
    rows = [f'"user": {_or_null(_user(environ))}', f'"uid": {os.getuid()}']
    rows.append(f'"sudo": {_or_null(environ.get("SUDO_USER", ""))}')
    rows.append(f'"host": {quoted(os.uname().nodename)}')
    rows.append(f'"ci": {_ci(environ)}')
    return f"{{{', '.join(rows)}}}"


def _user(environ: Mapping[str, str]) -> str:
    named = environ.get("LOGNAME") or environ.get("USER")
    if named:
        return named
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def _ci(environ: Mapping[str, str]) -> str:
    for variable, system, who, run in _CI:
        if environ.get(variable, "") not in ("", "0", "false"):
            names = f'"actor": {_or_null(environ.get(who, ""))}, "run": {_or_null(environ.get(run, ""))}'
            return f'{{"system": "{system}", {names}}}'
    return "null"


def _process() -> str:
    return (
        f'{{"pid": {os.getpid()}, "started": {quoted(started(os.getpid()))}, '
        f'"boot": {quoted(boot.boot_id())}, "namespace": {quoted(namespace())}}}'
    )


def started(pid: int) -> str:
    """When a process was started, in ticks since the machine was; ``-`` where there is none such.

    Also where that cannot be told. A number is given to another process one day, but not with the same
    time (proc(5), ``stat``).
    """
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return "-"
    try:
        text = os.read(descriptor, 4096).decode("ascii", "replace")
    except OSError:
        return "-"
    finally:
        os.close(descriptor)
    fields = text.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else "-"


def namespace() -> str:
    """Among which processes this one's number counts: containers count their own."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "-"


def _lock_digest(contents: str) -> str:
    """The lock's digest out of a generation's ``contents.json``, where it stands among the first."""
    try:
        descriptor = os.open(contents, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        text = os.read(descriptor, 2048)
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    found = text.partition(b'"lock-digest": "')[2].partition(b'"')[0]
    return found.decode("ascii", "replace")
