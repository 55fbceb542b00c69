"""Facts about environments: those of the project, and those that lie in it and are not provenv's."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import date
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from provenv.core.errors import IntegrityError
from provenv.doctor.facts import EnvironmentFacts, EnvironmentSubject, StrangerFacts, Subject
from provenv.doctor.facts_shell import interpreter_of
from provenv.doctor.facts_sources import site_packages
from provenv.doctor.shelf import Shelf
from provenv.environments import generations, switch
from provenv.environments.drift import Drift, find_altered, find_drift
from provenv.environments.tree import Steps
from provenv.interpreters.lifetimes import end_of_life, is_dead
from provenv.model.generation import Generation
from provenv.store.damage import Damage
from provenv.store.look import look
from provenv.store.objects import StoredObject
from provenv.store.verify import verify_object

_WRITABLE = 0o222
_MANY = 5  # objects whose every file is hashed; of further ones times and sizes have to do


def environment_facts(
    subject: Subject, asked: EnvironmentSubject, shelf: Shelf
) -> EnvironmentFacts:
    """How one environment of the project lies on disk."""
    folder = asked.folder
    if not os.path.lexists(folder):
        return EnvironmentFacts(asked=asked, there=False)
    if not generations.is_ours(folder):
        return EnvironmentFacts(asked=asked, there=True, foreign=True)
    number = switch.current(folder)
    if number is None:
        there = os.path.lexists(f"{folder}/current")
        return EnvironmentFacts(
            asked=asked,
            there=there,
            broken="`current` leads nowhere" if there else None,
        )
    try:
        generation = generations.read_generation(folder, number)
        recipe = generations.read_recipe(folder, number)
        hashes = generations.own_hashes(folder, number)
    except IntegrityError as error:
        return EnvironmentFacts(asked=asked, there=True, broken=error.message)
    return _whole(subject, asked, shelf, generation, recipe, hashes)


def _whole(
    subject: Subject,
    asked: EnvironmentSubject,
    shelf: Shelf,
    generation: Generation,
    recipe: Steps,
    hashes: Mapping[str, str],
) -> EnvironmentFacts:
    folder, home = asked.folder, subject.home.root
    root = f"{folder}/generations/{generation.number}"
    drift = find_drift(recipe, root, home)
    system = generations.sees_system(folder, generation.number)
    gone = None if os.path.exists(generation.executable) else generation.executable
    return EnvironmentFacts(
        asked=asked,
        there=True,
        generation=generation,
        held=_is_held(folder),
        drift=tuple(drift),
        rewritten=tuple(_rewritten(subject, recipe, hashes, root, drift)),
        altered=tuple(_altered(shelf, generation, root)),
        unregistered=not _is_registered(subject.home.roots, folder),
        points_to=_points_to(subject, generation, root),
        python=generation.python,
        interpreter_gone=gone,
        end_of_life=_end_of_life(folder, generation, subject.today),
        system_packages=system,
        user_site=_user_site(subject, generation) if system else None,
    )


def _end_of_life(folder: str, generation: Generation, today: date) -> str | None:
    """When the fixes for its CPython ended, where they did."""
    minor = ".".join(generation.python.split(".")[:2])
    config = generations.read_config(folder, generation.number)
    if config.get("implementation", "cpython") != "cpython":
        return None  # PyPy and GraalPy keep years of their own
    return str(end_of_life(minor)) if is_dead(minor, today) else None


def _is_held(folder: str) -> bool:
    log = generations.read_log(folder)
    return bool(log) and log[-1].verb == "rollback"


def _is_registered(roots: str, folder: str) -> bool:
    try:
        names = os.listdir(roots)
    except OSError:
        return False
    return any("." not in name and _leads_to(f"{roots}/{name}", folder) for name in names)


def _leads_to(link: str, folder: str) -> bool:
    try:
        return os.path.realpath(os.readlink(link)) == os.path.realpath(folder)
    except OSError:
        return False


def _rewritten(
    subject: Subject, recipe: Steps, hashes: Mapping[str, str], root: str, drift: list[Drift]
) -> list[Drift]:
    """Small files of the environment's own whose content others changed."""
    told = {item.path for item in drift}
    small = [step for step in recipe if step[0] in ("P", "N")]
    found = find_altered(small, root, subject.home.root, hashes)
    return [item for item in found if item.path not in told]


def _altered(shelf: Shelf, generation: Generation, root: str) -> list[tuple[str, str, str]]:
    """Files of packages that others changed: path, package, what was done.

    Of what is shared with the store, sizes, times and modes are compared first; what stands out is hashed.
    A tree of copies is compared by size and time: to hash all of it is what ``verify`` is for.
    """
    stored = [item for _, item in shelf.of(generation)]
    seen: dict[str, list[Damage]] = {}
    for damage in look(stored, every_file=True):
        seen.setdefault(damage.sha256, []).append(damage)
    found: dict[str, tuple[str, str]] = {}
    hashed = 0
    for item in stored:
        if item.sha256 not in seen and not _is_writable(item):
            continue
        damages = seen.get(item.sha256, [])
        if hashed < _MANY:
            damages, hashed = verify_object(item), hashed + 1
        for damage in damages:
            if damage.kind != "mode":
                path = _in_environment(root, item.folder, damage.path)
                found[path] = (f"{item.name} {item.version}", damage.kind)
    return [(path, *what) for path, what in found.items()]


def _in_environment(root: str, folder: str, path: str) -> str:
    """Where a file of an object appears in a generation; its place in the store where it does not."""
    scheme, _, below = path.partition("/")
    inside = {"site": site_packages(root), "bin": f"{root}/bin"}.get(scheme)
    if inside is not None and os.path.lexists(os.path.dirname(f"{inside}/{below}")):
        return f"{inside}/{below}"
    return f"{folder}/{path}"


def _is_writable(stored: StoredObject) -> bool:
    """Whether the folders of an object's top level, or its metadata, were opened for writing."""
    site = f"{stored.folder}/site"
    for folder in (stored.folder, site, f"{site}/{stored.dist_info}"):
        try:
            if os.stat(folder).st_mode & _WRITABLE:
                return True
        except OSError:
            continue
    return False


def _points_to(subject: Subject, generation: Generation, root: str) -> str | None:
    """Where the project lies that an editable install of it points to, where that is not here."""
    if subject.manifest is None or subject.manifest.name is None or subject.root is None:
        return None
    own = canonicalize_name(subject.manifest.name)
    if not any(package.editable and package.name == own for package in generation.packages):
        return None
    told = editable_projects(root).get(own)
    if told is None or os.path.realpath(told) == os.path.realpath(subject.root):
        return None
    return told


def editable_projects(root: str) -> dict[str, str]:
    """Normalized name → folder of every project that an environment has in place (PEP 610)."""
    site = site_packages(root)
    found: dict[str, str] = {}
    for name in os.listdir(site) if site else []:
        if not name.endswith(".dist-info"):
            continue
        try:
            with open(f"{site}/{name}/direct_url.json", "rb") as stream:
                told = json.load(stream)
            if told["dir_info"].get("editable"):
                folder = unquote(urlsplit(told["url"]).path)
                found[canonicalize_name(name.partition("-")[0])] = folder
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # most come from an index
    return found


def _user_site(subject: Subject, generation: Generation) -> str | None:
    minor = ".".join(generation.python.split(".")[:2])
    folder = f"{subject.user_home}/.local/lib/python{minor}/site-packages"
    return folder if os.path.isdir(folder) and os.listdir(folder) else None


def stranger_facts(folder: str) -> StrangerFacts:
    """What can be told of a virtual environment that another tool made."""
    return StrangerFacts(
        folder=folder, built_for=_built_for(folder), interpreter_gone=_interpreter_gone(folder)
    )


def _built_for(folder: str) -> str | None:
    """The folder that its scripts name, where that is another one: it was moved, or copied.

    Asked are ``activate``, and then the first lines of ``pip``.
    """
    try:
        with open(f"{folder}/bin/activate", encoding="utf-8", errors="replace") as stream:
            text = stream.read(8192)
    except OSError:
        text = ""
    match = re.search(
        r"""^\s*(?:export\s+)?VIRTUAL_ENV=(['"]?)(/[^'"\n]+)\1\s*$""", text, re.MULTILINE
    )
    told = match[2] if match else None
    if told is None:
        script = interpreter_of(f"{folder}/bin/pip")
        told = os.path.dirname(os.path.dirname(script)) if script else None
        if told is not None and not os.path.basename(told):
            return None
    if told is None or os.path.realpath(told) == os.path.realpath(folder):
        return None
    return told


def _interpreter_gone(folder: str) -> str | None:
    for name in ("python", "python3"):
        path = f"{folder}/bin/{name}"
        if os.path.lexists(path) and not os.path.exists(path):
            return os.path.realpath(path)
    return None
