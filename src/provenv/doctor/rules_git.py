"""PV2xx: what is in the repository, and what should not be in any file of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from provenv.doctor.facts import Facts
from provenv.doctor.rule import Rule, Seen
from provenv.doctor.words import below, command, many, size
from provenv.model.finding import Place

_CREDENTIALS = re.compile(
    r"\b(?P<scheme>(?:git\+)?(?:https?|ftp|ssh))://(?P<user>[^\s/@:'\"<>]*):(?P<password>[^\s/@'\"<>]+)@"
    r"(?P<host>[^\s/'\"<>]+)"
)
_TOKEN = re.compile(
    r"\b(?P<scheme>(?:git\+)?https?)://(?P<user>(?:gh[a-z]|github_pat|glpat|pypi)[-_][\w-]{16,})@"
    r"(?P<host>[^\s/'\"<>]+)"
)
# ${TOKEN}, $TOKEN, %(token)s, %TOKEN%, {token}, ****: something that is put in later
_PLACEHOLDER = re.compile(
    r"\$\{?[A-Za-z_]|%\(|^%\w+%$|[{}]|\*\*|^(?:password|passwd|token|secret|pass|x+|\.+)$",
    re.IGNORECASE,
)


def committed(facts: Facts) -> Iterator[Seen]:
    """An environment is in the index."""
    if facts.git is None or facts.project is None:
        return
    for item in facts.git.index:
        name = below(item.folder, facts.project.root)
        yield Seen(
            text=f"{name} is committed: {many(item.files, 'file')}, {size(item.size)}",
            mend=command("git", "rm", "-r", "--cached", "--quiet", name),
            places=(Place(file=item.folder),),
        )


def in_history(facts: Facts) -> Iterator[Seen]:
    """An environment is in an earlier commit."""
    if facts.git is None or facts.project is None:
        return
    now = {item.folder for item in facts.git.index}
    for item in facts.git.history:
        if item.folder in now:
            continue
        name = below(item.folder, facts.git.top)
        yield Seen(
            text=f"{name} is not there any more, but in the history: {many(item.files, 'file')}, "
            f"{size(item.size)} of every clone",
            mend=command("git", "filter-repo", "--invert-paths", "--path", name),
            places=(Place(file=item.folder),),
        )


def not_ignored(facts: Facts) -> Iterator[Seen]:
    """A plain `git add` would add an environment."""
    if facts.git is None or facts.project is None:
        return
    for folder in facts.git.open:
        name = below(folder, facts.project.root)
        yield Seen(
            text=f"git does not ignore {name}: `git add .` commits it",
            mend=f"echo '{_pattern(name)}' >> .gitignore",
            places=(Place(file=folder),),
            target=_pattern(name),
        )


def _pattern(name: str) -> str:
    return f"/{name}/"


def ignored_lock(facts: Facts) -> Iterator[Seen]:
    """The lock, or the manifest, is ignored."""
    for path in facts.git.ignored_files if facts.git else ():
        yield Seen(
            text=f"git ignores {os.path.basename(path)}",
            mend=command("git", "add", "--force", os.path.basename(path)),
            places=(Place(file=path),),
        )


def credentials(facts: Facts) -> Iterator[Seen]:
    """A password stands in an address."""
    for path, text in facts.project.texts.items() if facts.project else ():
        places, shown = [], ""
        for pattern in (_CREDENTIALS, _TOKEN):
            for match in pattern.finditer(text):
                secret = match.groupdict().get("password") or match["user"]
                if _PLACEHOLDER.search(secret):
                    continue
                line = text.count("\n", 0, match.start()) + 1
                places.append(Place(file=path, line=line))
                shown = shown or f"{match['scheme']}://****@{match['host']}"
        if places and facts.project is not None:
            yield Seen(
                text=f"{below(path, facts.project.root)} holds the password of {shown}",
                places=tuple(places),
            )


RULES = (
    Rule(
        code="PV201",
        title="An environment is committed",
        weight="error",
        why="It works on one machine only, makes every clone large, and changes with every sync.",
        advice="Take it out of the index (the folder stays), and commit that.",
        check=committed,
    ),
    Rule(
        code="PV202",
        title="An environment is in the history",
        weight="warning",
        why="Every clone carries it for ever.",
        advice="Taking it out rewrites the history: agree on it with everybody who has a "
        "clone (git-filter-repo).",
        check=in_history,
    ),
    Rule(
        code="PV203",
        title="An environment that git does not ignore",
        weight="warning",
        why="Sooner or later somebody commits it.",
        advice="Add it to .gitignore.",
        check=not_ignored,
        fix="ignore",
    ),
    Rule(
        code="PV204",
        title="A lock that git ignores",
        weight="warning",
        why="Others get versions of their own: what was tested here is not what they run.",
        advice="Take its line out of .gitignore, and commit it.",
        check=ignored_lock,
    ),
    Rule(
        code="PV211",
        title="A password in a file",
        weight="error",
        why="Whoever can read the repository can use it, for as long as the history is kept.",
        advice="Make that password invalid; give the new one in the environment, in netrc or "
        "in a keyring.",
        check=credentials,
    ),
)
