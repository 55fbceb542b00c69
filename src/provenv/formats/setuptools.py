"""setuptools: ``setup.cfg``, and ``setup.py`` as far as it can be read without running it.

https://setuptools.pypa.io/en/latest/userguide/declarative_config.html
"""

from __future__ import annotations

import ast
import configparser
from collections.abc import Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from provenv.core.errors import InputError
from provenv.core.values import field, mutable
from provenv.formats.foreign import Foreign, Left, Source, wrong
from provenv.model.plan import canonical

_BUILD = {"requires": ["setuptools>=61"], "build-backend": "setuptools.build_meta"}
_LEGACY = {"requires": ["setuptools>=61"], "build-backend": "setuptools.build_meta:__legacy__"}
# Arguments of setup() and keys of [metadata] → what PEP 621 calls it; the file goes on saying them.
_METADATA = {
    "description": "description", "long_description": "readme", "license": "license",
    "author": "authors", "author_email": "authors", "maintainer": "maintainers",
    "maintainer_email": "maintainers", "keywords": "keywords", "classifiers": "classifiers",
    "url": "urls", "project_urls": "urls", "download_url": "urls",
}  # fmt: skip


@mutable
class Arguments:
    """What ``setup()`` is called with: what stands there literally, and what is computed (line)."""

    known: dict[str, Any] = field(default_factory=dict)
    computed: dict[str, int] = field(default_factory=dict)
    found: bool = False


class _ComputedError(ValueError):
    pass


def read_setup_py(source: Source) -> Foreign:
    """``setup.py``, read and never run: what is computed is named as left.

    Raises:
        InputError: It is not Python, or does not call ``setup()``.
    """
    arguments = setup_arguments(source)
    if not arguments.found:
        raise wrong(source, "a setup.py", "it does not call setup()")
    left = [
        Left(what=f"{name} (line {line})", why="it is computed, and setup.py is not run",
             file=source.shown)
        for name, line in arguments.computed.items()
        if name in ("install_requires", "extras_require", "python_requires", "name")
    ]  # fmt: skip
    return _foreign(source, "setup.py", arguments.known, set(arguments.computed), left, _LEGACY)


def read_setup_cfg(source: Source) -> Foreign | None:
    """``setup.cfg``; None where it has neither [metadata] nor [options].

    Raises:
        InputError: It is not an INI file, or a requirement is none.
    """
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(source.text())
    except configparser.Error as error:
        raise wrong(source, "a setup.cfg", str(error).splitlines()[0]) from error
    if not parser.has_section("metadata") and not parser.has_section("options"):
        return None
    known: dict[str, Any] = {}
    computed: set[str] = set()
    left: list[Left] = []
    for section in ("metadata", "options"):
        for key, value in parser.items(section) if parser.has_section(section) else ():
            known[key.replace("-", "_")] = value
    for key in ("install_requires", "version", "name", "python_requires"):
        if str(known.get(key, "")).startswith(("attr:", "file:")):
            _follow(source, key, known, computed, left)
    if "install_requires" in known:
        known["install_requires"] = _lines(known["install_requires"])
    if parser.has_section("options.extras_require"):
        known["extras_require"] = {
            key: _lines(value) for key, value in parser.items("options.extras_require")
        }
    if parser.has_section("options.entry_points"):
        known["entry_points"] = dict(parser.items("options.entry_points"))
    return _foreign(source, "setup.cfg", known, computed, left, _BUILD)


def _lines(text: object) -> list[str]:
    rows = [row.partition(" #")[0].strip() for row in str(text).replace(";\n", "\n").splitlines()]
    return [row for row in rows if row and not row.startswith("#")]


def _follow(
    source: Source, key: str, known: dict[str, Any], computed: set[str], left: list[Left]
) -> None:
    """``file: requirements.txt`` for requirements is read; all else stays setuptools' to say."""
    text = str(known.pop(key))
    if key == "install_requires" and text.startswith("file:"):
        rows: list[str] = []
        for name in text.removeprefix("file:").split(","):
            other = source.beside(name.strip())
            if other is None:
                left.append(
                    Left(
                        what=f"{key} = {text}",
                        why=f"{name.strip()} is not there",
                        file=source.shown,
                    )
                )
            else:
                rows += _lines(other.text())
        known[key] = "\n".join(rows)
        return
    computed.add(key)
    if key != "version":
        left.append(Left(what=f"{key} = {text}", why="it is computed", file=source.shown))


def _foreign(
    source: Source,
    kind: str,
    known: Mapping[str, Any],
    computed: set[str],
    left: list[Left],
    build: Mapping[str, Any],
) -> Foreign:
    requirements = _requirements(source, known.get("install_requires"), "install_requires")
    extras: dict[str, list[str]] = {}
    for key, value in (known.get("extras_require") or {}).items():
        name, _, condition = str(key).partition(":")
        texts = _requirements(source, value, f"extras_require.{key}")
        texts = [_with_marker(text, condition) for text in texts]
        if name.strip():
            extras.setdefault(canonical(name.strip()), []).extend(texts)
        else:
            requirements += texts
    tests = _requirements(source, known.get("tests_require"), "tests_require")
    version = str(known.get("version") or "")
    dynamic = {_METADATA[key] for key in (*known, *computed) if key in _METADATA}
    if not version:
        dynamic.add("version")
    scripts, points = _scripts(known.get("entry_points"))
    if points or "entry_points" in computed:
        dynamic.add("entry-points")
    if "entry_points" in computed:
        dynamic.add("scripts")
    return Foreign(
        kind=kind,
        file=source.shown,
        files=(source.path,),
        name=str(known.get("name") or ""),
        version=version,
        requires_python=_requires(source, known.get("python_requires")),
        dependencies=tuple(requirements),
        extras={name: tuple(texts) for name, texts in extras.items()},
        groups={"test": tuple(tests)} if tests else {},
        build_system=build,
        dynamic=tuple(sorted(dynamic)),
        scripts=scripts,
        left=tuple(left),
    )


def _requires(source: Source, value: object) -> str:
    if not value:
        return ""
    try:
        return str(SpecifierSet(str(value)))
    except InvalidSpecifier as error:
        raise InputError(
            f"{value!r} is not a specifier", file=source.shown, key="python_requires"
        ) from error


def _requirements(source: Source, value: object, key: str) -> list[str]:
    texts = _lines(value) if isinstance(value, str) else [str(text) for text in value or ()]  # type: ignore[attr-defined]
    for text in texts:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise InputError(
                f"{text!r} is not a requirement (PEP 508)", file=source.shown, key=key
            ) from error
    return texts


def _with_marker(text: str, condition: str) -> str:
    if not condition.strip():
        return text
    requirement = Requirement(text)
    own = f"({requirement.marker}) and " if requirement.marker else ""
    requirement.marker = None
    return f"{requirement} ; {own}({condition.strip()})"


def _scripts(points: object) -> tuple[dict[str, str], bool]:
    """Console scripts, and whether there are entry points besides."""
    if isinstance(points, str):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(points)
        except configparser.Error:
            return {}, True
        points = {section: dict(parser.items(section)) for section in parser.sections()}
    if not isinstance(points, Mapping):
        return {}, False
    rows = points.get("console_scripts", ())
    if isinstance(rows, Mapping):
        found = {str(key): str(value) for key, value in rows.items()}
    else:
        lines = _lines(rows) if isinstance(rows, str) else [str(row) for row in rows]
        pairs = [line.partition("=") for line in lines]
        found = {name.strip(): target.strip() for name, _, target in pairs}
    return found, bool(set(points) - {"console_scripts"})


def setup_arguments(source: Source) -> Arguments:
    """The arguments of the ``setup()`` call: literals, and names bound once to literals.

    Raises:
        InputError: It is not Python.
    """
    try:
        module = ast.parse(source.data)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"line {line}: " if line else ""
        raise wrong(source, "a setup.py", f"not valid Python: {where}{error}") from error
    names = _assigned(module)
    result = Arguments()
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and _is_setup(node.func):
            result.found = True
            for keyword in node.keywords:
                _take(keyword, names, result)
    return result


def _is_setup(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id == "setup") or (
        isinstance(node, ast.Attribute) and node.attr == "setup"
    )


def _take(keyword: ast.keyword, names: Mapping[str, ast.expr], result: Arguments) -> None:
    try:
        value = _value(keyword.value, names)
    except _ComputedError:
        result.computed[keyword.arg or "**"] = keyword.value.lineno
        return
    if keyword.arg is not None:
        result.known[keyword.arg] = value
    elif isinstance(value, dict):
        result.known |= value


def _assigned(module: ast.Module) -> dict[str, ast.expr]:
    """Names that the module binds once; one that is bound or changed again is not known."""
    found: dict[str, ast.expr] = {}
    spoiled: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for name in _names(target):
                    if name in found:
                        spoiled.add(name)
                    found[name] = node.value
                if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                    spoiled.add(target.value.id)
                if isinstance(target, (ast.Tuple, ast.List)):
                    spoiled.update(_names(target))
        elif isinstance(node, ast.AugAssign):
            spoiled.update(_names(node.target))
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.attr
            in ("append", "extend", "insert", "update", "remove", "setdefault", "pop")
        ):
            spoiled.add(node.func.value.id)
        elif isinstance(node, ast.For):
            spoiled.update(_names(node.target))
    return {name: value for name, value in found.items() if name not in spoiled}


def _names(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, (ast.Tuple, ast.List)):
        return [name for element in target.elts for name in _names(element)]
    if isinstance(target, ast.Subscript):
        return _names(target.value)
    return []


def _value(node: ast.expr, names: Mapping[str, ast.expr], depth: int = 0) -> Any:
    """A literal, a sum or formatting of literals, ``dict(…)``, a name bound to one.

    Raises:
        _ComputedError: It is anything else.
    """
    if depth > 20:
        raise _ComputedError
    deeper = depth + 1
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple() | ast.Set():
            return [_value(item, names, deeper) for item in node.elts]
        case ast.Dict():
            if None in node.keys:
                raise _ComputedError
            return {
                _value(key, names, deeper): _value(value, names, deeper)
                for key, value in zip(node.keys, node.values, strict=True)
                if key is not None
            }
        case ast.Name() if node.id in names:
            return _value(names[node.id], names, deeper)
        case ast.BinOp(op=ast.Add()):
            left, right = _value(node.left, names, deeper), _value(node.right, names, deeper)
            if type(left) is type(right) and isinstance(left, (str, list)):
                return left + right
            raise _ComputedError
        case ast.Subscript():
            container, key = _value(node.value, names, deeper), _value(node.slice, names, deeper)
            try:
                return container[key]
            except (KeyError, IndexError, TypeError) as error:
                raise _ComputedError from error
        case ast.Call(func=ast.Name(id="dict"), args=[]):
            return {k.arg: _value(k.value, names, deeper) for k in node.keywords if k.arg}
        case _:
            raise _ComputedError
