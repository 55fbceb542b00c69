"""Attacks provenv, uv and pip in the same way, and counts what came of it.

    python -m bench.robustness --runs 30 --docs docs/robustness.md
    python -m bench.robustness --runs 5 --attacks kill,leak --tools provenv,uv

Everything comes from toy wheels on loopback. Where it runs as root, the tools do not have root's right
to write everywhere. The table stands between ``<!-- robustness:begin -->`` and ``<!-- robustness:end -->``.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
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

Found = dict[str, dict[str, Cell]]  # row → tool → outcome


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
    parser.add_argument("--python", default=os.path.realpath(sys.executable), help="%(default)s")
    parser.add_argument("--fs", help="a folder on the file system to attack")
    parser.add_argument("--seed", type=int, default=_SEED, help="of chance; %(default)s")
    for name in TOOLS:
        parser.add_argument(f"--{name}", metavar="COMMAND", help="how to start it")
    args = parser.parse_args()
    if wrong := set(args.attacks.split(",")) - ATTACKS.keys():
        parser.error(f"unknown attacks: {', '.join(sorted(wrong))}")
    if wrong := set(args.tools.split(",")) - TOOLS.keys():
        parser.error(f"unknown tools: {', '.join(sorted(wrong))}")
    return args


def attack(args: argparse.Namespace, top: str, index: Index) -> tuple[dict[str, str], Found]:
    """Attack each tool; its version by tool, and row → tool → outcome."""
    world = publish(index, Path(top, "wheels"))
    found: Found = {}
    versions = {}
    for kind in args.tools.split(","):
        tool: Tool = TOOLS[kind](
            program(kind, getattr(args, kind)), os.path.join(top, kind), world, args.python
        )
        versions[kind] = tool.version()
        for name in args.attacks.split(","):
            begin = time.monotonic()
            desk = Desk(
                top=os.path.join(top, f"{kind}-{name}"),
                world=world,
                runs=args.runs,
                dice=random.Random(f"{args.seed} {name}"),
            )
            os.mkdir(desk.top)
            cells = ATTACKS[name][0](desk, tool)
            for row, cell in cells.items():
                found.setdefault(row, {})[kind] = cell
            remove(desk.top)
            said = ", ".join(f"{row} {cell}" for row, cell in cells.items())
            print(f"{kind}: {said} ({time.monotonic() - begin:.1f} s)", file=sys.stderr, flush=True)
    return versions, found


def table(versions: dict[str, str], found: Found, facts: str) -> str:
    """The outcome as Markdown, and what each line counts."""
    shown = [row for row in rows() if row.name in found]
    lines = [
        "| Attack | " + " | ".join(versions) + " |",
        "| --- |" + " ---: |" * len(versions),
        *(
            f"| {row.title} | " + " | ".join(str(found[row.name][t]) for t in versions) + " |"
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
        with Index() as index:
            versions, found = attack(args, top, index)
        facts = machine(top)
    finally:
        remove(top)
    numbers = ", ".join(f"{name} {version}" for name, version in versions.items())
    text = table(
        versions,
        found,
        f"{args.runs} hits of each attack on {COUNT} toy packages from an index on loopback; {numbers}; "
        f"Linux {str(facts['kernel']).split('-')[0]}, {facts['file_system']}, {facts['cores']} cores; "
        f"taken {time.strftime('%Y-%m-%d')}.",
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
