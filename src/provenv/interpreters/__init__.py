"""Floor 3: find interpreters and ask them what they are.

A request (:mod:`.requests`) is matched against candidates (:mod:`.discovery`) in the places of a
:class:`Search`; a candidate is run once (:mod:`.probe`) and then remembered (:mod:`.cache`). What can be
installed besides is in :mod:`.builds`.
"""

from provenv.interpreters.discovery import installed_beside
from provenv.interpreters.finding import find, list_interpreters, meets, read_request
from provenv.interpreters.probe import check_start, probe
from provenv.interpreters.requests import absolute_request, parse_request
from provenv.interpreters.search import Search, read_pins, read_python_version

__all__ = [
    "Search",
    "absolute_request",
    "check_start",
    "find",
    "installed_beside",
    "list_interpreters",
    "meets",
    "parse_request",
    "probe",
    "read_pins",
    "read_python_version",
    "read_request",
]
