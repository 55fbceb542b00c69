"""``bin/activate_this.py``: how a process that another interpreter started enters the environment.

virtualenv has it under this name, and those who embed Python (mod_wsgi, uWSGI, editors) run it with
``exec(open(path).read(), {"__file__": path})``. What they import afterwards comes from the generation
that was current then, as in any other process. Python 2.7 and 3.
"""

from __future__ import annotations

from provenv.model.interpreter import Interpreter

NAME = "activate_this.py"
_TEXT = '''\
"""Enter this environment: exec(open(path).read(), {"__file__": path}), where path is this file."""

import os
import site
import sys

if "%d.%d" % sys.version_info[:2] != "@MINOR@":
    raise RuntimeError("this environment is for Python @MINOR@, and this is " + sys.version.split()[0])
here = os.path.dirname(os.path.abspath(__file__))
base = os.path.dirname(here)
os.environ["PATH"] = os.pathsep.join([here] + os.environ.get("PATH", os.defpath).split(os.pathsep))
os.environ["VIRTUAL_ENV"] = base
os.environ.pop("PYTHONHOME", None)
before = list(sys.path)
site.addsitedir(os.path.join(base, "@PACKAGES@"))
sys.path[:] = [path for path in sys.path if path not in before] + before
if not hasattr(sys, "base_prefix"):
    sys.base_prefix = sys.prefix
sys.prefix = sys.exec_prefix = base
'''


def activate_this(interpreter: Interpreter) -> str:
    """The text of ``activate_this.py`` for an environment of ``interpreter``."""
    text = _TEXT.replace("@MINOR@", interpreter.minor)
    return text.replace("@PACKAGES@", interpreter.site_packages)
