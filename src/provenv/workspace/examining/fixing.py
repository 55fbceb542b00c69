"""``doctor --fix``: mending what can be mended safely, by the use cases that there are."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

from provenv.core.errors import CheckFailedError, ProvenvError, UsageError
from provenv.core.files import write_atomic
from provenv.core.values import frozen
from provenv.doctor.registry import Noticed
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import MANIFEST_FILE, Context, Project, read_text
from provenv.workspace.proving import suspects
from provenv.workspace.syncing import locking

_ORDER = ("close", "ignore", "lock", "repair", "sync")

_DRIFT = "PV404"


@frozen
class Mended:
    """What ``--fix`` did about one finding; ``failed`` says why it could not, or is None."""

    code: str
    text: str
    failed: str | None = None


def mend(
    noticed: Collection[Noticed], root: str | None, project: Project | None, context: Context
) -> list[Mended]:
    """Do what is safe, each thing once: locks first, for environments are made from them.

    What fails is told, and does not keep the rest from being mended. ``root`` is the project's folder,
    ``project`` None where its manifest cannot be used.
    """
    done: list[Mended] = []
    outcomes: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for item in sorted(noticed, key=lambda noticed: _ORDER.index(noticed.fix or "sync")):
        if item.fix is None or item.target is None:
            continue
        key = (item.fix, item.target)
        if key not in outcomes:
            try:
                if item.fix == "ignore":
                    path = os.path.join(root or "", ".gitignore")
                    with recorded(context, "doctor-fix", root=root or "", paths=[path]):
                        text = _ignore(path, item.target)
                else:
                    text = _mend_one(item, item.target, project, context)
                outcomes[key] = (text, None)
            except (ProvenvError, OSError) as error:
                reason = error.message if isinstance(error, ProvenvError) else str(error)
                outcomes[key] = (None, reason)
        did, failed = outcomes[key]
        done.append(Mended(code=item.finding.code, text=did or item.finding.seen, failed=failed))
    return done


def _mend_one(item: Noticed, target: str, project: Project | None, context: Context) -> str:
    """Mend one thing; returns what was done.

    Raises:
        ProvenvError, OSError: It could not be.
    """
    if item.fix == "close":
        mode = stat.S_IMODE(os.stat(target).st_mode)
        with recorded(context, "doctor-fix") as operation:
            operation.facts["closed"] = target
            os.chmod(target, mode & ~stat.S_IWOTH)
        return f"{target}: others cannot write there any more"
    if project is None:
        raise UsageError(f"{MANIFEST_FILE} cannot be used")
    if item.fix == "lock":
        locked = locking.lock(project, context)
        return f"locked {locked.packages} packages in {', '.join(locked.files)}"
    if item.fix == "repair":
        return _repair(project, context, target)
    from provenv.workspace.syncing.sync import sync

    if item.finding.code == _DRIFT:  # sync itself does not look into files
        suspects.note(context, (), {project.folder(project.manifest.environment(target))})
    made = sync(project, context, environment=target)
    return f"synced {made.environment}: generation {made.generation}"


def _repair(project: Project, context: Context, environment: str) -> str:
    """Put edited files back; returns what was done.

    Raises:
        CheckFailedError: Some could not be.
    """
    from provenv.workspace.proving.repair import repair

    done = repair(context, project=project, environment=environment)
    left = [f"{item.name}: {why}" for item in done.objects for why in item.left]
    left += [f"{path}: {why}" for _, _, path, why in done.left]
    if left:
        raise CheckFailedError("; ".join(left))
    return f"repaired {environment}: {', '.join(item.name for item in done.objects)}"


def _ignore(path: str, line: str) -> str:
    """Add a line to a ``.gitignore``, which need not be there, and keep what is; returns what was done."""
    text = read_text(path) if os.path.lexists(path) else ""
    if line not in text.splitlines():
        end = "" if not text or text.endswith("\n") else "\n"
        write_atomic(path, f"{text}{end}{line}\n".encode())
    return f".gitignore: {line}"
