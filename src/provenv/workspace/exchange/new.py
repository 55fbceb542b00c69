"""``new``: a folder that is laid out as good practice asks for, locked, and whose tests pass at once."""

from __future__ import annotations

import keyword
import os
import shutil
import sys

from packaging.utils import InvalidName, canonicalize_name

from provenv.core import process
from provenv.core.errors import ProvenvError, UsageError
from provenv.core.files import disk_error, remove_tree
from provenv.core.values import frozen
from provenv.templates.projects import TEMPLATES, project_files
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, open_project, project_name
from provenv.workspace.syncing import edit, locking
from provenv.workspace.syncing.sync import SyncResult, sync


@frozen
class NewResult:
    """What ``new`` made.

    Attributes:
        root: The folder. ``files``: What lies in it, relative, without the lock.
        module: What is imported.
        repository: A git repository was begun.
        sync: The default environment; None where it was not asked for or came to nothing.
        failure: Why there is no lock or no environment, though one was asked for.
    """

    root: str
    name: str
    module: str
    template: str
    files: tuple[str, ...]
    repository: bool
    sync: SyncResult | None
    failure: ProvenvError | None


def new(
    root: str,
    context: Context,
    *,
    template: str = "library",
    name: str | None = None,
    synced: bool = True,
    git: bool = True,
) -> NewResult:
    """Lay out a project in the folder ``root``, which must be empty or missing; lock and sync it.

    The folder appears whole or not at all. Where locking fails (no network), the project stays and
    the result says why there is no lock.

    Raises:
        UsageError: The template, the name or the folder cannot be used.
        DiskError: The file system refused.
    """
    if template not in TEMPLATES:
        raise UsageError(f"there is no template {template!r}", hint=f"Templates: {_listed()}.")
    name = project_name(root) if name is None else name
    module = module_name(name)
    _check_empty(root)
    with recorded(context, "new", root=root) as operation:
        made = _new(root, operation.context, template, name, module, synced=synced, git=git)
        operation.facts["failure"] = made.failure.kind if made.failure is not None else None
        return made


def _new(
    root: str, context: Context, template: str, name: str, module: str, *, synced: bool, git: bool
) -> NewResult:
    minor = edit.best_minor(root, context)
    files = project_files(template, name=name, module=module, minor=minor)
    _lay_out(root, files)
    repository = git and _begin_repository(root, context)
    failure: ProvenvError | None = None
    made: SyncResult | None = None
    if synced:
        try:
            project = open_project(root)
            locking.lock(project, context)
            made = sync(project, context)
        except ProvenvError as error:
            failure = error
    return NewResult(
        root=root,
        name=name,
        module=module,
        template=template,
        files=tuple(sorted(files)),
        repository=repository,
        sync=made,
        failure=failure,
    )


def module_name(name: str) -> str:
    """What a project called ``name`` is imported as.

    Raises:
        UsageError: No project can be called so, or its module would hide another one.
    """
    try:
        module = canonicalize_name(name, validate=True).replace("-", "_")
    except InvalidName as error:
        raise UsageError(
            f"{name!r} is not a project's name",
            hint="Letters, digits, '-', '_' and '.', with a letter or digit at both ends (PEP 508).",
        ) from error
    if not module.isidentifier() or keyword.iskeyword(module):
        raise UsageError(
            f"a project called {name!r} could not be imported: {module!r} is no name for a module"
        )
    if module in sys.stdlib_module_names or module in ("tests", "test", "src"):
        raise UsageError(
            f"a project called {name!r} would hide the module {module!r}",
            hint="Choose another name, or --name another one for this folder.",
        )
    return module


def _listed() -> str:
    return ", ".join(TEMPLATES)


def _check_empty(root: str) -> None:
    try:
        there = sorted(os.listdir(root))
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise UsageError(f"{root} is a file") from error
    if there:
        raise UsageError(
            f"{root} is not empty: {there[0]} is in it",
            hint="`provenv init` makes a project of a folder that has something in it.",
        )


def _lay_out(root: str, files: dict[str, str]) -> None:
    """Write everything beside ``root``, and rename it into place."""
    temporary = f"{root}.{os.getpid()}.tmp"
    try:
        for path, text in files.items():
            full = os.path.join(temporary, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "x", encoding="utf-8") as stream:
                stream.write(text)
        if os.path.isdir(root):  # perhaps somebody's working directory: it stays, and is filled
            for entry in os.listdir(temporary):
                os.rename(os.path.join(temporary, entry), os.path.join(root, entry))
        else:
            os.rename(temporary, root)
    except OSError as error:
        raise disk_error(error, "make the project in", root) from error
    finally:
        remove_tree(temporary)


def _begin_repository(root: str, context: Context) -> bool:
    """``git init``, where there is a git, and no repository around ``root`` already."""
    program = shutil.which("git", path=context.environ.get("PATH", ""))
    if program is None:
        return False
    inside = process.run([program, "rev-parse", "--git-dir"], env=context.environ, cwd=root)
    if inside.code == 0:
        return False
    return process.run([program, "init", "--quiet"], env=context.environ, cwd=root).code == 0
