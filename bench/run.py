"""Measures provenv beside its peers on the recorded index.

    python -m bench.run --store INDEX --fs /dev/shm/bench --out bench/results/tmpfs.json

See bench/README.md for what each row is. A run that fails, or leaves an incomplete environment, is
an error and no figure.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import sys
import tempfile

from bench import tools
from bench.measure import BenchError, Stopwatch, machine, remove
from bench.record import PYTHON, replaying
from bench.rows import ROWS, many_inodes
from bench.series import Series


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.run", description="Measure provenv and its peers.")
    parser.add_argument("--store", required=True, metavar="FOLDER", help="made by bench.record")
    parser.add_argument(
        "--fs", required=True, metavar="FOLDER", help="where to measure (tmpfs, ext4)"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="the results, JSON")
    parser.add_argument("--rows", default=",".join(ROWS), help="%(default)s")
    parser.add_argument("--tools", default="provenv,uv,pip,poetry", help="in order; %(default)s")
    parser.add_argument("--runs", type=int, default=10, help="of each tool and row; %(default)s")
    parser.add_argument("--peer-runs", type=int, default=2, help="of pip and Poetry; %(default)s")
    parser.add_argument(
        "--environments", type=int, default=100, help="of the rows many and members; %(default)s"
    )
    parser.add_argument("--python", default=PYTHON, help="%(default)s")
    parser.add_argument("--keep", action="store_true", help="leave the folders of the runs")
    for name in tools.TOOLS:
        parser.add_argument(f"--{name}", metavar="COMMAND", help="how to start it")
    args = parser.parse_args()
    unknown = (
        set(args.rows.split(",")) - ROWS.keys() | set(args.tools.split(",")) - tools.TOOLS.keys()
    )
    if unknown:
        parser.error(f"unknown rows or tools: {', '.join(sorted(unknown))}")
    return args


def measure(series: Series, rows: list[str], results: dict[str, object], out: str) -> None:
    """Fill ``results`` row by row, and write them after each."""
    done: dict[str, dict[str, list[dict[str, float]]]] = {}
    results["rows"] = done
    for row in rows:
        taken: dict[str, list[dict[str, float]]] = {}
        for tool, sample in ROWS[row].measure(series):
            taken.setdefault(tool, []).append(sample.as_json())
        if row == "many":
            results["inodes"] = many_inodes(series)
        if taken:
            done[row] = taken
        figures = ", ".join(
            f"{tool} {statistics.median(one['wall'] for one in samples):.3f}"
            for tool, samples in taken.items()
        )
        print(f"{row}: {figures}", flush=True)
        with open(out, "w", encoding="utf-8") as stream:
            json.dump(results, stream, indent=1)


def main() -> int:
    """Measure and write the results."""
    args = options()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.makedirs(args.fs, exist_ok=True)
    os.makedirs(os.path.dirname(os.path.abspath(args.out)), exist_ok=True)
    base = tempfile.mkdtemp(prefix="bench-", dir=args.fs)
    try:
        with replaying(args.store) as (index, server):
            watch = Stopwatch(log=os.path.join(base, "log"), server=server)
            setting = tools.Setting(index=index, python=args.python, watch=watch)
            chosen = [
                tools.TOOLS[name](
                    tools.program(name, getattr(args, name)),
                    setting,
                    os.path.join(base, "cache-" + name),
                )
                for name in args.tools.split(",")
            ]
            series = Series(
                base=base,
                setting=setting,
                members=chosen,
                runs=args.runs,
                peer_runs=args.peer_runs,
                environments=args.environments,
            )
            series.prepare()
            results: dict[str, object] = {
                "format": 1,
                "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "machine": machine(base),
                "tools": {tool.name: tool.version() for tool in chosen},
                "distributions": len(series.held[chosen[0].name].found),
                "environments": args.environments,
                "notes": series.notes,
            }
            measure(series, args.rows.split(","), results, args.out)
    finally:
        if not args.keep:
            remove(base)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(str(error))
