"""Reading generations back: what they hold, when and why they were made, which one is in use."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from provenv.core import digest
from provenv.core.disk import blamed, refuse_sick
from provenv.core.errors import ForeignError, IntegrityError, UsageError
from provenv.core.seal import is_sealed, sealed
from provenv.core.values import frozen
from provenv.environments import looking, switch, tree
from provenv.environments.tree import Steps
from provenv.model.generation import RECORD_FORMAT, Generation, generation_from_dict

OWN_FOLDER = ".provenv"
UNEDITED = "unedited"
"""Where private copies are: the recipe as it would be without them."""


@frozen
class LogEntry:
    """One switch, as it was logged: ``verb`` is ``sync``, ``rollback`` or ``edit``."""

    time: str
    verb: str
    generation: int
    cause: str


def contents(
    *,
    environment: str,
    lock_digest: str,
    manifest_digest: str,
    python: str,
    executable: str,
    link_mode: str,
    tree_digest: str,
    packages: Sequence[tuple[str, str, str, bool]],
    files: Mapping[str, str],
    own: Mapping[str, str],
    source: str | None = None,
    edited: Sequence[str] = (),
) -> bytes:
    """The text of ``contents.json``: what is the same in every generation of one plan.

    ``files`` are the plan's small files with their SHA-256, ``own`` those that provenv keeps for itself
    (recipe, checks) besides lock and manifest, ``edited`` the names of private copies. It is sealed.
    """
    data = {
        "format": RECORD_FORMAT,
        "environment": environment,
        "lock-digest": lock_digest,
        "manifest-digest": manifest_digest,
        "python": python,
        "executable": executable,
        "link-mode": link_mode,
        "tree": tree_digest,
        "packages": [list(row) for row in packages],
        "files": dict(files),
        "own": dict(own),
        **({"source": source} if source is not None else {}),
    }
    return _contents(data, edited)


def _contents(data: dict[str, Any], edited: Sequence[str]) -> bytes:
    data.pop("edited", None)
    if edited:  # left out elsewhere: the plans of all other environments stay what they were
        data["edited"] = list(edited)
    return sealed(json.dumps(data, indent=1).encode())


def contents_edited(
    folder: str, number: int, *, tree_digest: str, own: Mapping[str, str], edited: Sequence[str]
) -> bytes:
    """The ``contents.json`` of generation ``number`` with other private copies, and so another tree.

    Raises:
        IntegrityError: It cannot be read.
    """
    try:
        data = _sealed_json(own_file(folder, number, "contents.json"))
    except (OSError, ValueError) as error:
        raise _broken(folder, number, str(error)) from error
    del data["seal"]
    return _contents({**data, "tree": tree_digest, "own": dict(own)}, edited)


def own_file(folder: str, number: int, name: str) -> str:
    """The path of a file that provenv keeps in a generation."""
    return f"{folder}/generations/{number}/{OWN_FOLDER}/{name}"


def _read(folder: str, number: int) -> dict[str, Any]:
    try:
        data = _sealed_json(own_file(folder, number, "contents.json"))
        data.update(_sealed_json(own_file(folder, number, "generation.json")))
        _wanted(data)
    except (OSError, ValueError, KeyError) as error:
        raise _broken(folder, number, str(error)) from error
    return data


def _sealed_json(path: str) -> dict[str, Any]:
    with open(path, "rb") as stream:
        text = stream.read()
    if not is_sealed(text):
        raise ValueError(f"{os.path.basename(path)} is not as it was written")
    data: dict[str, Any] = json.loads(text)
    return data


def _broken(folder: str, number: int, reason: str) -> IntegrityError:
    return IntegrityError(
        f"generation {number} of {folder} cannot be read: {reason}",
        hint="`provenv sync` makes a new one; `provenv rollback --to N` chooses another.",
    )


def read_generation(folder: str, number: int) -> Generation:
    """The record of generation ``number``.

    Raises:
        IntegrityError: It cannot be read.
    """
    try:
        return generation_from_dict(_read(folder, number))
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(folder, number, str(error)) from error


def sees_system(folder: str, number: int) -> bool:
    """Whether a generation also sees what is installed for its interpreter (PEP 405)."""
    return read_config(folder, number).get("include-system-site-packages", "").lower() == "true"


def read_config(folder: str, number: int) -> dict[str, str]:
    """The keys of a generation's ``pyvenv.cfg`` (PEP 405), in small letters; none where unreadable."""
    path = f"{folder}/generations/{number}/pyvenv.cfg"
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            pairs = [line.partition("=") for line in stream]
    except OSError:
        return {}
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def tree_digest(folder: str, number: int) -> str | None:
    """The digest of the tree that generation ``number`` was made from; None where unreadable."""
    try:
        return str(_read(folder, number).get("tree"))
    except IntegrityError:
        return None


def source_of(folder: str) -> str | None:
    """The file of another tool that the current generation of ``folder`` was made from.

    None for the project's own lock, and where there is no generation that can be read.
    """
    number = switch.current(folder)
    if number is None:
        return None
    try:
        source = _read(folder, number).get("source")
    except IntegrityError:
        return None
    return str(source) if source is not None else None


def lost_interpreter(folder: str, number: int) -> str | None:
    """The interpreter of generation ``number``, where it is gone; None where it is there.

    None, too, where the generation's record cannot be read: then nobody knows.
    """
    link = f"{folder}/generations/{number}/bin/python"
    if os.path.islink(link) and not os.path.exists(link):
        return os.readlink(link)
    try:
        executable = read_generation(folder, number).executable
    except IntegrityError:
        return None
    return None if os.path.exists(executable) else executable


def own_hashes(folder: str, number: int) -> dict[str, str]:
    """The SHA-256 of the small files that generation ``number`` has of its plan, by name.

    Raises:
        IntegrityError: Its record cannot be read.
    """
    files = _read(folder, number).get("files", {})
    return {str(name): str(value) for name, value in files.items()}


def damaged_own(folder: str, number: int) -> list[str]:
    """Which of the files that provenv keeps in generation ``number`` are not as they were written.

    Raises:
        IntegrityError: Its record cannot be read, so that nobody can say.
    """
    found = []
    for name, wanted in _wanted(_read(folder, number)).items():
        try:
            with open(own_file(folder, number, name), "rb") as stream:
                if digest.of_bytes(stream.read()) != wanted:
                    found.append(name)
        except OSError:
            found.append(name)
    return found


def _wanted(record: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 of the files that provenv keeps in a generation, by name."""
    return {
        "pylock.toml": record["lock-digest"],
        "pyproject.toml": record["manifest-digest"],
        **record["own"],
    }


def read_recipe(folder: str, number: int) -> Steps:
    """The recipe that generation ``number`` was made from.

    Raises:
        IntegrityError: It cannot be read.
    """
    steps = tree.parse(own_text(folder, number, "recipe"))
    if steps is None:
        raise _broken(folder, number, "its recipe is not whole")
    return steps


def read_unedited(folder: str, number: int) -> Steps:
    """The recipe of generation ``number`` without private copies, and without provenv's own files.

    Raises:
        IntegrityError: It cannot be read.
    """
    if os.path.lexists(own_file(folder, number, UNEDITED)):
        steps = tree.parse(own_text(folder, number, UNEDITED))
        if steps is None:
            raise _broken(folder, number, "its unedited recipe is not whole")
        return steps
    steps = read_recipe(folder, number)
    return [s for s in steps if s[2] != OWN_FOLDER and not s[2].startswith(f"{OWN_FOLDER}/")]


def other_store(folder: str, number: int, home: str) -> str | None:
    """The home folder whose store generation ``number`` is linked from, where that is not ``home``.

    Raises:
        IntegrityError: Its recipe cannot be read.
    """
    for _, source, path in read_recipe(folder, number):
        link = f"{folder}/generations/{number}/{path}"
        if source.startswith("store/links/") and os.path.islink(link):
            there, inside, _ = os.readlink(link).partition("/store/wheels/")
            if inside:  # RECORD leads to another place
                return None if os.path.realpath(there) == os.path.realpath(home) else there
    return None


def damaged_objects(folder: str, number: int, home: str) -> list[str]:
    """Look at the objects that generation ``number`` links: the folders of those that differ.

    Raises:
        IntegrityError: What to look at cannot be read.
        DiskError: The disk fails.
    """
    own_text(folder, number, "checks")
    try:
        return looking.damaged(own_file(folder, number, "checks"), home)
    except OSError as error:
        refuse_sick(error, blamed(error, home))
        raise _broken(folder, number, str(error)) from error
    except ValueError as error:
        raise _broken(folder, number, str(error)) from error


def own_digest(folder: str, number: int, name: str) -> str:
    """The SHA-256 of a file that provenv keeps in generation ``number``.

    Raises:
        IntegrityError: Its record cannot be read.
    """
    return _wanted(_read(folder, number)).get(name, "")


def is_whole(path: str) -> bool:
    """Whether a record (``contents.json``, ``generation.json``) is as it was written."""
    try:
        _sealed_json(path)
    except (OSError, ValueError):
        return False
    return True


def keeps(folder: str, number: int, record: Mapping[str, Any]) -> bool:
    """Whether what generation ``number`` keeps besides is what ``record`` says, all of it."""
    try:
        for name, wanted in _wanted(record).items():
            with open(own_file(folder, number, name), "rb") as stream:
                if digest.of_bytes(stream.read()) != wanted:
                    return False
    except (OSError, KeyError):
        return False
    return True


def own_text(folder: str, number: int, name: str) -> str:
    """A file that provenv keeps in generation ``number``: recipe, checks, lock, manifest.

    Raises:
        IntegrityError: It is not as it was written, or cannot be read.
    """
    wanted = _wanted(_read(folder, number)).get(name)
    try:
        with open(own_file(folder, number, name), "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise _broken(folder, number, str(error)) from error
    if digest.of_bytes(data) != wanted:
        raise _broken(folder, number, f"{name} is not as it was written")
    return data.decode("utf-8", "surrogateescape")


def current_number(folder: str) -> int:
    """The number of the current generation.

    Raises:
        UsageError: There is none.
    """
    number = switch.current(folder)
    if number is None:
        raise UsageError(
            f"there is no environment in {folder} yet", hint="`provenv sync` makes it."
        )
    return number


def known_number(folder: str, number: int) -> int:
    """``number``, which must be that of a generation.

    Raises:
        UsageError: It is not; the hint lists those there are.
    """
    there = switch.numbers(folder)
    if number not in there:
        listed = ", ".join(map(str, there)) or "none"
        raise UsageError(f"there is no generation {number}", hint=f"There are: {listed}.")
    return number


def read_all(folder: str) -> list[Generation]:
    """The records of all generations that can be read, in order."""
    found = []
    for number in switch.numbers(folder):
        try:
            found.append(read_generation(folder, number))
        except IntegrityError:
            continue
    return found


def read_log(folder: str) -> list[LogEntry]:
    """Every switch that was logged, in order; lines that cannot be read are left out."""
    try:
        with open(f"{folder}/.log", encoding="utf-8", errors="replace") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            row: Mapping[str, Any] = json.loads(line)
            entry = LogEntry(
                time=str(row["time"]),
                verb=str(row["verb"]),
                generation=int(row["generation"]),
                cause=str(row["cause"]),
            )
        except (ValueError, KeyError, TypeError):
            continue
        found.append(entry)
    return found


def is_ours(folder: str) -> bool:
    """Whether the folder was made by provenv, or may become so (missing, or empty)."""
    if os.path.islink(folder):
        return False
    try:
        names = set(os.listdir(folder))
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return False
    return "generations" in names or not names - {*switch.OWN_FILES}


def refuse_foreign(folder: str) -> None:
    """Raise where something else made this environment folder.

    Raises:
        ForeignError: It is not provenv's.
    """
    if not is_ours(folder):
        raise ForeignError(
            f"{folder} was not made by provenv; it is left as it is",
            hint="`--adopt` sets it aside under another name and makes a new one.",
            details={"path": folder},
        )


def set_aside(folder: str) -> str:
    """Rename a foreign environment folder out of the way; returns its new name.

    Raises:
        OSError, DiskError: The file system refused.
    """
    number = 1
    while os.path.lexists(f"{folder}.old-{number}"):
        number += 1
    aside = f"{folder}.old-{number}"
    from provenv.core.files import move

    move(folder, aside)
    return aside
