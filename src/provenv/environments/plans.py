"""The plan cache: what a lock, an environment and an interpreter came to, kept for the next time.

``plans/<digest>/`` holds one plan: ``recipe``, ``contents.json``, the lock and the manifest that it
was made from, and its small files (activation scripts, ``direct_url.json``). It appears whole, by a
rename, and is never changed. Generations hard-link what they keep of it.

``plans/keys/<key>`` leads from the bytes of a project's files to a plan without parsing any of
them. Everything in it is compared before it is believed:

    provenv-key 2
    plan <digest>
    sum <of the plan's files>
    folder <of the environment, relative to the project>
    environment <name>
    project <path>, or * where the plan holds nothing that is bound to the project's place
    <mtime_ns> <size> <inode> <path>     what else it depends on: the interpreter, …
    content <digest> <path>              … and files or folders of the project, by content or names
    seal <of the lines above>

Imports nothing but ``os``: the hot path reads keys.
"""

from __future__ import annotations

import os

from provenv.core.seal import sum_of
from provenv.environments import stamp

_KEY_HEADER = "provenv-key 2"
_CONTENT = "content "
_MADE = ("__pycache__", ".venv", ".venvs")  # in a folder by and by; nothing is decided by them


def plan_folder(plans: str, digest: str) -> str:
    """Where the plan of this digest lies."""
    return f"{plans}/{digest}"


def write_plan(plans: str, digest: str, files: dict[str, bytes]) -> str:
    """Write a plan, unless it is there as it must be. Returns its folder.

    Generations hard-link its files: one that was edited through an environment is written anew.

    Raises:
        OSError: What the file system says.
    """
    folder = plan_folder(plans, digest)
    if os.path.isdir(folder):
        if all(_holds(f"{folder}/{name}", data) for name, data in files.items()):
            return folder
        from provenv.core.files import remove_tree

        remove_tree(folder)
    temporary = f"{plans}/.{digest}.{os.getpid()}.tmp"
    try:
        os.makedirs(temporary, 0o755)  # whatever the umask is
        for name, data in files.items():
            descriptor = os.open(f"{temporary}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
        os.rename(temporary, folder)
    except BaseException as error:
        from provenv.core.files import try_to_remove

        try_to_remove(temporary)
        if isinstance(error, OSError) and os.path.isdir(folder):
            return folder  # another process wrote the same plan
        raise
    return folder


def sum_of_plan(folder: str) -> str:
    """A digest over everything in a plan's folder: names and bytes.

    Raises:
        OSError: It is gone, or cannot be read.
    """
    parts: list[bytes] = []
    for name in sorted(os.listdir(folder)):
        descriptor = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            parts += [os.fsencode(name), os.read(descriptor, size + 1)]
        finally:
            os.close(descriptor)
    return sum_of(*parts)


def is_whole(plans: str, known: Known) -> bool:
    """Whether the plan that a key leads to is there, to the bit as it was when the key was written."""
    try:
        return sum_of_plan(plan_folder(plans, known.digest)) == known.sum
    except OSError:
        return False


def _holds(path: str, data: bytes) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read() == data
    except OSError:
        return False


def key_of(parts: list[bytes]) -> str:
    """The key for these inputs: 64 hexadecimal digits."""
    from _blake2 import blake2b  # hashlib costs 2 ms, and this is all that the hot path needs

    state = blake2b(_KEY_HEADER.encode(), digest_size=32)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    digest: str = state.hexdigest()
    return digest


class Known:
    """Where a key leads."""

    __slots__ = ("contents", "digest", "environment", "folder", "inputs", "project", "sum")

    def __init__(
        self,
        digest: str,
        folder: str,
        environment: str,
        project: str,
        inputs: list[str],
        contents: list[str],
        sum: str = "",  # noqa: A002  # as it stands in the file
    ) -> None:
        self.sum = sum
        self.digest = digest
        self.folder = folder
        self.environment = environment
        self.project = project
        self.inputs = inputs
        self.contents = contents


def remember(plans: str, key: str, known: Known) -> None:
    """Let ``key`` lead to a plan, which is there; its sum is taken now.

    ``known.inputs`` are signatures (:func:`stamp.signature`), ``known.contents`` those of
    :func:`content`.

    Raises:
        OSError: What the file system says.
    """
    os.makedirs(f"{plans}/keys", 0o755, exist_ok=True)
    lines = [
        _KEY_HEADER,
        f"plan {known.digest}",
        f"sum {sum_of_plan(plan_folder(plans, known.digest))}",
        f"folder {known.folder}",
        f"environment {known.environment}",
        f"project {known.project}",
        *known.inputs,
        *known.contents,
    ]
    if any("\n" in line for line in lines):
        return
    stamp.replace(f"{plans}/keys/{key}", "\n".join([*lines, _seal(lines)]) + "\n")


def recall(plans: str, key: str, project: str) -> Known | None:
    """Where ``key`` leads; None where it is unknown, or what it depends on has changed."""
    try:
        with open(f"{plans}/keys/{key}", encoding="utf-8", errors="surrogateescape") as stream:
            lines = stream.read().split("\n")
    except OSError:
        return None
    if len(lines) < 8 or lines[0] != _KEY_HEADER or lines.pop() != "":
        return None
    if lines.pop() != _seal(lines):
        return None
    digest, total, folder, environment, bound = (line.partition(" ")[2] for line in lines[1:6])
    if bound not in ("*", project):
        return None
    contents = [line for line in lines[6:] if line.startswith(_CONTENT)]
    inputs = [line for line in lines[6:] if not line.startswith(_CONTENT)]
    if not all(stamp.is_unchanged(line) for line in inputs):
        return None
    if not all(content(project, content_path(line)) == line for line in contents):
        return None
    return Known(digest, folder, environment, bound, inputs, contents, total)


def _seal(lines: list[str]) -> str:
    return f"seal {sum_of(os.fsencode(chr(10).join(lines)))}"


def content(project: str, path: str) -> str:
    """What ``path`` in ``project`` holds, in one line: a file's bytes, or a folder's names."""
    full = f"{project}/{path}"
    try:
        if os.path.isdir(full):
            names = sorted(name for name in os.listdir(full) if name not in _MADE)
            data = os.fsencode("\0".join(names))
        else:
            with open(full, "rb") as stream:
                data = stream.read()
    except OSError:
        return f"{_CONTENT}- {path}"
    return f"{_CONTENT}{key_of([data])} {path}"


def content_path(line: str) -> str:
    """The path in a line that :func:`content` wrote."""
    return line.split(" ", 2)[2]
