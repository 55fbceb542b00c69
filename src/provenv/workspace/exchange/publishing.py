"""``build`` and ``publish``: handed over to uv, with this project's indexes and credentials."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from provenv.core.errors import BuildError, InputError, NetworkError, UndecidedError, UsageError
from provenv.core.events import BuildOutput, PhaseFinished, PhaseStarted
from provenv.core.files import disk_error, temporary_folder
from provenv.core.http import Credentials, redacted
from provenv.core.values import frozen
from provenv.model.interpreter import Interpreter
from provenv.model.settings import IndexSpec
from provenv.resolve.failure import from_error, is_about_the_network, told
from provenv.resolve.indexes import Indexes, collect_indexes
from provenv.tools.credentials import find_credentials
from provenv.tools.uv import OnLine, Uv, clean_environment, find_uv
from provenv.workspace.host import access
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.syncing import locking

PYPI_UPLOADS = "https://upload.pypi.org/legacy/"
_OUTPUT = "dist"
_LAST = 20  # lines of a failed build that are shown; --verbose shows all while they come


@frozen
class BuildResult:
    """The files that were built, absolute, in the folder ``output``."""

    output: str
    files: tuple[str, ...]
    seconds: float


@frozen
class PublishResult:
    """What was uploaded where; with ``dry_run``, what would have been."""

    url: str
    files: tuple[str, ...]
    dry_run: bool


def build(
    project: Project,
    context: Context,
    *,
    output: str | None = None,
    wheel: bool = True,
    sdist: bool = True,
) -> BuildResult:
    """Build the project's wheel and sdist into ``output`` (``dist`` in the project).

    What the build needs comes from the project's indexes. The files appear whole, at the end.

    Raises:
        UsageError: The project has no build system.
        BuildError, NetworkError: As they say; nothing was written.
    """
    if not project.manifest.installable:
        raise UsageError(
            f"{project.title} has nothing to build: pyproject.toml has no [build-system]",
            hint='For example: [build-system] requires = ["hatchling"], build-backend = "hatchling.build".',
        )
    began = time.monotonic()
    target = output or os.path.join(project.root, _OUTPUT)
    interpreter = locking.resolving_interpreter(project, context, None)
    kinds = [name for name, wanted in (("--sdist", sdist), ("--wheel", wheel)) if wanted]
    with _uv(project, context, interpreter) as (uv, indexes):
        out = os.path.join(uv.environ["XDG_CONFIG_HOME"], "out")
        context.emit(PhaseStarted(phase="build", total=len(kinds)))
        done = uv.build(
            project.root,
            out,
            python=interpreter.executable,
            options=[*kinds, *_index_options(indexes), *(["--offline"] if context.offline else [])],
            on_line=_listener(project, context),
        )
        if done.code != 0:
            raise _build_failure(project, done.stdout)
        files = _move(out, target)
    context.emit(PhaseFinished(phase="build", count=len(files), seconds=time.monotonic() - began))
    return BuildResult(output=target, files=files, seconds=time.monotonic() - began)


def _build_failure(project: Project, output: str) -> UndecidedError:
    text = "\n".join(told(output).splitlines()[-_LAST:])
    if is_about_the_network(output):
        return NetworkError(
            f"what {project.title} is built with could not be fetched: {told(from_error(output))}",
            hint="Check the network and [[tool.provenv.index]], and try again.",
        )
    return BuildError(
        f"{project.title} could not be built: {text}",
        hint="Look at what the build backend says; nothing was written.",
        details={"output": text},
    )


def _move(out: str, target: str) -> tuple[str, ...]:
    """Put what was built into ``target``; a file of the same name gives way, whole for whole."""
    found: list[str] = []
    try:
        os.makedirs(target, exist_ok=True)
        for name in sorted(os.listdir(out)):
            part = os.path.join(target, f".{name}.{os.getpid()}.tmp")
            shutil.copyfile(os.path.join(out, name), part)
            os.replace(part, os.path.join(target, name))
            found.append(os.path.join(target, name))
    except OSError as error:
        raise disk_error(error, "write what was built to", target) from error
    return tuple(found)


def publish(
    project: Project,
    context: Context,
    *,
    files: Sequence[str] = (),
    index: str | None = None,
    dry_run: bool = False,
) -> PublishResult:
    """Upload ``files`` (else all that ``dist`` holds of the present version) to an index.

    Args:
        project: Whose.
        context: The world; credentials as for every index, besides ``UV_PUBLISH_TOKEN``.
        files: Absolute paths.
        index: The name of an index with a ``publish-url``; PyPI where None.
        dry_run: Check, and upload nothing.

    Raises:
        UsageError: The index is not known, or cannot be published to.
        InputError: There is nothing to upload, or a file is no distribution.
        NetworkError: The index refused.
    """
    spec = _target(project, index)
    chosen = tuple(files) or _built(project)
    for path in chosen:
        _named(path)
    url = (spec and spec.publish_url) or PYPI_UPLOADS
    options = ["--publish-url", url, *(["--dry-run"] if dry_run else [])]
    if spec is not None:
        options += ["--check-url", spec.url]
    extra = _login(context, spec, url)
    interpreter = locking.resolving_interpreter(project, context, None)
    with _published(project, context, chosen, url, dry_run=dry_run) as context:
        with _uv(project, context, interpreter, extra) as (uv, _):
            done = uv.publish(project.root, chosen, options, _listener(project, context))
        if done.code != 0:
            raise _publish_failure(url, done.stdout)
    return PublishResult(url=redacted(url), files=chosen, dry_run=dry_run)


@contextlib.contextmanager
def _published(
    project: Project, context: Context, files: Sequence[str], url: str, *, dry_run: bool
) -> Iterator[Context]:
    """Record what is uploaded, and where to, in the operations log."""
    if dry_run:
        yield context
        return
    with recorded(context, "publish", root=project.root) as operation:
        yield operation.context
        names = [os.path.basename(path) for path in files]
        operation.facts.update(published=names, url=redacted(url))


def destination(project: Project, index: str | None) -> str:
    """Where ``publish`` would upload to, as it can be shown.

    Raises:
        UsageError: As :func:`publish`.
    """
    spec = _target(project, index)
    return redacted((spec and spec.publish_url) or PYPI_UPLOADS)


def _target(project: Project, index: str | None) -> IndexSpec | None:
    if index is None:
        return None
    known = {spec.name: spec for spec in project.manifest.indexes}
    if index not in known:
        listed = ", ".join(known) or "none"
        raise UsageError(
            f"there is no index {index!r}", hint=f"In [[tool.provenv.index]]: {listed}."
        )
    if known[index].publish_url is None:
        raise UsageError(
            f"index {index!r} has no publish-url",
            hint="Say where it takes uploads: publish-url in its [[tool.provenv.index]].",
        )
    return known[index]


def _built(project: Project) -> tuple[str, ...]:
    """The distributions of the project in ``dist``: of the version that the manifest gives, if it does."""
    folder = os.path.join(project.root, _OUTPUT)
    own = canonicalize_name(project.manifest.name or "")
    found: list[str] = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        try:
            distribution, version = _named(os.path.join(folder, name))
        except InputError:
            continue
        if distribution == own and project.manifest.version in (None, version):
            found.append(os.path.join(folder, name))
    if not found:
        what = f"{project.title} {project.manifest.version or ''}".rstrip()
        raise InputError(
            f"nothing to publish: no distribution of {what}",
            file=folder,
            hint="`provenv build` makes them.",
        )
    return tuple(found)


def _named(path: str) -> tuple[str, str]:
    """Name and version that a distribution's filename says."""
    name = os.path.basename(path)
    if not os.path.isfile(path):
        raise InputError("there is no such file", file=path)
    try:
        if name.endswith(".whl"):
            distribution, version, *_ = parse_wheel_filename(name)
        else:
            distribution, version = parse_sdist_filename(name)
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise InputError("is neither a wheel nor an sdist by its name", file=path) from error
    return distribution, str(version)


def _login(context: Context, spec: IndexSpec | None, url: str) -> dict[str, str]:
    """What uv needs to log in, as environment variables: never on a command line."""
    environ = context.environ
    token = environ.get("UV_PUBLISH_TOKEN")
    if token:
        return {"UV_PUBLISH_TOKEN": token}
    username, password = environ.get("UV_PUBLISH_USERNAME"), environ.get("UV_PUBLISH_PASSWORD")
    if username and password:
        return {"UV_PUBLISH_USERNAME": username, "UV_PUBLISH_PASSWORD": password}
    found: Credentials | None = find_credentials(
        url, spec.name if spec else "pypi", environ=environ, home=context.user_home
    )
    if found is None:
        return {}
    return {"UV_PUBLISH_USERNAME": found.username, "UV_PUBLISH_PASSWORD": found.password}


def _publish_failure(url: str, output: str) -> NetworkError:
    text = told(from_error(output))
    hint = "What was uploaded before stays there; what is there already is passed over next time."
    if re.search(r"\b40[13]\b", text):
        hint = (
            "Credentials come from UV_PUBLISH_TOKEN, PROVENV_INDEX_<NAME>_USERNAME and _PASSWORD, "
            "netrc or a keyring."
        )
    return NetworkError(
        f"{redacted(url)} did not take the upload: {text}",
        hint=hint,
        details={"url": redacted(url)},
    )


@contextlib.contextmanager
def _uv(
    project: Project,
    context: Context,
    interpreter: Interpreter,
    extra: Mapping[str, str] | None = None,
) -> Iterator[tuple[Uv, Indexes]]:
    """The program, and this project's indexes, which it reaches with their credentials."""
    settings = access.resolve_settings(project, context, interpreter)
    indexes = collect_indexes(project.manifest, project.root, context.index_url)
    with temporary_folder(settings.tmp, "handing") as folder:
        environ = clean_environment(
            settings.environ,
            cache=settings.cache,
            config=folder,
            http=settings.http,
            credentials={**indexes.credentials, **settings.credentials},
        )
        yield Uv(binary=find_uv(), environ={**environ, **(extra or {})}), indexes


def _index_options(indexes: Indexes) -> list[str]:
    """The indexes as options, the explicit ones first: what one of them has comes from it alone."""
    options: list[str] = []
    for table in sorted(indexes.tables, key=lambda table: not table.get("explicit")):
        named = f"{table['name']}={table['url']}" if table.get("name") else str(table["url"])
        options += ["--default-index" if table.get("default") else "--index", named]
    return options


def _listener(project: Project, context: Context) -> OnLine:
    return lambda line: context.emit(BuildOutput(name=project.title, line=line))
