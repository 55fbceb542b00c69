"""The ``uv`` program behind one adapter: where it is, what it may see, and the verbs used of it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence

from provenv.core import process
from provenv.core.errors import UndecidedError
from provenv.core.http import Credentials, HttpSettings
from provenv.core.values import frozen

# What may come in from outside: how servers are reached, never what is decided.
_PASSED_ON = frozenset({"UV_HTTP_RETRIES", "UV_HTTP_TIMEOUT", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS"})
_WITHHELD = frozenset(
    {
        "CONDA_DEFAULT_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV",
        "XDG_CONFIG_DIRS", "XDG_CONFIG_HOME",
    }
)  # fmt: skip

OnLine = Callable[[str], None]


@frozen
class Uv:
    """One ``uv`` program and the whole environment that it runs in."""

    binary: str
    environ: Mapping[str, str]

    def lock(self, folder: str, *, python: str, options: Sequence[str] = ()) -> process.Completed:
        """``uv lock`` on the project in ``folder``; writes ``uv.lock`` there."""
        return self._run(folder, ["lock", "--python", python, *options])

    def export(self, folder: str, options: Sequence[str]) -> process.Completed:
        """``uv export`` of the ``uv.lock`` in ``folder`` as a PEP 751 lock, on standard output."""
        fixed = ["--frozen", "--offline", "--no-header", "--format", "pylock.toml"]
        return self._run(folder, ["export", *fixed, *options])

    def python_list(self, folder: str, options: Sequence[str]) -> process.Completed:
        """``uv python list`` of what can be downloaded, as JSON; asks no server."""
        fixed = ["--only-downloads", "--output-format", "json", "--offline"]
        return self._python(folder, ["list", *fixed, *options])

    def python_install(
        self, folder: str, key: str, *, into: str, options: Sequence[str] = ()
    ) -> process.Completed:
        """``uv python install`` of the build ``key`` into the folder ``into``, and nowhere else."""
        fixed = ["--no-bin", "--no-registry", "--install-dir", into]
        return self._python(folder, ["install", *fixed, *options, key])

    def python_uninstall(self, folder: str, key: str, *, source: str) -> process.Completed:
        """``uv python uninstall`` of the build ``key`` from the folder ``source``."""
        return self._python(folder, ["uninstall", "--install-dir", source, key])

    def _python(self, folder: str, arguments: Sequence[str]) -> process.Completed:
        fixed = ["--no-config", "--no-progress", "--color", "never", "--project", folder]
        command = [self.binary, "python", arguments[0], *fixed, *arguments[1:]]
        return _ended(process.run(command, env=self.environ, cwd=folder))

    def build(
        self, folder: str, out: str, *, python: str, options: Sequence[str], on_line: OnLine
    ) -> process.Completed:
        """``uv build`` of the project in ``folder``; what it makes lies in ``out``."""
        arguments = ["build", "--python", python, "--out-dir", out, "--no-create-gitignore"]
        return self._run(folder, [*arguments, *options], on_line)

    def publish(
        self, folder: str, files: Sequence[str], options: Sequence[str], on_line: OnLine
    ) -> process.Completed:
        """``uv publish`` of ``files``; credentials come from the environment."""
        return self._run(folder, ["publish", *options, *files], on_line)

    def _run(
        self, folder: str, arguments: Sequence[str], on_line: OnLine | None = None
    ) -> process.Completed:
        fixed = ["--no-python-downloads", "--no-progress", "--color", "never", "--project", folder]
        command = [self.binary, arguments[0], *fixed, *arguments[1:]]
        return _ended(process.run(command, env=self.environ, cwd=folder, on_line=on_line))


def _ended(done: process.Completed) -> process.Completed:
    """What uv did, where it came to its own end: one that was killed has nothing to say.

    Raises:
        UndecidedError: A signal ended it.
    """
    if done.code >= 0:
        return done
    name = signal.Signals(-done.code).name if -done.code in list(signal.Signals) else -done.code
    raise UndecidedError(
        f"uv, which resolves and builds, was ended by {name}",
        hint="Try again; SIGKILL is often the system's, out of memory."
        if done.code == -signal.SIGKILL
        else "Try again.",
    )


def find_uv() -> str:
    """The path of the ``uv`` program that came from PyPI with provenv.

    Raises:
        UndecidedError: It is not there.
    """
    try:
        from uv import find_uv_bin

        return os.fsdecode(find_uv_bin())
    except (ImportError, FileNotFoundError) as error:
        raise UndecidedError(
            f"the uv program is missing: {error}", hint="Install it again with `pip install uv`."
        ) from error


def clean_environment(
    environ: Mapping[str, str],
    *,
    cache: str,
    config: str,
    http: HttpSettings,
    credentials: Mapping[str, Credentials],
) -> dict[str, str]:
    """The environment for uv: ``environ`` without everything that could change a decision.

    ``config`` is made into a folder that stands for the user's and the system's configuration; it
    holds an empty ``uv/uv.toml``, which keeps uv from looking into ``/etc``. ``credentials`` are by
    name of index.
    """
    os.makedirs(os.path.join(config, "uv"), exist_ok=True)
    with open(os.path.join(config, "uv", "uv.toml"), "a", encoding="utf-8"):
        pass
    kept = {
        name: value
        for name, value in environ.items()
        if name in _PASSED_ON or not (name.startswith("UV_") or name in _WITHHELD)
    }
    # The system's certificates, as provenv's own downloads trust them: a company's proxy is in there.
    kept.setdefault("UV_SYSTEM_CERTS", "1")
    kept.setdefault("UV_HTTP_RETRIES", str(max(http.attempts - 1, 0)))
    kept.setdefault("UV_HTTP_TIMEOUT", str(max(int(http.timeout), 1)))
    for scheme, proxy in http.proxies.items():
        kept.setdefault(f"{scheme.upper()}_PROXY", proxy)
    if http.no_proxy:
        kept.setdefault("NO_PROXY", ",".join(http.no_proxy))
    for name, pair in credentials.items():
        kept[f"UV_INDEX_{variable_part(name)}_USERNAME"] = pair.username
        kept[f"UV_INDEX_{variable_part(name)}_PASSWORD"] = pair.password
    kept.update(
        {
            "UV_CACHE_DIR": cache,
            "XDG_CONFIG_HOME": config,
            "XDG_CONFIG_DIRS": config,
            "NO_COLOR": "1",
        }
    )
    return kept


def variable_part(name: str) -> str:
    """The name of an index as it stands in environment variables: upper case, ``_`` for the rest."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
