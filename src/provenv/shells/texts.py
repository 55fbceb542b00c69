"""The code that shells read: activation scripts of an environment, what is eval'd, hooks for rc files.

The scripts lie in ``scripts/``; where a word is between ``@``, it is filled in. Activation scripts find
the environment from their own place, so that it may be moved. Sourced as ``.venv/bin/activate`` or by
the real path of a generation, they put ``.venv/bin`` on PATH: what is activated follows a switch of
generation.
"""

from __future__ import annotations

import os
import re

from provenv.shells.quoting import in_prompt, one_line, quote

# Shells that `activate` and `shell` know, and those that have a hook.
SHELLS = ("bash", "zsh", "fish", "sh", "dash", "ksh", "mksh", "tcsh", "csh", "pwsh", "nu")
_HOOKS = {"bash": "hook.sh", "zsh": "hook.sh", "fish": "hook.fish", "pwsh": "hook.ps1"}
HOOKED = tuple(_HOOKS)

# In the order of who is likely to need them. PowerShell's has the name that venv gives it; a second name
# that differs in case alone would be the same file on some file systems.
ACTIVATION = (
    "activate",
    "activate.fish",
    "activate.csh",
    "Activate.ps1",
    "activate.nu",
    "activate.bat",
    "deactivate.bat",
    "activate_this.py",
)
_SCRIPTS = {"fish": "activate.fish", "csh": "activate.csh", "tcsh": "activate.csh"}
_SCRIPTS |= {"pwsh": "Activate.ps1", "nu": "activate.nu"}


def path(name: str) -> str:
    """Where a file of ``scripts/`` lies."""
    return os.path.join(os.path.dirname(__file__), "scripts", name)


def _read(name: str, **words: str) -> str:
    with open(path(name), encoding="utf-8") as stream:
        text = stream.read()
    return re.sub("@([A-Z_]+)@", lambda found: words[found[1]], text)


def activation(prompt: str) -> dict[str, str]:
    """The activation scripts (file name → text) of an environment that shows ``prompt``."""
    name = one_line(prompt)
    batch = name.replace('"', "'").replace("%", "%%")  # no quote can stand inside cmd's quotes
    words = {
        "PROMPT": quote(name, "sh"),
        "SHOWN_BASH": quote(in_prompt(name, "bash"), "bash"),
        "SHOWN_ZSH": quote(in_prompt(name, "zsh"), "zsh"),
        "SHOWN_ZSH_SUBST": quote(in_prompt(name, "zsh-subst"), "zsh"),
        "SHOWN_SH": quote(in_prompt(name, "sh"), "sh"),
        "SHOWN_KSH": quote(in_prompt(name, "ksh"), "sh"),
    }
    others = {
        "activate.fish": {"PROMPT": quote(name, "fish")},
        "activate.csh": {
            "PROMPT_CSH": quote(name, "csh"),
            "SHOWN_CSH": quote(in_prompt(name, "csh"), "csh"),
        },
        "Activate.ps1": {"PROMPT_PS": quote(name, "pwsh")},
        "activate.nu": {"PROMPT_NU": quote(name, "nu")},
        "activate.bat": {"PROMPT_BAT": batch, "SHOWN_BAT": batch.replace("$", "$$")},
    }
    return {script: _read(script, **others.get(script, words)) for script in ACTIVATION}


def script_of(shell: str, folder: str) -> str:
    """The activation script for ``shell`` of the environment in ``folder``."""
    return f"{folder}/bin/{_SCRIPTS.get(shell, 'activate')}"


def activate(shell: str, folder: str) -> str:
    """What ``shell`` must evaluate to enter the environment in ``folder``.

    Raises:
        ValueError: The shell is not known, or cannot name the folder.
    """
    script = quote(script_of(shell, folder), shell)
    if shell in ("tcsh", "csh"):
        return f"set _provenv_script = {script}; source {script}"
    if shell == "nu":
        return f"overlay use {script}"
    if shell == "fish":
        return f"source {script}"
    if shell in ("bash", "zsh", "pwsh"):
        return f". {script}"
    return f"_provenv_script={script}; . {script}"


def hook(shell: str, allowed: str) -> str:
    """The hook for the rc file of ``shell``; ``allowed`` is the folder with the marks of allowed ones.

    Raises:
        ValueError: There is no hook for that shell.
    """
    if shell not in _HOOKS:
        raise ValueError(f"there is no hook for {shell}")
    return _read(_HOOKS[shell], ALLOWED=quote(allowed, shell))
