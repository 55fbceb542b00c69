"""``provenv tree``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen
from provenv.cli.session import Session
from provenv.core.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from provenv.model.graph import Graph, GraphRoot, Node

DESCRIPTION = """\
What needs what in an environment, read from the lock alone, offline. What was shown before is
marked (*) and not opened again."""
EXAMPLES = (
    ("provenv tree", "everything, from what the project asks for"),
    ("provenv tree --depth 1", "only what the project asks for"),
    ("provenv tree --invert idna", "who needs idna"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="begin at these")
    parser.add_argument("--depth", type=_depth, metavar="N", help="at most N levels")
    parser.add_argument("--invert", action="store_true", help="what needs NAME, not what it needs")


def _depth(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of levels (1 or more)")
    return int(text)


def run(args: argparse.Namespace, session: Session) -> int:
    from packaging.utils import canonicalize_name

    from provenv.model.graph import tree
    from provenv.workspace.syncing.inspection import project_graph

    if args.invert and not args.names:
        raise UsageError("--invert needs a NAME: who needs what?")
    target = session.target
    graph, spec, _ = project_graph(target.project, session.context, target.environment)
    missing = [name for name in args.names if canonicalize_name(name) not in graph.versions]
    if missing:
        raise CheckFailedError(
            f"not in environment {spec.name!r}: {', '.join(missing)}",
            hint="`provenv tree` shows what is.",
        )
    nodes = tree(graph, start=args.names or None, depth=args.depth, inverted=args.invert)
    roots: Sequence[GraphRoot] = graph.roots if not args.names else ()
    session.answer(
        "tree",
        lambda: data(spec.name, graph, nodes, inverted=args.invert),
        lambda screen: text(nodes, roots, screen),
    )
    return 0


def text(nodes: Sequence[Node], roots: Sequence[GraphRoot], screen: Screen) -> None:
    places: dict[str, list[str]] = {}
    for root in roots:
        if root.kind != "project":
            places.setdefault(root.distribution, []).append(f"{root.kind} {root.name}")
    for node in nodes:
        _draw(node, screen, "", "", places)


def _draw(
    node: Node, screen: Screen, start: str, below: str, places: Mapping[str, Sequence[str]]
) -> None:
    top = not below
    name = screen.paint("strong", node.name) if top else node.name
    words = [name, screen.paint("dim", node.version or "(local)")]
    if top and node.name in places:
        words.append(screen.paint("name", f"[{', '.join(dict.fromkeys(places[node.name]))}]"))
    if node.repeated:
        words.append(screen.paint("dim", "(*)"))
    screen.line(screen.paint("dim", start) + " ".join(words))
    for child in node.children:
        first, rest = screen.branch(last=child is node.children[-1])
        _draw(child, screen, below + first, below + rest, places)


def data(
    environment: str, graph: Graph, nodes: Sequence[Node], *, inverted: bool
) -> dict[str, Any]:
    return {
        "environment": environment,
        "inverted": inverted,
        "roots": [
            {
                "kind": root.kind,
                "name": root.name,
                "requirement": root.requirement,
                "distribution": root.distribution,
            }
            for root in graph.roots
        ],
        "packages": [
            {
                "name": name,
                "version": version or None,
                "dependencies": list(graph.edges.get(name, ())),
            }
            for name, version in graph.versions.items()
        ],
        "tree": [_node(node) for node in nodes],
    }


def _node(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "version": node.version or None,
        "repeated": node.repeated,
        "children": [_node(child) for child in node.children],
    }
