"""The same attacks on provenv, uv and pip, counted. Start it with ``python -m bench.robustness``."""

from __future__ import annotations

import os
import sys

# The kit of the tests makes the wheels and serves them.
sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "tests"))
