r"""What a prompt costs with the hook of provenv and with that of direnv, shell by shell.

    python -m bench.hook [--runs 5] [--prompts 300] [--docs docs/benchmarks.md]

A shell is started that calls its hook as often as ``--prompts`` says, as at so many prompts, and one
that calls it never; the difference, divided, is a prompt. "Unchanged" is three folders deep in a
project that is active, "outside" as deep in no project, "in and out" a prompt inside and one outside, in
turns. direnv's ``.envrc`` has the line that its users write for an environment: it sources ``activate``.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import BenchError, machine
from bench.pages import insert

BEGIN, END = "<!-- hook:begin -->", "<!-- hook:end -->"
SHELLS = ("bash", "zsh", "fish")
PLACES = ("unchanged", "outside", "in and out")
_CALL = {"provenv": "_provenv_hook", "direnv": "_direnv_hook"}


class Desk:
    """A home folder with a project that both tools were told to trust."""

    def __init__(self, top: Path, provenv: list[str]) -> None:
        self.deep = top / "shop/a/b/c"
        self.outside = top / "some/where/else/deep"
        self.outside.mkdir(parents=True)
        self.deep.mkdir(parents=True)
        home = top / "home"
        home.mkdir()
        self.env = {
            "HOME": str(home),
            "PROVENV_HOME": str(home / "provenv"),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
        }
        self._provenv = provenv
        shop = top / "shop"
        (shop / "pyproject.toml").write_text(
            '[project]\nname = "shop"\nversion = "0"\nrequires-python = ">=3.11"\n'
        )
        (shop / ".envrc").write_text("source .venv/bin/activate\nunset PS1\n")
        for words in ([*provenv, "sync", "-q"], [*provenv, "allow"], ["direnv", "allow"]):
            subprocess.run(words, cwd=shop, env=self.env, check=True, capture_output=True)

    def hook(self, tool: str, shell: str) -> str:
        """The code that the tool has for the shell's rc file."""
        words = [*self._provenv, "hook", shell] if tool == "provenv" else [tool, "hook", shell]
        return subprocess.run(
            words, env=self.env, check=True, capture_output=True, text=True
        ).stdout

    def script(self, tool: str, shell: str, place: str, prompts: int) -> str:
        """The hook, and so many prompts."""
        call = _CALL[tool]
        if shell == "fish":
            call = "emit fish_prompt"
        deep, outside = shlex.quote(str(self.deep)), shlex.quote(str(self.outside))
        if place == "in and out":
            body, prompts = f"cd {deep}\n{call}\ncd {outside}\n{call}", prompts // 2
        else:
            body = call
        start = f"cd {outside if place == 'outside' else deep}\n{call}\n"
        if shell == "fish":
            loop = f"for i in (seq {prompts})\n{body}\nend\n" if prompts else ""
        else:
            loop = f"i=0\nwhile [ $i -lt {prompts} ]; do\n{body}\ni=$((i + 1))\ndone\n"
        check = "" if place != "unchanged" else 'test -n "$VIRTUAL_ENV"; or exit 9\n'
        if shell != "fish":
            check = check.replace("; or", " ||")
        return f"{self.hook(tool, shell)}\n{start}{check}{loop}"

    def seconds(self, shell: str, script: Path) -> float:
        """How long the shell takes for it.

        Raises:
            BenchError: It failed.
        """
        plain = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
        begin = time.perf_counter()
        done = subprocess.run(
            [shell, *plain, script], env=self.env, capture_output=True, text=True, check=False
        )
        took = time.perf_counter() - begin
        if done.returncode:
            raise BenchError(f"{shell} {script.name}: {done.returncode}\n{done.stderr[-2000:]}")
        return took


def measure(desk: Desk, top: Path, runs: int, prompts: int) -> dict[tuple[str, str, str], float]:
    """Milliseconds of a prompt by (shell, place, tool): medians of runs in turns."""
    found = {}
    for shell in SHELLS:
        if shutil.which(shell) is None:
            continue
        for place in PLACES:
            taken: dict[str, list[float]] = {tool: [] for tool in _CALL}
            for run in range(runs):
                for tool in _CALL:
                    many, none = top / f"{tool}.many", top / f"{tool}.none"
                    if run == 0:
                        many.write_text(desk.script(tool, shell, place, prompts))
                        none.write_text(desk.script(tool, shell, place, 0))
                    spent = desk.seconds(shell, many) - desk.seconds(shell, none)
                    taken[tool].append(spent / prompts * 1000)
            for tool in _CALL:
                found[shell, place, tool] = statistics.median(taken[tool])
    return found


def table(found: dict[tuple[str, str, str], float]) -> str:
    """The figures as Markdown."""
    lines = ["| shell | prompt | provenv | direnv | ratio |", "| --- | --- | ---: | ---: | ---: |"]
    for shell, place in dict.fromkeys((shell, place) for shell, place, _ in found):
        ours, theirs = found[shell, place, "provenv"], found[shell, place, "direnv"]
        lines.append(
            f"| {shell} | {place} | {ours:.2f} ms | {theirs:.2f} ms | {ours / theirs:.3f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="What a prompt costs.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--docs")
    parser.add_argument("--provenv", default=f"{shlex.quote(sys.executable)} -m provenv")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-hook-") as folder:
        top = Path(folder)
        desk = Desk(top, shlex.split(args.provenv))
        found = measure(desk, top, args.runs, args.prompts)
        facts = machine(folder)
    version = subprocess.run(
        ["direnv", "version"], capture_output=True, text=True, check=True
    ).stdout
    text = (
        f"{table(found)}\n\nMedians of {args.runs} runs in turns of {args.prompts} prompts each; "
        f"direnv {version.strip()}; {facts['processor']}, {facts['cores']} cores, "
        f"load {facts['load']:.1f}; taken {time.strftime('%Y-%m-%d')}."
    )
    print(text)
    if args.docs is not None:
        insert(args.docs, text, BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
