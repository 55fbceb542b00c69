"""Facts about a project's files: what they say, and what they should not."""

from __future__ import annotations

import os

from provenv.doctor.facts import ProjectFacts, Subject

_NAMES = (
    ".gitlab-ci.yml", ".pypirc", "Dockerfile", "Pipfile", "Pipfile.lock", "azure-pipelines.yml",
    "docker-compose.yml", "environment.yaml", "environment.yml", "pdm.lock", "pdm.toml", "pip.conf",
    "pip.ini", "poetry.lock", "poetry.toml", "pyproject.toml", "setup.cfg", "setup.py", "tox.ini",
    "uv.lock", "uv.toml",
)  # fmt: skip
_LARGEST = 16_000_000  # bytes
_PIN_FILES = (".python-version", ".tool-versions")


def project_facts(subject: Subject, root: str) -> ProjectFacts:
    """Read what lies in a project beside its sources."""
    return ProjectFacts(
        root=root,
        manifest=subject.manifest,
        troubles=subject.troubles,
        stale=subject.stale,
        texts={path: text for path in _files(root) if (text := _read(path)) is not None},
        pins=tuple(_pins(root)),
    )


def is_requirements(path: str) -> bool:
    """Whether a file is one that ``pip install -r`` is meant for."""
    folder, name = os.path.split(path)
    if not name.endswith(".txt"):
        return False
    return "requirements" in name or os.path.basename(folder) == "requirements"


def _files(root: str) -> list[str]:
    found = [f"{root}/{name}" for name in _NAMES]
    for folder in ("", "/requirements", "/.github/workflows"):
        try:
            names = sorted(os.listdir(root + folder))
        except OSError:
            continue
        for name in names:
            path = f"{root}{folder}/{name}"
            if _is_telling(path, name):
                found.append(path)
    return [path for path in found if os.path.isfile(path)]


def _is_telling(path: str, name: str) -> bool:
    if is_requirements(path) or (name.startswith("pylock.") and name.endswith(".toml")):
        return True
    if name.endswith((".yml", ".yaml")) and path.endswith(f"/workflows/{name}"):
        return True
    return name.endswith((".in", ".txt")) and ("requirements" in name or "constraints" in name)


def _read(path: str) -> str | None:
    try:
        if os.path.getsize(path) > _LARGEST:
            return None
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None


def _pins(root: str) -> list[tuple[str, str, int]]:
    """What the version files in the project's own folder say."""
    found = []
    for name in _PIN_FILES:
        path = f"{root}/{name}"
        for number, line in enumerate((_read(path) or "").splitlines(), 1):
            words = line.partition("#")[0].split()
            if name == ".tool-versions":
                words = words[1:] if words[:1] == ["python"] else []
            found += [(word, path, number) for word in words]
    return found
