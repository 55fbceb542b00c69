"""The test kit: distributions made on the spot, an index that serves them, a project that uses them.

    from support import Index, Project, make_wheel, make_sdist

Everything here is hermetic: nothing is downloaded, and the same call gives the same bytes.
"""

from support.index import Index, Request
from support.native import build_library, elf_bytes, make_native_wheel, make_pair, needs_gcc
from support.project import Project, Result, clean_environment
from support.sdists import make_sdist, make_source
from support.wheels import make_wheel, sha256_of

__all__ = [
    "Index",
    "Project",
    "Request",
    "Result",
    "build_library",
    "clean_environment",
    "elf_bytes",
    "make_native_wheel",
    "make_pair",
    "make_sdist",
    "make_source",
    "make_wheel",
    "needs_gcc",
    "sha256_of",
]
