"""Private copies as they are: which a generation has, what was changed in them, how they last.

A copy belongs to one generation. The next one gets it with all edits while the lock has the same wheel;
where it has another, the edits stay behind in the generation that had them, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from provenv.core.errors import IntegrityError
from provenv.core.events import Noted, Warned
from provenv.core.values import frozen
from provenv.environments import generations, switch
from provenv.environments.edits import Edit, carry, find_edits, release, released
from provenv.environments.private import copies_in
from provenv.environments.tree import Steps
from provenv.workspace.host import registry
from provenv.workspace.projects.context import Context


@frozen
class PrivateCopy:
    """One distribution that is a private copy, and which of its files differ from the store."""

    name: str
    version: str
    sha256: str
    edits: tuple[Edit, ...]


def private_copies(context: Context, folder: str, number: int) -> tuple[PrivateCopy, ...]:
    """The private copies of a generation, each with what differs in it from the store.

    Raises:
        IntegrityError: The generation cannot be read.
    """
    record = generations.read_generation(folder, number)
    if not record.edited:
        return ()
    recipe = generations.read_recipe(folder, number)
    found = find_edits(recipe, f"{folder}/generations/{number}", context.home.root)
    return tuple(
        PrivateCopy(
            name=package.name,
            version=package.version,
            sha256=package.sha256,
            edits=tuple(edit for edit in found if edit.sha256 == package.sha256),
        )
        for package in record.packages
        if package.name in record.edited
    )


def unreleased(context: Context, folder: str, number: int) -> tuple[str, ...]:
    """The private copies of a generation whose edits are nowhere else; it is kept for them.

    Those of the current generation count, too.
    """
    try:
        record = generations.read_generation(folder, number)
        done = released(folder, number)
        if {*record.edited} <= done:
            return ()
        copies = private_copies(context, folder, number)
    except IntegrityError:
        return ()
    return tuple(copy.name for copy in copies if copy.edits and copy.name not in done)


@frozen
class Carried:
    """The private copies of the generation before a sync.

    Attributes:
        folder: The environment. ``number``: The generation; None where it has none.
        copies: As :func:`private_copies` says.
    """

    folder: str
    number: int | None = None
    copies: tuple[PrivateCopy, ...] = ()

    @property
    def objects(self) -> frozenset[str]:
        """The sha256 of each."""
        return frozenset(copy.sha256 for copy in self.copies)

    def into(self, steps: Steps, stuck: list[Edit]) -> Callable[[str], None] | None:
        """What takes the edits into a new tree that ``steps`` made; None where there are none."""
        wanted = {sha256 for sha256, _ in copies_in(steps).files.values()}
        edits = [edit for copy in self.copies for edit in copy.edits if edit.sha256 in wanted]
        if not edits:
            return None
        before = f"{self.folder}/generations/{self.number}"
        return lambda root: stuck.extend(carry(edits, before, steps, root))


def carried(context: Context, folder: str) -> Carried:
    """What the current generation has of private copies."""
    number = switch.current(folder)
    none = Carried(folder=folder)
    if number is None:
        return none
    try:
        copies = private_copies(context, folder, number)
    except IntegrityError:
        return none
    return Carried(folder=folder, number=number, copies=copies) if copies else none


def after_sync(
    context: Context,
    before: Carried,
    kept: Iterable[str],
    versions: Mapping[str, str],
    stuck: Sequence[Edit],
) -> tuple[str, ...]:
    """Say which edits a new generation does not have, and where they are; returns their names.

    ``kept`` are the private copies that it has, ``versions`` those of everything in it.
    """
    if before.number is None:
        return ()
    name = generations.read_generation(before.folder, before.number).environment
    option = registry.option_for(context, before.folder, name)
    kept = set(kept)
    torn = {copy.name for copy in before.copies if set(copy.edits) & set(stuck)}
    release(before.folder, before.number, sorted(kept - torn))
    dropped = [copy for copy in before.copies if copy.name not in kept]
    for copy in dropped:
        now = versions.get(copy.name)
        why = "it is not in the lock any more"
        if now is not None:
            why = f"{now} takes its place" if now != copy.version else "the lock has another wheel"
        if not copy.edits:
            context.emit(Noted(message=f"the private copy of {copy.name} is given up: {why}"))
            continue
        show = f"provenv env edit --diff {copy.name} --generation {before.number}{option}"
        context.emit(
            Warned(
                message=f"the edits of {copy.name} {copy.version} are left behind: {why}",
                hint=f"Generation {before.number} keeps them. `{show}` prints them as a patch; "
                f"`provenv rollback --to {before.number}{option}` goes back.",
            )
        )
    tell_stuck(context, stuck, before.number)
    return tuple(copy.name for copy in dropped)


def tell_stuck(context: Context, stuck: Sequence[Edit], number: int) -> None:
    """Say which edits could not be taken along from generation ``number``."""
    for item in stuck:
        context.emit(
            Warned(
                message=f"{item.path} is not taken along: something else is there now",
                hint=f"Generation {number} still has it.",
            )
        )
