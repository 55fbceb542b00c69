"""PV3xx: variables and PATH of the shell that asks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provenv.doctor.facts import Facts
from provenv.doctor.rule import Rule, Seen
from provenv.doctor.words import some

_PIP_ELSEWHERE = ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT")
_UTF8 = re.compile(r"utf-?8", re.IGNORECASE)


def two_homes(facts: Facts) -> Iterator[Seen]:
    """``python`` and ``pip`` work for different environments."""
    python, pip = facts.shell.python, facts.shell.pip
    if python is None or pip is None or python.prefix is None or pip.prefix is None:
        return
    if python.prefix != pip.prefix:
        yield Seen(
            text=f"`{python.name}` is {python.path}, and `pip` is {pip.path}, which installs "
            f"for {pip.prefix}",
            mend=f"{python.name} -m pip",
        )


def two_active(facts: Facts) -> Iterator[Seen]:
    """More than one environment is active."""
    shell = facts.shell
    found = list(dict.fromkeys([*shell.stacked, *shell.active.values()]))
    if len(found) < 2:
        return
    first = shell.stacked[0] if shell.stacked else found[0]
    leave = "conda deactivate" if len(shell.active) > 1 else "deactivate"
    yield Seen(text=f"active are {some(found)}; {first} answers first", mend=leave)


def python_path(facts: Facts) -> Iterator[Seen]:
    """PYTHONPATH is set."""
    value = facts.shell.variables.get("PYTHONPATH")
    if value:
        yield Seen(text=f"PYTHONPATH is {value!r}", mend="unset PYTHONPATH")


def python_home(facts: Facts) -> Iterator[Seen]:
    """PYTHONHOME is set."""
    value = facts.shell.variables.get("PYTHONHOME")
    if value:
        yield Seen(text=f"PYTHONHOME is {value!r}", mend="unset PYTHONHOME")


def pip_elsewhere(facts: Facts) -> Iterator[Seen]:
    """Variables tell pip to install somewhere else."""
    variables = facts.shell.variables
    names = [
        name for name in _PIP_ELSEWHERE if variables.get(name, "") not in ("", "0", "false", "no")
    ]
    if names:
        told = ", ".join(f"{name}={variables[name]}" for name in names)
        yield Seen(text=told, mend=f"unset {' '.join(names)}")


def active_is_gone(facts: Facts) -> Iterator[Seen]:
    """What is active does not exist."""
    for name in facts.shell.gone:
        leave = "deactivate" if name == "VIRTUAL_ENV" else "conda deactivate"
        yield Seen(text=f"{name} is {facts.shell.variables[name]}, which is not there", mend=leave)


def another_project(facts: Facts) -> Iterator[Seen]:
    """The active environment is another project's."""
    shell, project = facts.shell, facts.project
    folder = shell.active.get("VIRTUAL_ENV")
    if project is None or folder is None or "VIRTUAL_ENV" in shell.gone:
        return
    if not folder.startswith(f"{project.root}/"):
        yield Seen(
            text=f"the active environment is {folder}, and this project is {project.root}",
            mend="deactivate",
        )


def not_activated(facts: Facts) -> Iterator[Seen]:
    """``python`` is not the project's, and nothing is active."""
    shell = facts.shell
    if shell.default_environment is None or shell.active or shell.python is None:
        return
    if shell.python.prefix != shell.default_environment:
        yield Seen(
            text=f"`{shell.python.name}` is {shell.python.path}, not that of "
            f"{shell.default_environment}",
            mend="provenv run python",
        )


def broken_shim(facts: Facts) -> Iterator[Seen]:
    """A shim of pyenv comes first, and what it would start is not installed."""
    shell = facts.shell
    if shell.shim is None or shell.shim_target is not None:
        return
    names = some(shell.selected)
    by = shell.selected_by
    said = f"{names} ({by})" if names else "nothing"
    install = [name for name in shell.selected if re.fullmatch(r"[\d.]+", name)]
    yield Seen(
        text=f"`python` is {shell.shim}, and pyenv selects {said}, which is not installed",
        mend=f"pyenv install {install[0]}" if install else "pyenv global system",
    )


def locale(facts: Facts) -> Iterator[Seen]:
    """The locale's encoding is not UTF-8."""
    variables = facts.shell.variables
    if variables.get("PYTHONUTF8") == "1":
        return
    name, value = next(
        ((n, v) for n in ("LC_ALL", "LC_CTYPE", "LANG") if (v := variables.get(n))), ("LANG", "")
    )
    plain = value in ("", "C", "POSIX")
    old = any((e.python or "3.7").startswith(("2.", "3.5.", "3.6.")) for e in facts.environments)
    # since 3.7 Python takes the C locale for UTF-8 (PEP 538, PEP 540), unless it is told not to
    told = variables.get("PYTHONUTF8") == "0" or variables.get("PYTHONCOERCECLOCALE") == "0"
    encoding = value.partition(".")[2].partition("@")[0]
    bad = (old or told) if plain else bool(encoding) and not _UTF8.fullmatch(encoding)
    if bad:
        yield Seen(text=f"{name} is {value!r}", mend="export LC_ALL=C.UTF-8")


RULES = (
    Rule(
        code="PV301",
        title="python and pip of different environments",
        weight="warning",
        why="`pip install` succeeds, and `python` does not find what was installed.",
        advice="Let the Python that is meant run pip, or use `provenv add PACKAGE`.",
        check=two_homes,
    ),
    Rule(
        code="PV302",
        title="Two environments active at once",
        weight="warning",
        why="Commands come from the one, libraries from the other, and which is which depends on PATH.",
        advice="Leave one of them. conda's base: `conda config --set auto_activate_base false`.",
        check=two_active,
    ),
    Rule(
        code="PV303",
        title="PYTHONPATH is set",
        weight="warning",
        why="Its folders come before every environment's packages, in each Python that this "
        "shell starts.",
        advice="Take it out of the shell's start-up files; install what it points to as editable.",
        check=python_path,
    ),
    Rule(
        code="PV304",
        title="PYTHONHOME is set",
        weight="error",
        why="Every Python but one looks for its standard library in the wrong place, and "
        "does not start.",
        advice="Take it out of the shell's start-up files.",
        check=python_home,
    ),
    Rule(
        code="PV305",
        title="pip is told to install elsewhere",
        weight="warning",
        why="Whatever environment is active, pip puts its packages into another place.",
        advice="Take it out of the shell's start-up files.",
        check=pip_elsewhere,
    ),
    Rule(
        code="PV306",
        title="An active environment that is gone",
        weight="warning",
        why="The prompt shows an environment, and commands come from somewhere else.",
        advice="Leave it, and open a new shell where that does not help.",
        check=active_is_gone,
    ),
    Rule(
        code="PV307",
        title="Another project's environment is active",
        weight="warning",
        why="`python` and `pip` here work on that project: what is installed lands there.",
        advice="Leave it; `provenv run` takes the right one by itself.",
        check=another_project,
    ),
    Rule(
        code="PV308",
        title="The environment is not active",
        weight="note",
        why="`python` here does not have the project's packages.",
        advice="Put `provenv run` in front of the command, or activate the environment.",
        check=not_activated,
    ),
    Rule(
        code="PV309",
        title="A pyenv shim that leads nowhere",
        weight="warning",
        why="The command is found and cannot run: every call of `python` ends with an error.",
        advice="Install that version, or let pyenv select another one.",
        check=broken_shim,
    ),
    Rule(
        code="PV310",
        title="The locale is not UTF-8",
        weight="warning",
        why="Python reads and writes text files in that encoding unless told otherwise; "
        "names may be garbled.",
        advice="Choose a locale in UTF-8.",
        check=locale,
    ),
)
