"""``environment.yml`` of conda: its pip part, and the Python that it asks for.

https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html
"""

from __future__ import annotations

import re

import yaml

from provenv.core.errors import InputError
from provenv.core.values import replace
from provenv.formats import requirements
from provenv.formats.foreign import Foreign, Left, Source, wrong

_MATCH = re.compile(r"^(?:[\w./:-]+::)?([A-Za-z0-9._-]+)\s*(.*)$")
_TOOLS = frozenset({"pip", "python", "setuptools", "wheel"})
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def read_environment(source: Source) -> Foreign:
    """An ``environment.yml``; packages that conda would install are left, each by name.

    Raises:
        InputError: It is not YAML, or not an environment.
    """
    try:
        data = yaml.safe_load(source.text())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise wrong(source, "an environment.yml", f"not valid YAML: {where}{reason}") from error
    if not isinstance(data, dict) or not isinstance(data.get("dependencies"), list):
        raise wrong(source, "an environment.yml", "it has no list `dependencies`")
    python, lines = "", list[str]()
    left: list[Left] = []
    for item in data["dependencies"]:
        if isinstance(item, dict):
            pip = item.get("pip") or []
            if set(item) != {"pip"} or not isinstance(pip, list):
                raise InputError(f"{item!r} is neither a package nor a pip part", file=source.shown)
            lines += [str(line) for line in pip]
            continue
        match = _MATCH.match(str(item).strip())
        name, version = (match[1].lower(), match[2]) if match else (str(item), "")
        if name == "python":
            python = _python(version)
        elif name not in _TOOLS:
            why = f"conda installs it; where PyPI has it, too: `provenv add {name}`"
            left.append(Left(what=f"conda package {str(item).strip()}", why=why, file=source.shown))
    channels = [str(c) for c in data.get("channels") or () if c not in ("defaults", "nodefaults")]
    if channels:
        listed = ", ".join(channels)
        left.append(
            Left(what=f"channels: {listed}", why="provenv asks no channels", file=source.shown)
        )
    if data.get("variables"):
        names = ", ".join(data["variables"])
        left.append(Left(what=f"variables: {names}", why="provenv sets none", file=source.shown))
    parsed = requirements.parse_lines("\n".join(lines), source)
    found = requirements.from_parsed(parsed, source, kind="environment.yml")
    return replace(
        found,
        files=(source.path, *found.files),
        requires_python=python,
        left=(*left, *found.left),
    )


def _python(version: str) -> str:
    """``=3.11``, ``3.11.*``, ``>=3.10,<3.13`` → a specifier; one version becomes a lower bound."""
    text = version.replace(" ", "")
    if text.startswith((">", "<", "!")):
        return text
    found = _VERSION.search(text)
    return f">={found[0]}" if found else ""
