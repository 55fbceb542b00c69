"""What two locks hold, as far as it can be mixed: told from the environments that were made of them.

What a distribution needs stands in its own metadata ("Core metadata", ``Requires-Dist``), which the store
has of everything that was ever installed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from email.message import Message
from email.parser import HeaderParser

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from provenv.core.values import frozen
from provenv.environments import generations
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec
from provenv.model.plan import Artifact, make_plan
from provenv.store.objects import require_object
from provenv.trials.mixing import Changed, Held, Need, Side
from provenv.workspace.projects.context import Context, LockFile
from provenv.workspace.syncing.apart import Apart
from provenv.workspace.testing.ends import End

_NUMBERS = re.compile(r"[0-9][0-9.,:]*|=+")
_QUOTED = re.compile(r"['\"]([A-Za-z_][A-Za-z0-9_.]*)['\"]")
_FILES = re.compile(r"site-packages/([^/\s:'\"]+)")
# What projects call the address of the page that says what is new ("Well-known Project URLs").
_CHANGELOGS = ("changelog", "changes", "whatsnew", "releasenotes", "history", "news")


@frozen
class Installed:
    """A side.

    Attributes:
        changelogs: Where what changed in a distribution can be read, by its name.
        owners: What lies at the top of ``site-packages`` → the distribution that it comes with.
    """

    side: Side
    changelogs: Mapping[str, str]
    owners: Mapping[str, str]


def artifacts_of(
    lock: LockFile, spec: EnvironmentSpec, interpreter: Interpreter
) -> dict[str, Artifact]:
    """What the lock of an end leads to, by name."""
    plan = make_plan(lock.lock, lock.digest, spec, interpreter, lock.path)
    return {artifact.name: artifact for artifact in plan.artifacts}


def changed(before: Mapping[str, Artifact], after: Mapping[str, Artifact]) -> tuple[Changed, ...]:
    """What differs between two ends, whatever goes together, by name."""
    return tuple(
        Changed(
            name=name,
            before=version(before[name]) if name in before else None,
            after=version(after[name]) if name in after else None,
        )
        for name in sorted({*before, *after})
        if name not in before
        or name not in after
        or _identity(before[name]) != _identity(after[name])
    )


def look(
    context: Context,
    end: End,
    made: Apart,
    artifacts: Mapping[str, Artifact],
    interpreter: Interpreter,
) -> Installed:
    """What an end holds, told from the environment that was made of it."""
    objects = {
        package.name: package.sha256
        for package in generations.read_generation(made.folder, made.generation).packages
    }
    held: dict[str, Held] = {}
    changelogs: dict[str, str] = {}
    owners: dict[str, str] = {}
    for name, artifact in artifacts.items():
        if name not in objects:  # the project itself, which needs itself by way of others
            continue
        site, headers = _metadata(context, objects[name])
        owners |= {top.removesuffix(".py"): name for top in os.listdir(site)}
        held[name] = Held(
            name=name,
            version=version(artifact),
            identity=_identity(artifact),
            requires=_requires(headers, interpreter.markers),
        )
        page = _changelog(headers)
        if page is not None:
            changelogs[name] = page
    return Installed(
        side=Side(held=held, roots=_roots(end.roots)), changelogs=changelogs, owners=owners
    )


def version(artifact: Artifact) -> str:
    """As people read it: with a commit where one decides."""
    parts = [artifact.version, f"({artifact.commit[:10]})" if artifact.commit else ""]
    return " ".join(part for part in parts if part) or "(local)"


def _identity(artifact: Artifact) -> str:
    parts = (artifact.version, artifact.sha256, artifact.commit, artifact.path, artifact.kind)
    return "|".join(parts)


def _metadata(context: Context, sha256: str) -> tuple[str, Message]:
    stored = require_object(context.home, sha256)
    site = f"{stored.folder}/site"
    path = f"{site}/{stored.dist_info}/METADATA"
    with open(path, encoding="utf-8", errors="replace") as stream:
        return site, HeaderParser().parse(stream)


def suspect(good: str, bad: str, owners: Mapping[str, str], among: Collection[str]) -> str | None:
    """The distribution that the output of a bad run speaks of, and that of a good one does not.

    A module that an error names goes before the file in which it was raised; the last before the first.
    """
    known = {_NUMBERS.sub("0", line) for line in good.splitlines()}
    lines = [line for line in bad.splitlines() if _NUMBERS.sub("0", line) not in known]
    named = [
        n.partition(".")[0] for line in lines if "Error" in line for n in _QUOTED.findall(line)
    ]
    files = [name.removesuffix(".py") for line in lines for name in _FILES.findall(line)]
    for name in (*reversed(named), *reversed(files)):
        owner = owners.get(name)
        if owner in among:
            return owner
    return None


def _requires(headers: Message, markers: Mapping[str, str]) -> dict[str, tuple[Need, ...]]:
    """What is needed here, by itself (under the empty name) and with each extra."""
    extras = [canonicalize_name(str(extra)) for extra in headers.get_all("Provides-Extra") or ()]
    found: dict[str, list[Need]] = {}
    for text in headers.get_all("Requires-Dist") or ():
        try:
            requirement = Requirement(str(text))
        except InvalidRequirement:  # old distributions write what is none, and nobody follows it
            continue
        for extra in _applying(requirement, extras, markers):
            found.setdefault(extra, []).append(_need(requirement))
    return {extra: tuple(needs) for extra, needs in found.items()}


def _applying(
    requirement: Requirement, extras: Iterable[str], markers: Mapping[str, str]
) -> Collection[str]:
    if requirement.marker is None or requirement.marker.evaluate({**markers, "extra": ""}):
        return ("",)
    marker = requirement.marker
    return [extra for extra in extras if marker.evaluate({**markers, "extra": extra})]


def _need(requirement: Requirement) -> Need:
    return Need(
        name=canonicalize_name(requirement.name),
        specifier=requirement.specifier,
        extras=frozenset(canonicalize_name(extra) for extra in requirement.extras),
    )


def _roots(texts: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for text in texts:
        need = _need(Requirement(text))
        found[need.name] = found.get(need.name, frozenset()) | need.extras
    return found


def _changelog(headers: Message) -> str | None:
    for text in headers.get_all("Project-URL") or ():
        label, _, url = str(text).partition(",")
        plain = "".join(c for c in label.lower() if c.isalpha())
        if plain in _CHANGELOGS and url.strip().startswith(("https://", "http://")):
            return url.strip()
    return None
