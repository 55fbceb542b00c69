"""The same twelve cells of a real project by provenv, tox (with and without tox-uv) and nox (with uv).

    python -m bench.matrix --project itsdangerous-2.2.0.tar.gz [--runs 5] [--docs docs/benchmarks.md]

Four Pythons times three variants, one cell at a time, everything cached and every environment there.
The tests of a cell are run by a script for bash, which writes down when it began and when it ended without
starting anything; the start of the Python that runs the tests is theirs. Overhead is the time of the whole
process without these: until the first tests begin, between two cells, after the last.

In the peers' favour: tox neither builds nor installs the project (``package = skip``), both find it by
``PYTHONPATH``. ``nox -r`` lets uv look whether what it needs is there, ``nox -R`` looks at nothing.
provenv compares the project's files, the lock and every environment with what they were, as always;
``--fresh`` keeps it from answering from its last results.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import time
from pathlib import Path

from bench.measure import BenchError, machine
from bench.pages import insert

BEGIN, END = "<!-- matrix:begin -->", "<!-- matrix:end -->"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
VARIANTS = {"plain": (), "pytest7": ("pytest<8",), "pytest8": ("pytest<9",)}
TESTS = ("pytest", "freezegun")
_CELL = """\
began=$EPOCHREALTIME
python -m pytest -q -p no:cacheprovider tests
code=$?
echo "$began $EPOCHREALTIME $code" >> "$BENCH_TIMES"
exit $code
"""


class Desk:
    """The project, laid out for all of them."""

    def __init__(self, archive: Path, top: Path, provenv: list[str], tools: Path) -> None:
        with tarfile.open(archive) as stream:
            stream.extractall(top / "made", filter="data")
        (self.folder,) = (top / "made").iterdir()
        self.times = top / "times"
        self.log = top / "log"
        (self.folder / "cell.sh").write_text(_CELL)
        self._write()
        paths = [tools, *(_python(minor).parent for minor in PYTHONS), "/usr/bin", "/bin"]
        self.env = {
            "HOME": str(top / "home"),
            "PATH": os.pathsep.join(map(str, paths)),
            "LANG": "C.UTF-8",
            "BENCH_TIMES": str(self.times),
            **{
                k: v
                for k, v in os.environ.items()
                if k.startswith(("PIP_", "UV_", "PROVENV_INDEX", "SSL_CERT"))
            },
        }
        plain = ["-c", "plain.ini"]
        one = ["--jobs", "1", "--fresh", "-q"]
        self.calls = {
            "provenv": [*provenv, "test", *one],
            "tox": [str(tools / "tox"), *plain, "run", "-q"],
            "tox-uv": [str(tools / "tox"), "-c", "uv.ini", "run", "-q"],
            "nox -r (uv)": [str(tools / "nox"), "-r", "-f", "noxfile.py"],
            "nox -R (uv)": [str(tools / "nox"), "-R", "-f", "noxfile.py"],
        }

    def _write(self) -> None:
        """The matrix three times over, and no dependency groups of the project's own in the way."""
        manifest = (self.folder / "pyproject.toml").read_text()
        groups = "" if "[dependency-groups]" in manifest else "\n[dependency-groups]\n"
        if groups:
            manifest += f"{groups}test = {json.dumps(TESTS)}\n"
        variants = [{"name": name, "packages": list(v)} for name, v in VARIANTS.items()]
        rows = ", ".join(
            f'{{ name = "{one["name"]}", packages = {json.dumps(one["packages"])} }}'
            for one in variants
        )
        manifest += (
            f"\n[tool.provenv.matrix]\npython = {json.dumps(PYTHONS)}\nwith = [{rows}]\n"
            'command = ["bash", "cell.sh"]\n'
        )
        (self.folder / "pyproject.toml").write_text(manifest)
        names = ",".join(minor.replace(".", "") for minor in PYTHONS)
        deps = "\n".join(
            ["    pytest", "    freezegun"]
            + [f"    {name}: {p}" for name, packages in VARIANTS.items() for p in packages]
        )
        for file, more in (("plain.ini", "runner = virtualenv\n"), ("uv.ini", "")):
            requires = "tox-uv\n" if file == "uv.ini" else ""
            text = f"[tox]\nenv_list = py{{{names}}}-{{{','.join(VARIANTS)}}}\n"
            text += f"requires = {requires}" if requires else ""
            text += f"work_dir = .{file}\n[testenv]\n{more}package = skip\ndeps =\n{deps}\n"
            text += "set_env = PYTHONPATH=src\npass_env = BENCH_TIMES\n"
            text += "allowlist_externals = bash\ncommands = bash cell.sh\n"
            (self.folder / file).write_text(text)
        (self.folder / "noxfile.py").write_text(
            textwrap.dedent(
                f"""\
                import nox
                nox.options.default_venv_backend = "uv"
                VARIANTS = {VARIANTS!r}
                @nox.session(python={list(PYTHONS)!r})
                @nox.parametrize("variant", {list(VARIANTS)!r})
                def tests(session, variant):
                    session.install("pytest", "freezegun", *VARIANTS[variant])
                    session.run("bash", "cell.sh", external=True, env={{"PYTHONPATH": "src"}})
                """
            )
        )

    def prepare(self) -> None:
        """Make every environment; nothing of this is measured."""
        for tool, words in self.calls.items():
            if "-R" in words:
                continue
            self.measure(tool, words)

    def measure(self, tool: str, words: list[str] | None = None) -> tuple[float, float, float]:
        """Seconds to the first test, of all, and of all without the tests.

        Raises:
            BenchError: It failed, or did not run every cell once.
        """
        self.times.write_text("")
        began = time.time()
        with self.log.open("wb") as log:
            code = subprocess.call(
                words or self.calls[tool], cwd=self.folder, env=self.env, stdout=log, stderr=log
            )
        ended = time.time()
        rows = [tuple(map(float, line.split())) for line in self.times.read_text().splitlines()]
        if code != 0 or len(rows) != len(PYTHONS) * len(VARIANTS) or any(row[2] for row in rows):
            raise BenchError(f"{tool}: {code}, {len(rows)} cells\n{self.log.read_text()[-3000:]}")
        tests = sum(end - begin for begin, end, _ in rows)
        return min(row[0] for row in rows) - began, ended - began, ended - began - tests


def _python(minor: str) -> Path:
    """The interpreter's executable, below pyenv's versions."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = sorted(root.glob(f"{minor}.*/bin/python{minor}"))
    if not found:
        raise BenchError(f"there is no Python {minor} in {root}")
    return found[-1]


def table(taken: dict[str, list[tuple[float, float, float]]]) -> str:
    """The figures as Markdown; the ratio is that of provenv's overhead to each tool's."""
    median = {
        t: [statistics.median(row[i] for row in rows) for i in range(3)]
        for t, rows in taken.items()
    }
    ours = median["provenv"]
    lines = [
        "| tool | first test started | all done | overhead | provenv's overhead is |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for tool, (first, done, over) in median.items():
        ratio = "" if tool == "provenv" else f"{ours[2] / over:.2f} of it"
        lines.append(f"| {tool} | {first * 1000:.0f} ms | {done:.2f} s | {over:.2f} s | {ratio} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="What running a matrix costs besides its tests.")
    parser.add_argument("--project", required=True, help="an sdist with tests")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--docs")
    parser.add_argument(
        "--tools", default=os.path.dirname(sys.executable), help="where tox and nox are"
    )
    parser.add_argument("--provenv", default=f"{shlex.quote(sys.executable)} -m provenv")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-matrix-") as folder:
        desk = Desk(Path(args.project), Path(folder), shlex.split(args.provenv), Path(args.tools))
        desk.prepare()
        taken: dict[str, list[tuple[float, float, float]]] = {tool: [] for tool in desk.calls}
        for _ in range(args.runs):
            for tool, rows in taken.items():
                rows.append(desk.measure(tool))
        facts = machine(folder)
    versions = subprocess.run(
        [f"{args.tools}/python", "-m", "pip", "list", "--format", "json"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    known = {row["name"]: row["version"] for row in json.loads(versions)}
    names = ", ".join(f"{n} {known[n]}" for n in ("tox", "tox-uv", "nox", "uv", "virtualenv"))
    text = (
        f"{table(taken)}\n\nMedians of {args.runs} runs in turns; {Path(args.project).name}; {names}; "
        f"{facts['processor']}, {facts['cores']} cores, load {facts['load']:.1f}; "
        f"taken {time.strftime('%Y-%m-%d')}."
    )
    print(text)
    if args.docs is not None:
        insert(args.docs, text, BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
