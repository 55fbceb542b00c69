"""Calling a build backend (PEP 517, PEP 660) in a process of its own, with a clean environment."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provenv.building.system import BuildSystem
from provenv.core.errors import BuildError
from provenv.core.events import BuildOutput, Emit

if TYPE_CHECKING:
    from pyproject_hooks import BuildBackendHookCaller

KEPT_LINES = 60
_SHOWN_LINES = 15
_LOOK_EVERY = 0.5  # seconds between two looks at whether a silent backend has ended
_WITHHELD = (
    "PYTHON",
    "VIRTUAL_ENV",
    "CONDA",
    "PIP_",
    "UV_",
    "PROVENV_",
    "POETRY_",
    "PDM_",
    "TWINE_",
)
_WITHHELD_NAMES = frozenset({"__PYVENV_LAUNCHER__", "BASH_ENV", "ENV"})
# Files in wheels carry this time (2020-02-02, hatchling's choice), so that the same source gives the
# same bytes; https://reproducible-builds.org/specs/source-date-epoch/
_EPOCH = "1580601600"


def build_environ(environ: Mapping[str, str], tree: str) -> dict[str, str]:
    """The environment variables of a build: the tree's programs first, no other Python's settings.

    Credentials of indexes and registries are left out: a build has no use for them.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_WITHHELD) and name not in _WITHHELD_NAMES
    }
    kept["PATH"] = f"{tree}/bin{os.pathsep}{kept.get('PATH') or os.defpath}"
    kept["PYTHONUNBUFFERED"] = "1"  # lines are shown when they are written
    kept.setdefault("SOURCE_DATE_EPOCH", _EPOCH)
    return kept


class Backend:
    """The backend of one source tree, run by the interpreter of one build environment.

    Args:
        source: The source tree, which is the backend's working directory.
        system: How it wants to be built.
        tree: The build environment.
        label: Names what is built, in events and errors.
        environ: Environment variables, before they are cleaned.
    """

    def __init__(
        self,
        source: str,
        system: BuildSystem,
        tree: str,
        *,
        label: str,
        environ: Mapping[str, str],
        emit: Emit,
    ) -> None:
        self.source = source
        self.system = system
        self.tree = tree
        self.label = label
        self.emit = emit
        self.environ = build_environ(environ, tree)
        self.output: deque[str] = deque(maxlen=KEPT_LINES)

    def requires(self, *, editable: bool) -> list[str]:
        """What the build needs besides ``[build-system] requires``.

        Raises:
            BuildError: The backend failed.
        """
        hook = "get_requires_for_build_editable" if editable else "get_requires_for_build_wheel"
        found = self._call(hook)
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise self._error(f"{hook} gave {found!r}, which is no list of requirements")
        return found

    def build(self, folder: str, *, editable: bool) -> str:
        """Build a wheel into ``folder``; returns its path.

        Raises:
            BuildError: The backend failed, or gave no wheel.
        """
        os.makedirs(folder, exist_ok=True)
        hook = "build_editable" if editable else "build_wheel"
        name = self._call(hook, folder)
        path = os.path.join(folder, str(name))
        if not str(name).endswith(".whl") or "/" in str(name) or not os.path.isfile(path):
            raise self._error(f"{hook} gave {name!r}, which is no wheel")
        return path

    def _call(self, hook: str, *arguments: str) -> Any:
        import pyproject_hooks

        self.output.clear()
        try:
            return getattr(self._caller(), hook)(*arguments)
        except pyproject_hooks.HookMissing as error:
            raise self._no_hook(hook) from error
        except pyproject_hooks.BackendUnavailable as error:
            self._keep(error.traceback)
            raise self._error(
                f"its build backend {self.system.backend!r} cannot be imported",
                hint="Check [build-system] in its pyproject.toml: `requires` must bring the backend.",
            ) from error
        except pyproject_hooks.UnsupportedOperation as error:
            self._keep(error.traceback)
            raise self._error(f"its backend does not support {hook}") from error
        except (OSError, ValueError, KeyError) as error:
            raise self._error(f"its backend ended {hook} without an answer ({error})") from error

    def _caller(self) -> BuildBackendHookCaller:
        from pyproject_hooks import BuildBackendHookCaller

        return BuildBackendHookCaller(
            self.source,
            self.system.backend,
            backend_path=self.system.backend_path or None,
            runner=self._run,
            python_executable=f"{self.tree}/bin/python",
        )

    def _run(
        self,
        cmd: Sequence[str],  # the names are those of pyproject_hooks' protocol
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        """Run one hook to its end; whatever it started goes with it."""
        with subprocess.Popen(
            list(cmd),
            cwd=cwd,
            env={**self.environ, **(extra_environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        ) as child:
            try:
                for line in _lines(child):
                    self._keep(line)
                code = child.wait()
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
        if code != 0:
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            raise self._error(f"its build backend {self.system.backend!r} failed ({how})")
        self._take_warnings(os.path.join(cmd[-1], "output.json"))

    def _take_warnings(self, answer: str) -> None:
        """Show a backend's warnings as output.

        pyproject_hooks (1.3) hands them over in the hook's answer and would raise them as warnings of
        this process, which is silent; catching them there would not be safe with threads.
        """
        with open(answer, encoding="utf-8") as stream:
            data = json.load(stream)
        for warning in data.pop("warnings", ()):
            self._keep(str(warning.get("message")))
        with open(answer, "w", encoding="utf-8") as stream:
            json.dump(data, stream)

    def _keep(self, text: str | None) -> None:
        for line in (text or "").splitlines():
            self.output.append(line)
            self.emit(BuildOutput(name=self.label, line=line))

    def _no_hook(self, hook: str) -> BuildError:
        if hook != "build_editable":
            return self._error(f"its build backend {self.system.backend!r} has no {hook}")
        hint = (
            "Install it as a wheel (`editable = false`), or use a backend that implements PEP 660."
        )
        if self.system.uses_setuptools:
            hint = (
                "Ask for `setuptools>=64` in its [build-system] requires, or install it as a wheel "
                "(`editable = false`)."
            )
        return self._error(
            f"its build backend {self.system.backend!r} cannot install in place: it has no "
            "build_editable (PEP 660)",
            hint=hint,
        )

    def _error(self, what: str, *, hint: str | None = None) -> BuildError:
        lines = list(self.output)
        shown = [line for line in lines if line.strip()][-_SHOWN_LINES:]
        tail = "".join(f"\n  {line}" for line in shown)
        return BuildError(
            f"{self.label} cannot be built: {what}{tail}",
            hint=hint or _advice(lines),
            details={
                "package": self.label.partition(" ")[0],
                "backend": self.system.backend,
                "output": lines,
            },
        )


def _lines(child: subprocess.Popen[bytes]) -> Iterator[str]:
    """What ``child`` writes, line by line, until it has ended.

    The end of the stream alone does not tell: a daemon that the child left behind keeps it open.
    """
    assert child.stdout is not None
    descriptor = child.stdout.fileno()
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            ended = child.poll() is not None
            if not selector.select(0 if ended else _LOOK_EVERY):
                if ended:
                    break
                continue
            data = os.read(descriptor, 1 << 16)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
    if rest:
        yield rest.decode(errors="replace")


def _advice(lines: Sequence[str]) -> str:
    """What helps, told from the last lines that a failing backend wrote."""
    text = "\n".join(lines)
    if "Python.h" in text:
        return "Install the headers of this Python (python3-dev), or choose a version that has a wheel."
    compilers = (
        "gcc",
        "g++",
        "cc1",
        "clang",
        "x86_64-linux-gnu",
        "cmake",
        "rustc",
        "cargo",
        "gfortran",
    )
    missing = ("No such file", "not found", "unable to find", "can't find", "is not installed")
    if any(c in text for c in compilers) and any(m in text for m in missing):
        return (
            "A compiler or a library is missing: install it, or choose a version that has a wheel."
        )
    if "ModuleNotFoundError" in text or "No module named" in text:
        return (
            "A build requirement is not declared in its [build-system] requires; tell its authors."
        )
    return "Read the backend's output above; a version or an interpreter that has a wheel needs no build."
