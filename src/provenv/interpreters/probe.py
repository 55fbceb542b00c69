"""Asking one interpreter what it is: run the probe script with it, believe only a whole answer."""

from __future__ import annotations

import json
import os
from typing import cast

from provenv.core.errors import UndecidedError
from provenv.interpreters.cache import ProbeCache
from provenv.interpreters.executables import base_executable, shim_manager
from provenv.interpreters.tags import Report, compatible_tags
from provenv.model.interpreter import Interpreter

TIME_LIMIT = 5.0  # seconds; a healthy interpreter answers in 0.03-0.2

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_probe_script.py")
_START, _END = "<provenv-interpreter>", "</provenv-interpreter>"

# Python 2.7 has no -I; these and an environment of our own do the same. -S: no site, hence no .pth line
# and no sitecustomize runs; -B: nothing is written into another's standard library.
_FLAGS = ("-E", "-s", "-S", "-B")
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "SYSTEM_VERSION_COMPAT": "0"}


def probe(
    path: str,
    *,
    source: str,
    cache: str | ProbeCache,
    time_limit: float = TIME_LIMIT,
    trusting: bool = False,
) -> Interpreter:
    """What the interpreter ``path`` says of itself; nothing is run when ``cache`` knows.

    For the python of a virtual environment, its base interpreter is meant and described.

    Args:
        path: Absolute path of an executable.
        source: How it was found; kept in the answer.
        cache: The cache's file (``HomeLayout.interpreters``), or the cache itself.
        time_limit: Seconds after which a silent interpreter is given up.
        trusting: Also believe the cache where it says that this one does not answer.

    Raises:
        UndecidedError: It cannot be started, hangs, crashes or answers with rubbish, or it is a
            version manager's shim.
    """
    known = cache if isinstance(cache, ProbeCache) else ProbeCache(cache)
    executable = base_executable(path)
    if executable is None:
        raise UndecidedError(
            f"{path} belongs to a virtual environment whose base interpreter is gone",
            hint="Make that environment anew, or name another interpreter.",
        )
    found = known.get(executable, source)
    if found is None:
        if trusting and (problem := known.problem(executable)):
            raise UndecidedError(
                f"{problem.message} (asked {_minutes(problem.age)} ago)",
                hint=problem.hint,
            )
        if manager := shim_manager(executable):
            raise UndecidedError(
                f"{path} is a shim of {manager}, not an interpreter",
                hint="Name a version (`3.13`), or the interpreter that the shim starts.",
            )
        try:
            found = _interpreter(_ask(executable, time_limit), source)
            known.put(executable, found)
        except UndecidedError as error:
            known.put_problem(executable, error.message, error.hint)
            raise
        finally:
            if not isinstance(cache, ProbeCache):
                known.save()
    return found


def _minutes(age: float) -> str:
    return f"{age / 60:.0f} min" if age >= 60 else "less than 1 min"


def check_start(executable: str) -> None:
    """Start an interpreter, and nothing else: one that answered once may have been hurt since.

    Raises:
        UndecidedError: It does not start, or does not come to an end.
        DiskError: The system cannot start anything.
    """
    from provenv.core.process import run

    done = run(
        [executable, *_FLAGS, "-c", ""],
        env=_ENVIRONMENT,
        cwd=os.sep,
        timeout=6 * TIME_LIMIT,  # where all processors are busy
        whole_group=True,
    )
    if done.code != 0:
        lines = done.stderr.strip().splitlines() or ["it printed nothing"]
        fatal = (line for line in lines if line.startswith("Fatal Python error"))
        raise UndecidedError(
            f"{executable} does not start (exit code {done.code}): {next(fatal, lines[-1])[:200]}",
            hint="Mend that Python, or install it anew.",
        )


def _ask(executable: str, time_limit: float) -> Report:
    from provenv.core.process import run

    done = run(
        [executable, *_FLAGS, _SCRIPT],
        env=_ENVIRONMENT,
        cwd=os.sep,
        timeout=time_limit,
        whole_group=True,  # a wrapper that hangs has started something that hangs
    )
    _, start, rest = done.stdout.rpartition(_START)
    text, end, _ = rest.partition(_END)
    if not start or not end:
        last = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()[-1]
        raise UndecidedError(
            f"{executable} does not answer as a Python interpreter (exit code {done.code}): {last[:200]}"
        )
    try:
        report = json.loads(text)
    except ValueError:
        report = None
    if not isinstance(report, dict) or not _whole(report):
        raise UndecidedError(f"{executable} answers with something that is not its description")
    return cast("Report", report)


def _whole(report: dict[str, object]) -> bool:
    """Whether the answer has all that is asked for (its kinds follow from the script, which is ours)."""
    release, markers = report.get("release"), report.get("markers")
    return (
        report.keys() >= Report.__annotations__.keys()
        and isinstance(release, list)
        and len(release) == 2
        and isinstance(markers, dict)
        and isinstance(report["executable"], str)
    )


def _interpreter(report: Report, source: str) -> Interpreter:
    executable = report["executable"]
    try:
        status = os.stat(executable)
    except OSError as error:
        raise UndecidedError(
            f"the interpreter says that it is {executable}, which is not there"
        ) from error
    return Interpreter(
        executable=executable,
        version=report["version"],
        implementation=report["implementation"],
        source=source,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        markers=report["markers"],
        tags=compatible_tags(report),
        site_packages=report["site_packages"],
        include=report["include"],
        home=os.path.dirname(executable),
        free_threaded=report["free_threaded"],
    )
