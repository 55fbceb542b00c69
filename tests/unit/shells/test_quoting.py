"""Quoting: each shell reads back the very bytes."""

from __future__ import annotations

import subprocess

import pytest

from provenv.shells.quoting import one_line, quote
from support.terminal import need

TEXTS = [
    "",
    "plain",
    "two words",
    "it's",
    'a "q" $HOME `id` $(id) ${x}',
    "\\ \\n \\' \\\\",
    "!1 !! ^a^b % * ? [x] {a,b} ~ # & ; | < >",
    "ü → ‘typographic’",
    "tab\there",
    "-n",
]
SAY = {
    "nu": ["nu", "--no-config-file", "-c", "print --no-newline {}"],
    "tcsh": ["tcsh", "-f", "-c", "printf %s {}"],
    "fish": ["fish", "--no-config", "-c", "printf %s {}"],
}


@pytest.mark.parametrize("shell", ["bash", "zsh", "dash", "ksh", "mksh", "fish", "tcsh", "nu"])
def test_a_shell_reads_back_what_was_meant(shell: str) -> None:
    program = need(shell)
    texts = [*TEXTS, *([] if shell == "tcsh" else ["line\nbreak\n\nand"])]
    for text in texts:
        words = [
            word.format(quote(text, shell))
            for word in SAY.get(shell, [shell, "-c", "printf %s {}"])
        ]
        if shell in ("bash", "zsh", "dash", "ksh", "mksh", "fish", "tcsh"):
            words[-1] = words[-1].replace("printf %s", "printf '%s'")
        done = subprocess.run(
            [program, *words[1:]],
            capture_output=True,
            check=True,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nowhere"},
        )
        assert done.stdout.decode() == text


def test_what_no_quotes_can_hold() -> None:
    with pytest.raises(ValueError, match="line break"):
        quote("a\nb", "tcsh")
    with pytest.raises(ValueError, match="no such shell"):
        quote("a", "elvish")


def test_powershell_doubles_every_kind_of_quote() -> None:
    assert quote("it's $x ‘so’", "pwsh") == "'it''s $x ‘‘so’’'"


def test_one_line() -> None:
    assert one_line("a\nb\x1b[0m\tü") == "a b [0m ü"
