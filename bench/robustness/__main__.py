"""Attacks provenv, uv and pip in the same way, and counts what came of it.

    python -m bench.robustness --runs 30 --docs docs/robustness.md
    python -m bench.robustness --runs 5 --attacks kill,leak --tools provenv,uv

Everything comes from toy wheels on loopback. Where it runs as root, the tools do not have root's right
to write everywhere. The table stands between ``<!-- robustness:begin -->`` and ``<!-- robustness:end -->``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path

from bench.measure import BenchError, machine, remove
from bench.pages import insert
from bench.robustness.desk import Cell, Desk
from bench.robustness.rows import ATTACKS, rows
from bench.robustness.tools import TOOLS, Tool, program
from bench.robustness.world import COUNT, publish

from support import Index

BEGIN, END = "<!-- robustness:begin -->", "<!-- robustness:end -->"
_SEED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacked:
    """A tool's version, how many hits of each attack were wanted, and what came of it by row."""

    version: str
    runs: int
    cells: Mapping[str, str]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="bench.robustness", description="Attack provenv and its peers, and count."
    )
    parser.add_argument("--runs", type=int, default=30, help="hits of each attack; %(default)s")
    parser.add_argument("--attacks", default=",".join(ATTACKS), help="%(default)s")
    parser.add_argument("--tools", default=",".join(TOOLS), help="%(default)s")
    parser.add_argument(
        "--docs", metavar="FILE", help="put the table between the marks of this page"
    )
    parser.add_argument("--out", type=Path, help="JSON; what it has of tools not named stays")
    parser.add_argument("--python", default=os.path.realpath(sys.executable), help="%(default)s")
    parser.add_argument("--fs", help="a folder on the file system to attack")
    parser.add_argument("--jobs", type=int, default=2, help="tools at a time; %(default)s")
    parser.add_argument("--seed", type=int, default=_SEED, help="of chance; %(default)s")
    for name in TOOLS:
        parser.add_argument(f"--{name}", metavar="COMMAND", help="how to start it")
    args = parser.parse_args()
    if wrong := set(args.attacks.split(",")) - ATTACKS.keys():
        parser.error(f"unknown attacks: {', '.join(sorted(wrong))}")
    args.tools = [name for name in args.tools.split(",") if name]
    if wrong := set(args.tools) - TOOLS.keys():
        parser.error(f"unknown tools: {', '.join(sorted(wrong))}")
    return args


def attack(args: argparse.Namespace, top: str, kind: str) -> Attacked:
    """Attack one tool, which has an index of its own."""
    found: dict[str, Cell] = {}
    os.mkdir(folder := os.path.join(top, kind))
    with Index() as index:
        world = publish(index, Path(folder, "wheels"))
        home = os.path.join(folder, "home")
        tool: Tool = TOOLS[kind](program(kind, getattr(args, kind)), home, world, args.python)
        for name in args.attacks.split(","):
            begin = time.monotonic()
            desk = Desk(
                top=os.path.join(folder, name),
                world=world,
                runs=args.runs,
                dice=random.Random(f"{args.seed} {name}"),
            )
            os.mkdir(desk.top)
            cells = ATTACKS[name][0](desk, tool)
            found.update(cells)
            remove(desk.top)
            said = ", ".join(f"{row} {cell}" for row, cell in cells.items())
            print(f"{kind}: {said} ({time.monotonic() - begin:.1f} s)", file=sys.stderr, flush=True)
        told = {row: str(cell) for row, cell in found.items()}
        return Attacked(version=tool.version(), runs=args.runs, cells=told)


def known(path: Path | None) -> dict[str, Attacked]:
    """What an earlier call wrote down."""
    if path is None or not path.exists():
        return {}
    data = json.loads(path.read_text())
    return {name: Attacked(**one) for name, one in data.items()}


def table(found: dict[str, Attacked], facts: str) -> str:
    """The outcome as Markdown, and what each line counts."""
    found = {name: found[name] for name in TOOLS if name in found}
    shown = [row for row in rows() if all(row.name in one.cells for one in found.values())]
    lines = [
        "| Attack | " + " | ".join(found) + " |",
        "| --- |" + " ---: |" * len(found),
        *(
            f"| {row.title} | " + " | ".join(o.cells[row.name] for o in found.values()) + " |"
            for row in shown
        ),
        "",
        facts,
        "",
        "What is counted:",
        "",
        *(f"- **{row.title}**: {row.counted}." for row in shown),
    ]
    return "\n".join(lines)


def main() -> int:
    """Attack, and show or write the table."""
    args = options()
    top = tempfile.mkdtemp(prefix="bench-robustness-", dir=args.fs)
    os.chmod(top, 0o755)
    try:
        with ProcessPoolExecutor(args.jobs) as pool:
            done = pool.map(attack, repeat(args), repeat(top), args.tools)
            found = known(args.out) | dict(zip(args.tools, done, strict=True))
        facts = machine(top)
    finally:
        remove(top)
    numbers = ", ".join(f"{name} {one.version} ({one.runs})" for name, one in found.items())
    text = table(
        found,
        f"{COUNT} toy packages from an index on loopback; versions, and how many hits of each attack were "
        f"wanted: {numbers}; "
        f"Linux {str(facts['kernel']).split('-')[0]}, {facts['file_system']}, {facts['cores']} cores; "
        f"taken {time.strftime('%Y-%m-%d')}.",
    )
    if args.out is not None:
        args.out.write_text(
            json.dumps({name: asdict(one) for name, one in found.items()}, indent=1)
        )
    print(text)
    if args.docs is not None:
        insert(args.docs, text, BEGIN, END)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(str(error))
