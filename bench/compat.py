"""Does a package behave in a provenv environment as in one that pip made? In every link mode?

    python -m bench.compat --store INDEX --work FOLDER                      the benchmark's project
    python -m bench.compat --store INDEX --record --work FOLDER --list bench/top300.txt

The subject locks and syncs; pip installs the very same versions, held to the same hashes, into a
plain venv. Then every import name is imported in each environment, in a process of its own, and must
come to the same: success, or the same type of exception. Exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench import probes, tools, toy
from bench.measure import BenchError, Stopwatch, census
from bench.record import PYTHON, replaying

MODES = {"provenv": "linked,hardlink,clone,copy", "uv": "hardlink,symlink,clone,copy"}
SUBSETS = {
    "numpy": ("numpy.lib.tests.test_arraysetops", "numpy.linalg.tests.test_linalg",
              "numpy._core.tests.test_dtype", "numpy.random.tests.test_seed_sequence"),
    "pandas": ("pandas.tests.test_algos", "pandas.tests.tools.test_to_numeric",
               "pandas.tests.indexes.ranges", "pandas.tests.reshape.test_cut"),
    "scipy": ("scipy.fft.tests.test_helper", "scipy.linalg.tests.test_lapack",
              "scipy.special.tests.test_logsumexp", "scipy.stats.tests.test_variation"),
}  # fmt: skip
CHUNK = 25


class LeftOutError(BenchError):
    """There is nothing to compare: no resolution, or pip itself fails."""


@dataclass(slots=True, kw_only=True)
class Findings:
    """What was compared, and what differed."""

    compared: dict[str, int] = field(default_factory=dict)
    differences: list[list[str]] = field(default_factory=list)
    left_out: list[list[str]] = field(default_factory=list)
    distributions: set[str] = field(default_factory=set)

    def compare(self, mode: str, package: str, what: str, wanted: str, found: str) -> None:
        """Count one comparison, and keep it where the two differ."""
        self.compared[mode] = self.compared.get(mode, 0) + 1
        if wanted != found:
            self.differences.append([mode, package, what, wanted, found])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The subject, the reference, and where they work."""

    subject: tools.Provenv | tools.Uv
    modes: list[str]
    pip: tools.Pip
    folder: str

    def checkout(self, name: str, manifest: str, lock: str | None = None) -> str:
        """A project folder with this manifest, and the lock file where given."""
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        with open(os.path.join(folder, "pyproject.toml"), "w", encoding="utf-8") as stream:
            stream.write(manifest)
        if lock is not None:
            with (
                open(lock, "rb") as source,
                open(os.path.join(folder, self.subject.lock_file), "wb") as target,
            ):
                target.write(source.read())
        return folder

    def environments(self, name: str, manifest: str) -> dict[str, str]:
        """The subject's environment in every mode and pip's (``pip``): project folders by mode.

        Raises:
            LeftOutError: There is no lock, or pip could not install it.
            BenchError: The subject could not install its own lock.
        """
        first = self.checkout(f"{name}-{self.modes[0]}", manifest)
        with _left_out():
            self.subject.lock(first)
        lock = os.path.join(first, self.subject.lock_file)
        folders = {self.modes[0]: first}
        for mode in self.modes[1:]:
            folders[mode] = self.checkout(f"{name}-{mode}", manifest, lock)
        for mode, folder in folders.items():
            self.subject.link_mode = mode
            self.subject.sync(folder)
        reference = self.checkout(f"{name}-pip", manifest)
        held = census(self.subject.python(first)).found
        with open(os.path.join(reference, "requirements.txt"), "w", encoding="utf-8") as stream:
            stream.write(pins(self.pylock(first), held))
        with _left_out():
            self.pip.sync(reference)
        return folders | {"pip": reference}

    def pylock(self, folder: str) -> str:
        """The path of the subject's lock in the standard format."""
        path = os.path.join(folder, "pylock.toml")
        if isinstance(self.subject, tools.Uv):
            export = ("export", "--frozen", "--no-emit-project", "--format", "pylock.toml", "-q")
            self.subject.call(folder, *export, "-o", path, timed=False)
        return path

    def place(self, folder: str) -> probes.Place:
        """The environment of a project folder, with an empty folder to stand in."""
        stand = os.path.join(folder, "stand")
        os.makedirs(stand, exist_ok=True)
        return probes.Place(python=self.subject.python(folder), folder=stand)


@contextlib.contextmanager
def _left_out() -> Iterator[None]:
    """What fails inside leaves nothing to compare, unless the subject itself is broken."""
    try:
        yield
    except BenchError as error:
        if "failed where it should not" in str(error):
            raise
        raise LeftOutError(str(error)) from error


def pins(pylock: str, held: dict[str, str]) -> str:
    """What the environment holds as pip requirements, with every hash that the lock allows.

    Raises:
        BenchError: The environment holds what is not in the lock.
    """
    with open(pylock, "rb") as stream:
        packages = tomllib.load(stream)["packages"]
    locked: dict[tuple[str, str], list[str]] = {}
    for package in packages:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        hashes = [file["hashes"]["sha256"] for file in files]
        if "archive" in package:
            hashes.append(package["archive"]["hashes"]["sha256"])
        locked.setdefault((package["name"], package.get("version", "")), []).extend(hashes)
    absent = [name for name, version in held.items() if (name, version) not in locked]
    if absent:
        raise BenchError(f"installed, but not in {pylock}: {', '.join(sorted(absent))}")
    return "".join(
        " ".join(
            [f"{name}=={held[name]}", *(f"--hash=sha256:{one}" for one in locked[name, held[name]])]
        )
        + "\n"
        for name in sorted(held)
    )


def manifest(requirements: Sequence[str]) -> str:
    """A project of wheels only that asks for ``requirements``."""
    return (
        '[project]\nname = "compat"\nversion = "1"\nrequires-python = ">=3.13,<3.14"\n'
        f"dependencies = {json.dumps(list(requirements))}\n"
        "\n[tool.provenv]\nno-build = true\n\n[tool.uv]\nno-build = true\n"
    )


def compare_imports(bench: Bench, folders: dict[str, str], findings: Findings) -> None:
    """Import everything everywhere; what differs is tried a second time before it counts."""
    reference = bench.place(folders["pip"])
    by_name = probes.names_by_distribution(reference)
    findings.distributions |= by_name.keys()
    owner = {name: package for package, names in by_name.items() for name in names}
    wanted = probes.outcomes(reference, list(owner))
    held = census(reference.python).found
    for mode in bench.modes:
        place = bench.place(folders[mode])
        found = census(place.python).found
        for package in sorted(held.keys() | found.keys()):
            findings.compare(
                mode, package, "version", held.get(package, "absent"), found.get(package, "absent")
            )
        for name, result in probes.outcomes(place, list(owner)).items():
            again = result != wanted[name]
            findings.compare(
                mode,
                owner[name],
                f"import {name}",
                probes.outcome(reference, name) if again else wanted[name],
                probes.outcome(place, name) if again else result,
            )


def compare_tests(bench: Bench, folders: dict[str, str], findings: Findings) -> None:
    """A few test modules that NumPy, pandas and SciPy ship, in the first mode and in pip's."""
    mode = bench.modes[0]
    for package, modules in SUBSETS.items():
        wanted = probes.own_tests(bench.place(folders["pip"]), modules)
        found = probes.own_tests(bench.place(folders[mode]), modules)
        print(f"  {package}'s own tests: {found}; in pip's environment: {wanted}", flush=True)
        if not re.match(r"[1-9]\d* tests", wanted):
            raise BenchError(f"{package}'s tests do not run in pip's environment: {wanted}")
        findings.compare(mode, package, "own tests", wanted, found)


def compare_toy(bench: Bench, findings: Findings) -> None:
    """The two-wheel toy, in every mode; here the right answer is known."""
    wheels = toy.build(os.path.join(bench.folder, "toy-wheels"))
    asks = [f"{os.path.basename(wheel).partition('-')[0]} @ file://{wheel}" for wheel in wheels]
    for mode in bench.modes:
        folder = bench.checkout(f"toy-{mode}", manifest(asks))
        bench.subject.link_mode = mode
        bench.subject.lock(folder)
        bench.subject.sync(folder)
        done = subprocess.run(
            [bench.subject.python(folder), "-c", toy.PROBE],
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]
        findings.compare(mode, "toy", "RUNPATH $ORIGIN/../other/lib", "42", said)


def compare_list(
    bench: Bench, names: Sequence[str], findings: Findings, label: str = "list"
) -> None:
    """Compare ``names`` together; where they cannot be had together, in halves."""
    print(f"  {label}: {len(names)} packages", flush=True)
    try:
        folders = bench.environments(label, manifest(names))
    except BenchError as error:
        if len(names) == 1:
            why = next((line for line in str(error).splitlines() if "error:" in line), str(error))[
                :200
            ]
            if isinstance(error, LeftOutError):
                findings.left_out.append([names[0], why])
            else:
                findings.differences.append(["all", names[0], "sync", "ok", why])
            return
        middle = len(names) // 2
        compare_list(bench, names[:middle], findings, label + "a")
        compare_list(bench, names[middle:], findings, label + "b")
        return
    compare_imports(bench, folders, findings)


def table(findings: Findings) -> str:
    """The outcome as Markdown."""
    lines = ["| mode | compared | differing |", "| --- | ---: | ---: |"]
    for mode, count in findings.compared.items():
        differing = sum(1 for one in findings.differences if one[0] == mode)
        lines.append(f"| {mode} | {count} | {differing} |")
    for title, head, rows in (
        ("Differences", ["mode", "package", "what", "pip", "subject"], findings.differences),
        ("Left out", ["package", "why"], findings.left_out),
    ):
        if rows:
            lines += ["", title, "", f"| {' | '.join(head)} |", "| " + "--- | " * len(head)]
            lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return f"{len(findings.distributions)} distributions\n\n" + "\n".join(lines) + "\n"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="bench.compat", description="Compare with pip's environments."
    )
    parser.add_argument("--store", required=True, metavar="FOLDER", help="made by bench.record")
    parser.add_argument("--record", action="store_true", help="fetch from PyPI what is not in it")
    parser.add_argument("--work", required=True, metavar="FOLDER", help="new; left behind")
    parser.add_argument("--list", metavar="FILE", help="names, one a line, instead of the project")
    parser.add_argument("--subject", choices=sorted(MODES), default="provenv")
    parser.add_argument("--modes", help="comma-separated; all of the subject's")
    parser.add_argument("--skip-tests", action="store_true", help="only imports and the toy")
    parser.add_argument("--python", default=PYTHON, help="%(default)s")
    parser.add_argument("--out", metavar="FILE", help="the table, Markdown")
    for name in ("provenv", "uv", "pip"):
        parser.add_argument(f"--{name}", metavar="COMMAND", help="how to start it")
    return parser.parse_args()


def main() -> int:
    """Compare; 0 where nothing differs."""
    args = options()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    folder = os.path.abspath(args.work)
    os.makedirs(folder)
    findings = Findings()
    with replaying(args.store, record=args.record) as (index, _):
        watch = Stopwatch(log=os.path.join(folder, "log"), settle=False)
        setting = tools.Setting(index=index, python=args.python, watch=watch)
        kind = tools.Provenv if args.subject == "provenv" else tools.Uv
        program = tools.program(args.subject, getattr(args, args.subject))
        bench = Bench(
            subject=kind(program, setting, os.path.join(folder, "cache-subject")),
            modes=(args.modes or MODES[args.subject]).split(","),
            pip=tools.Pip(
                tools.program("pip", args.pip), setting, os.path.join(folder, "cache-pip")
            ),
            folder=folder,
        )
        compare_toy(bench, findings)
        if args.list:
            with open(args.list, encoding="utf-8") as stream:
                names = [
                    line.strip() for line in stream if line.strip() and not line.startswith("#")
                ]
            for start in range(0, len(names), CHUNK):
                compare_list(bench, names[start : start + CHUNK], findings, f"list{start:03d}")
        else:
            folders = bench.environments("project", manifest(tools.direct_requirements()))
            compare_imports(bench, folders, findings)
            if not args.skip_tests:
                compare_tests(bench, folders, findings)
    text = table(findings)
    print(text)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as stream:
            stream.write(text)
    return 1 if findings.differences else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(str(error))
