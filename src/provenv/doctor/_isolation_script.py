"""Says where an environment's interpreter looks. Run *by that interpreter*, never imported by provenv.

Stand-alone, standard library only, in the words that Python 2.7 and 3.x share. It is handed over with
``-c``, so that no folder of its own comes onto the path.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# ruff: noqa: C402, UP031  # what replaces these is not Python 2.7

import json
import os
import site
import sys
import sysconfig

START = "<provenv-isolation>"
END = "</provenv-isolation>"


def distributions():
    """Name and folder of every distribution that can be found; None where the Python is too old to tell."""
    try:
        from importlib import metadata
    except ImportError:
        return None
    found = []
    for item in metadata.distributions():
        name = item.metadata["Name"]
        if name:
            found.append([name, str(item.locate_file(""))])
    return sorted(found)


def has_pip():
    """Whether ``import pip`` would find something."""
    try:
        from importlib.util import find_spec
    except ImportError:
        import imp

        try:
            imp.find_module("pip")
        except ImportError:
            return False
        return True
    return find_spec("pip") is not None


def user_site():
    """Where the user's own packages would be."""
    try:
        return site.getusersitepackages()
    except AttributeError:  # an old virtualenv's site module
        return ""


sys.stdout.write(
    START
    + json.dumps(
        {
            "executable": sys.executable,
            "prefix": sys.prefix,
            "base_prefix": getattr(sys, "base_prefix", getattr(sys, "real_prefix", sys.prefix)),
            "path": [entry for entry in sys.path if entry],
            "paths": dict(
                (name, sysconfig.get_path(name))
                for name in ("purelib", "platlib", "scripts", "data")
            ),
            "standard": [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")],
            "user_site": user_site(),
            "user_site_on": bool(getattr(site, "ENABLE_USER_SITE", False)),
            "pip": has_pip(),
            "distributions": distributions(),
            "version": "%d.%d.%d" % sys.version_info[:3],
            "here": os.getcwd(),
        }
    )
    + END
)
