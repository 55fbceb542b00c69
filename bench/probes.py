"""What importing a distribution's modules comes to, in one environment."""

from __future__ import annotations

import concurrent.futures
import json
import keyword
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.measure import BenchError

WORKERS = 2
_PROBE = """
import importlib, sys
try:
    importlib.import_module(sys.argv[1])
except BaseException as error:
    print("OUTCOME", type(error).__name__)
else:
    print("OUTCOME ok")
sys.stdout.flush()
"""
_FILES = """
import importlib.metadata, json, re
print(json.dumps({re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): [str(f) for f in d.files or ()]
                  for d in importlib.metadata.distributions()}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An environment to probe: its interpreter, and an empty folder to stand in."""

    python: str
    folder: str
    timeout: float = 120.0

    def env(self) -> dict[str, str]:
        """A bare environment; a home of its own, since some packages write there when imported."""
        return {
            "HOME": self.folder,
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "MPLBACKEND": "agg",
        }


def import_names(files: Iterable[str]) -> list[str]:
    """The dotted names that a distribution with these ``files`` (as in RECORD) can be imported by.

    A regular package counts once, at its top; below a namespace package every package and module.
    """
    paths = [path for path in files if not path.startswith(("..", "/"))]
    modules = [
        path for path in paths if path.endswith((".py", ".so")) and ".dist-info/" not in path
    ]
    regular = {
        os.path.dirname(path) for path in modules if re.match(r"__init__\.", os.path.basename(path))
    }
    names: set[str] = set()
    for path in modules:
        parts = path.split("/")
        prefixes = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        package = next((prefix for prefix in prefixes if prefix in regular), None)
        dotted = package.split("/") if package else [*parts[:-1], parts[-1].partition(".")[0]]
        if all(part.isidentifier() and not keyword.iskeyword(part) for part in dotted):
            names.add(".".join(dotted))
    return sorted(names)


def names_by_distribution(place: Place) -> dict[str, list[str]]:
    """The import names of every distribution in an environment, by its normalized name."""
    done = subprocess.run(
        [place.python, "-I", "-c", _FILES],
        capture_output=True,
        text=True,
        check=False,
        cwd=place.folder,
    )
    if done.returncode != 0:
        raise BenchError(f"{place.python} does not list its files: {done.stderr[-2000:]}")
    files: Mapping[str, list[str]] = json.loads(done.stdout)
    return {name: import_names(listed) for name, listed in sorted(files.items())}


def outcome(place: Place, name: str) -> str:
    """Import ``name`` in a process of its own: ``ok``, an exception's type, a signal, or ``timeout``."""
    try:
        done = subprocess.run(
            [place.python, "-W", "ignore", "-c", _PROBE, name],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=place.folder,
            env=place.env(),
            stdin=subprocess.DEVNULL,
            timeout=place.timeout,
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    match = re.search(r"^OUTCOME (\S+)$", done.stdout, flags=re.MULTILINE)
    return match[1] if match and done.returncode >= 0 else f"exit {done.returncode}"


def outcomes(place: Place, names: Sequence[str]) -> dict[str, str]:
    """``outcome`` for each of ``names``, two at a time."""
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(names, pool.map(lambda name: outcome(place, name), names), strict=True))


def own_tests(place: Place, modules: Sequence[str]) -> str:
    """Run test modules that a package ships: how many ran, failed, broke and were skipped."""
    report = os.path.join(place.folder, "junit.xml")
    command = [place.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", *modules]
    done = subprocess.run(
        [*command, f"--junitxml={report}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=place.folder,
        env=place.env(),
    )
    if not os.path.exists(report):
        return f"exit {done.returncode}: {(done.stdout + done.stderr).strip()[-300:]}"
    with open(report, encoding="utf-8") as stream:
        head = stream.read(2000)
    os.remove(report)
    counts = {
        key: match[1] if (match := re.search(rf'\b{key}="(\d+)"', head)) else "?"
        for key in ("tests", "failures", "errors", "skipped")
    }
    return ", ".join(f"{value} {key}" for key, value in counts.items())
