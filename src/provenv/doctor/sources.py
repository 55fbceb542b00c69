"""What the sources of a project import, read from their syntax. Nothing is executed."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence

from provenv.core.values import field, mutable, replace
from provenv.doctor.facts import Import
from provenv.doctor.walk import Tree

_LARGEST = 2_000_000  # bytes; whatever is larger was written by a program
_CATCHING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_DEPENDING = frozenset({"PY2", "PY3", "name", "platform", "system", "version_info"})
_DYNAMIC = re.compile(
    r"""(?:import_module|importorskip|__import__|find_spec)\(\s*["']([A-Za-z_][\w.]*)["']"""
)
_DEVELOPMENT = frozenset(
    {
        "bench", "benchmark", "benchmarks", "ci", "dev", "doc", "docs", "example", "examples",
        "hack", "notebooks", "scripts", "test", "testing", "tests", "tools",
    }
)  # fmt: skip
_DEVELOPMENT_FILES = frozenset(
    {"conftest.py", "dodo.py", "fabfile.py", "hatch_build.py", "noxfile.py", "setup.py", "tasks.py"}
)
_HARMLESS = frozenset({"__future__", "__init__", "__main__", "antigravity", "test", "this"})
# What lies there is read by tests, and need not run.
_SAMPLES = frozenset({"cases", "data", "fixtures", "samples", "snapshots", "templates", "testdata"})


@mutable
class Sources:
    """What was read. ``unparsed``: path, line and reason."""

    imports: list[Import] = field(default_factory=list)
    unparsed: list[tuple[str, int, str]] = field(default_factory=list)
    local: set[str] = field(default_factory=set)
    shadows: dict[str, str] = field(default_factory=dict)


def read_sources(root: str, tree: Tree, standard: frozenset[str]) -> Sources:
    """The imports of every Python file of a project, and the modules that it has itself.

    ``standard`` names the modules of the standard library.
    """
    found = Sources()
    packages = {folder for folder, files, _ in tree.folders if "__init__.py" in files}
    for folder, files, folders in tree.folders:
        if folder not in packages:
            found.local |= _modules(files, folders)
            if folder in (root, f"{root}/src"):
                found.shadows |= {
                    name: f"{folder}/{name}.py"
                    for name in _stems(files) & (standard - _HARMLESS)
                    if f"{name}.py" in files
                }
    for folder, files, folders in tree.folders:
        parts = folder[len(root) + 1 :].split("/") if folder != root else []
        if _SAMPLES.intersection(parts) and _DEVELOPMENT.intersection(parts):
            continue
        beside = {*_stems(files), *folders} if folder in packages else set()
        for name in files:
            if name.endswith(".py"):
                _read(f"{folder}/{name}", is_development(parts, name), beside, found)
    return found


def is_development(parts: Sequence[str], name: str) -> bool:
    """Whether a file is a test, a script or the like, and no part of what is shipped."""
    if name in _DEVELOPMENT_FILES or name.startswith("test_") or name.endswith("_test.py"):
        return True
    # below src only folders called tests are: a package may well be called tools
    if parts[:1] == ["src"]:
        return "tests" in parts
    return bool(_DEVELOPMENT.intersection(parts[:1])) or "tests" in parts


def _stems(files: Sequence[str]) -> set[str]:
    return {
        n.partition(".")[0] for n in files if n.endswith((".py", ".pyi", ".pyx", ".so", ".pyd"))
    }


def _modules(files: Sequence[str], folders: Sequence[str]) -> set[str]:
    """The modules and packages (also those without ``__init__``) that can be imported from a folder."""
    return {*_stems(files), *(name for name in folders if name.isidentifier())} - {"__init__"}


def _read(path: str, development: bool, beside: set[str], found: Sources) -> None:
    try:
        with open(path, "rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        found.unparsed.append((path, 1, error.strerror or str(error)))
        return
    if len(data) > _LARGEST:
        found.unparsed.append((path, 1, f"it is larger than {_LARGEST:,} bytes"))
        return
    if b"import" not in data:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of others' escape sequences nobody wants to hear here
            module = ast.parse(data, path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        found.unparsed.append((path, line, getattr(error, "msg", None) or str(error)))
        return
    reader = _Reader(path, development)
    reader.statements(module.body, optional=False, typing=False)
    found.imports += [item for item in reader.found if item.top not in beside]
    for match in _DYNAMIC.finditer(data.decode("utf-8", "replace")):
        line = data.count(b"\n", 0, match.start()) + 1
        found.imports.append(
            Import(
                module=match[1],
                names=(),
                file=path,
                line=line,
                optional=True,
                development=development,
            )
        )


class _Reader:
    """Collects imports from statements; expressions cannot hold any, and are not looked at."""

    def __init__(self, path: str, development: bool) -> None:
        self.path = path
        self.development = development
        self.depth = 0  # of functions
        self.found: list[Import] = []

    def statements(self, body: Sequence[ast.stmt], *, optional: bool, typing: bool) -> None:
        for node in body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._add(alias.name, (), node.lineno, optional, typing)
            elif isinstance(node, ast.ImportFrom):
                if node.level == 0 and node.module:
                    names = tuple(alias.name for alias in node.names)
                    self._add(node.module, names, node.lineno, optional, typing)
            elif isinstance(node, ast.If):
                self._condition(node, optional, typing)
            elif isinstance(node, (ast.Try, ast.TryStar)):
                self._try(node, optional, typing)
            else:
                function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                self.depth += function
                for block in _blocks(node):
                    self.statements(block, optional=optional, typing=typing)
                self.depth -= function

    def _add(
        self, module: str, names: tuple[str, ...], line: int, optional: bool, typing: bool
    ) -> None:
        self.found.append(
            Import(
                module=module,
                names=names,
                file=self.path,
                line=line,
                optional=optional,
                typing=typing,
                development=self.development,
                late=self.depth > 0,
            )
        )

    def _condition(self, node: ast.If, optional: bool, typing: bool) -> None:
        first = len(self.found)
        self.statements(node.body, optional=optional, typing=typing)
        middle = len(self.found)
        self.statements(node.orelse, optional=optional, typing=typing)
        if len(self.found) == first:
            return  # most conditions hold no import, and need not be understood
        words = _words(node.test)
        if "TYPE_CHECKING" in words:
            self.found[first:middle] = [
                replace(item, typing=True) for item in self.found[first:middle]
            ]
        if words & _DEPENDING:
            self.found[first:] = [replace(item, optional=True) for item in self.found[first:]]

    def _try(self, node: ast.Try | ast.TryStar, optional: bool, typing: bool) -> None:
        caught = any(_catches(handler) for handler in node.handlers)
        self.statements(node.body, optional=optional or caught, typing=typing)
        for handler in node.handlers:
            self.statements(handler.body, optional=optional or _catches(handler), typing=typing)
        self.statements(node.orelse, optional=optional, typing=typing)
        self.statements(node.finalbody, optional=optional, typing=typing)


def _words(test: ast.expr) -> set[str]:
    """The names in a condition: ``sys.platform`` has ``sys`` and ``platform``."""
    found = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    return found | {node.attr for node in ast.walk(test) if isinstance(node, ast.Attribute)}


def _catches(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches that a module is not there."""
    if handler.type is None:
        return True
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(getattr(name, "id", getattr(name, "attr", "")) in _CATCHING for name in names)


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of statements below a compound statement."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield block
    for case in getattr(node, "cases", ()):
        yield case.body
