"""What there is to judge: the facts that rules read, as values. Gathering them is its neighbours' work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from provenv.core.errors import InputError
from provenv.core.values import field, frozen
from provenv.environments.drift import Drift
from provenv.model.generation import Generation
from provenv.model.layout import HomeLayout
from provenv.model.manifest import Manifest


@frozen
class EnvironmentSubject:
    """One environment to look at.

    Attributes:
        pending: What ``sync`` would change by the lock, as one reads it: ``core 1.0 → 2.0``.
        default: It is the project's default one.
        options: What a command line needs to mean it: ``-e NAME``, or nothing.
    """

    name: str
    folder: str
    default: bool
    pending: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@frozen
class Subject:
    """What to look at.

    Attributes:
        start: The folder that the question comes from.
        environ, user_home, home: As in a context.
        today: For what has an end.
        root: The project's folder; None outside of every project.
        manifest: None where there is no project, or its manifest cannot be used.
        troubles: Files of the project that cannot be used, and why.
        stale: Why the lock does not answer the manifest.
        environments: Of the project.
    """

    start: str
    environ: Mapping[str, str]
    user_home: str
    home: HomeLayout
    today: date
    root: str | None = None
    manifest: Manifest | None = None
    troubles: tuple[InputError, ...] = ()
    stale: str | None = None
    environments: tuple[EnvironmentSubject, ...] = ()


@frozen
class ProjectFacts:
    """The files of a project, apart from its sources.

    Attributes:
        texts: Configuration, requirement and lock files, by absolute path.
        pins: What ``.python-version`` or ``.tool-versions`` asks for, with file and line.
    """

    root: str
    manifest: Manifest | None
    troubles: tuple[InputError, ...]
    stale: str | None
    texts: Mapping[str, str] = field(repr=False)
    pins: tuple[tuple[str, str, int], ...] = ()


@frozen
class Import:
    """One import of a module that is not relative.

    Attributes:
        module: Dotted, as far as it surely is a module: ``google.cloud``.
        names: What follows ``from … import``, each of which may be a module, too.
        optional: The code goes on without it (``try``, a condition on platform or version).
        typing: It is there for type checkers only.
        development: It stands in a test, a script, the documentation or the like.
        late: It runs when a function is called: tests import so what they have just written.
    """

    module: str
    names: tuple[str, ...]
    file: str
    line: int
    optional: bool = False
    typing: bool = False
    development: bool = False
    late: bool = False

    @property
    def top(self) -> str:
        """The first part of its name."""
        return self.module.partition(".")[0]


@frozen
class SourceFacts:
    """What the sources of a project import, and what there is for them.

    Attributes:
        imports: In order of file and line.
        local: Top-level modules that the project has itself.
        unparsed: Files that this Python cannot parse: path, line, reason.
        unread: Folders that could not be looked into: path → reason.
        shadows: Modules of the project that hide one of the standard library: name → file.
        provided: Dotted module → normalized distributions that have it in an environment; None
            where no environment of the project is there to be asked.
        metadata: Distributions that the project requires by its own metadata, where it is installed.
        commanding: Distributions with scripts, plugins or other entry points.
        python: The minor version that the project runs on, ``(3, 13)``.
        outside: Module → folder of a global interpreter (or the user's) that has it.
        system: Those of these folders that the operating system looks after.
    """

    imports: tuple[Import, ...]
    local: frozenset[str]
    unparsed: tuple[tuple[str, int, str], ...]
    unread: Mapping[str, str]
    shadows: Mapping[str, str]
    provided: Mapping[str, frozenset[str]] | None
    metadata: frozenset[str] | None
    commanding: frozenset[str]
    python: tuple[int, int]
    outside: Mapping[str, str]
    system: frozenset[str]


@frozen
class Committed:
    """An environment folder in a git repository: how many files, how many bytes."""

    folder: str
    files: int
    size: int


@frozen
class GitFacts:
    """What a repository knows of the project.

    Attributes:
        top: The repository's folder.
        index: Environments that are in the index.
        history: Environments that some commit of any branch holds.
        open: Environment folders that are not ignored.
        ignored_files: Files of the project that must be committed and are ignored.
    """

    top: str
    index: tuple[Committed, ...]
    history: tuple[Committed, ...]
    open: tuple[str, ...]
    ignored_files: tuple[str, ...]


@frozen
class Command:
    """A command on PATH: where it is, and the prefix of the environment or Python that it works for."""

    name: str
    path: str
    prefix: str | None


@frozen
class ShellFacts:
    """The variables of the calling shell, and what they lead to.

    Attributes:
        variables: All of them.
        python, pip: What these words start; None where nothing.
        active: Real paths of environments that are active: VIRTUAL_ENV, CONDA_PREFIX.
        gone: Variables of these whose folder is not there.
        stacked: Environments whose ``bin`` is on PATH, the first first.
        shim: pyenv's shim that comes first for ``python``; None where there is none.
        selected: What pyenv would start by it: the names, and where they are written down.
        shim_target: The interpreter that it leads to; None where it leads nowhere.
        default_environment: The project's default environment, where that is there.
    """

    variables: Mapping[str, str] = field(repr=False)
    python: Command | None
    pip: Command | None
    active: Mapping[str, str]
    gone: tuple[str, ...]
    stacked: tuple[str, ...]
    shim: str | None = None
    selected: tuple[str, ...] = ()
    selected_by: str = ""
    shim_target: str | None = None
    default_environment: str | None = None


@frozen
class EnvironmentFacts:
    """One environment of the project, as it lies on disk.

    Attributes:
        asked: Which one.
        there: It has a current generation, or should have one.
        foreign: Something else made the folder.
        generation: The current one; None where there is none, or it cannot be read.
        broken: Why it cannot be used.
        held: The last switch was a rollback.
        drift: Names and links that others changed.
        rewritten: Small files of its own (``activate``, ``pyvenv.cfg``) with another content.
        altered: Files that are not as they were stored: path, package, what became of it.
        unregistered: The store does not know of an environment in this folder.
        points_to: Where its editable project lies, if not here.
        python: Version of its interpreter.
        interpreter_gone: The path of an interpreter that is not there any more.
        end_of_life: When its Python's support ended (``2024-10-07``), or None.
        system_packages: It sees the packages of its base interpreter (PEP 405).
        user_site: The user's own packages that are seen as well: folder; None where there are none.
    """

    asked: EnvironmentSubject
    there: bool
    foreign: bool = False
    generation: Generation | None = None
    broken: str | None = None
    held: bool = False
    drift: tuple[Drift, ...] = ()
    rewritten: tuple[Drift, ...] = ()
    altered: tuple[tuple[str, str, str], ...] = ()
    unregistered: bool = False
    points_to: str | None = None
    python: str | None = None
    interpreter_gone: str | None = None
    end_of_life: str | None = None
    system_packages: bool = False
    user_site: str | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.asked.name

    @property
    def folder(self) -> str:
        """Where it lies."""
        return self.asked.folder


@frozen
class StrangerFacts:
    """A virtual environment in the project that provenv did not make.

    Attributes:
        folder: Where it lies.
        built_for: The folder that its scripts were written for, if not this one.
        interpreter_gone: The path of its interpreter, if that is not there any more.
    """

    folder: str
    built_for: str | None = None
    interpreter_gone: str | None = None


@frozen
class Volume:
    """The file system of a folder: ``kind`` as the kernel names it, ``free`` in bytes."""

    folder: str
    device: int
    kind: str
    mount: str
    free: int | None
    insensitive: bool
    noexec: bool


@frozen
class Open:
    """A folder that others can write: ``who`` is ``everybody`` or ``its group``."""

    path: str
    who: str
    mode: int


@frozen
class MachineFacts:
    """The store and the file systems.

    Attributes:
        store: The home folder of provenv.
        open: Folders of the store, or above it, that others can write.
        strangers: Folders of the store with another owner: path, owner.
        read_only: Folders of the store that this user cannot write.
        project, home: Where these lie; None where there is none.
    """

    store: str
    open: tuple[Open, ...]
    strangers: tuple[tuple[str, str], ...]
    read_only: tuple[str, ...]
    project: Volume | None
    home: Volume | None


@frozen
class Facts:
    """All of it. What belongs to a project is None or empty outside of one."""

    shell: ShellFacts
    machine: MachineFacts
    project: ProjectFacts | None = None
    sources: SourceFacts | None = None
    git: GitFacts | None = None
    environments: tuple[EnvironmentFacts, ...] = ()
    strangers: tuple[StrangerFacts, ...] = ()
