"""A prefix for Python 2.7, which knows nothing of ``pyvenv.cfg``: what its environments have besides.

Python 2.7 looks for its standard library from its own executable upwards, symlinks resolved. So its
environments hold a copy of the executable and the two landmarks that it looks for, ``os.py`` and
``lib-dynload``, and it takes the environment for its prefix. The first module that it imports is
``site``: ours, below, sends it back to the real standard library and then lets the real ``site`` do
the rest, with ``sys.base_prefix`` and ``include-system-site-packages`` as PEP 405 has them.

Byte code lies beside the sources there, so that folders of the store cannot be linked whole: such an
environment is ``hardlink`` where another one would be ``linked``.
"""

from __future__ import annotations

import os

from provenv.core.errors import UnsatisfiableError
from provenv.environments.tree import Steps
from provenv.model.interpreter import Interpreter

_SHARED = "lib/libpython2.7.so.1.0"
WHY_NO_FOLDERS = "Python 2.7 writes byte code beside its sources"
SITE_NAME = "site.py"
SITE = '''\
"""Stands in for the real `site`, which it runs: Python 2.7 has no environments of its own (PEP 405)."""

import imp
import sys


def _config():
    found = {}
    with open(sys.prefix + "/pyvenv.cfg") as stream:
        for line in stream:
            key, _, value = line.partition("=")
            found[key.strip().lower()] = value.strip()
    return found


def _outside(base):
    """Take the standard library from where it is, not from the landmarks in the environment."""
    inside, real = sys.prefix + "/lib/python2.7", base + "/lib/python2.7"
    for number, path in enumerate(sys.path):
        if path == sys.prefix + "/lib/python27.zip":
            sys.path[number] = base + "/lib/python27.zip"
        elif path == inside or path.startswith((inside + "/plat-", inside + "/lib-")):
            sys.path[number] = real + path[len(inside):]
    return real


def _start():
    config = _config()
    base = config["home"].rpartition("/")[0]
    everything = config.get("include-system-site-packages") == "true"
    sys.base_prefix = sys.base_exec_prefix = base
    real = _outside(base)
    import os

    user_base = os.environ.get("PYTHONUSERBASE")
    if not everything:  # below a file there is no user site
        os.environ["PYTHONUSERBASE"] = sys.prefix + "/pyvenv.cfg"
    try:
        imp.load_module("site", *imp.find_module("site", [real]))
    finally:
        if user_base is not None:
            os.environ["PYTHONUSERBASE"] = user_base
        elif not everything:
            del os.environ["PYTHONUSERBASE"]
    site = sys.modules["site"]
    own = sys.prefix + "/lib/python2.7/site-packages"
    if own not in sys.path and os.path.realpath(own) not in sys.path:
        site.addsitedir(own)  # a distributor's site looks elsewhere
    if everything:
        site.PREFIXES = [base]
        site.addsitepackages(site._init_pathinfo())
        site.PREFIXES = [sys.prefix, base]
    else:
        site.ENABLE_USER_SITE, site.USER_BASE, site.USER_SITE = False, None, None
        site.PREFIXES = [sys.prefix]


_start()
'''


def is_python2(version: str) -> bool:
    """Whether an interpreter of this version needs all this."""
    return version.startswith("2.")


def prefix(interpreter: Interpreter) -> tuple[Steps, dict[str, str]]:
    """The steps and files that make the tree a prefix of its own, without ``bin/python2.7`` and its like.

    Raises:
        UnsatisfiableError: It is not a CPython 2.7 with its standard library at the usual place.
    """
    base = os.path.dirname(interpreter.home)
    library = "lib/python2.7"
    landmarks = [f"{library}/os.py", f"{library}/lib-dynload"]
    if interpreter.minor != "2.7" or interpreter.implementation != "cpython":
        reason = "of Python 2, only CPython 2.7 can be had in an environment"
    elif not all(os.path.exists(f"{base}/{path}") for path in landmarks):
        reason = f"its standard library is not in {base}/{library}"
    else:
        steps: Steps = [("X", interpreter.executable, "bin/python")]
        linked = [*landmarks, f"{library}/config"]
        if os.path.exists(f"{base}/{_SHARED}"):  # which a copy looks for beside itself ($ORIGIN)
            linked.append(_SHARED)
        steps += [("S", f"{base}/{path}", path) for path in linked]
        steps += [("D", "", "include"), ("S", f"{base}/include/python2.7", "include/python2.7")]
        steps.append(("P", SITE_NAME, f"{library}/site.py"))
        return steps, {SITE_NAME: SITE}
    raise UnsatisfiableError(
        f"no environment can be made for {interpreter.executable} ({interpreter.version}): {reason}",
        hint="Choose another interpreter with --python.",
    )
