"""Locks that a person is told about when they take long: of the store, an environment, a project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from provenv.core.events import Noted
from provenv.core.files import locked, locked_folder
from provenv.environments import switch
from provenv.model.layout import EnvironmentLayout
from provenv.workspace.projects.context import Context, Project


@contextmanager
def working_on(context: Context, folder: str, *, wait: bool = True) -> Iterator[None]:
    """Change the environment in ``folder`` alone, while nobody collects.

    The store's lock is taken first, everywhere. Where the block fails, nothing stays of an environment
    without a generation: taking its lock may have made its folder again.

    Raises:
        UndecidedError: Not ``wait``, and another command works on it.
        DiskError: The file system refuses a lock.
    """
    with (
        locked(context.home.lock, shared=True, waiting=told(context, "collects or repairs")),
        locked(
            EnvironmentLayout(folder).lock,
            wait=wait,
            waiting=told(context, f"works on {folder}"),
        ),
    ):
        try:
            yield
        except BaseException:
            switch.unprepare(folder)
            raise


@contextmanager
def changing(context: Context, project: Project) -> Iterator[None]:
    """Change the manifest and the locks of a project alone. Taken before all other locks.

    Raises:
        DiskError: The file system has no locks.
    """
    root = project.locker.root
    with locked_folder(root, waiting=told(context, f"changes the files of {root}")):
        yield


def told(context: Context, doing: str) -> Callable[[str], None]:
    """What says, of the holder of a lock, that it is being waited for."""

    def say(holder: str) -> None:
        who = holder or "another provenv process"
        context.emit(Noted(message=f"waiting for {who}, which {doing}"))

    return say
