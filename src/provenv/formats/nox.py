"""noxfile.py: sessions whose Pythons and commands are literals. The file is read, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from provenv.core.errors import InputError
from provenv.core.values import field, mutable
from provenv.formats.matrices import ForeignMatrix, named, one_command

_LIKELY = ("tests", "test", "pytest", "unit")


def read_nox(text: str, file: str) -> ForeignMatrix:
    """The session that runs the tests: the one called ``tests``, or the first with several Pythons.

    Raises:
        InputError: It is no Python, or no session names its Pythons as literals.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"cannot be read: {error}", file=file) from error
    sessions = [one for node in tree.body if (one := _session(node, _constants(tree)))]
    able = [one for one in sessions if one.pythons]
    if not able:
        raise InputError(
            "has no session that names its Pythons as `@nox.session(python=[…])`", file=file
        )
    able.sort(key=lambda one: _LIKELY.index(one.name) if one.name in _LIKELY else len(_LIKELY))
    chosen = able[0]
    others = [one.name for one in sessions if one is not chosen]
    left = [*([named(others, "other sessions")] if others else []), *chosen.left]
    if chosen.common:
        text = " ".join(f"'{item}'" for item in chosen.common)
        left.append(f"what it installs: `provenv add --group test {text}` puts it into the lock")
    names = list(chosen.variants) or [""]
    return ForeignMatrix(
        cells=tuple((python, name) for python in chosen.pythons for name in names),
        packages={name: tuple(items) for name, items in chosen.variants.items()},
        command=one_command(chosen.commands),
        left=tuple(left),
    )


@mutable
class _Session:
    name: str
    pythons: list[str] = field(default_factory=list)
    parameters: dict[str, list[str]] = field(default_factory=dict)
    variants: dict[str, list[str]] = field(default_factory=dict)
    common: list[str] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Names of the module that stand for literals: ``PYTHONS = ["3.11", "3.12"]``."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                found[target.id] = node.value
    return found


def _session(node: ast.stmt, constants: dict[str, ast.expr]) -> _Session | None:
    if not isinstance(node, ast.FunctionDef):
        return None
    found: _Session | None = None
    for decorator in node.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        if _last_name(call) == "session":
            found = _Session(node.name)
            if isinstance(decorator, ast.Call):
                _read_session(decorator, found, constants)
    if found is None:
        return None
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and _last_name(decorator.func) == "parametrize":
            _read_parameter(decorator, found, constants)
    if len(found.parameters) > 1:
        found.left.append(named(found.parameters, "more than one parameter"))
        found.parameters.clear()
    first = node.args.args[0].arg if node.args.args else "session"
    for statement in node.body:
        _read_statement(statement, first, found)
    return found


def _read_session(call: ast.Call, found: _Session, constants: dict[str, ast.expr]) -> None:
    for keyword in call.keywords:
        value = _literal(keyword.value, constants)
        if keyword.arg in ("python", "py"):
            items = value if isinstance(value, (list, tuple)) else [value]
            if all(isinstance(item, str) for item in items):
                found.pythons = [str(item).removeprefix("python") for item in items]
            elif value is not False:
                found.left.append(f"the Pythons of {found.name}: they are no literals")
        elif keyword.arg == "name" and isinstance(value, str):
            found.name = value


def _read_parameter(call: ast.Call, found: _Session, constants: dict[str, ast.expr]) -> None:
    values = [_literal(argument, constants) for argument in call.args[:2]]
    if (
        len(values) == 2
        and isinstance(values[0], str)
        and "," not in values[0]
        and isinstance(values[1], (list, tuple))
        and all(isinstance(item, (str, int, float)) for item in values[1])
    ):
        found.parameters[values[0]] = [str(item) for item in values[1]]
        found.variants = {f"{values[0]}={item}": [] for item in values[1]}
    else:
        found.left.append(f"parameters of {found.name} that are no literals")


def _read_statement(statement: ast.stmt, session: str, found: _Session) -> None:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return  # a docstring
    call = statement.value if isinstance(statement, ast.Expr) else None
    function = call.func if isinstance(call, ast.Call) else None
    if (
        not isinstance(call, ast.Call)
        or not isinstance(function, ast.Attribute)
        or not isinstance(function.value, ast.Name)
        or function.value.id != session
    ):
        found.left.append(f"line {statement.lineno}: {_said(statement)}")
        return
    if function.attr == "install":
        _read_install(call, found, statement)
    elif function.attr in ("run", "run_always"):
        words = [_literal(argument, {}) for argument in _without_posargs(call.args, session)]
        if all(isinstance(word, str) for word in words) and words:
            found.commands.append([str(word) for word in words])
            odd = [k.arg for k in call.keywords if k.arg not in ("external", "silent")]
            if odd:
                found.left.append(named(map(str, odd), f"line {statement.lineno}: options of run"))
        else:
            found.left.append(f"line {statement.lineno}: {_said(statement)}")
    elif function.attr != "log":
        found.left.append(f"line {statement.lineno}: {_said(statement)}")


def _read_install(call: ast.Call, found: _Session, statement: ast.stmt) -> None:
    for argument in call.args:
        value = _literal(argument, {})
        if isinstance(value, str):
            if value.startswith(("-", ".")):
                if value not in ("-e", ".", "-e."):
                    found.left.append(f"line {statement.lineno}: install {value}")
            else:
                found.common.append(value)
            continue
        filled = {
            name: _filled(argument, parameter, item)
            for parameter, items in found.parameters.items()
            for item in items
            for name in (f"{parameter}={item}",)
        }
        if filled and all(filled.values()):
            for name, text in filled.items():
                found.variants[name].append(str(text))
        else:
            found.left.append(f"line {statement.lineno}: install {ast.unparse(argument)}")


def _filled(node: ast.expr, parameter: str, value: str) -> str | None:
    """``f"django=={django}"`` with the parameter's value; None where there is more in it."""
    if isinstance(node, ast.Name) and node.id == parameter:
        return value
    if not isinstance(node, ast.JoinedStr):
        return None
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif (
            isinstance(part, ast.FormattedValue)
            and isinstance(part.value, ast.Name)
            and part.value.id == parameter
            and part.format_spec is None
            and part.conversion == -1
        ):
            parts.append(value)
        else:
            return None
    return "".join(parts)


def _without_posargs(arguments: list[ast.expr], session: str) -> Iterator[ast.expr]:
    """All but ``*session.posargs``: what stands after ``--`` is the whole command here."""
    for argument in arguments:
        inner = argument.value if isinstance(argument, ast.Starred) else None
        if (
            isinstance(inner, ast.Attribute)
            and inner.attr == "posargs"
            and isinstance(inner.value, ast.Name)
            and inner.value.id == session
        ):
            continue
        yield argument


def _literal(node: ast.expr, constants: dict[str, ast.expr]) -> object:
    """The value of a literal, or of a name that stands for one; None for anything else."""
    if isinstance(node, ast.Name) and node.id in constants:
        node = constants[node.id]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _said(statement: ast.stmt) -> str:
    return ast.unparse(statement).splitlines()[0]
