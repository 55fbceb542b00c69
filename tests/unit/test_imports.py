"""No two modules wait for each other, inside a room either (import-linter looks at rooms)."""

from __future__ import annotations

import ast
import graphlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import provenv

SOURCE = Path(provenv.__file__).parent
MODULES = {
    ".".join(("provenv", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in SOURCE.rglob("*.py")
    if not {"scripts", "files"}.intersection(path.relative_to(SOURCE).parts)
}


def imported(body: list[ast.stmt]) -> Iterator[str]:
    """What is imported while a module is loaded: not in functions, not for the type checker alone."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from imported([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from imported([*node.body, *node.orelse, *node.finalbody])


def test_no_circle_of_imports() -> None:
    graph = {
        name: {other for other in imported(ast.parse(path.read_text()).body) if other in MODULES}
        for name, path in MODULES.items()
    }
    assert len(graph) > 200
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        raise AssertionError(" → ".join(error.args[1])) from None


def test_a_circle_would_be_found() -> None:
    text = "import a\nif TYPE_CHECKING:\n    import provenv.cli.app\n"
    text += "def f():\n    import provenv.cli.hot\n"
    assert list(imported(ast.parse(text).body)) == ["a"]
    text = "from provenv.cli import hot\nfrom provenv.cli.app import main\n"
    assert list(imported(ast.parse(text).body)) == ["provenv.cli.hot", "provenv.cli.app"]


def test_commands_that_hash_no_file_do_not_load_openssl() -> None:
    """10 ms of every `add`, `status` and sync that takes the long way."""
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); "
        "from provenv.workspace.syncing import edit, inspection, sync; "
        "print(*sorted({'_hashlib', '_ssl', 'urllib3', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("COV")},  # it loads hashlib
    )  # fmt: skip
    assert done.stdout.split() == []
