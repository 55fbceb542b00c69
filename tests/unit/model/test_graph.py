from __future__ import annotations

from packaging.pylock import Pylock

from provenv.model.graph import Graph, Node, dependencies, dependents, make_graph, tree, why
from provenv.model.manifest import EnvironmentSpec, parse_manifest

LINUX = {
    "sys_platform": "linux",
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "os_name": "posix",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "platform_release": "",
    "platform_version": "",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "implementation_version": "3.13.0",
}
MANIFEST = parse_manifest(
    """
[project]
name = "Demo"
dependencies = ["web>=1", "colors; sys_platform == 'win32'"]
[project.optional-dependencies]
cli = ["args"]
[dependency-groups]
dev = ["tester", "demo[cli]"]
"""
)


def package(name: str, *needs: str, marker: str | None = None) -> dict[str, object]:
    table: dict[str, object] = {"name": name, "version": "1.0", "directory": {"path": name}}
    table["dependencies"] = [{"name": need} for need in needs]
    return {**table, **({"marker": marker} if marker else {})}


LOCK = Pylock.from_dict(
    {
        "lock-version": "1.0",
        "created-by": "provenv",
        "packages": [
            package("args", "base", marker="'cli' in extras or 'dev' in dependency_groups"),
            package("base", "loop"),
            package("colors", marker="sys_platform == 'win32'"),
            package("loop", "base"),
            package("tester", "web", "args", marker="'dev' in dependency_groups"),
            package("web", "base", "colors", "wire"),
            package("wire"),
        ],
    }
)


def graph(groups: tuple[str, ...] = (), platform: str = "linux") -> Graph:
    environment = EnvironmentSpec(name="any", groups=groups)
    return make_graph(LOCK, MANIFEST, environment, {**LINUX, "sys_platform": platform})


def test_the_graph_holds_what_the_environment_holds() -> None:
    assert set(graph().versions) == {"base", "loop", "web", "wire"}
    assert set(graph(platform="win32").versions) == {"base", "colors", "loop", "web", "wire"}
    assert dependencies(graph(), "Web") == ("base", "wire")
    assert dependents(graph(("dev",)), "base") == ("args", "loop", "web")


def test_roots_say_where_they_are_stated_and_own_extras_are_opened() -> None:
    roots = graph(("dev",)).roots
    assert [(r.kind, r.name, r.requirement, r.distribution) for r in roots] == [
        ("project", "", "web>=1", "web"),
        ("group", "dev", "tester", "tester"),
        ("group", "dev", "args", "args"),
    ]


def test_a_tree_opens_each_distribution_once_and_survives_a_cycle() -> None:
    cycle = Node(name="base", version="1.0", repeated=True)
    loop = Node(name="loop", version="1.0", children=(cycle,))
    base = Node(name="base", version="1.0", children=(loop,))
    web = Node(name="web", version="1.0", children=(base, Node(name="wire", version="1.0")))
    assert tree(graph()) == (web,)
    tester = tree(graph(("dev",)))[1]
    assert [(node.name, node.repeated) for node in tester.children] == [
        ("args", False),
        ("web", True),
    ]


def test_a_tree_may_be_cut_started_elsewhere_and_turned_round() -> None:
    assert tree(graph(), depth=1) == (Node(name="web", version="1.0"),)
    (turned,) = tree(graph(("dev",)), start=["Wire"], inverted=True)
    assert [child.name for child in turned.children] == ["web"]
    assert [child.name for child in turned.children[0].children] == ["tester"]
    assert tree(graph(), start=["nothing"]) == ()


def test_what_no_root_reaches_is_shown_at_the_end() -> None:
    lonely = Graph(versions={"a": "1", "b": "2", "c": "3"}, edges={"b": ("c",)}, roots=())
    assert [node.name for node in tree(lonely)] == ["a", "b"]


def test_why_gives_the_shortest_path_from_each_root() -> None:
    paths = why(graph(("dev",)), "BASE")
    assert [(path.root.distribution, path.names) for path in paths] == [
        ("web", ("web", "base")),
        ("args", ("args", "base")),
        ("tester", ("tester", "args", "base")),
    ]
    assert why(graph(), "tester") == ()
