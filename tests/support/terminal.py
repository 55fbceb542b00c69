"""Real shells in a pseudo-terminal: lines are typed, and answers come back in files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

# In a session of its own, with the terminal as its own: then the shell has job control, as at a desk.
_OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
_PATIENCE = 30  # seconds until a shell is taken for stuck; nothing is timed
_ESCAPES = re.compile(r"\x1b(\[[0-9;?>=]*[A-Za-z]|\][^\x07\x1b]*(\x07|\x1b\\)|[=>()][B0]?)|\r")
_WRITE = {
    "fish": "printf '%s' {what} > {out}; touch {done}",
    "tcsh": "printf '%s' {what} > {out} ; touch {done}",
    "nu": "{what} | save --raw --force {out}; touch {done}",
}


def need(shell: str) -> str:
    """Where ``shell`` is; the test is skipped where it is not."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    return program


class Terminal:
    """A shell at a terminal.

    Attributes:
        shell: Its name.
    """

    def __init__(
        self, shell: str, *words: str, cwd: Path, env: Mapping[str, str], scratch: Path
    ) -> None:
        self.shell = shell
        self._count = 0
        self._text = ""
        scratch.mkdir(parents=True, exist_ok=True)
        self._scratch = Path(tempfile.mkdtemp(dir=scratch))
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-c", _OWN_TERMINAL, *words],
            cwd=cwd,
            env={**env, "TERM": "dumb", "PWD": str(cwd)},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGHUP)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._reader.join(5)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            if not data:
                return
            self._text += data.decode(errors="replace")
            if b"\x1b[6n" in data:  # where is the cursor? Nushell waits for the answer
                os.write(self._master, b"\x1b[1;1R")

    def type(self, line: str) -> None:
        """Type a line; the shell comes to it when it is done with those before."""
        if self.shell == "nu":  # its editor forgets what is typed while a command runs
            self._settle()
        os.write(self._master, os.fsencode(line) + b"\r")

    def ask(self, what: str) -> str:
        """The value of a word of shell code, after everything typed before."""
        self._count += 1
        out, done = self._scratch / f"{self._count}", self._scratch / f"{self._count}.done"
        form = _WRITE.get(self.shell, "printf '%s' {what} > {out}; touch {done}")
        self.type(form.format(what=what, out=out, done=done))
        self._await(done.exists, what)
        return out.read_text(errors="surrogateescape") if out.exists() else ""

    def shows(self, text: str) -> bool:
        """Wait until the screen has shown ``text``."""
        self._await(lambda: text in self.screen, text)
        return True

    @property
    def screen(self) -> str:
        """What was written to the terminal so far, without what moves cursors and sets colours."""
        return _ESCAPES.sub("", self._text)

    def wait(self) -> int:
        """The exit code of the shell, which was told to end."""
        return self._child.wait(_PATIENCE)

    def _settle(self) -> None:
        before = ""
        while not before.endswith(self._text[-200:]) or not before:
            before = self._text
            time.sleep(0.3)

    def _await(self, condition: object, what: str) -> None:
        assert callable(condition)
        end = time.monotonic() + _PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{self.shell} does not come to {what!r}:\n{self.screen}"
            assert self._child.poll() is None or condition(), (
                f"{self.shell} ended before {what!r}:\n{self.screen}"
            )
            time.sleep(0.01)


# How each shell is started at a terminal, what its rc file is and must hold for a prompt that can be seen,
# and how it is asked for things.
PROMPT = "READY> "
_RC = {
    "bash": (".bashrc", f"PS1='{PROMPT}'\n"),
    "zsh": (".zshrc", f"PS1='{PROMPT}'\n"),
    "fish": (
        ".config/fish/config.fish",
        f"set fish_greeting\nfunction fish_prompt\n    printf '{PROMPT}'\nend\n",
    ),
    "tcsh": (".tcshrc", f"set prompt = '{PROMPT}'\n"),
    "nu": (
        ".config/nushell/config.nu",
        f'$env.config.show_banner = false\n$env.PROMPT_COMMAND = {{|| "{PROMPT}" }}\n',
    ),
    "sh": (".shrc", f"PS1='{PROMPT}'\n"),
}
_ALIKE = {"dash": "sh", "ksh": "sh", "mksh": "sh"}
PATH_WORD = {"fish": "(string join : $PATH | string collect)", "nu": '($env.PATH | str join ":")'}
PROMPT_WORD = {
    "fish": "(fish_prompt | string collect)",
    "tcsh": '"$prompt:q"',
    "nu": "(do $env.PROMPT_COMMAND)",
}


def write_rc(shell: str, home: Path, more: str = "") -> None:
    """Give the user an rc file that sets a plain prompt, and then does ``more``."""
    name, text = _RC[_ALIKE.get(shell, shell)]
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + more + "\n")
    if shell == "fish":  # else the first start makes completions, in the background
        (home / ".local/share/fish/generated_completions").mkdir(parents=True, exist_ok=True)


def variable(shell: str, name: str) -> str:
    """The word that is the value of an environment variable, empty where it is not set."""
    if shell == "nu":
        return f'($env.{name}? | default "")'
    return (
        f'"`printenv {name}`"'
        if shell == "tcsh"
        else f'"${name}"'
        if shell == "fish"
        else f'"${{{name}-}}"'
    )
