"""tox.ini: the environments of ``env_list`` with their factors, what they install and what they run."""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Iterator
from itertools import product

from provenv.core.errors import InputError
from provenv.formats.matrices import ForeignMatrix, limited, named, one_command, python_of

# What says nothing here: every variable is passed, every program may be called, the project is installed.
_NO_MATTER = frozenset(
    {
        "allowlist_externals", "commands", "constrain_package_deps", "deps", "description", "env_list",
        "envlist", "isolated_build", "isolated_build_env", "minversion", "no_package", "package",
        "package_env", "parallel_show_output", "pass_env", "passenv", "requires", "runner",
        "skip_missing_interpreters", "skipsdist", "use_develop", "use_frozen_constraints", "usedevelop",
        "wheel_build_env", "whitelist_externals",
    }
)  # fmt: skip
_CONDITION = re.compile(r"^(!?[\w.]+(?:[-,]!?[\w.]+)*):(?!\S*//)\s*(.*)$")


def read_tox(text: str, file: str) -> ForeignMatrix:
    """What ``tox.ini`` declares. Nothing in it is run.

    Raises:
        InputError: It cannot be read, or names no environment with a Python.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise InputError(f"cannot be read: {str(error).splitlines()[0]}", file=file) from error
    top = parser["tox"] if parser.has_section("tox") else {}
    names = list(limited(_environments(top.get("env_list") or top.get("envlist") or ""), file))
    base = parser["testenv"] if parser.has_section("testenv") else {}
    return _Reader(file, names, dict(base), parser.sections()).read()


class _Reader:
    def __init__(
        self, file: str, names: list[str], base: dict[str, str], sections: list[str]
    ) -> None:
        self._file = file
        self._names = names
        self._base = base
        self._own = {
            name.strip()
            for section in sections
            if section.startswith("testenv:")
            for name in section.removeprefix("testenv:").split(",")
        }
        self._left: list[str] = []

    def read(self) -> ForeignMatrix:
        cells: list[tuple[str, str]] = []
        factors: dict[str, set[str]] = {}
        others = []
        for name in self._names:
            parts = name.split("-")
            pythons = [python for part in parts if (python := python_of(part))]
            if len(pythons) != 1 or name in self._own:
                others.append(name)
                continue
            rest = [part for part in parts if python_of(part) is None]
            variant = "-".join(rest)
            factors.setdefault(variant, set()).update(rest)
            cells.append((pythons[0], variant))
        if not cells:
            raise InputError(
                "names no environment with a Python that could be taken over",
                file=self._file,
                key="tox.env_list",
            )
        if others:
            self._left.append(
                named(others, "environments with settings of their own, or without a Python")
            )
        packages = self._packages(factors)
        command = self._command()
        self._rest()
        return ForeignMatrix(
            cells=tuple(dict.fromkeys(cells)),
            packages=packages,
            command=command,
            left=tuple(self._left),
        )

    def _packages(self, factors: dict[str, set[str]]) -> dict[str, tuple[str, ...]]:
        """What each variant installs by its factors; what all install belongs into a group."""
        found: dict[str, list[str]] = {variant: [] for variant in factors}
        common, odd = [], []
        for line in _lines(self._base.get("deps", "")):
            condition = _CONDITION.match(line)
            text = condition[2] if condition else line
            if not text or text.startswith("-") or "{" in text:
                odd.append(line)
            elif condition is None:
                common.append(text)
            else:
                names = condition[1].split(",")
                if any(python_of(p.lstrip("!")) for name in names for p in name.split("-")):
                    odd.append(line)
                    continue
                for variant, own in factors.items():
                    if any(_meets(name, own) for name in names):
                        found[variant].append(text)
        if common:
            add = " ".join(shlex.quote(text) for text in common)
            self._left.append(
                f"deps of all: `provenv add --group test {add}` puts them into the lock"
            )
        if odd:
            self._left.append(named(odd, "deps"))
        return {variant: tuple(items) for variant, items in found.items()}

    def _command(self) -> tuple[str, ...]:
        commands: list[list[str]] = []
        for line in _lines(self._base.get("commands", "").replace("\\\n", " ")):
            if _CONDITION.match(line):
                self._left.append(f"a command of some environments only: {line}")
                continue
            text = re.sub(r"\{posargs(?::([^{}]*))?\}", lambda m: m[1] or "", line)
            text = text.replace("{envpython}", "python").replace("{env_python}", "python")
            text = re.sub(r"\{(?:toxinidir|tox_root)\}", ".", text)
            if "{" in text:
                self._left.append(f"a command with substitutions: {line}")
                return ()
            ignoring = text.startswith("-")
            try:
                commands.append(shlex.split(text.lstrip("- ")))
            except ValueError:
                self._left.append(f"a command that cannot be split into words: {line}")
                return ()
            if ignoring:
                self._left.append(f"that the exit code of this does not count: {line}")
        return one_command(commands)

    def _rest(self) -> None:
        keys = [key for key in self._base if key not in _NO_MATTER]
        if keys:
            self._left.append(named(keys, "settings of [testenv]"))


def _lines(text: str) -> list[str]:
    """The lines that say something, without comments."""
    lines = (re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _meets(condition: str, factors: set[str]) -> bool:
    return all(
        (part[1:] not in factors) if part.startswith("!") else part in factors
        for part in condition.split("-")
    )


def _environments(text: str) -> Iterator[str]:
    """``py{39,310}-{a,b}`` and ``py3{9-11}``: every name."""
    depth, word = 0, ""
    for character in " ".join(_lines(text)) + ",":
        if character in ", \t" and depth == 0:
            if word:
                yield from _expanded(word)
            word = ""
            continue
        depth += (character == "{") - (character == "}")
        word += character


def _expanded(word: str) -> Iterator[str]:
    parts = re.split(r"\{([^{}]*)\}", word.replace(" ", ""))
    options = [
        [part] if number % 2 == 0 else [one for text in part.split(",") for one in _range(text)]
        for number, part in enumerate(parts)
    ]
    for combination in product(*options):
        yield re.sub(r"-+", "-", "".join(combination)).strip("-")


def _range(text: str) -> list[str]:
    match = re.fullmatch(r"(\d+)-(\d+)", text)
    if match is None or int(match[2]) - int(match[1]) > 100:
        return [text]
    return [str(number) for number in range(int(match[1]), int(match[2]) + 1)]
