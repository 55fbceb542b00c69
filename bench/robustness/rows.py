"""The rows of the table: which attack gives them, what they are called, and what exactly is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.robustness import crashes, crowds, edits, promises
from bench.robustness.desk import Cells, Desk
from bench.robustness.tools import Tool

Attack = Callable[[Desk, Tool], Cells]


class Row(NamedTuple):
    """One line of the table. ``name`` is its key in the outcome; ``counted`` says what a figure is."""

    name: str
    title: str
    counted: str


ATTACKS: dict[str, tuple[Attack, tuple[Row, ...]]] = {
    "kill": (
        crashes.kill_sync,
        (
            Row(
                "kill",
                "Killed in a sync: neither the old nor the new environment",
                "SIGKILL at a random moment of an upgrade of all packages, all of them cached; runs"
                " after which files of the environment are neither all of the old versions nor all "
                "of the new",
            ),
            Row(
                "kill-again",
                "… synced again, exit code 0, and still not whole",
                "the same runs, after a second sync that said that all is well",
            ),
            Row(
                "kill-check",
                "… and the tool's own checks pass",
                "of the runs of the row above, those in which the checks pass",
            ),
            Row(
                "kill-lock",
                "… and the second sync hangs on a lock of the dead",
                "the same runs; hung is what takes a minute",
            ),
        ),
    ),
    "cache-kill": (
        crashes.kill_cold,
        (
            Row(
                "cache-kill",
                "Killed while the cache is filled: the next project is not whole, without a word",
                "SIGKILL at a random moment of a first sync with an empty cache; then a second "
                "project syncs",
            ),
            Row(
                "cache-kill-fails",
                "… or cannot be synced",
                "the same runs; what cannot be synced waits for somebody who clears the cache",
            ),
        ),
    ),
    "power-cut": (
        crashes.power_cut,
        (
            Row(
                "power-cut",
                "One file of the cache emptied, as by a power cut: the next project is not whole, "
                "without a word",
                "a random file of the cache gets size 0 and keeps its time; provenv's journal is "
                "given the name of an earlier start of the machine, which is what it goes by; then "
                "a second project syncs",
            ),
            Row(
                "power-cut-fails",
                "… or cannot be synced",
                "the same runs",
            ),
        ),
    ),
    "full": (
        crashes.no_room,
        (
            Row(
                "full",
                "Disk full in a sync: neither the old nor the new environment",
                "a file system that gets full (ENOSPC) at a random point of an upgrade that "
                "downloads",
            ),
            Row(
                "full-again",
                "… room made, synced again, and still not whole",
                "the same runs, after the room was made and a second sync",
            ),
        ),
    ),
    "server": (
        crashes.index_fails,
        (
            Row(
                "server",
                "The index fails in an upgrade: neither the old nor the new environment",
                "some of the downloads of an upgrade are answered with 404",
            ),
            Row(
                "wrong-bytes",
                "Other bytes than the lock's hash are served, and taken",
                "every byte of a wheel is changed on the way, its length kept; runs that install "
                "it, or hurt the environment",
            ),
        ),
    ),
    "leak": (
        edits.edit_leaks,
        (
            Row(
                "leak",
                "File edited in one environment: the next project has the edit",
                "a line appended in place (`>>`) to a random module; then another project with the "
                "same lock syncs from the same cache",
            ),
            Row(
                "leak-insist",
                "… by somebody who first makes it writable (`chmod u+w`)",
                "the same after `chmod u+w` on the file",
            ),
        ),
    ),
    "check": (
        edits.overlooked,
        (
            Row(
                "check-edited",
                "An edited file passes the tool's own checks",
                "a module edited as above; runs in which all checks pass",
            ),
            Row(
                "mend-edited",
                "… and is not put right by the tool's command for that",
                "the same runs, after `repair` (provenv), `sync --reinstall` (uv), `install "
                "--force-reinstall` (pip), each with the flags of a sync",
            ),
            Row(
                "check-deleted",
                "A deleted file passes the tool's own checks",
                "a module deleted, its folder made writable where needed; runs in which all checks "
                "pass",
            ),
            Row("mend-deleted", "… and is not put right by it", "as above"),
        ),
    ),
    "tamper": (
        edits.tampered,
        (
            Row(
                "tamper",
                "One bit flipped in the cache: installed under hashes",
                "one bit of a package's code in the cache, size and time kept; then another project"
                " syncs with a lock that has hashes",
            ),
            Row(
                "tamper-check",
                "… and the tool's own checks pass",
                "of the runs of the row above, those in which the checks pass",
            ),
        ),
    ),
    "unremovable": (
        edits.unremovable,
        (
            Row(
                "unremovable",
                "One package's folder is read-only in an upgrade: neither old nor new",
                "`chmod a-w` on the folder of one package; in brackets how many packages are of "
                "neither lock",
            ),
        ),
    ),
    "imports": (
        crowds.imports,
        (
            Row(
                "imports",
                "Programs that import while syncs run: failed, or saw two versions",
                "programs that import every module, started one after another while syncs switch "
                "all packages between two locks without a pause",
            ),
        ),
    ),
    "syncs": (
        crowds.syncs,
        (
            Row(
                "syncs",
                "20 syncs of one project at once: that failed",
                "commands that failed; empty cache, no environment (for pip: an empty one)",
            ),
            Row(
                "syncs-whole",
                "… after which the environment is not whole",
                "rounds of twenty",
            ),
        ),
    ),
    "lock": (
        promises.rewritten_lock,
        (
            Row(
                "lock",
                "URL and hash of a wheel rewritten in the lock: passes the lock's check",
                "URL, size and hash of one locked wheel replaced by those of an altered wheel on "
                "another index; `lock --check` of provenv and uv. pip has no lock that it would "
                "check; a line with a URL stands for it",
            ),
            Row("lock-sync", "… and is installed", "runs after which the altered wheel is there"),
            Row(
                "lock-sealed",
                "… by somebody who also makes the lock's own digest anew: passes",
                "the same where the tool's lock has a digest over itself (provenv), and that was made "
                "anew with the tool's own code; the others' locks have none",
            ),
            Row("lock-sealed-sync", "… and is installed", "as above"),
        ),
    ),
    "collision": (
        promises.collision,
        (
            Row(
                "collision",
                "Two distributions own one file (as opencv-python and -headless)",
                "both are installed: refused, said (both names and the file), or silent",
            ),
            Row(
                "collision-after",
                "… one is removed, and the other is not whole",
                "runs that were not refused; `pip uninstall` for pip, a sync with the new lock for "
                "the others",
            ),
        ),
    ),
    "rollback": (
        promises.way_back,
        (
            Row(
                "rollback",
                "An upgrade can be undone without the old lock and without an index",
                "tried with the command `rollback`",
            ),
        ),
    ),
}


def rows() -> list[Row]:
    """All of them, in the order of the table."""
    return [row for _, some in ATTACKS.values() for row in some]
