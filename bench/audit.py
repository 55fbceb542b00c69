"""How long advisories take to come in, and audits of locks, beside pip-audit and `uv audit`.

    python -m bench.audit --advisories ../shared/advisories/pypi-osv.zip [--fs /dev/shm] [--runs 7]
        [--pip-audit /path/to/pip-audit] [--docs docs/benchmarks.md]

OSV's archive for PyPI has about 25,000 records. Here they are made of the real ones that are given: each is
taken several times, under other names and of other packages, so that sizes, ranges and aliases are those of
the real data. A project of 150 packages, fifteen of them vulnerable, is locked by provenv and by uv from an
index on loopback. pip-audit and `uv audit` ask an OSV API on loopback that knows the answers beforehand;
provenv asks its own copy. All three must name the same vulnerable packages, or there are no figures.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.server
import io
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measure import BenchError, machine

import provenv as package
from provenv.core.values import replace
from provenv.model.layout import HomeLayout
from provenv.model.lock import parse_lock, render_lock
from provenv.model.manifest import parse_manifest
from provenv.workspace import roots

RECORDS, GROUPS, GROUP, VULNERABLE, MACHINE, MANY = 25_000, 60, 10, 15, 1_000, 300
PICKED = 15  # groups of a project: 150 packages
_MARKS = ("<!-- audit:begin -->", "<!-- audit:end -->")


def real_records(path: str) -> list[dict[str, Any]]:
    """The records of OSV's archive."""
    with zipfile.ZipFile(path) as archive:
        return [json.loads(archive.read(name)) for name in sorted(archive.namelist())]


def synthesised(real: Sequence[Mapping[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """So many records, made of real ones: copies have names, and are of packages, of their own."""
    for number in range(count):
        turn, at = divmod(number, len(real))
        one = json.loads(json.dumps(real[at]))
        if turn:
            one["id"] = f"{one['id']}-{turn}"
            one["aliases"] = [f"{name}-{turn}" for name in one.get("aliases", ())]
            for entry in one.get("affected", ()):
                entry["package"]["name"] = f"{entry['package']['name']}-{turn}"
        if not number:
            one["modified"] = datetime.now(UTC).isoformat()  # the data is not to be called old
        yield one


def write_archive(path: Path, records: Iterator[dict[str, Any]]) -> None:
    """An archive as OSV publishes it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in records:
            archive.writestr(f"{one['id']}.json", json.dumps(one))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Packages in groups; the first of each needs the others. ``vulnerable``: names in the first ones."""

    groups: tuple[tuple[tuple[str, str], ...], ...]


def made_shelf(home: HomeLayout, real: Sequence[Mapping[str, Any]]) -> Shelf:
    """Real names: one vulnerable version in each of the first groups, else versions that nothing hits."""
    from provenv.audit import database
    from provenv.audit.findings import vulnerabilities
    from provenv.model.plan import canonical

    path = database.current(home.advisories)
    assert path is not None
    bad: dict[str, str] = {}
    good: dict[str, str] = {}
    with database.opened(path) as here:
        for one in real:
            for entry in one.get("affected", ()):
                name = canonical(entry["package"]["name"])
                for version in entry.get("versions", ())[-1:]:
                    if re.fullmatch(r"\d+(\.\d+)+", version) and name not in bad:
                        bad[name] = version
        for turn in ("", "-1"):
            for name in bad:
                if not vulnerabilities(here, name + turn, "9999.0"):
                    good[name + turn] = "9999.0"
        worst = [n for n, v in bad.items() if n in good and vulnerabilities(here, n, v)]
    chosen = worst[: GROUPS * VULNERABLE // PICKED]
    rest = iter([(n, v) for n, v in good.items() if n not in chosen])
    return Shelf(
        groups=tuple(
            tuple(
                (chosen[group], bad[chosen[group]])
                if at == 1 and group < len(chosen)
                else next(rest)
                for at in range(GROUP)
            )
            for group in range(GROUPS)
        )
    )


def fill_index(folder: Path, shelf: Shelf) -> None:
    """A simple index (PEP 691) of tiny wheels, as files."""
    for group in shelf.groups:
        for at, (name, version) in enumerate(group):
            needs = [f"{other}=={v}" for other, v in group[1:]] if at == 0 else []
            data, meta = wheel(name, version, needs)
            filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
            files = folder / "files"
            files.mkdir(parents=True, exist_ok=True)
            (files / filename).write_bytes(data)
            (files / f"{filename}.metadata").write_bytes(meta)
            page = {
                "meta": {"api-version": "1.1"},
                "name": name,
                "versions": [version],
                "files": [
                    {
                        "filename": filename,
                        "url": f"/files/{filename}",
                        "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
                        "size": len(data),
                        "upload-time": "2024-01-01T00:00:00Z",
                        "yanked": False,
                        "core-metadata": {"sha256": hashlib.sha256(meta).hexdigest()},
                    }
                ],
            }
            place = folder / "simple" / name
            place.mkdir(parents=True, exist_ok=True)
            (place / "index.json").write_text(json.dumps(page))


def wheel(name: str, version: str, needs: Sequence[str]) -> tuple[bytes, bytes]:
    """A wheel of one file, and its metadata."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    meta += "".join(f"Requires-Dist: {one}\n" for one in needs)
    files = {
        f"{module}/__init__.py": b"",
        f"{info}/METADATA": meta.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(data)}\n")
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return out.getvalue(), meta.encode()


class Server:
    """The index and an OSV API on loopback, in a process of its own; answers are known beforehand."""

    def __init__(self, folder: Path, answers: Mapping[str, list[dict[str, Any]]]) -> None:
        ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(folder, answers, theirs), daemon=True
        )
        self._process.start()
        self.url = f"http://127.0.0.1:{ours.recv()}"

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.join()


def _serve(folder: Path, answers: Mapping[str, list[dict[str, Any]]], pipe: Any) -> None:
    records = {one["id"]: json.dumps(one).encode() for rows in answers.values() for one in rows}
    whole = {key: json.dumps({"vulns": rows}).encode() for key, rows in answers.items()}
    short = {
        key: {"vulns": [{"id": r["id"], "modified": r["modified"]} for r in rows]}
        for key, rows in answers.items()
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "queries" in asked:
                rows = [short.get(_key(one), {}) for one in asked["queries"]]
                self._send(200, json.dumps({"results": rows}).encode())
            else:
                self._send(200, whole.get(_key(asked), b"{}"))

        def do_GET(self) -> None:
            last = self.path.rstrip("/").rpartition("/")[2]
            if self.path.startswith("/v1/vulns/"):
                self._send(200 if last in records else 404, records.get(last, b"{}"))
                return
            page = folder / "simple" / last / "index.json"
            file = folder / "files" / last
            if self.path.startswith("/simple/") and page.exists():
                self._send(200, page.read_bytes(), "application/vnd.pypi.simple.v1+json")
            elif self.path.startswith("/files/") and file.exists():
                self._send(200, file.read_bytes(), "application/octet-stream")
            else:
                self._send(404, b"")

        def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "max-age=600")
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    pipe.send(server.server_port)
    server.serve_forever()


def _key(asked: Mapping[str, Any]) -> str:
    return f"{asked['package']['name']} {asked['version']}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where everything lies, and how provenv is called."""

    work: Path
    home: HomeLayout
    provenv: tuple[str, ...]
    env: dict[str, str]

    def call(
        self, words: Sequence[str], cwd: Path, codes: Sequence[int] = (0,)
    ) -> tuple[float, str]:
        """Seconds of a whole process, and what it wrote.

        Raises:
            BenchError: It ended with another code.
        """
        began = time.perf_counter()
        done = subprocess.run(words, cwd=cwd, env=dict(self.env), capture_output=True, text=True)
        took = time.perf_counter() - began
        if done.returncode not in codes:
            raise BenchError(
                f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}"
            )
        return took, done.stdout


def import_archive(bench: Bench, archive: Path, runs: int) -> list[float]:
    """Seconds of `advisories import` into an empty home; the last one stays."""
    times = []
    for _ in range(runs):
        shutil.rmtree(bench.home.advisories, ignore_errors=True)
        words = (*bench.provenv, "advisories", "import", str(archive))
        times.append(bench.call(words, bench.work)[0])
    return times


_MATCH = """
import sys, time
from provenv.audit import database
from provenv.audit.findings import vulnerabilities
path = database.current(sys.argv[1])
rows = [line.split() for line in sys.stdin]
began = time.perf_counter()
with database.opened(path, late=True) as here:  # as an audit does it
    found = sum(bool(vulnerabilities(here, name, version)) for name, version in rows)
print(time.perf_counter() - began, found)
"""


def match(bench: Bench, shelf: Shelf, runs: int) -> list[float]:
    """Seconds to hold 300 packages against the data: opening it is part of that, Python's start is not."""
    rows = [pair for group in shelf.groups for pair in group][:MANY]
    text = "".join(f"{name} {version}\n" for name, version in rows)
    python = [sys.executable, "-c", _MATCH, bench.home.advisories]
    times = []
    for _ in range(runs):
        done = subprocess.run(
            python, input=text, env=dict(bench.env), capture_output=True, text=True, check=True
        )
        took, found = done.stdout.split()
        if int(found) != MANY // GROUP:
            raise BenchError(f"{found} of {MANY} packages were found to be vulnerable")
        times.append(float(took))
    return times


def project(folder: Path, groups: Sequence[Sequence[tuple[str, str]]]) -> str:
    """A manifest that asks for the first package of each group."""
    asked = [f"{group[0][0]}=={group[0][1]}" for group in groups]
    text = (
        '[project]\nname = "shop"\nversion = "0"\nrequires-python = ">=3.11"\n'
        f"dependencies = {json.dumps(asked)}\n"
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text)
    return text


def street(bench: Bench, shelf: Shelf, whole: str) -> Path:
    """A thousand projects that the store knows, each with a lock of 150 packages; the first's folder."""
    lock = parse_lock(whole)
    by_name = {str(entry.name): entry for entry in lock.packages}
    chance = random.Random(5)
    for number in range(MACHINE):
        folder = bench.work / "street" / f"p{number}"
        groups = chance.sample(shelf.groups, PICKED)
        text = project(folder, groups)
        names = sorted(name for group in groups for name, _ in group)
        manifest = parse_manifest(text, str(folder / "pyproject.toml"))
        own = replace(
            lock,
            packages=[by_name[name] for name in names],
            tool={"provenv": {"manifest-digest": manifest.lock_digest()}},
        )
        (folder / "pylock.toml").write_text(render_lock(own))
        environment = folder / ".venv"
        (environment / "generations").mkdir(parents=True)
        os.makedirs(bench.home.roots, exist_ok=True)
        os.symlink(environment, roots.root_path(bench.home.roots, str(environment)))
    return bench.work / "street" / "p0"


def audit_all(bench: Bench, folder: Path, runs: int) -> tuple[list[float], float]:
    """Seconds of `audit --all` over a thousand locks, and those of the processors in the last run."""
    times, busy = [], 0.0
    for _ in range(runs):
        before = processors()
        took, said = bench.call((*bench.provenv, "audit", "--all", "--json"), folder, (1,))
        results = json.loads(said)["results"]
        packages = {row["result"]["packages"] for row in results if row["result"]}
        if len(results) != MACHINE or packages != {GROUP * PICKED}:
            raise BenchError(f"{len(results)} projects, packages: {packages}")
        times.append(took)
        busy = processors() - before
    return times, busy


def race(
    rivals: Mapping[str, Callable[[], tuple[float, int]]], runs: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """All of them in turns: seconds, and those of the processors.

    Raises:
        BenchError: One finds more vulnerable packages than another.
    """
    times: dict[str, list[float]] = {name: [] for name in rivals}
    busy: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(runs + 1):
        counts = {}
        for name, call in rivals.items():
            before = processors()
            took, counts[name] = call()
            if turn:  # the first turn fills caches, and is not counted
                times[name].append(took)
                busy[name].append(processors() - before)
        if len(set(counts.values())) != 1:
            raise BenchError(f"they do not agree on how many packages are vulnerable: {counts}")
    return times, busy


def processors() -> float:
    """Seconds that processors have spent on the programs that were called."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def contestants(
    bench: Bench, server: Server, pip_audit: str | None, uv: str
) -> dict[str, Callable[[], tuple[float, int]]]:
    """The same lock in each one's own words: seconds, and how many packages are vulnerable."""
    here = bench.work / "shop"

    def ours() -> tuple[float, int]:
        took, said = bench.call((*bench.provenv, "audit", "--json"), here, (1,))
        return took, len({row["package"] for row in json.loads(said)["findings"]})

    def anew() -> tuple[float, int]:
        os.utime(here / "pyproject.toml")  # nothing of the last answer counts
        return ours()

    def uvs() -> tuple[float, int]:
        words = (
            uv, "audit", "--frozen", "--service-url", server.url, "--output-format", "json", "--preview",
        )  # fmt: skip
        took, said = bench.call(words, here, (1,))
        found = json.loads(said)
        return took, len({row["dependency"]["name"] for row in found["vulnerabilities"]})

    def pips() -> tuple[float, int]:
        words = (
            str(pip_audit), "--requirement", "requirements.txt", "--no-deps", "--disable-pip",
            "--vulnerability-service", "osv", "--osv-url", f"{server.url}/v1/query", "--format", "json",
            "--progress-spinner", "off",
        )  # fmt: skip
        took, said = bench.call(words, here, (1,))
        return took, sum(bool(row.get("vulns")) for row in json.loads(said)["dependencies"])

    peers = {"uv": uvs, **({"pip-audit": pips} if pip_audit else {})}
    return {"provenv": ours, **peers, "provenv, after a change": anew}


def known_answers(home: HomeLayout, shelf: Shelf) -> dict[str, list[dict[str, Any]]]:
    """What an OSV API says of each package: the records, as they are."""
    from provenv.audit import database
    from provenv.audit.findings import vulnerabilities

    path = database.current(home.advisories)
    assert path is not None
    found: dict[str, list[dict[str, Any]]] = {}
    with database.opened(path) as here:
        raw = here.contents().records
        for name, version in (pair for group in shelf.groups for pair in group):
            names = {n for one in vulnerabilities(here, name, version) for n in one.names}
            rows = [json.loads(raw[n]) for n in sorted(names & raw.keys())]
            if rows:
                found[f"{name} {version}"] = rows
    return found


def table(rows: Sequence[tuple[str, str, str, bool]], note: str) -> str:
    """The figures as Markdown."""
    lines = ["| Work | measured | target |  |", "| --- | ---: | --- | --- |"]
    lines += [
        f"| {what} | {said} | {target} | {'met' if met else 'missed'} |"
        for what, said, target, met in rows
    ]
    return "\n".join([*lines, "", note])


def spread(times: Sequence[float], unit: str = "s") -> str:
    """The median, with least and greatest."""
    scale = 1000 if unit == "ms" else 1
    middle, low, high = (
        value * scale for value in (statistics.median(times), min(times), max(times))
    )
    return (
        f"{middle:.0f} {unit} ({low:.0f}–{high:.0f})"
        if unit == "ms"
        else f"{middle:.2f} {unit} ({low:.2f}–{high:.2f})"
    )


def installed(work: Path) -> str:
    """A command as an installer would put it there: a script of the Python that runs this."""
    source = os.path.dirname(os.path.dirname(package.__file__))
    script = work / "bin" / "provenv"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {source!r})\n"
        "from provenv.cli import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    return str(script)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Seconds of whatever was measured; ``spent`` and ``busy`` are those of the processors."""

    imported: list[float]
    matched: list[float]
    found: Mapping[str, list[float]]
    spent: Mapping[str, list[float]]
    whole: list[float]
    busy: float


def measured(args: argparse.Namespace, work: Path) -> str:
    """All of it; the table."""
    bench = opened(args, work)
    load = os.getloadavg()[0]
    uv = args.uv or shutil.which(
        "uv", path=f"{os.path.dirname(sys.executable)}:{bench.env['PATH']}"
    )
    if uv is None:
        raise BenchError("there is no uv")
    real = real_records(args.advisories)
    imported = timed_import(bench, real, max(3, args.runs // 2))
    shelf = made_shelf(bench.home, real)
    matched = match(bench, shelf, args.runs)
    print(f"match of {MANY} packages: {spread(matched, 'ms')}", flush=True)
    fill_index(work / "index", shelf)
    server = Server(work / "index", known_answers(bench.home, shelf))
    try:
        locked(bench, shelf, server, uv)
        found, spent = race(contestants(bench, server, args.pip_audit, uv), args.runs)
        for name, times in found.items():
            said = f"{spread(times, 'ms')}, processors {spread(spent[name], 'ms')}"
            print(f"audit of 150 packages, {name}: {said}", flush=True)
        first = street(bench, shelf, (work / "whole" / "pylock.toml").read_text())
        whole, busy = audit_all(bench, first, 2)
        print(f"{MACHINE:,} locks: {spread(whole)}, {busy:.0f} s of processors", flush=True)
    finally:
        server.close()
    figures = Figures(
        imported=imported, matched=matched, found=found, spent=spent, whole=whole, busy=busy
    )
    return table(told(figures), taken(bench, [uv, args.pip_audit], load))


def opened(args: argparse.Namespace, work: Path) -> Bench:
    """An empty home, and provenv as it was asked for."""
    home = HomeLayout(str(work / "home"))
    env = {
        "HOME": str(work / "user"), "PROVENV_HOME": home.root, "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.path.dirname(os.path.dirname(package.__file__)), "NO_COLOR": "1",
        "UV_CACHE_DIR": str(work / "uv-cache"), "UV_PYTHON": sys.executable,
    }  # fmt: skip
    os.makedirs(env["HOME"])
    provenv = tuple(args.provenv.split()) if args.provenv else (installed(work),)
    return Bench(work=work, home=home, provenv=provenv, env=env)


def timed_import(bench: Bench, real: Sequence[Mapping[str, Any]], runs: int) -> list[float]:
    """Seconds to import as many records as OSV has."""
    archive = bench.work / "all.zip"
    write_archive(archive, synthesised(real, RECORDS))
    times = import_archive(bench, archive, runs)
    megabytes = archive.stat().st_size / 1e6
    print(f"import of {RECORDS:,} records ({megabytes:.0f} MB): {spread(times)}", flush=True)
    return times


def locked(bench: Bench, shelf: Shelf, server: Server, uv: str) -> None:
    """Lock all that there is, and a project of 150 packages for each of the contestants."""
    bench.env.update(
        PROVENV_INDEX_URL=f"{server.url}/simple", UV_DEFAULT_INDEX=f"{server.url}/simple"
    )
    whole, shop = bench.work / "whole", bench.work / "shop"
    for folder, groups in ((whole, shelf.groups), (shop, shelf.groups[:PICKED])):
        project(folder, groups)
        bench.call((*bench.provenv, "lock"), folder)
    bench.call((uv, "lock"), shop)
    rows = [pair for group in shelf.groups[:PICKED] for pair in group]
    (shop / "requirements.txt").write_text("".join(f"{n}=={v}\n" for n, v in rows))


def told(figures: Figures) -> list[tuple[str, str, str, bool]]:
    """The rows of the table: what was done, the figures, the target, whether it is met."""
    medians = {name: statistics.median(times) for name, times in figures.found.items()}
    faster = min((name for name in ("uv", "pip-audit") if name in medians), key=medians.__getitem__)
    ratio = medians["provenv"] / medians[faster]
    peers = "; ".join(
        f"{name} {spread(times, 'ms')}, of processors "
        f"{statistics.median(figures.spent[name]) * 1000:.0f} ms"
        for name, times in figures.found.items()
    )
    imported, matched, whole = map(
        statistics.median, (figures.imported, figures.matched, figures.whole)
    )
    return [
        (f"Import {RECORDS:,} advisories", spread(figures.imported), "≤ 5 s", imported <= 5),
        (
            f"Match {MANY} packages, after start",
            spread(figures.matched, "ms"),
            "≤ 100 ms",
            matched <= 0.1,
        ),
        (
            f"`audit --all`: {MACHINE:,} locks of 150 packages",
            f"{spread(figures.whole)}, {figures.busy:.0f} s of processors",
            "≤ 30 s",
            whole <= 30,
        ),
        (
            f"Audit of the lock of 150 packages: {peers}",
            f"{ratio:.2f} × {faster}",
            "≤ 0.5 × the faster",
            ratio <= 0.5,
        ),
    ]


def taken(bench: Bench, programs: Sequence[str | None], load: float) -> str:
    """Where and with what the figures were taken."""
    facts = machine(str(bench.work))
    versions = [
        bench.call((program, "--version"), bench.work)[1].split("(")[0].strip()
        for program in programs
        if program
    ]
    return (
        f"Medians (least–greatest) on {facts['file_system']}; whole processes, in turns where several are "
        f"compared; {', '.join(versions)}; {facts['processor']}, {facts['cores']} cores, Linux "
        f"{facts['kernel']}, load {load:.1f} at the start; taken {datetime.now(UTC).date()}."
    )


def main() -> int:
    """Measure, print, and write the table into the page."""
    parser = argparse.ArgumentParser(prog="bench.audit", description="Advisories and audits.")
    parser.add_argument(
        "--advisories", required=True, metavar="ZIP", help="OSV's archive, real records"
    )
    parser.add_argument("--fs", default="/dev/shm", metavar="FOLDER", help="where to work")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--provenv", metavar="COMMAND")
    parser.add_argument("--uv", metavar="PROGRAM")
    parser.add_argument("--pip-audit", metavar="PROGRAM")
    parser.add_argument("--docs", metavar="FILE", help="write the table into this page")
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="bench-audit-", dir=args.fs))
    try:
        said = measured(args, work)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(said)
    if args.docs:
        page = Path(args.docs)
        head, _, rest = page.read_text().partition(_MARKS[0])
        tail = rest.partition(_MARKS[1])[2]
        page.write_text(f"{head}{_MARKS[0]}\n\n{said}\n\n{_MARKS[1]}{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
