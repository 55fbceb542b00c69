"""``provenv python ACTION``."""

DESCRIPTION = """\
The Pythons of this machine: pyenv's (each of its versions), uv's, conda's, asdf's and mise's, the
system's and those on PATH. Installing is done by uv, in the folder that it and provenv share."""
EXAMPLES = (
    ("provenv python list", "what is here, who uses it, and what can be installed"),
    ("provenv python find '>=3.11,<3.13'", "the path of the one that would be taken"),
    ("provenv python install 3.13 pypy3.11", "install the newest of each"),
    ("provenv python pin 3.13", "write .python-version"),
    ("provenv python upgrade --all", "move all environments to the newest patch release"),
)
ENVIRONMENT = True
ACTIONS = {
    "list": "what is installed, who uses it, and what can be installed",
    "find": "the path of the interpreter that a request means",
    "install": "install Pythons that uv manages",
    "uninstall": "remove Pythons that uv manages",
    "pin": "write the project's .python-version, or say what it is pinned to",
    "upgrade": "move environments to the newest patch release of their Python",
}
