"""The verbs: their names and one-line helps. Each is a module of this folder, imported when chosen.

A command's module holds, in this order:

- ``DESCRIPTION`` (what ``--help`` says) and ``EXAMPLES`` (pairs of a command line and what it does);
- ``ENVIRONMENT = True`` where ``-e/--environment`` means something to it, ``PROJECT = True`` where
  only ``-p/--member`` does;
- ``add_arguments(parser)``; ``run(args, session) -> exit code``;
- the twins: a text renderer, and ``data(…)``, the JSON document without its ``schema``.

A command with ``ACTIONS`` (their names and one-line helps) has neither arguments nor ``run`` of its own:
each action is a module of the same form, called ``COMMAND_ACTION``. What the command itself says of ``-e``
and ``-p`` is that they may stand before the action; whether they mean something, the action decides.
"""

from __future__ import annotations

import importlib
from types import ModuleType

COMMANDS = {
    "new": "lay out a new project: service, library or cli",
    "init": "make a project here, or complete one",
    "import": "take over requirements and locks of other tools",
    "add": "add packages to the project, lock and sync",
    "remove": "remove packages from the project, lock and sync",
    "lock": "decide every version: pyproject.toml → pylock.toml",
    "sync": "make the environment what the lock says",
    "export": "the lock of an environment as requirements.txt, pylock.toml or constraints",
    "run": "run a command in the environment, synced first",
    "test": "run a command in many environments, and show one table",
    "status": "whether project, lock and environment agree",
    "tree": "what needs what",
    "why": "why a package is there",
    "outdated": "what is newer than the lock",
    "upgrade": "move the lock on in tested steps, security first",
    "audit": "what is known against the packages of a project",
    "sbom": "what an environment consists of, as CycloneDX or SPDX",
    "policy": "rules about what may be installed where",
    "evidence": "what happened here and why it was allowed, in a log that proves it",
    "report": "pages for those who have to know, such as auditors",
    "advisories": "what is known of vulnerabilities, kept on this machine",
    "doctor": "what goes wrong with project, shell and machine",
    "bisect": "which dependency broke it, and from which release on",
    "isolation": "proof that an environment is closed",
    "env": "environments: create, remove, list; edit a package",
    "history": "the environment's generations",
    "log": "what was done here, by whom, and how it ended",
    "diff": "what differs between two generations",
    "rollback": "go back to an earlier generation, at once and offline",
    "verify": "compare every file with its hash",
    "repair": "mend what verify finds, where it lies",
    "gc": "remove what nothing needs, and say what stays",
    "store": "what all projects share: where, what, how large",
    "python": "the Pythons of this machine: list, install, pin, upgrade",
    "shell": "a shell in the environment, synced first",
    "activate": "what a shell must evaluate to enter the environment",
    "hook": "code for an rc file: enter and leave environments with the folder",
    "allow": "let the hook activate a project's environment",
    "disallow": "take that back",
    "build": "build the project's sdist and wheel",
    "publish": "upload them to an index",
    "ci": "write a pipeline for a CI system",
    "completion": "completion for a shell",
}
GROUPS = {
    "Project": ("new", "init", "import", "add", "remove", "lock", "upgrade", "sync", "run", "test"),
    "Questions": ("status", "tree", "why", "outdated", "doctor", "isolation", "bisect"),
    "Governance": ("audit", "sbom", "policy", "evidence", "report", "advisories"),
    "Environments": ("env",),
    "Generations": ("history", "log", "diff", "rollback", "verify", "repair"),
    "Shell": ("shell", "activate", "hook", "allow", "disallow", "completion"),
    "Handing over": ("export", "build", "publish", "ci"),
    "Machine": ("gc", "store", "python"),
}
_MODULES = {"import": "importing"}  # commands whose name is none for a module


def load(command: str) -> ModuleType:
    """The module of a command, or of an action as ``COMMAND_ACTION``."""
    return importlib.import_module(f"provenv.cli.commands.{_MODULES.get(command, command)}")


def load_chosen(command: str, action: str | None) -> ModuleType:
    """The module that does a call: the command's, or that of its action where each has its own."""
    module = load(command)
    return load(f"{command}_{action}") if hasattr(module, "ACTIONS") else module
