"""PV5xx: the store that all projects share, and the file systems that it all lies on."""

from __future__ import annotations

from collections.abc import Iterator

from provenv.doctor.facts import Facts, Volume
from provenv.doctor.rule import Rule, Seen
from provenv.doctor.words import command, size, some
from provenv.model.finding import Place

_NETWORK = frozenset(
    {
        "9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
        "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "vboxsf",
    }
)  # fmt: skip
_LITTLE = 200_000_000  # bytes


def open_store(facts: Facts) -> Iterator[Seen]:
    """Others can write into the store."""
    store = facts.machine.store
    for item in facts.machine.open:
        inside = item.path == store or item.path.startswith(f"{store}/")
        everybody = item.who == "everybody"
        yield Seen(
            text=f"{item.path} can be written by {item.who} (mode {item.mode:04o})"
            + ("" if inside else ": anybody may put another store in place of this one"),
            mend=command("chmod", "o-w" if everybody else "g-w", item.path),
            weight="error" if everybody else "warning",
            places=(Place(file=item.path),),
            target=item.path if inside and everybody else None,
        )


def strangers_store(facts: Facts) -> Iterator[Seen]:
    """The store belongs to somebody else."""
    for path, owner in facts.machine.strangers:
        yield Seen(
            text=f"{path} belongs to {owner}",
            mend="export PROVENV_HOME=~/.local/share/provenv",
            places=(Place(file=path),),
        )


def closed_store(facts: Facts) -> Iterator[Seen]:
    """This user cannot write into the store."""
    paths = facts.machine.read_only
    if paths:
        yield Seen(
            text=f"this user cannot write {some(paths)}",
            mend=command("sudo", "chown", "-R") + ' "$(id -un)" ' + command(facts.machine.store),
            places=tuple(Place(file=path) for path in paths),
        )


def far_store(facts: Facts) -> Iterator[Seen]:
    """Project and store lie on different file systems."""
    home, project = facts.machine.home, facts.machine.project
    if home is not None and project is not None and home.device != project.device:
        yield Seen(
            text=f"the project lies on {_named(project)}, the store on {_named(home)}",
            mend=None,
            advice="Set PROVENV_HOME to a folder on the project's file system where speed or "
            "size matter.",
        )


def _named(volume: Volume) -> str:
    return f"{volume.mount or volume.folder} ({volume.kind or 'unknown'})"


def _volumes(facts: Facts) -> Iterator[tuple[str, Volume]]:
    home, project = facts.machine.home, facts.machine.project
    if project is not None:
        yield "the project", project
    if home is not None:
        yield "the store", home


def network(facts: Facts) -> Iterator[Seen]:
    """A file system on the network."""
    for what, volume in _volumes(facts):
        if volume.kind in _NETWORK:
            yield Seen(
                text=f"{what} lies on {_named(volume)}, over the network",
                weight="warning" if what == "the store" else "note",
                places=(Place(file=volume.folder),),
            )


def insensitive(facts: Facts) -> Iterator[Seen]:
    """A file system on which Name and name are one."""
    for what, volume in _volumes(facts):
        if volume.insensitive:
            yield Seen(
                text=f"{what} lies on {_named(volume)}, where Name and name are one file",
                places=(Place(file=volume.folder),),
            )


def not_executable(facts: Facts) -> Iterator[Seen]:
    """A file system from which nothing may be started."""
    for what, volume in _volumes(facts):
        if volume.noexec:
            yield Seen(
                text=f"{what} lies on {_named(volume)}, which is mounted with noexec",
                places=(Place(file=volume.folder),),
            )


def nearly_full(facts: Facts) -> Iterator[Seen]:
    """There is hardly any room left."""
    seen = set()
    for what, volume in _volumes(facts):
        if volume.free is not None and volume.free < _LITTLE and volume.device not in seen:
            seen.add(volume.device)
            yield Seen(
                text=f"{what} lies on {_named(volume)}, which has {size(volume.free)} left",
                mend="provenv store gc",
                places=(Place(file=volume.folder),),
            )


RULES = (
    Rule(
        code="PV501",
        title="A store that others can write",
        weight="error",
        why="Whoever writes there puts code into every environment, which runs with your rights.",
        advice="Take that right away.",
        check=open_store,
        fix="close",
    ),
    Rule(
        code="PV502",
        title="A store of somebody else",
        weight="error",
        why="Its owner can change what your environments run.",
        advice="Use a store of your own.",
        check=strangers_store,
    ),
    Rule(
        code="PV503",
        title="A store that cannot be written",
        weight="error",
        why="Nothing can be installed; one call with sudo is enough to bring this about.",
        advice="Give it back to its user, and call provenv without sudo.",
        check=closed_store,
    ),
    Rule(
        code="PV511",
        title="Project and store on different file systems",
        weight="note",
        why="There are no hard links between file systems: files are copied, which takes "
        "time and room.",
        advice="Put the store where the projects are.",
        check=far_store,
    ),
    Rule(
        code="PV512",
        title="A network file system",
        weight="warning",
        why="Thousands of small files are slow there, and locks may not hold between machines.",
        advice="Set PROVENV_HOME to a folder on a local disk.",
        check=network,
    ),
    Rule(
        code="PV513",
        title="Capitals make no difference",
        weight="warning",
        why="Two modules whose names differ in capitals only become one, and imports that "
        "fail elsewhere work here.",
        advice="Work on a file system that tells them apart; on macOS, a case-sensitive volume.",
        check=insensitive,
    ),
    Rule(
        code="PV514",
        title="Nothing can be started there",
        weight="error",
        why="Scripts and native libraries of an environment cannot run from such a file system.",
        advice="Move the folder, or mount without noexec.",
        check=not_executable,
    ),
    Rule(
        code="PV515",
        title="Hardly any room left",
        weight="warning",
        why="The next sync or build ends half-way (what is there stays as it is).",
        advice="Remove what nothing uses.",
        check=nearly_full,
    ),
)
