"""Where things lie on disk: the one place that knows the names of files and folders.

Plain classes over strings and nothing imported but ``os``: the hot path uses them.
"""

from __future__ import annotations

import os

DEFAULT_ENVIRONMENT_FOLDER = ".venv"
NAMED_ENVIRONMENTS_FOLDER = ".venvs"
LOCK_FILE = "pylock.toml"


class HomeLayout:
    """The folder that all projects of a user share (``$PROVENV_HOME``).

    ``store/wheels/ab/abcd…/`` objects · ``store/links/ab/abcd…/`` prepared symlinks into an object ·
    ``store/names/NAME`` the last object of a name ·
    ``plans/`` · ``roots/`` one link an environment · ``builds/`` what was built from which source ·
    ``environments/NAME/`` an environment outside projects · ``allowed/`` where the shell's hook may
    activate · ``advisories/`` what is known of vulnerabilities · ``evidence/NAME/`` the evidence log of a
    project · ``checkpoints/`` what was signed of such logs · ``keys/`` that sign · ``indexes/`` what
    indexes said of releases · ``trials/`` what `test` and `bisect` made and found, a folder for each
    project · ``interpreters.json`` · ``cache/`` what may be deleted at any time.
    """

    __slots__ = (
        "advisories", "allowed", "builds", "cache", "checkpoints", "environments", "evidence",
        "indexes", "interpreters", "keys", "links", "lock", "names", "plans", "quarantine",
        "released", "root", "roots", "suspects", "tmp", "trials", "unsettled", "wheels",
    )  # fmt: skip

    def __init__(self, root: str) -> None:
        self.root = root
        self.wheels = os.path.join(root, "store", "wheels")
        self.links = os.path.join(root, "store", "links")
        self.names = os.path.join(root, "store", "names")
        self.tmp = os.path.join(root, "store", "tmp")
        self.quarantine = os.path.join(root, "store", "quarantine")
        self.suspects = os.path.join(root, "store", "suspects")
        self.released = os.path.join(root, "released")
        self.unsettled = os.path.join(root, "store", "unsettled")
        self.lock = os.path.join(root, "store", "lock")
        self.plans = os.path.join(root, "plans")
        self.roots = os.path.join(root, "roots")
        self.environments = os.path.join(root, "environments")
        self.builds = os.path.join(root, "builds")
        self.advisories = os.path.join(root, "advisories")
        self.trials = os.path.join(root, "trials")
        self.allowed = os.path.join(root, "allowed")
        self.checkpoints = os.path.join(root, "checkpoints")
        self.evidence = os.path.join(root, "evidence")
        self.keys = os.path.join(root, "keys")
        self.cache = os.path.join(root, "cache")
        self.indexes = os.path.join(root, "indexes")
        self.interpreters = os.path.join(root, "interpreters.json")

    def object(self, sha256: str) -> str:
        """The folder of the object that is named by a wheel's ``sha256``."""
        return os.path.join(self.wheels, sha256[:2], sha256)

    def object_links(self, sha256: str) -> str:
        """The folder of prepared symlinks into that object."""
        return os.path.join(self.links, sha256[:2], sha256)


class EnvironmentLayout:
    """One environment's folder: ``.venv``, ``.venvs/NAME``, or any other."""

    __slots__ = ("current", "folder", "generations", "lock", "stamp")

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.generations = os.path.join(folder, "generations")
        self.current = os.path.join(folder, "current")
        self.lock = os.path.join(folder, ".lock")
        self.stamp = os.path.join(folder, ".stamp")

    def generation(self, number: int) -> str:
        """The folder of generation ``number``."""
        return os.path.join(self.generations, str(number))


def is_environment_name(text: str) -> bool:
    """Whether ``text`` may name an environment: it becomes a folder, and must stay in its place.

    Letters, digits, ``-``, ``_`` and ``.``, the first of them a letter, a digit or ``_``.
    """
    return text[:1].replace("_", "a").isalnum() and all(c.isalnum() or c in "-_." for c in text)


def is_plain_request(text: str) -> bool:
    """Whether a request for an interpreter may be part of a folder's name: ``3.12``, ``pypy3.11``."""
    return text[:1].isalnum() and all(c.isascii() and (c.isalnum() or c in "-_.+") for c in text)


def base_name(name: str) -> str:
    """The environment that ``name`` is of: ``test`` for ``test@3.12``, one of several Pythons."""
    return name.partition("@")[0]


def environment_folder(project: str, name: str, default: str) -> str:
    """Where the environment ``name`` of a project lies; ``default`` names the one in ``.venv``."""
    if name == default:
        return os.path.join(project, DEFAULT_ENVIRONMENT_FOLDER)
    return os.path.join(project, NAMED_ENVIRONMENTS_FOLDER, name)


def lock_file_name(environment: str | None = None) -> str:
    """``pylock.toml``, or ``pylock.ENVIRONMENT.toml`` (PEP 751, "File Name")."""
    return LOCK_FILE if environment is None else f"pylock.{environment}.toml"
