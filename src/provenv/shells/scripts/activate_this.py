"""Bring the environment into a Python that runs already, one of the same version.

Use with ``runpy.run_path(".venv/bin/activate_this.py")``: its packages come first on ``sys.path``, its
scripts first on ``PATH``. Written for every Python from 2.7 on.
"""

import os
import site
import sys

_bin = os.path.dirname(os.path.abspath(__file__))
_environment = os.path.dirname(_bin)
_above = os.path.dirname(_environment)
if os.path.basename(_above) == "generations" and os.path.islink(os.path.join(_above, "../current")):
    _environment = os.path.dirname(_above)
elif os.path.basename(_environment) == "current" and os.path.islink(_environment):
    _environment = _above

os.environ["PATH"] = os.pathsep.join([_bin] + os.environ.get("PATH", "").split(os.pathsep))
os.environ["VIRTUAL_ENV"] = _environment
os.environ.pop("PYTHONHOME", None)
_name = ("pypy%d.%d" if hasattr(sys, "pypy_version_info") else "python%d.%d") % sys.version_info[:2]
_packages = os.path.join(_environment, "lib", _name, "site-packages")
if not os.path.isdir(_packages):
    raise RuntimeError("%s is not an environment of %s" % (_environment, _name))
_before = list(sys.path)
site.addsitedir(_packages)
sys.path[:] = [entry for entry in sys.path if entry not in _before] + _before
if not hasattr(sys, "base_prefix"):
    sys.base_prefix = sys.prefix
sys.prefix = sys.exec_prefix = _environment
