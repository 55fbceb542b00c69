"""What makes a tree a virtual environment (PEP 405), before any distribution is in it."""

from __future__ import annotations

from provenv.environments.python2 import is_python2, prefix
from provenv.environments.tree import Steps
from provenv.model.interpreter import Interpreter
from provenv.shells import texts

# Runs first in every process that is started through `.venv/bin/python`. It rewrites the entries of
# sys.path from the changing path (.venv/lib/…) to the generation's own, so that a process that was
# started before a switch never imports a file from after it. `sitedir` is a local variable of
# site.addpackage, which executes this line; sys.prefix is left alone (uv caches what an interpreter
# says of itself by path, and a pinned prefix made it list the former generation's packages).
PIN_NAME = "00_provenv.pth"
PIN_LINE = (
    "import os, sys; (lambda s, r: s != r and sys.path.__setitem__(slice(None), "
    "[r + p[len(s):] if p == s or p.startswith(s + os.sep) else p for p in sys.path]))"
    "(sitedir, os.path.realpath(sitedir))\n"
)


def pyvenv_cfg(
    interpreter: Interpreter, prompt: str, version: str, *, system_site_packages: bool = False
) -> str:
    """The text of ``pyvenv.cfg`` (PEP 405)."""
    rows = {
        "home": interpreter.home,
        "implementation": interpreter.implementation,
        "version": interpreter.version,
        "version_info": interpreter.version,
        "include-system-site-packages": "true" if system_site_packages else "false",
        "executable": interpreter.executable,
        "prompt": prompt,
        "provenv": version,
    }
    return "".join(f"{key} = {value}\n" for key, value in rows.items())


def skeleton(
    interpreter: Interpreter, prompt: str, version: str, *, system_site_packages: bool = False
) -> tuple[Steps, dict[str, str]]:
    """The steps of an empty environment, and the files (name → text) that they refer to.

    The steps come after those of the distributions, whose directories they use.
    """
    config = pyvenv_cfg(interpreter, prompt, version, system_site_packages=system_site_packages)
    files = {"pyvenv.cfg": config, PIN_NAME: PIN_LINE}
    steps: Steps = []
    if is_python2(interpreter.version):
        steps, more = prefix(interpreter)
        files |= more
    else:
        steps.append(("S", interpreter.executable, "bin/python"))
        # Made now, so that a first import does not change the folder, which tells of foreign installs.
        steps.append(("D", "", f"{interpreter.site_packages}/__pycache__"))
    steps += [("S", "python", f"bin/{name}") for name in _names(interpreter)]
    if interpreter.site_packages.startswith("lib/"):
        steps.append(("S", "lib", "lib64"))
    steps.append(("N", "pyvenv.cfg", "pyvenv.cfg"))
    steps.append(("P", PIN_NAME, f"{interpreter.site_packages}/{PIN_NAME}"))
    for name, text in texts.activation(prompt).items():
        files[name] = text
        steps.append(("P", name, f"bin/{name}"))
    return steps, files


def _names(interpreter: Interpreter) -> list[str]:
    """What the interpreter is called in ``bin`` besides ``python``."""
    major = interpreter.version.partition(".")[0]
    names = [f"python{major}", f"python{interpreter.minor}"]
    if interpreter.free_threaded:
        names.append(f"python{interpreter.minor}t")
    if interpreter.implementation == "pypy":
        names += ["pypy", f"pypy{major}"]
    return names
