"""``provenv gc``, also ``provenv store gc``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, seconds, short_path, size
from provenv.cli.session import Session
from provenv.model import amounts

if TYPE_CHECKING:
    from provenv.workspace.proving.collection import GcResult, StoreSize

DESCRIPTION = """\
Remove what nothing needs. Every environment keeps its current generation, the last N others, and what a
running process uses; the store keeps what they hold, and what an environment held that is missing."""
EXAMPLES = (
    ("provenv gc --dry-run", "what nobody needs any more"),
    ("provenv gc --max-size 20G", "… only until the store fits, oldest use first"),
    (
        "provenv gc --keep 0 --older-than 30d",
        "all but the current generations, unless used this month",
    ),
    ("provenv gc --forget-missing 0", "environments that are gone will not come back"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", type=_count, metavar="N", help="former generations to keep (5)")
    parser.add_argument(
        "--older-than", type=_age, metavar="AGE", help="only what nobody has used for so long: 30d"
    )
    parser.add_argument(
        "--max-size", type=_size, metavar="SIZE", help="only until the store is no larger: 20G"
    )
    parser.add_argument(
        "--grace",
        type=_age,
        metavar="AGE",
        help="packages that nobody has used yet stay so long (1h)",
    )
    parser.add_argument(
        "--forget-missing",
        type=_age,
        metavar="AGE",
        help="environments missing for so long hold nothing any more (14d)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of generations")
    return int(text)


def _age(text: str) -> float:
    try:
        return amounts.age(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _size(text: str) -> int:
    try:
        return amounts.size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.proving.collection import GRACE, gc

    result = gc(
        session.context,
        keep=args.keep,
        dry_run=args.dry_run,
        unused=args.older_than or 0.0,
        max_size=args.max_size,
        grace=GRACE if args.grace is None else args.grace,
        forget_missing=args.forget_missing,
    )
    tell = session.answer if args.dry_run else session.report
    tell("store-gc", lambda: data(result), lambda screen: text(result, screen))
    return 1 if result.over else 0


def text(result: GcResult, screen: Screen) -> None:
    paint = screen.paint
    for folder, number in result.generations:
        screen.line(f"  {paint('bad', '-')} {short_path(folder)}, generation {number}")
    for folder in result.forgotten:
        screen.line(f"  {paint('bad', '-')} {short_path(folder)}, missing for too long")
    if result.trials:
        count = many(len(result.trials), "environment")
        screen.line(f"  {paint('bad', '-')} {count} of tests, not used for two weeks")
    kept = {"in use": result.in_use, "edited": result.edited, "used lately": result.recent}
    for reason, pairs in kept.items():
        for folder, number in pairs:
            place = f"{short_path(folder)}, generation {number}"
            screen.line(paint("dim", f"  kept, {reason}: {place}"))
    for item in result.waiting:
        what = "all packages" if item.objects is None else many(item.objects, "package")
        until = f" until {item.until[:10]}" if item.until else ""
        line = f"kept{until}, {what} of {short_path(item.folder)}: {item.reason}"
        screen.line(f"  {paint('warn', line)}")
    if any(item.until for item in result.waiting):
        screen.line(paint("dim", "  `provenv env prune` forgets what was removed or moved"))
    if any(item.objects is None for item in result.waiting):
        screen.line("  nobody knows what that held: no package was removed")
    done = "would remove" if result.dry_run else paint("good", "removed")
    gone = f"{many(len(result.generations), 'generation')}, {many(result.objects, 'package')}"
    took = paint("dim", f"in {seconds(result.seconds)}")
    screen.line(f"{done} {gone} ({size(result.freed)}) {took}; {_stays(result)}")
    size_text(result.size, screen)
    if result.over:
        screen.line(f"{paint('bad', 'over')} by {size(result.over)}: environments hold the rest")


def _stays(result: GcResult) -> str:
    spared = f" and {result.spared:,} that nobody holds" if result.spared else ""
    return f"{result.kept:,}{spared} stay"


def size_text(found: StoreSize, screen: Screen) -> None:
    parts = [
        f"{size(found.shared)} shared",
        f"{size(found.own)} of one environment each",
        f"{size(found.unheld)} of nobody",
        f"{size(found.other)} besides",
    ]
    screen.line(screen.paint("dim", f"the store takes {size(found.total)}: {', '.join(parts)}"))


def data(result: GcResult) -> dict[str, Any]:
    return {
        "dry_run": result.dry_run,
        "generations": _generations(result.generations),
        "objects": result.objects,
        "freed": result.freed,
        "kept": result.kept,
        "spared": result.spared,
        "in_use": _generations(result.in_use),
        "edited": _generations(result.edited),
        "recent": _generations(result.recent),
        "missing": list(result.missing),
        "waiting": [
            {
                "folder": item.folder,
                "reason": item.reason,
                "until": item.until,
                "objects": item.objects,
            }
            for item in result.waiting
        ],
        "forgotten": list(result.forgotten),
        "trials": list(result.trials),
        "before": result.before,
        "size": size_data(result.size),
        "over": result.over,
        "seconds": round(result.seconds, 4),
    }


def size_data(found: StoreSize) -> dict[str, int]:
    return {
        "total": found.total,
        "shared": found.shared,
        "own": found.own,
        "unheld": found.unheld,
        "other": found.other,
    }


def _generations(pairs: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"folder": folder, "generation": number} for folder, number in pairs]
