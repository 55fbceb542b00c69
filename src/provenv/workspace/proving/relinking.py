"""One generation, put right where it lies: linked, copied, or written again as its recipe says."""

from __future__ import annotations

import json
import os
from glob import escape, glob

from provenv.core import links
from provenv.core.errors import IntegrityError
from provenv.core.files import ensure_folder, temporary_name
from provenv.core.values import frozen
from provenv.environments import generations, switch, tree
from provenv.environments.drift import Drift
from provenv.environments.generations import OWN_FOLDER
from provenv.model.layout import DEFAULT_ENVIRONMENT_FOLDER
from provenv.store.mending import forget_byte_code
from provenv.workspace.proving.bench import RELINKED, Bench
from provenv.workspace.proving.verification import drift_of

_ROUNDS = 8  # a folder that is missing shows what is missing in it only when it is there again
_ITS_OWN = "no other copy is on this machine; `provenv sync` makes a new generation"


@frozen
class _Place:
    """A generation on the bench."""

    bench: Bench
    folder: str
    number: int

    @property
    def root(self) -> str:
        return f"{self.folder}/generations/{self.number}"


def relink(bench: Bench, folder: str, number: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Put one generation right: what was done, and what could not be, with the reason."""
    place = _Place(bench=bench, folder=folder, number=number)
    done: list[str] = []
    left: dict[str, str] = {}
    for _ in range(_ROUNDS):
        try:
            drift = drift_of(bench.context, folder, number)
        except IntegrityError as error:
            path = _record_again(place)
            if path is None:
                return done, [*left.items(), ("", error.message)]
            done.append(path)
            continue
        fresh = [item for item in drift if item.path not in left]
        if not fresh:
            break
        for item in fresh:
            why = _put_right(place, item)
            if why is None:
                done.append(item.path)
            else:
                left[item.path] = why
    return list(dict.fromkeys(done)), list(left.items())


def _record_again(place: _Place) -> str | None:
    """Write the record of a generation again, from what else says the same; its path, if that could be."""
    own = f"{OWN_FOLDER}/generation.json"
    contents = generations.own_file(place.folder, place.number, "contents.json")
    if not generations.is_whole(contents):
        source = _contents(place)
        if source is None:
            return None
        _replace(place, source, contents)
        return f"{OWN_FOLDER}/contents.json"
    if generations.is_whole(f"{place.root}/{own}"):
        return None
    for entry in generations.read_log(place.folder):
        if entry.generation == place.number:
            temporary = switch.temporary(place.folder)
            switch.write_record(temporary, place.number, entry.cause, entry.time)
            os.replace(temporary, f"{place.root}/{own}")
            return own
    return None


def _contents(place: _Place) -> str | None:
    """A whole ``contents.json`` that is about this generation: told by everything else that it keeps."""
    home = place.bench.context.home
    plans = sorted(os.listdir(home.plans)) if os.path.isdir(home.plans) else []
    places = [f"{home.plans}/{plan}/contents.json" for plan in plans if len(plan) == 64]
    places += sorted(glob(f"{escape(home.roots)}/*.held/*"))
    places += [
        generations.own_file(folder, number, "contents.json")
        for folder, number in place.bench.recipes
    ]
    name = os.path.basename(place.folder)
    for path in places:
        if not generations.is_whole(path):
            continue
        with open(path, "rb") as stream:
            record = json.load(stream)
        if name not in (record["environment"], DEFAULT_ENVIRONMENT_FOLDER):
            continue
        if generations.keeps(place.folder, place.number, record):
            return path
    return None


def _put_right(place: _Place, item: Drift) -> str | None:
    """Put one path right; why not, where that cannot be."""
    try:
        if item.path.startswith(f"{OWN_FOLDER}/"):
            return _own_again(place, item.path.removeprefix(f"{OWN_FOLDER}/"))
        recipe = generations.read_recipe(place.folder, place.number)
        step = next((step for step in recipe if step[2] == item.path), None)
        if item.kind == "added" or step is None:
            return "somebody added it; it is left alone"
        return _make_again(place, step)
    except (OSError, IntegrityError) as error:
        return getattr(error, "strerror", None) or str(error)


def _own_again(place: _Place, name: str) -> str | None:
    wanted = generations.own_digest(place.folder, place.number, name)
    source = place.bench.small(name, wanted)
    if source is None:
        return _ITS_OWN
    _replace(place, source, generations.own_file(place.folder, place.number, name))
    return None


def _make_again(place: _Place, step: tuple[str, str, str]) -> str | None:
    kind, source, inside = step
    path, home = f"{place.root}/{inside}", place.bench.context.home
    if kind == "D":
        if os.path.islink(path):
            _set_aside(place, path)
        os.mkdir(path)
        return None
    if os.path.isdir(path) and not os.path.islink(path):
        return "a directory stands in its place"
    temporary = switch.temporary(place.folder)  # the next command sweeps it
    try:
        if kind == "S":
            os.symlink(source, temporary)
        elif kind == "L":
            links.hard_link(f"{home.root}/{source}", temporary)
        elif kind in RELINKED:
            links.duplicate(f"{home.root}/{source}", temporary)
            if not os.path.islink(temporary):
                os.chmod(temporary, os.stat(temporary).st_mode | 0o200)
        elif not _small_again(place, kind, source, temporary):
            return _ITS_OWN
        os.replace(temporary, path)
    finally:
        if os.path.lexists(temporary):  # rename(2) does nothing between two links of one file
            os.unlink(temporary)
    forget_byte_code(path)
    return None


def _small_again(place: _Place, kind: str, source: str, temporary: str) -> bool:
    """A small file of the plan, from wherever it is whole."""
    wanted = generations.own_hashes(place.folder, place.number).get(source)
    found = place.bench.small(source, wanted) if wanted is not None and kind in "PNE" else None
    if found is None:
        return False
    with open(found, "rb") as stream:
        data = stream.read()
    if kind == "E":
        data = tree.filled_in(data, os.path.dirname(place.folder))
    mode = 0o444 if kind == "P" else 0o644
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
    return True


def _replace(place: _Place, source: str, target: str) -> None:
    """Give ``target`` the content of ``source``, in a file of its own."""
    temporary = switch.temporary(place.folder)
    try:
        links.duplicate(source, temporary)
        os.replace(temporary, target)
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)


def _set_aside(place: _Place, link: str) -> None:
    """Keep a symlink that stands where a folder must be."""
    quarantine = place.bench.context.home.quarantine
    ensure_folder(quarantine)
    kept = temporary_name(f"{quarantine}/{os.path.basename(link)}")
    os.symlink(os.readlink(link), kept)
    os.unlink(link)
