"""Scripts that find ``python`` beside themselves: relocatable, and bound by no shebang length.

``/bin/sh`` reads the lines of the first string as commands and becomes Python; Python sees a string
and goes on below it. Nothing is forked unless the script was called through a symlink to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from provenv.store.names import quoted, unsafe

HEADER = b"""#!/bin/sh
'''':
d=${0%/*}; [ "$d" = "$0" ] && d=.
[ -L "$0" ] && d=$(dirname -- "$(realpath -- "$0")")
exec "$d/python" "$0" "$@"
'''
"""
GROUPS = ("console_scripts", "gui_scripts")
_TARGET = re.compile(r"(\w+(?:\.\w+)*)\s*:\s*(\w+(?:\.\w+)*)\s*(?:\[[^\]]*\])?\s*\Z")
_INTERPRETER = re.compile(r"pythonw?[\d.]*t?(?:\.exe)?\Z", re.IGNORECASE)
_CODING = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")


def parse_entry_points(text: str) -> Mapping[str, str]:
    """Name → target of every console and GUI script (the "Entry points" specification).

    Raises:
        ValueError: A line is not ``name = target``, or a name stands for two targets.
    """
    found: dict[str, str] = {}
    for name, target in _script_lines(text):
        if found.setdefault(name, target) != target:
            raise ValueError(f"the script {quoted(name)} stands for two targets")
    return found


def _script_lines(text: str) -> Iterator[tuple[str, str]]:
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            group = line[1:-1].strip()
        elif group in GROUPS:
            name, equals, target = line.partition("=")
            if not equals:
                raise ValueError(f"{quoted(line)} is not 'name = target'")
            yield name.strip(), target.strip()


def bad_name(name: str) -> str | None:
    """Why no script may be called ``name``, or None."""
    if not name or name in (".", "..") or "/" in name or "\\" in name:
        return "a script's name must not be empty or hold a path"
    if (reason := unsafe(name)) is not None:
        return f"a script cannot be called so: {reason}"
    if _INTERPRETER.match(name):
        return "a script must not take the interpreter's name"
    return None


def entry_point_script(target: str) -> bytes:
    """The script that calls ``module:attribute`` and exits with what it returns.

    Raises:
        ValueError: ``target`` is not of that form.
    """
    matched = _TARGET.match(target)
    if matched is None:
        raise ValueError(f"{quoted(target)} is not 'module:function'")
    module, function = matched.groups()
    code = (
        "import sys\n"
        f"from {module} import {function.partition('.')[0]}\n"
        'if __name__ == "__main__":\n'
        f"    sys.exit({function}())\n"
    )
    return HEADER + code.encode()


def is_python(head: bytes | memoryview) -> bool:
    """Whether a shipped file begins as a script that is to be rewritten."""
    return head[:8] == b"#!python"


def rewritten(content: bytes) -> bytes | None:
    """A wheel's ``#!python`` script with our header (PEP 427, "Recommended installer features").

    Returns:
        None where the file begins in another way, and stays as it is.
    """
    if not is_python(content):
        return None
    _, _, rest = content.partition(b"\n")
    line, _, below = rest.partition(b"\n")
    if _CODING.match(line):  # must stay within the first two lines (PEP 263)
        shell, _, polyglot = HEADER.partition(b"\n")
        return shell + b"\n" + line.rstrip() + b"\n" + polyglot + below
    return HEADER + rest
