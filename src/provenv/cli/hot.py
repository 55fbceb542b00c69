"""The calls that must cost milliseconds: ``run``, ``sync``, ``lock``, ``env create``, ``audit``, ``test``.

Understands ``run [-e NAME] [--] CMD…``, ``lock [-q] [--offline]``, ``audit --json`` and ``audit -q``,
``sync`` with ``-e``, ``--python``, ``--link-mode``, ``-q``, ``--locked`` and ``--offline``, and
``env create NAME`` with the same, ``--global`` and ``--seed``; anything else, and any doubt, is left to
the whole program by answering None. ``test`` only begins here.
Imports nothing heavier than ``os`` (a test holds it to that).
"""

from __future__ import annotations

import gc
import os
import sys
import time

from provenv.cli.place import command_line, home_folder
from provenv.environments import stamp
from provenv.workspace import fast

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from provenv.workspace.begun import HeadStart

_PLAIN = {
    "sync": ("-q", "--quiet", "--locked", "--offline"),
    "lock": ("-q", "--quiet", "--offline"),
    "run": ("--locked",),
    "env": ("-q", "--quiet", "--global", "--offline"),
    "audit": ("-q", "--quiet", "--json", "--offline"),
}


_VALUES = {
    "sync": ("-e", "--environment", "--python", "--link-mode"),
    "lock": (),
    "run": ("-e", "--environment"),
    "env": ("--python", "--link-mode"),
    "audit": (),
}
_ATTRIBUTES = {
    "-e": "environment",
    "--environment": "environment",
    "--python": "python",
    "--link-mode": "link_mode",
}


class _Call:
    __slots__ = ("asked", "command", "json", "locked", "name", "outside", "quiet", "rest", "seed")

    def __init__(self, command: str) -> None:
        self.command = command
        self.asked = fast.Asked()
        self.name = ""  # of the environment to create
        self.outside = False
        self.quiet = False
        self.json = False
        self.locked = False
        self.rest: list[str] = []
        self.seed: list[str] = []


def attempt(arguments: list[str]) -> int | None:
    """Do the call, if it is one of those and nothing stands in the way.

    Returns:
        The exit code, or None where the whole program must decide. A started command does not
        return.
    """
    call = _parse(arguments)
    if call is None:
        return None
    gc.disable()  # this process lives for milliseconds; looking for garbage would cost some of them
    code = _attempt(call, command_line(arguments, call.rest))
    if code is None:
        gc.enable()
    return code


def head_start(arguments: list[str]) -> HeadStart | None:
    """Begin the first cells of a plain ``test``, where what it would run is known; None in any doubt.

    Understands ``--fresh``, ``--locked``, ``-j``, ``-q``, ``--json``, ``--junit`` and ``--html``.
    """
    jobs: int | None = None
    fresh = False
    words = iter(arguments[1:])
    for word in words:
        if word in ("-j", "--jobs"):
            count = next(words, "")
            if not count.isdecimal() or not 0 < int(count) < 1000:
                return None
            jobs = int(count)
        elif word in ("--junit", "--html"):
            if next(words, None) is None:
                return None
        elif word == "--fresh":
            fresh = True
        elif word not in ("-q", "--quiet", "--json", "--locked"):
            return None
    try:
        root = fast.find_root(os.getcwd())
        if root is None:
            return None
        from provenv.workspace import begun

        return begun.begin(root, home_folder(os.environ), os.environ, jobs=jobs, fresh=fresh)
    except OSError:
        return None  # the whole program says what is wrong


def _attempt(call: _Call, cause: str) -> int | None:
    started = time.monotonic()
    try:
        home = home_folder(os.environ)
        if call.command == "env" and (call.outside or fast.find_root(os.getcwd()) is None):
            return _create(call, home, cause, started)
        root = _root(call, home)
        if root is None:
            return None
        if call.command == "lock":
            return _lock(call, root, home)
        if call.command == "audit":
            return _audit(call, root, home)
        if fast.unsettled(home) or fast.is_open(home):
            return None
        held = call.command == "run" and not call.locked
        outcome = fast.in_sync(root, call.asked, home, os.environ, held=held)
        if outcome is None:
            from provenv.cli import signals  # from here on something is written

            signals.take_way_out()
            outcome = fast.still_in_sync(root, call.asked, home, os.environ)
        if outcome is None:
            from provenv.workspace import making

            outcome = making.sync_known(root, call.asked, home, os.environ, cause)
    except OSError:
        return None  # the whole program says what is wrong
    if outcome is None:
        return None
    if call.command == "sync" and call.asked.environment is None and "@" in outcome.environment:
        return None  # one of several Pythons, and all of them are meant
    stamp.used(outcome.folder)
    if call.command == "run":
        return _become(outcome, call.rest)
    _tell(call, outcome, started)
    return 0


def _tell(call: _Call, outcome: fast.Outcome, started: float) -> None:
    if not call.quiet:
        said = f"nothing to do: generation {outcome.generation}"
        if outcome.made:
            took = f"in {time.monotonic() - started:.2f} s"
            said = f"generation {outcome.generation} {_facts(outcome)}{took}"
        _say(f"{outcome.environment}: {said}")
        if outcome.previous is not None:
            _tell_changes(outcome, outcome.previous)


def _tell_changes(outcome: fast.Outcome, previous: int) -> None:
    """What moved, as the whole program says it."""
    from provenv.cli.changes import LIMIT, draw_changes
    from provenv.cli.draw import Screen
    from provenv.core.errors import IntegrityError
    from provenv.environments.generations import read_generation
    from provenv.model.generation import changes

    try:
        before, after = (
            {
                package.name: package.version
                for package in read_generation(outcome.folder, n).packages
            }
            for n in (previous, outcome.generation)
        )
        draw_changes(changes(before, after), Screen(sys.stderr, os.environ), limit=LIMIT)
    except (OSError, IntegrityError):
        return  # the work is done, and counts for more


def _say(line: str) -> None:
    """A line on standard error; where that is a full disk, the work counts for more."""
    try:
        print(line, file=sys.stderr)
    except OSError:
        return


def _create(call: _Call, home: str, cause: str, started: float) -> int | None:
    """``env create NAME``, outside projects: from a template of one with the same seeds."""
    from provenv.cli import signals
    from provenv.workspace.syncing import template

    signals.take_way_out()
    if fast.is_open(home) or (call.seed and fast.unsettled(home)):
        return None
    outcome = template.make(call.name, call.asked, home, os.environ, cause, call.seed)
    if outcome is None:
        return None
    _tell(call, outcome, started)
    return 0


def _root(call: _Call, home: str) -> str | None:
    """The project that the call is about; ``asked`` is put right where it lies outside of all others."""
    root = fast.find_root(os.getcwd())
    if call.command == "env":  # of a project: as `sync -e NAME`, where it is declared as it stands
        call.asked.environment = call.name
        return root if call.asked.overrides == "-" else None
    name = call.asked.environment
    if name is None:
        return root
    if root is not None and os.path.exists(fast.candidate_folder(root, name)):
        return root
    base = name.partition("@")[0]
    outside = fast.outside_root(root, home, base)
    if outside is None:
        return root
    if name == base:
        call.asked.environment = None  # its default environment, as the whole program asks for it
    return outside


def _lock(call: _Call, root: str, home: str) -> int | None:
    known = fast.lock_known(root, home, os.environ)
    if known is None:
        return None
    if not call.quiet:
        names, count = known
        noun = "package" if count == 1 else "packages"
        _say(f"{names}: nothing to do: {count:,} {noun}")
    return 0


def _audit(call: _Call, root: str, home: str) -> int | None:
    """An audit that was answered, where nothing has changed since; as text it is made anew."""
    if not (call.json or call.quiet):
        return None
    from provenv.workspace import answered

    known = answered.recall(root, home)
    if known is None:
        return None
    code, answer = known
    if call.json:
        sys.stdout.write(answer)
    return code


def _facts(outcome: fast.Outcome) -> str:
    """``(Python 3.13.0, 152 packages) `` as the whole program says it, from a listing and a small file."""
    tree = f"{outcome.folder}/generations/{outcome.generation}"
    try:
        with open(f"{tree}/pyvenv.cfg", encoding="utf-8") as stream:
            version = next(line for line in stream if line.startswith("version_info"))
        site = f"{tree}/lib/{os.listdir(f'{tree}/lib')[0]}/site-packages"
        count = sum(name.endswith(".dist-info") for name in os.listdir(site))
    except (OSError, StopIteration, IndexError):
        return ""
    noun = "package" if count == 1 else "packages"
    return f"(Python {version.partition('=')[2].strip()}, {count:,} {noun}) "


def _become(outcome: fast.Outcome, command: list[str]) -> int:
    from provenv.workspace import run

    try:
        run.start(outcome.folder, outcome.generation, command, os.environ)
    except Exception as error:
        from provenv.core.errors import ProvenvError

        if not isinstance(error, ProvenvError):
            raise
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"hint: {error.hint}")
        return error.exit_code


def _parse(arguments: list[str]) -> _Call | None:
    """The call in plain terms; None where it is not one of the usual forms."""
    call = _Call(arguments[0])
    words = iter(arguments[1:])
    if call.command == "env" and next(words, None) != "create":
        return None
    for word in words:
        if word in _VALUES[call.command]:
            value, attribute = next(words, None), _ATTRIBUTES[word]
            if (
                not value
                or getattr(call.asked, attribute) is not None
                or not _is_plain(value, attribute)
            ):
                return None
            setattr(call.asked, attribute, value)
        elif call.command == "env" and word == "--seed":
            call.seed.append(next(words, ""))
        elif call.command == "run" and word == "--":
            call.rest = list(words)
        elif word in _PLAIN[call.command]:
            call.quiet = call.quiet or word in ("-q", "--quiet")
            call.outside = call.outside or word == "--global"
            call.json = call.json or word == "--json"
            call.locked = call.locked or word == "--locked"
        elif call.command == "env" and not word.startswith("-") and not call.name:
            call.name = word
        elif call.command == "run" and not word.startswith("-"):
            call.rest = [word, *words]
        else:
            return None
    if (call.command == "run") != bool(call.rest) or (call.command == "env") != bool(call.name):
        return None
    return call


def _is_plain(text: str, attribute: str) -> bool:
    """Whether a value can be taken as it stands; relative paths and odd names take the long way."""
    if attribute == "python" and os.path.isabs(text):
        return True
    return text not in (".", "..") and "/" not in text and not text.startswith(("-", "~"))
