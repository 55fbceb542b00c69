"""Runs provenv's command line again and again, each time in a fork of a process that has it all loaded.

Run by :mod:`support.every_call`, never imported: one JSON line a command in, one out.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import mmap
import os
import pkgutil
import struct
import sys
from typing import Any, NoReturn

_PR_SET_CHILD_SUBREAPER = 36
_STATE = struct.Struct("9i")
_NAME = 12


def load() -> None:
    """Import what commands import, so that no fork has to."""
    import provenv

    for module in pkgutil.walk_packages(provenv.__path__, "provenv."):
        if not module.name.rpartition(".")[2].startswith("_"):
            importlib.import_module(module.name)
    for name in ("concurrent.futures.thread", "ssl", "http.client", "tomlkit", "rich.console"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def arm(state: mmap.mmap, job: dict[str, Any]) -> None:
    """From now on calls are counted; this process is the leader."""
    target, number, aimed, whose = job["strike"]
    _STATE.pack_into(state, 0, 0, target, number, os.getpid(), aimed, whose, 0, 0, 0)
    state[:4] = struct.pack("i", 1)


def become(state: mmap.mmap, job: dict[str, Any]) -> NoReturn:
    """Be one command, as ``provenv ARGUMENTS`` would be."""
    for number, name in ((1, "out"), (2, "err")):
        descriptor = os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.argv = ["provenv", *job["arguments"]]
    for place, value in job["set"].items():
        module, _, name = place.rpartition(".")
        setattr(sys.modules[module], name, value)
    from provenv.cli import main

    arm(state, job)
    main()
    os._exit(99)  # main does not return


def run(state: mmap.mmap, job: dict[str, Any]) -> dict[str, Any]:
    child = os.fork()
    if child == 0:
        become(state, job)
    _, status = os.waitpid(child, 0)
    state[:4] = bytes(4)
    if not job["orphans"]:
        wait_for_all()
    *_, count, apart, struck = _STATE.unpack_from(state)
    names = state[_STATE.size : _STATE.size + count * _NAME]
    return {
        "code": os.waitstatus_to_exitcode(status),
        "calls": count,
        "apart": apart,
        "hit": bool(struck),
        "names": [
            names[at : at + _NAME].split(b"\0")[0].decode() for at in range(0, len(names), _NAME)
        ],
    }


def wait_for_all() -> None:
    """Wait for what a command that was killed left running."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with open(os.environ["EVERY_CALL"], "r+b") as stream:
        state = mmap.mmap(stream.fileno(), 0)
    answers = os.fdopen(os.dup(1), "w")
    load()
    for line in sys.stdin:
        answers.write(json.dumps(run(state, json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
