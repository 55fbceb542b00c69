"""One run of uv: a temporary project, ``uv lock`` on it, an export for each root, one lock of them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import tomli
from packaging.utils import canonicalize_name

from provenv.core.errors import ProvenvError
from provenv.core.events import Emit, Warned
from provenv.core.files import temporary_folder
from provenv.core.http import Transport
from provenv.core.values import replace
from provenv.model.manifest import Manifest
from provenv.resolve.complete import complete_files
from provenv.resolve.edges import add_dependencies
from provenv.resolve.exports import Root, merge_exports
from provenv.resolve.files import give_files, take_files
from provenv.resolve.indexes import Indexes, authorized, collect_indexes
from provenv.resolve.preferences import render_preferences
from provenv.resolve.settings import ResolveSettings
from provenv.resolve.synthetic import Asked, render_project
from provenv.tools.uv import Uv, clean_environment, find_uv

if TYPE_CHECKING:
    from packaging.pylock import Pylock

# What uv says of a version that is taken all the same: it is pinned, or was locked before.
_YANKED = re.compile(
    r'^warning: `([^=`]+)==([^`]+)` is yanked(?: \(reason: "(.*)"\))?', re.MULTILINE
)
_DYNAMIC = frozenset({"dependencies", "optional-dependencies"})


@contextlib.contextmanager
def open_run(
    manifest: Manifest,
    project: str,
    settings: ResolveSettings,
    emit: Emit,
    meanwhile: Callable[[], None] | None = None,
    constraints: Sequence[str] = (),
) -> Iterator[Run]:
    """A run in a temporary folder, which is gone afterwards."""
    with temporary_folder(settings.tmp, "resolve") as folder:
        indexes = collect_indexes(manifest, project, settings.index_url)
        uv = Uv(
            binary=find_uv(),
            environ=clean_environment(
                settings.environ,
                cache=settings.cache,
                config=os.path.join(folder, "config"),
                http=settings.http,
                credentials={**indexes.credentials, **settings.credentials},
            ),
        )
        inner = os.path.join(folder, "p")
        yield Run(manifest, project, settings, emit, indexes, uv, inner, meanwhile, constraints)


class Run:
    """One run: the manifest, the indexes and the folder that uv works in."""

    def __init__(
        self,
        manifest: Manifest,
        project: str,
        settings: ResolveSettings,
        emit: Emit,
        indexes: Indexes,
        uv: Uv,
        folder: str,
        meanwhile: Callable[[], None] | None = None,
        constraints: Sequence[str] = (),
    ) -> None:
        self.meanwhile = meanwhile
        self.constraints = tuple(constraints)
        self.manifest = manifest
        self.project = project
        self.settings = settings
        self.emit = emit
        self.indexes = indexes
        self.uv = uv
        self.folder = folder
        minor = f">={settings.interpreter.minor}"
        self.requires_python = manifest.requires_python or minor

    def lock(
        self,
        groups: tuple[str, ...],
        extras: tuple[str, ...],
        previous: Pylock | None,
        upgrade: bool | frozenset[str],
    ) -> Pylock:
        """One lock over the project's own dependencies, ``groups`` and ``extras``."""
        if self._asks_for_nothing(groups, extras):
            return self._pylock(groups, extras, [], None)
        asked = Asked(
            manifest=self.manifest,
            project=self.project,
            requires_python=self.requires_python,
            groups=groups,
            extras=extras,
            constraints=self.constraints,
            dynamic=self.manifest.installable
            and bool(_DYNAMIC.intersection(self.manifest.dynamic)),
        )
        if asked.dynamic:
            asked = replace(asked, extras=())
        self._solve(asked, previous, upgrade)
        if asked.dynamic and (provided := _provided_extras(tomli.loads(self._uv_lock()), asked)):
            wanted = tuple(extra for extra in provided if not extras or extra in extras)
            asked = replace(asked, extras=wanted)
            self._solve(asked, previous, upgrade)
        uv_lock, packages = self._packages(asked)
        transport = Transport(authorized(self.settings, self.indexes), emit=self.emit)
        complete_files(packages, previous, self.project, transport, self.emit)
        markers = uv_lock.get("supported-markers")
        return self._pylock(asked.groups, asked.extras, packages, markers)

    def _asks_for_nothing(self, groups: tuple[str, ...], extras: tuple[str, ...]) -> bool:
        """Whether there is nothing to resolve; with settings for uv, it still has a say in them."""
        manifest = self.manifest
        lists = [manifest.dependencies, *(manifest.groups[name] for name in groups)]
        lists += [manifest.optional_dependencies[name] for name in extras]
        dynamic = manifest.installable and _DYNAMIC.intersection(manifest.dynamic)
        return not any(lists) and not dynamic and not manifest.uv

    def _solve(self, asked: Asked, previous: Pylock | None, upgrade: bool | frozenset[str]) -> None:
        """Have uv write a ``uv.lock``."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        self._write("pyproject.toml", render_project(asked, self.indexes))
        if previous is not None:
            preferences = render_preferences(
                previous,
                self.manifest,
                project=self.project,
                requires_python=self.requires_python,
                upgrade=upgrade,
            )
            if preferences is not None:
                self._write("uv.lock", preferences)
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(
                self.uv.lock,
                self.folder,
                python=self.settings.interpreter.executable,
                options=self._options(asked),
            )
            self._meanwhile()
        done = running.result()
        from provenv.resolve.failure import check_settings

        if done.code != 0:
            raise self._failure(done.stderr, asked)
        check_settings(done.stderr, asked)
        for name, version, reason in _YANKED.findall(done.stderr):
            self.emit(
                Warned(
                    message=f"{name} {version} was yanked by whoever publishes it"
                    + (f": {reason}" if reason else ""),
                    hint=f"`provenv lock --upgrade-package {name}` chooses another version, where the "
                    "manifest allows one.",
                )
            )

    def _meanwhile(self) -> None:
        """What is needed next, imported while uv works in another process."""
        import packaging.pylock  # noqa: F401

        import provenv.model.lock
        import provenv.resolve.failure  # noqa: F401

        if self.meanwhile is not None:
            self.meanwhile()

    def _uv_lock(self) -> str:
        with open(os.path.join(self.folder, "uv.lock"), encoding="utf-8") as stream:
            return stream.read()

    def _failure(self, stderr: str, asked: Asked) -> ProvenvError:
        from provenv.resolve.failure import check_settings, failure

        check_settings(stderr, asked)
        return failure(
            stderr,
            folder=self.folder,
            asked=asked,
            indexes=self.indexes,
            settings=self.settings,
        )

    def _options(self, asked: Asked) -> list[str]:
        options = ["--offline"] if self.settings.offline or self.settings.http.offline else []
        if self.manifest.no_build is True:
            options.append("--no-build")
        elif self.manifest.no_build:
            for name in self.manifest.no_build:
                options += ["--no-build-package", name]
        if asked.dynamic:
            # uv would not see a change in what the backend reads (setup.py, requirements.txt).
            options += ["--refresh-package", str(self.manifest.name)]
        return options

    def _write(self, name: str, text: str) -> None:
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as stream:
            stream.write(text)

    def _packages(self, asked: Asked) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
        """The ``uv.lock``, and the packages of all its exports as PEP 751 tables, sorted."""
        roots = [Root(kind="base")]
        roots += [Root(kind="extra", name=name) for name in asked.extras]
        roots += [Root(kind="group", name=name) for name in asked.groups]
        text, files = take_files(self._uv_lock())
        self._write("uv.lock", text)
        with ThreadPoolExecutor(2) as pool:
            texts = pool.map(lambda root: self._export(asked, root), roots)
            uv_lock = tomli.loads(text)  # while the exports run
            merged = merge_exports(zip(roots, texts, strict=True))
        packages = [package for package in merged if package["name"] not in asked.own_names]
        packages.sort(
            key=lambda p: (p["name"], str(p.get("version", "")), str(p.get("marker", "")))
        )
        for package in packages:
            give_files(package, files)
            self._relative(package)
        add_dependencies(packages, uv_lock, asked.own_names)
        return uv_lock, packages

    def _export(self, asked: Asked, root: Root) -> str:
        done = self.uv.export(self.folder, root.options)
        if done.code != 0:
            raise self._failure(done.stderr, asked)
        return done.stdout

    def _relative(self, package: dict[str, Any]) -> None:
        """Local places, which uv gives from its folder or absolute, become relative to the project."""
        if not package.get("index", "http").startswith("http"):
            del package["index"]  # a folder of files: each says where it lies
        entries = [package[k] for k in ("directory", "archive", "vcs", "sdist") if k in package]
        for entry in [*entries, *package.get("wheels", ())]:
            url = entry.get("url", "")
            if url.startswith("file://") and "hashes" in entry:
                entry["path"] = unquote(urlsplit(entry.pop("url")).path)
            if "path" in entry:
                absolute = os.path.normpath(os.path.join(self.folder, entry["path"]))
                entry["path"] = os.path.relpath(absolute, self.project).replace(os.sep, "/")

    def _pylock(
        self,
        groups: tuple[str, ...],
        extras: tuple[str, ...],
        packages: list[dict[str, Any]],
        markers: list[str] | None,
    ) -> Pylock:
        from packaging.pylock import Pylock

        from provenv.model.lock import packages_digest

        data: dict[str, Any] = {
            "lock-version": "1.0",
            "environments": markers,
            "requires-python": self.requires_python,
            "extras": list(extras),
            "dependency-groups": list(groups),
            "default-groups": [g for g in self.manifest.default_groups if g in groups],
            "created-by": "provenv",
            "packages": packages,
        }
        lock = Pylock.from_dict({key: value for key, value in data.items() if value is not None})
        tool: dict[str, Any] = {
            "manifest-digest": self.manifest.lock_digest(),
            "packages-digest": packages_digest(lock.packages),
        }
        return replace(lock, tool={"provenv": tool})


def _provided_extras(uv_lock: Mapping[str, Any], asked: Asked) -> tuple[str, ...]:
    """The extras that the backend's metadata of the project itself names."""
    own = canonicalize_name(asked.manifest.name or "")
    for entry in uv_lock.get("package", ()):
        if entry["name"] == own:
            return tuple(sorted(entry.get("metadata", {}).get("provides-extras", ())))
    return ()
