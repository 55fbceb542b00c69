"""Who needs whom: the graph of a lock, cut down to one environment, read from the lock alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from packaging.pylock import Package, Pylock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provenv.core.values import frozen
from provenv.model.manifest import EnvironmentSpec, Manifest

RootKind = Literal["project", "extra", "group", "seed"]


@frozen
class GraphRoot:
    """A requirement that the project itself states.

    Attributes:
        kind: Where it stands: the project's own dependencies, an extra, or a dependency group.
        name: Of the extra, group or seed; empty for the project's own dependencies.
        requirement: As written (PEP 508).
        distribution: The normalized name of what it asks for.
    """

    kind: RootKind
    name: str
    requirement: str
    distribution: str


@frozen
class Graph:
    """The distributions of one environment and their edges.

    Attributes:
        versions: Normalized name → version (empty where the lock leaves it open).
        edges: Name → names that it depends on, sorted; only names that are in ``versions``.
        roots: What the project states, in the order of the manifest.
    """

    versions: Mapping[str, str]
    edges: Mapping[str, tuple[str, ...]]
    roots: tuple[GraphRoot, ...]


@frozen
class Node:
    """One line of a tree; ``repeated`` stands for a part that was shown before, or is being shown."""

    name: str
    version: str
    children: tuple[Node, ...] = ()
    repeated: bool = False


@frozen
class Path:
    """Why a distribution is there: a root, and the names from its distribution to the one asked for."""

    root: GraphRoot
    names: tuple[str, ...]


def make_graph(
    lock: Pylock,
    manifest: Manifest,
    environment: EnvironmentSpec,
    markers: Mapping[str, str],
    selector: EnvironmentSpec | None = None,
) -> Graph:
    """The graph of ``environment`` under the marker environment ``markers`` (PEP 508).

    ``selector`` says by which groups and extras the lock knows the environment, where by others.
    """
    own = canonicalize_name(manifest.name) if selector is not None and manifest.name else None
    wanted = selector or environment
    chosen = {p.name: p for p in lock.packages if p.name != own and _applies(p, wanted, markers)}
    return Graph(
        versions={n: str(p.version) if p.version else "" for n, p in sorted(chosen.items())},
        edges={
            name: tuple(sorted({str(d["name"]) for d in p.dependencies or ()} & chosen.keys()))
            for name, p in chosen.items()
        },
        roots=tuple(_roots(manifest, environment, markers, chosen)),
    )


def make_whole_graph(
    lock: Pylock,
    manifest: Manifest,
    environment: EnvironmentSpec,
) -> tuple[Graph, tuple[Package, ...]]:
    """The graph of ``environment`` on every platform at once, and the packages that are in it.

    Markers are left aside: what some platform or Python would get is in it. A name that the lock has in
    several versions has all of them in ``versions``, with commas.
    """
    edges: dict[str, set[str]] = {}
    for package in lock.packages:
        targets = {str(row["name"]) for row in package.dependencies or ()}
        edges.setdefault(package.name, set()).update(targets)
    known = {name: tuple(sorted(targets & edges.keys())) for name, targets in edges.items()}
    roots = tuple(_roots(manifest, environment, None, known))
    reached = _reachable(known, [root.distribution for root in roots])
    packages = tuple(package for package in lock.packages if package.name in reached)
    versions: dict[str, str] = {}
    for package in packages:
        said = str(package.version) if package.version else ""
        versions[package.name] = ", ".join(filter(None, (versions.get(package.name), said)))
    chosen = {name: known[name] for name in sorted(reached)}
    return Graph(versions=versions, edges=chosen, roots=roots), packages


def _applies(package: Package, environment: EnvironmentSpec, markers: Mapping[str, str]) -> bool:
    if package.marker is None:
        return True
    variables: dict[str, str | frozenset[str]] = {
        **markers,
        "extras": frozenset(environment.extras),
        "dependency_groups": frozenset(environment.lock_groups),
    }
    return package.marker.evaluate(variables, context="lock_file")


def _roots(
    manifest: Manifest,
    environment: EnvironmentSpec,
    markers: Mapping[str, str] | None,
    chosen: Collection[str],
) -> Iterator[GraphRoot]:
    """Every requirement of the environment; one on the project's own extra stands for that extra.

    ``markers`` None: whatever its marker says.
    """
    own = canonicalize_name(manifest.name) if manifest.name else None
    extras = manifest.optional_dependencies
    pending: list[tuple[RootKind, str, tuple[str, ...]]] = [("project", "", manifest.dependencies)]
    pending += [("extra", name, extras.get(name, ())) for name in environment.extras]
    pending += [("group", name, manifest.groups.get(name, ())) for name in environment.groups]
    pending += [("seed", name, (name,)) for name in environment.seed]
    seen: set[tuple[RootKind, str, str]] = set()
    while pending:
        kind, name, requirements = pending.pop(0)
        for text in requirements:
            requirement = Requirement(text)
            if (kind, name, text) in seen or not _wanted(requirement, markers):
                continue
            seen.add((kind, name, text))
            target = canonicalize_name(requirement.name)
            if target == own:
                pending += [
                    (kind, name, extras.get(canonicalize_name(extra), ()))
                    for extra in sorted(requirement.extras)
                ]
            elif target in chosen:
                yield GraphRoot(kind=kind, name=name, requirement=text, distribution=target)


def _wanted(requirement: Requirement, markers: Mapping[str, str] | None) -> bool:
    if markers is None or requirement.marker is None:
        return True
    return requirement.marker.evaluate({**markers, "extra": ""})


def dependencies(graph: Graph, name: str) -> tuple[str, ...]:
    """What ``name`` needs directly, sorted; empty for a name that is not there."""
    return graph.edges.get(canonicalize_name(name), ())


def dependents(graph: Graph, name: str) -> tuple[str, ...]:
    """What needs ``name`` directly, sorted."""
    wanted = canonicalize_name(name)
    return tuple(sorted(source for source, targets in graph.edges.items() if wanted in targets))


def tree(
    graph: Graph,
    *,
    start: Collection[str] | None = None,
    depth: int | None = None,
    inverted: bool = False,
) -> tuple[Node, ...]:
    """The graph as nested nodes from the project's roots, or from the names in ``start``.

    Each distribution is opened once, where it comes first; after that it is marked as repeated.
    ``depth`` limits the levels (1: the roots alone). ``inverted`` goes to what needs a distribution.
    What no root reaches stands at the end, so that the tree always holds the whole environment.
    """
    edges = _inverted(graph) if inverted else graph.edges
    opened: set[str] = set()

    def grow(name: str, level: int) -> Node:
        version = graph.versions.get(name, "")
        targets = edges.get(name, ())
        if name in opened:
            return Node(name=name, version=version, repeated=bool(targets))
        opened.add(name)
        if depth is not None and level >= depth:
            return Node(name=name, version=version)
        return Node(name=name, version=version, children=tuple(grow(t, level + 1) for t in targets))

    if start is not None:
        names = [canonicalize_name(name) for name in start]
        return tuple(grow(name, 1) for name in names if name in graph.versions)
    first = list(dict.fromkeys(root.distribution for root in graph.roots))
    nodes = [grow(name, 1) for name in first]
    reached = _reachable(edges, first)
    for name in graph.versions:
        if name not in reached:
            nodes.append(grow(name, 1))
            reached |= _reachable(edges, [name])
    return tuple(nodes)


def _inverted(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {name: dependents(graph, name) for name in graph.versions}


def _reachable(edges: Mapping[str, tuple[str, ...]], start: Collection[str]) -> set[str]:
    reached, pending = set(start), list(start)
    while pending:
        fresh = [target for target in edges.get(pending.pop(), ()) if target not in reached]
        reached.update(fresh)
        pending += fresh
    return reached


def why(graph: Graph, name: str) -> tuple[Path, ...]:
    """For each root that leads to ``name``, one shortest path to it; the shortest first.

    Empty where ``name`` is not in the environment or no root leads to it.
    """
    wanted = canonicalize_name(name)
    if wanted not in graph.versions:
        return ()
    found: list[Path] = []
    for root in graph.roots:
        names = _shortest(graph.edges, root.distribution, wanted)
        if names is not None:
            found.append(Path(root=root, names=names))
    return tuple(sorted(found, key=lambda path: len(path.names)))


def why_all(graph: Graph) -> dict[str, tuple[Path, ...]]:
    """For each name that a root leads to what :func:`why` says of it, in one walk from each root."""
    found: dict[str, list[Path]] = {}
    for root in graph.roots:
        for name, names in _paths(graph.edges, root.distribution):
            if name in graph.versions:
                found.setdefault(name, []).append(Path(root=root, names=names))
    return {
        name: tuple(sorted(paths, key=lambda path: len(path.names)))
        for name, paths in found.items()
    }


def _shortest(
    edges: Mapping[str, tuple[str, ...]], start: str, goal: str
) -> tuple[str, ...] | None:
    return next((names for name, names in _paths(edges, start) if name == goal), None)


def _paths(
    edges: Mapping[str, tuple[str, ...]], start: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every name that ``start`` leads to, with a shortest path to it; the nearest first."""
    seen = {start}
    pending: deque[tuple[str, tuple[str, ...]]] = deque([(start, (start,))])
    while pending:
        name, names = pending.popleft()
        yield name, names
        for target in edges.get(name, ()):
            if target not in seen:
                seen.add(target)
                pending.append((target, (*names, target)))
