"""The short way to a new generation: from a plan that is known, and nothing parsed.

In any doubt it answers None, and the long way (:mod:`provenv.workspace.syncing.sync`) is taken. Imports
nothing but ``os``.
"""

from __future__ import annotations

import os

from provenv.environments import beside, plans, stamp, switch, tree
from provenv.workspace import fast, logged, roots

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Mapping

    from provenv.environments.plans import Known
    from provenv.environments.tree import Steps


def sync_known(
    root: str,
    asked: fast.Asked,
    home: str,
    environ: Mapping[str, str],
    cause: str,
    looked: beside.Looked | None = None,
) -> fast.Outcome | None:
    """Make a generation from a known plan; None where the long way must be taken.

    Where the environment has one already, it must be as it was left, and be of the same kind. ``looked`` is
    what the same command has looked at before.

    Raises:
        OSError: What the file system says; nothing was switched.
    """
    key = fast.plan_key(root, asked, home, environ)
    known = plans.recall(f"{home}/plans", key, root) if key is not None else None
    if known is None or fast.is_recorded(root, home, environ):
        return None  # what is made may have to be put into the evidence log
    if os.geteuid() == 0 and os.stat(root).st_uid != 0:
        return None  # root, in a project of somebody else, who may not reach what it leads to
    folder = f"{root}/{known.folder}"
    plan = plans.plan_folder(f"{home}/plans", known.digest)
    before = None
    if os.path.lexists(folder):
        before = _left(root, folder, known, plan, home)
        if before is None:
            return None
    look = beside.Look(plan, home, looked)  # from here on, beside everything that is left to do
    try:
        if not plans.is_whole(f"{home}/plans", known):
            return None
        steps = tree.parse(_text(f"{plan}/recipe"))
        if steps is None:
            return None
        request = logged.Request("sync", cause, environ)
        return make_known(root, known, plan, steps, asked, home, request, before, look)
    finally:
        look.drop()


def _left(root: str, folder: str, known: Known, plan: str, home: str) -> int | None:
    """The current generation, where nobody touched it since its sync and the next may take its place.

    None where the long way must look: what it would carry over, keep or say is told by the stamp, and by
    what stands in the two plans before their packages.
    """
    old = stamp.read(folder)
    if old is None or old.held or old.asked != "-":
        return None
    if old.environment != known.environment or not set(known.inputs[:1]) <= set(old.signatures):
        return None  # another interpreter
    if any(not name.isdigit() for name in os.listdir(f"{folder}/generations")):
        return None
    if not fast.untouched(root, folder, old, known, home):
        return None
    here = _kind(_text(f"{folder}/{old.current}/.provenv/contents.json"))
    if here is None or here != _kind(_text(f"{plan}/contents.json")):
        return None
    return int(old.current.rpartition("/")[2])


_KINDS = ('"format"', '"environment"', '"python"', '"executable"', '"link-mode"')
_SPECIAL = ('\n "source"', '\n "edited"')


def _kind(contents: str) -> list[str] | None:
    """What two plans must have in common; None where there are private copies or a foreign lock."""
    if any(key in contents for key in _SPECIAL):
        return None
    lines = [line.strip() for line in contents.partition('"packages"')[0].split("\n")]
    return [line for line in lines if line.startswith(_KINDS)]


def make_known(
    root: str,
    known: Known,
    plan: str,
    steps: Steps,
    asked: fast.Asked,
    home: str,
    request: logged.Request,
    before: int | None = None,
    look: beside.Look | None = None,
) -> fast.Outcome | None:
    """Make a generation of an environment from a plan; None where the long way must be taken.

    ``before`` is the one that it has. The long way is taken, too, where the operations log cannot be
    written: that is said there.

    Raises:
        OSError: What the file system says; nothing was switched.
    """
    folder = f"{root}/{known.folder}"
    if _has_suspects(home):
        return None
    switch.prepare(folder)
    with _Locks(f"{folder}/.lock", f"{home}/store/lock") as held:
        if not held or switch.current(folder) != before:
            return None
        roots.register(f"{home}/roots", folder, plan)
        subject = logged.Subject(
            request.verb, project=root, environment=known.environment, folder=folder
        )
        try:
            logged.write(home, [request.begin(subject)])
            number, shared = switch.make_generation(
                folder, steps, home, plan, request.command, project=root, look=look
            )
            switch.switch(folder, number, request.command)
        except Exception as error:  # noqa: BLE001  # the long way mends what is damaged, or says what is wrong
            logged.write_end(home, subject, "failed", "undecided", f"the long way follows: {error}")
            return None
        except BaseException as error:
            from provenv.core.errors import say_safe

            switch.unprepare(folder)
            made = switch.current(folder)
            say_safe(
                error,
                "there is no environment yet"
                if made is None
                else f"generation {made} is whole and current",
            )
            logged.write_end(home, subject, "interrupted", "interrupted", "interrupted")
            raise
        logged.write_end(home, subject, "done")
        _write_stamp(root, folder, home, known, asked, number, steps)
    if not shared:
        return None
    return fast.Outcome(known.environment, folder, number, made=True, previous=before)


def _has_suspects(home: str) -> bool:
    """Whether something in the store was found damaged: the long way sets it aside first."""
    try:
        return bool(os.listdir(f"{home}/store/suspects"))
    except OSError:
        return False


def _text(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        return os.fsdecode(os.read(descriptor, size + 1))
    finally:
        os.close(descriptor)


def _write_stamp(
    root: str,
    folder: str,
    home: str,
    known: Known,
    asked: fast.Asked,
    number: int,
    steps: Steps,
) -> None:
    site = next(p for kind, _, p in steps if kind == "D" and p.endswith("site-packages"))
    paths = [
        *fast.watched(root, known.environment, home),
        *fast.installed(folder, site),
        *fast.stored(home, steps),
        *(f"{root}/{plans.content_path(line)}" for line in known.contents),
    ]
    signatures = [*(stamp.signature(path) for path in paths), *known.inputs]
    current = f"generations/{number}"
    made = stamp.Stamp(home, known.environment, current, signatures, asked=asked.overrides)
    stamp.write(folder, made)


class _Locks:
    """Holds the environment's lock alone and the store's lock with others, without waiting."""

    __slots__ = ("_descriptors", "_paths")

    def __init__(self, environment: str, store: str) -> None:
        self._paths = (environment, store)
        self._descriptors: list[int] = []

    def __enter__(self) -> bool:
        import fcntl

        for path, operation in zip(self._paths, (fcntl.LOCK_EX, fcntl.LOCK_SH), strict=True):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                self._descriptors.append(descriptor)
                fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            except OSError:
                return False
        return True

    def __exit__(self, *_: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
