"""Isolation: does everything that an environment's interpreter uses belong to that environment?

The interpreter is asked, twice: as it would run for the caller, and with ``-I``, where nothing of the
caller's counts. What it answers is evidence; what is concluded from it are claims.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from provenv.core import process
from provenv.core.errors import UndecidedError
from provenv.core.values import field, frozen
from provenv.doctor.facts_shell import interpreter_of
from provenv.doctor.words import many, some

Verdict = Literal["pass", "fail", "declared"]
_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_isolation_script.py")
_START, _END = "<provenv-isolation>", "</provenv-isolation>"
_TIME = 30.0
# Variables of Python that change where it looks for modules; the others do not.
_LEAKING = ("PYTHONPATH", "PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE", "PYTHONUSERBASE")
_PIP_KEYS = ("prefix", "root", "target", "user")


@frozen
class Claim:
    """One claim: what it is about, what speaks for it or against it, and the verdict.

    ``declared`` is something that leads outside because the project asked for it.
    """

    about: str
    claim: str
    evidence: str
    verdict: Verdict


@frozen
class Asked:
    """Which environment, and what is known of it.

    Attributes:
        folder: Its folder.
        executable: The base interpreter that it was made for.
        root: The project's folder.
        editable: Name → folder of what is installed in place; the project itself is called ``own``.
        environ: The caller's variables.
        start: The caller's folder.
        system: The project asks for the packages of the base interpreter as well.
    """

    folder: str
    executable: str
    root: str
    own: str | None
    editable: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(repr=False)
    start: str
    system: bool = False


def examine(asked: Asked) -> tuple[str, tuple[Claim, ...]]:
    """Ask the interpreter, and judge each answer.

    Returns:
        The version that it said it has (empty where it does not start), and the claims.
    """
    told, trouble = _ask(asked, ())
    alone, alone_trouble = _ask(asked, ("-I",))
    if alone is None:  # Python 2.7 and 3.3 have no -I
        alone, alone_trouble = _ask(asked, ("-E", "-s"))
    if told is None:
        started = Claim(
            about="interpreter",
            claim="starts with the caller's variables",
            evidence=trouble if alone is not None else alone_trouble,
            verdict="fail",
        )
        return (alone or {}).get("version", ""), (started, *_variables(asked))
    judge = _Judge(asked, told)
    claims = (
        *judge.interpreter(),
        *judge.path(),
        *judge.alone(alone),
        *judge.targets(),
        *judge.pip(),
        judge.scripts(),
        judge.user_site(),
        *judge.distributions(),
        *_variables(asked),
    )
    return str(told["version"]), claims


def _ask(asked: Asked, options: Sequence[str]) -> tuple[dict[str, Any] | None, str]:
    """What the interpreter says, or None and why it says nothing."""
    with open(_SCRIPT, encoding="utf-8") as stream:
        script = stream.read()
    python = f"{asked.folder}/bin/python"
    try:
        done = process.run(
            [python, *options, "-B", "-c", script],
            env=asked.environ,
            cwd=asked.start,
            timeout=_TIME,
        )
    except UndecidedError as error:
        return None, error.message
    _, start, rest = done.stdout.rpartition(_START)
    text, end, _ = rest.partition(_END)
    if not start or not end:
        last = (done.stderr.strip() or "it printed nothing").splitlines()[-1]
        return None, f"{python} failed (exit code {done.code}): {last}"
    found: dict[str, Any] = json.loads(text)
    return found, ""


class _Judge:
    """Judges one set of answers."""

    def __init__(self, asked: Asked, told: Mapping[str, Any]) -> None:
        self.asked = asked
        self.told = told
        self.declared = asked.system
        self.folder = os.path.realpath(asked.folder)
        self.base = os.path.realpath(str(told["base_prefix"]))
        minor = ".".join(str(told["version"]).split(".")[:2])
        # Python 2.7 knows no base, and tells of a library in the environment
        places = [*filter(None, told["standard"]), f"{self.base}/lib/python{minor}"]
        self.standard = tuple({os.path.realpath(path) for path in places})

    def _inside(self, path: str) -> bool:
        return _lies_in(os.path.realpath(path), self.folder)

    def interpreter(self) -> Iterator[Claim]:
        """Executable, prefix, base."""
        executable = str(self.told["executable"])
        # the last step of python is a link out of the environment; where it lies is what counts
        there = os.path.realpath(os.path.dirname(executable))
        yield _claim("interpreter", "lies in the environment", executable, ok=self._inside(there))
        prefix = str(self.told["prefix"])
        yield _claim("sys.prefix", "is the environment", prefix, ok=self._inside(prefix))
        wanted = os.path.dirname(os.path.dirname(os.path.realpath(self.asked.executable)))
        yield _claim(
            "sys.base_prefix",
            "is the interpreter that the environment was made for",
            str(self.told["base_prefix"]),
            ok=self.base == wanted,
        )

    def path(self) -> Iterator[Claim]:
        """Each entry of ``sys.path``."""
        for number, entry in enumerate(self.told["path"]):
            what, verdict = self._belongs(str(entry))
            yield Claim(about=f"sys.path[{number}]", claim=what, evidence=entry, verdict=verdict)

    def _belongs(self, entry: str) -> tuple[str, Verdict]:
        real = os.path.realpath(entry)
        if self._inside(real):
            return "of the environment", "pass"
        packages = os.path.basename(real) in ("site-packages", "dist-packages")
        if self._is_standard(real) and not packages:
            return "of the standard library", "pass"
        listed = self.asked.environ.get("PYTHONPATH", "").split(os.pathsep)
        if real in (os.path.realpath(path) for path in listed if path):
            return "from PYTHONPATH", "fail"
        if packages and self.declared:
            return "of the system: system-site-packages is declared", "declared"
        if (editable := self._editable(real)) is not None:
            return editable
        if real == os.path.realpath(str(self.told["user_site"])):
            return "the user site", "fail"
        return "from outside", "fail"

    def _editable(self, real: str) -> tuple[str, Verdict] | None:
        """What an entry is that an install in place put there."""
        if _lies_in(real, self.asked.root):
            return "of the project, editable", "pass"
        for name, folder in self.asked.editable.items():
            if _lies_in(real, folder) and name == self.asked.own:
                return "of the place where the project was before", "fail"
            if _lies_in(real, folder):
                return f"of {name}, editable", "pass"
        return None

    def _is_standard(self, real: str) -> bool:
        if any(real == path or real.startswith(f"{path}/") for path in self.standard):
            return True
        # python313.zip, which need not be there
        return real.endswith(".zip") and os.path.dirname(real) in {
            os.path.dirname(path) for path in self.standard
        }

    def alone(self, told: Mapping[str, Any] | None) -> Iterator[Claim]:
        """Whether the caller's variables change where modules come from."""
        if told is None:
            return
        here, there = list(self.told["path"]), list(told["path"])
        added = [entry for entry in here if entry not in there]
        lost = [entry for entry in there if entry not in here]
        words = [f"more: {some(added)}"] if added else []
        words += [f"less: {some(lost)}"] if lost else []
        yield _claim(
            "sys.path with -I",
            "is the same: the caller's variables change nothing",
            "; ".join(words) or many(len(there), "entry").replace("entrys", "entries"),
            ok=not words,
        )

    def targets(self) -> Iterator[Claim]:
        """Where installers put things (``sysconfig``)."""
        for name, path in sorted(self.told["paths"].items()):
            yield _claim(
                f"install {name}", "goes into the environment", path, ok=self._inside(path)
            )

    def pip(self) -> Iterator[Claim]:
        """What pip says that it is, and where it installs."""
        names = [f"PIP_{key.upper()}" for key in _PIP_KEYS]
        told = [f"{n}={v}" for n in names if (v := self.asked.environ.get(n, "")) not in ("", "0")]
        if not self.told["pip"]:
            yield _claim(
                "pip", "is not in the environment, or nothing diverts it",
                ", ".join(told) or "import pip: not found", ok=not told,
            )  # fmt: skip
            return
        said = self._pip("--version")
        place = said.partition(" from ")[2].rpartition(" (python")[0]
        # the package itself may be a link into the store; what counts is where that link lies
        ok = bool(place) and (self._inside(os.path.dirname(place)) or self.declared)
        yield _claim("pip", "is the environment's own", said or "it does not start", ok=ok)
        lines = [line for line in self._pip("config", "list").splitlines() if _diverts(line)]
        yield _claim(
            "pip config",
            "does not divert it",
            "; ".join(lines) or "no target, prefix, root or user",
            ok=not lines,
        )

    def _pip(self, *words: str) -> str:
        try:
            done = process.run(
                [f"{self.asked.folder}/bin/python", "-m", "pip", *words],
                env={**self.asked.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
                cwd=self.asked.start,
                timeout=_TIME,
            )
        except UndecidedError:
            return ""
        return done.stdout.strip() if done.code == 0 else ""

    def scripts(self) -> Claim:
        """The interpreter of every script beside ``python``."""
        folder = f"{self.asked.folder}/bin"
        own, foreign = 0, []
        for name in sorted(os.listdir(folder)):
            path = f"{folder}/{name}"
            interpreter = None if os.path.islink(path) else interpreter_of(path)
            if interpreter is None:
                continue
            if self._inside(os.path.dirname(interpreter)):
                own += 1
            else:
                foreign.append(f"{name} by {interpreter}")
        return _claim(
            "scripts",
            "are run by the environment's interpreter",
            some(foreign) or f"{many(own, 'script')}, all by {self.asked.folder}/bin/python",
            ok=not foreign,
        )

    def user_site(self) -> Claim:
        """The user's own packages."""
        on = bool(self.told["user_site_on"])
        evidence = f"{self.told['user_site']} ({'on' if on else 'off'})"
        if on and self.declared:
            return Claim(
                about="user site", claim="is left out",
                evidence=f"{evidence}: system-site-packages is declared",
                verdict="declared",
            )  # fmt: skip
        return _claim("user site", "is left out", evidence, ok=not on)

    def distributions(self) -> Iterator[Claim]:
        """Every distribution that the interpreter finds."""
        found = self.told["distributions"]
        if found is None:
            return
        outside = [f"{name} ({place})" for name, place in found if not self._may_be(place)]
        count = many(len(found), "distribution")
        if outside and self.declared:
            yield Claim(
                about="packages", claim="lie in the environment",
                evidence=f"{len(outside)} of {len(found)} do not: system-site-packages is declared",
                verdict="declared",
            )  # fmt: skip
            return
        yield _claim(
            "packages",
            "lie in the environment",
            some(outside) or f"{count}, all of them",
            ok=not outside,
        )

    def _may_be(self, place: str) -> bool:
        real = os.path.realpath(place)
        if self._inside(real):
            return True
        editable = self._editable(real)  # an egg-info beside the sources
        return editable is not None and editable[1] == "pass"


def _lies_in(real: str, folder: str) -> bool:
    there = os.path.realpath(folder)
    return real == there or real.startswith(f"{there}/")


def _diverts(line: str) -> bool:
    key, _, value = line.partition("=")
    return key.rpartition(".")[2] in _PIP_KEYS and value.strip("'\" ").lower() not in (
        "", "0", "false", "no",
    )  # fmt: skip


def _variables(asked: Asked) -> Iterator[Claim]:
    """The variables that Python itself reads."""
    there = sorted(
        name for name in asked.environ if name.startswith("PYTHON") and asked.environ[name]
    )
    leaking = [name for name in there if name in _LEAKING]
    told = ", ".join(f"{name}={asked.environ[name]}" for name in leaking)
    harmless = f"{some(there)}: none of them does" if there else "no PYTHON… is set"
    yield _claim("variables", "do not lead outside", told or harmless, ok=not leaking)


def _claim(about: str, claim: str, evidence: str, *, ok: bool) -> Claim:
    return Claim(about=about, claim=claim, evidence=evidence, verdict="pass" if ok else "fail")
