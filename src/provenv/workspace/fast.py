"""The short way: see with a few ``stat`` calls that nothing is to be done, or use a plan that is known.

No manifest and no lock is parsed on it.

Nothing here decides anything new. Where any doubt is left, it answers None, and the long way
(:mod:`provenv.workspace.syncing.sync`) is taken. A test lists what this module may import.
"""

from __future__ import annotations

import os

from provenv.environments import stamp

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Mapping

    from provenv.environments.plans import Known
    from provenv.environments.tree import Steps

_MANIFEST = "pyproject.toml"
POLICY = "provenv-policy.toml"
SYSTEM_POLICY = "/etc/provenv/policy.toml"
_HOME_POLICY = "policy.toml"
# What a person says about interpreters besides the project's files. PATH is not among it: the same
# files get the same interpreter as long as that is there, whatever stands first on PATH today.
_WATCHED_VARIABLES = ("PYENV_VERSION",)


class Asked:
    """What a command line asks for besides the project's files: environment, interpreter, link mode."""

    __slots__ = ("environment", "link_mode", "python")

    def __init__(
        self,
        environment: str | None = None,
        python: str | None = None,
        link_mode: str | None = None,
    ) -> None:
        self.environment = environment
        self.python = python
        self.link_mode = link_mode

    @property
    def overrides(self) -> str:
        """The interpreter and the link mode in one line; ``-`` where neither is asked for."""
        if self.python is None and self.link_mode is None:
            return "-"
        return f"python={self.python or ''} link-mode={self.link_mode or ''}"


class Outcome:
    """What the short way found or made; ``made`` is False where there was nothing to do.

    ``previous`` is the generation whose place it took.
    """

    __slots__ = ("environment", "folder", "generation", "made", "previous")

    def __init__(
        self,
        environment: str,
        folder: str,
        generation: int,
        *,
        made: bool,
        previous: int | None = None,
    ) -> None:
        self.environment = environment
        self.folder = folder
        self.generation = generation
        self.made = made
        self.previous = previous


def find_root(start: str) -> str | None:
    """The nearest folder at or above ``start`` with a manifest, or an environment made without one.

    Raises:
        OSError: The disk does not say whether there is one.
    """
    folder = start
    while True:
        if _is_file(f"{folder}/{_MANIFEST}") or os.path.islink(f"{folder}/.venv/current"):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _is_file(path: str) -> bool:
    """As ``os.path.isfile``, but a disk that fails is no answer."""
    try:
        return os.stat(path).st_mode & 0o170000 == 0o100000  # `stat.S_ISREG`, without the module
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False


def unsettled(home: str) -> bool:
    """Whether objects were stored before the machine was started anew: they are verified first.

    Not where the store cannot be written: nobody could mend them, or write down that they are whole.
    """
    from provenv.core import boot

    return bool(boot.earlier(f"{home}/store/unsettled")) and not boot.is_read_only(home)


def is_open(home: str) -> bool:
    """Whether others can write into the store: one ``stat``. The long way says who, and refuses."""
    try:
        status = os.stat(f"{home}/store")
    except OSError:
        return False
    user = os.geteuid()
    return bool(status.st_mode & 0o002) or (user != 0 and status.st_uid not in (user, 0))


def candidate_folder(root: str, name: str | None) -> str:
    """Where the environment ``name`` lies, as far as that can be told without the manifest."""
    return f"{root}/.venv" if name is None else f"{root}/.venvs/{name}"


def watched(root: str, environment: str, home: str) -> list[str]:
    """The files that decide whether an environment is in sync: the project's, and policies."""
    return [
        f"{root}/{_MANIFEST}",
        f"{root}/pylock.toml",
        f"{root}/pylock.{environment.partition('@')[0]}.toml",
        f"{root}/.python-version",
        f"{root}/.tool-versions",
        f"{root}/{POLICY}",
        SYSTEM_POLICY,
        f"{home}/{_HOME_POLICY}",
        *(f"{folder}/{_MANIFEST}" for folder in _above(root)),
    ]


def policies_above(home: str, environ: Mapping[str, str]) -> list[str]:
    """Where policies lie that hold for every project here, if they are there: the organisation's first."""
    named = environ.get("PROVENV_POLICY")
    return [*([named] if named else []), SYSTEM_POLICY, f"{home}/{_HOME_POLICY}"]


def governed_above(home: str, environ: Mapping[str, str]) -> bool:
    """Whether such a policy may be there."""
    named = environ.get("PROVENV_POLICY")
    return bool(named) or any(map(os.path.lexists, policies_above(home, {})))


def _above(root: str) -> list[str]:
    """The folders above a project: a workspace may be declared in any of them."""
    found = []
    folder = os.path.dirname(root)
    while folder != root:
        found.append(folder if folder != "/" else "")
        root, folder = folder, os.path.dirname(folder)
    return found


def installed(folder: str, site_packages: str) -> list[str]:
    """What of an environment changes when something else installs into it, or takes it apart."""
    return [f"{folder}/{site_packages}", f"{folder}/bin", f"{folder}/pyvenv.cfg"]


def stored(home: str, steps: Steps) -> list[str]:
    """One object that a recipe links: where it is gone, so is the store."""
    for kind, source, _ in steps:
        if kind in ("L", "C", "Y", "W") and source.startswith("store/wheels/"):
            return [f"{home}/{'/'.join(source.split('/')[:4])}"]
    return []


def in_sync(
    root: str,
    asked: Asked,
    home: str,
    environ: Mapping[str, str],
    *,
    held: bool,
    any_start: bool = False,
) -> Outcome | None:
    """The environment as it is, where its stamp says that nothing has changed.

    ``held``: an environment that a rollback chose against the lock counts, too. ``any_start``: so does a
    stamp that a power cut may have made untrue; the caller looks at the environment. Where a policy
    governs, the verdict that the stamp was written after must hold still.
    """
    name = asked.environment
    folder = candidate_folder(root, name)
    known = stamp.read(folder, any_start=any_start)
    if known is None and name is not None:
        folder = candidate_folder(root, None)
        known = stamp.read(folder, any_start=any_start)
    if known is None or known.home != home or (name is not None and known.environment != name):
        return None
    if asked.overrides not in ("-", known.asked):
        return None
    if (known.held and not held) or not stamp.holds(folder, known):
        return None
    if not known.signatures[0].endswith(f" {root}/{_MANIFEST}"):
        return None  # the environment was copied here together with another project's stamp
    named = environ.get("PROVENV_POLICY")
    if named and named not in [line.split(" ", 3)[-1] for line in known.signatures]:
        return None  # a policy that the verdict knows nothing of
    number = int(known.current.rpartition("/")[2])
    return Outcome(known.environment, folder, number, made=False)


def still_in_sync(root: str, asked: Asked, home: str, environ: Mapping[str, str]) -> Outcome | None:
    """The same where the project's files were only written anew, with the content that they had.

    A checkout, a restored cache and ``touch`` change times and inodes. Where the files lead to the
    very plan that the current generation was made from, a new stamp is all that is needed.
    """
    from provenv.environments import plans

    folder = candidate_folder(root, asked.environment)
    old = stamp.read(folder)
    key = plan_key(root, asked, home, environ) if old is not None and not old.held else None
    known = plans.recall(f"{home}/plans", key, root) if key is not None else None
    if old is None or known is None or f"{root}/{known.folder}" != folder:
        return None
    plan = plans.plan_folder(f"{home}/plans", known.digest)
    try:
        if not untouched(root, folder, old, known, home) or not os.path.samefile(
            f"{plan}/contents.json", f"{folder}/{old.current}/.provenv/contents.json"
        ):
            return None
    except OSError:
        return None
    signatures = [
        stamp.signature(line.split(" ", 3)[-1]) for line in stamp.without_verdict(old.signatures)
    ]
    signatures += stamp.verdict(known.inputs)
    if key != plan_key(root, asked, home, environ):
        return None  # changed meanwhile: the signatures may be those of what was not looked at
    made = stamp.Stamp(home, known.environment, old.current, signatures, asked=old.asked)
    stamp.write(folder, made)
    number = int(old.current.rpartition("/")[2])
    return Outcome(known.environment, folder, number, made=False)


def untouched(root: str, folder: str, old: stamp.Stamp, known: Known, home: str) -> bool:
    """Whether nothing of an environment changed since its stamp but files of the project that make a plan.

    Raises:
        OSError: What the file system says.
    """
    from provenv.environments import plans

    if old.home != home or os.readlink(f"{folder}/current") != old.current:
        return False
    if not old.signatures[0].endswith(f" {root}/{_MANIFEST}"):
        return False  # moved or copied here: what leads to the project leads elsewhere
    if any(name.endswith(".tmp") for name in os.listdir(folder)):
        return False  # a command was killed here; the long way sweeps
    own = {*watched(root, known.environment, home)}
    own |= {f"{root}/{plans.content_path(line)}" for line in known.contents}
    return all(
        stamp.is_unchanged(line) for line in old.signatures if line.split(" ", 3)[-1] not in own
    )


def plan_key(root: str, asked: Asked, home: str, environ: Mapping[str, str]) -> str | None:
    """The key of the plan for this project's files as they are; None where a lock is missing."""
    from provenv.environments import plans

    above = _manifests_above(root)
    locks = _locks(root)
    policies = [f"{root}/{POLICY}", *policies_above(home, environ)]
    for folder, text in above:
        if b"shared-lock" in text:
            locks += _locks(folder)
            policies.append(f"{folder}/{POLICY}")
    if not locks:
        return None
    parts = [*(text for _, text in above)]
    parts += [
        os.fsencode(asked.environment or ""),
        os.fsencode(asked.overrides),
        _read(f"{root}/{_MANIFEST}"),
        _read(f"{root}/.python-version"),
        _read(f"{root}/.tool-versions"),
    ]
    parts += [os.fsencode(environ.get(variable, "")) for variable in _WATCHED_VARIABLES]
    parts += [os.fsencode(environ.get("PROVENV_POLICY", "")), *map(_read, policies)]
    return plans.key_of([*parts, *locks])


def _locks(root: str) -> list[bytes]:
    """Names and bytes of the project's locks."""
    names = sorted(n for n in os.listdir(root) if n.startswith("pylock.") and n.endswith("toml"))
    return [part for name in names for part in (os.fsencode(name), _read(f"{root}/{name}"))]


def _manifests_above(root: str) -> list[tuple[str, bytes]]:
    """The folders above a project that hold a manifest, and its bytes; what may not be read is none."""
    found = []
    for folder in _above(root):
        try:
            text = _read(f"{folder}/{_MANIFEST}")
        except OSError:
            continue
        if text != b"-":
            found.append((folder, text))
    return found


def _lock_path(root: str, home: str) -> str:
    from provenv.environments import plans

    above = [text for _, text in _manifests_above(root)]
    key = plans.key_of([b"lock 2", _read(f"{root}/{_MANIFEST}"), *above, *_locks(root)])
    return f"{home}/plans/locks/{key}"


def remember_lock(root: str, home: str, said: str, around: tuple[str, ...] = ()) -> None:
    """Write down that the locks, as they lie there, answer the manifest; ``said`` is for people.

    ``around`` are paths, relative to the project, of what else decides: members of its workspace.

    Raises:
        OSError: What the file system says.
    """
    from provenv.environments import plans

    path = _lock_path(root, home)
    said += "".join(f"{plans.content(root, other)}\n" for other in around)
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    stamp.replace(path, said)


def is_recorded(root: str, home: str, environ: Mapping[str, str]) -> bool:
    """Whether what is made may have to be recorded as evidence: a manifest speaks of it, or of a policy.

    Also where a policy lies in one of its places.
    """
    texts = [_read(f"{root}/{_MANIFEST}"), *(text for _, text in _manifests_above(root))]
    if any(b"evidence" in text or b"policy" in text for text in texts):
        return True
    return _is_governed(root, home, environ)


def _is_governed(root: str, home: str, environ: Mapping[str, str]) -> bool:
    """Whether a policy lies in one of its places, beside the project or above all."""
    near = [f"{folder}/{POLICY}" for folder in (root, *_above(root))]
    return governed_above(home, environ) or any(map(os.path.lexists, near))


def lock_known(root: str, home: str, environ: Mapping[str, str]) -> tuple[str, int] | None:
    """Names of the lock files and how many packages they hold, where they answer the manifest.

    None where that is not known, or a policy may have a say in it. (One in the manifest has had it: then
    nothing was written down.)
    """
    from provenv.environments import plans

    if _is_governed(root, home, environ):
        return None
    said = _read(_lock_path(root, home))
    names, _, rest = os.fsdecode(said[1:]).partition("\n")
    count, *contents = rest.removesuffix("\n").split("\n")
    if not all(plans.content(root, plans.content_path(line)) == line for line in contents):
        return None
    return (names, int(count)) if said.startswith(b"+") and count.isdigit() else None


def outside_root(root: str | None, home: str, name: str) -> str | None:
    """The project of the environment ``name`` outside projects, where it is known to be meant.

    That is where there is no project at hand, or one of which it is written down that these bytes of
    its manifest declare no such environment.
    """
    own = f"{home}/environments/{name}"
    if not os.path.isfile(f"{own}/{_MANIFEST}"):
        return None
    if root is None or os.path.exists(_outside_path(root, home, name)):
        return own
    return None


def _outside_path(root: str, home: str, name: str) -> str:
    from provenv.environments import plans

    key = plans.key_of([b"outside", os.fsencode(name), _read(f"{root}/{_MANIFEST}")])
    return f"{home}/plans/locks/{key}"


def remember_outside(root: str, home: str, name: str) -> None:
    """Write down that the project in ``root``, as it stands, declares no environment ``name``.

    Raises:
        OSError: What the file system says.
    """
    path = _outside_path(root, home, name)
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    with open(path, "w", encoding="utf-8"):
        pass


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b"-"
    try:
        pieces = [b"+"]
        while piece := os.read(descriptor, 1 << 20):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)
