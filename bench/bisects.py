"""How often `bisect` runs a command: against oracles, and once for real.

    python -m bench.bisects --changes 60

Simulated: every single culprit and every pair among so many changes; the mixes that the search asks for,
and those in which a culprit is left out of the bad end. Real: so many made wheels in two versions,
two locks, and `provenv bisect` between them; all runs of the command, the two ends included.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from bench.measure import BenchError, remove

from provenv.trials.bisecting import Search
from support import Index, Project, make_wheel

ALLOWED = {1: 8, 2: 30}
_CHECK = "import importlib.metadata as m; exit({})"


def simulated(count: int, guilty: Collection[str]) -> int:
    """The mixes that name ``guilty`` among ``count`` changes, and those that hold it against the bad end.

    Raises:
        BenchError: It names something else.
    """
    search = Search([f"p{number}" for number in range(count)])
    mixes = 0
    while search.mix is not None:
        mixes += 1
        search.tell("bad" if search.mix.issuperset(guilty) else "good")
    verdict = search.verdict
    if verdict is None or {name for unit in verdict.culprits for name in unit} != {*guilty}:
        raise BenchError(f"{sorted(guilty)} are guilty, and {verdict} was named")
    return mixes + len(guilty)


def real(base: Path, count: int, command: list[str], *rules: str) -> list[tuple[int, float, str]]:
    """Runs of the command, seconds and sentence of one bisection for each rule.

    Raises:
        BenchError: A command failed.
    """
    names = [f"p{number}" for number in range(count)]
    with Index() as index:
        for name in names:
            for version in ("1.0", "2.0"):
                index.add(make_wheel(base / "wheels", name, version))
        project = Project(base / "shop", home=base / "home", index_url=index.url)
        ends = {}
        for end, bound in (("good", "<2"), ("bad", "")):
            project.depends(*(f"{name}{bound}" for name in names))
            _call(project, [*command, "lock", "--upgrade", "--quiet"])
            ends[end] = f"pylock.{end}.toml"
            (project.folder / "pylock.toml").rename(project.folder / ends[end])
        found = []
        for rule in rules:
            words = ["bisect", "--json", "--good", ends["good"], "--bad", ends["bad"]]
            started = time.monotonic()
            told = _call(project, [*command, *words, "--", "python", "-c", _CHECK.format(rule)])
            seconds = time.monotonic() - started
            document = json.loads(told)
            found.append((document["runs"], seconds, document["sentence"]))
    return found


def _call(project: Project, words: list[str]) -> str:
    done = subprocess.run(
        words, cwd=project.folder, env=project.env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.bisects", description="Runs of a bisection.")
    parser.add_argument("--changes", type=int, default=60, help="%(default)s")
    parser.add_argument("--provenv", default="provenv", help="the command (default: on PATH)")
    parser.add_argument("--fs", help="a folder to work in")
    args = parser.parse_args()
    names = [f"p{number}" for number in range(args.changes)]
    print("| culprits | sets | most | mean | allowed |\n| --- | --- | --- | --- | --- |")
    for size, allowed in ALLOWED.items():
        runs = [simulated(args.changes, set(one)) for one in itertools.combinations(names, size)]
        print(f"| {size} | {len(runs)} | {max(runs)} | {statistics.mean(runs):.1f} | {allowed} |")
        if max(runs) > allowed:
            raise BenchError(f"{max(runs)} runs for {size} culprits: {allowed} are allowed")
    last, middle = names[-1], names[args.changes // 2]
    one = "m.version('{}') > '1.5'"
    rules = (one.format(last), f"{one.format(middle)} and {one.format(last)}")
    base = tempfile.mkdtemp(prefix="bench-bisects-", dir=args.fs)
    try:
        print()
        for runs_, seconds, sentence in real(
            Path(base), args.changes, args.provenv.split(), *rules
        ):
            print(f"{runs_} runs with the two ends, {seconds:.1f} s: {sentence}")
    finally:
        remove(base)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(str(error))
