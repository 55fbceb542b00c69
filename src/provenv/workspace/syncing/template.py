"""A template of an environment outside projects with nothing but seeds: the next one is a copy of it.

Such environments differ in nothing but their name, as long as the interpreter is the same; the versions of
the seeds are taken to be the newest for a day. The long way
(:mod:`provenv.workspace.named.creating`) leaves a plan in which a word stands for the name; here a plan for
another name is made of it, and linked, without anything being parsed or looked for. What comes of it is,
to the byte, what the long way would have written; a test compares.

Imports nothing but ``os`` on the way that makes an environment.
"""

from __future__ import annotations

import os

from provenv.core import seal, sha256
from provenv.environments import stamp
from provenv.workspace import fast, logged, making

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provenv.workspace.projects.context import Context, Project

NAME = "provenv-name-of-the-environment"
_A_DAY = 86_400  # seconds
_FILES = ("pyproject.toml", "pylock.toml")
_OF_THE_PLAN = ("checks", "contents.json", "pylock.toml", "pyproject.toml", "recipe")


def _key(
    home: str,
    environ: Mapping[str, str],
    python: Sequence[str],
    mode: str | None,
    seed: Sequence[str] = (),
) -> str:
    """What is asked for, and what decides which interpreter that is."""
    from provenv import __version__
    from provenv.environments import plans

    words = [
        "template", __version__, home, mode or "", "\0".join(python),
        environ.get("PATH", ""), environ.get("PYENV_VERSION", ""), environ.get("PYENV_ROOT", ""),
    ]  # fmt: skip
    if seed:
        words += [*sorted({*seed}), environ.get("PROVENV_INDEX_URL", "")]
    return plans.key_of([os.fsencode(word) for word in words])


def _pins(home: str, environ: Mapping[str, str], user_home: str) -> list[str]:
    """Files that may say which interpreter is meant, above the environments and for pyenv."""
    found = [f"{environ.get('PYENV_ROOT') or user_home + '/.pyenv'}/version"]
    folder = f"{home}/environments"
    while True:
        found += [f"{folder}/.python-version", f"{folder}/.tool-versions"]
        above = os.path.dirname(folder)
        if above == folder:
            return found
        folder = above


def remember(
    context: Context,
    project: Project,
    python: Sequence[str],
    mode: str | None,
    seed: Sequence[str] = (),
) -> None:
    """Keep what was made for ``project``, an environment outside projects, as a template.

    Only where it holds nothing but what it is seeded with: what else people ask for is asked for once.
    """
    from provenv.environments import generations, plans, switch
    from provenv.interpreters import probe
    from provenv.workspace.projects import outside
    from provenv.workspace.projects.context import read_lock
    from provenv.workspace.syncing.edit import with_text
    from provenv.workspace.syncing.planning import prepare

    home, environ = context.home.root, context.environ
    if seed and (context.index_url or "") != environ.get("PROVENV_INDEX_URL", ""):
        return  # by an option, which the short way does not know
    manifest = project.manifest
    folder = project.folder(manifest.environment())
    number = switch.current(folder)
    lock = read_lock(project, None)
    if number is None or lock is None or manifest.dependencies or len(manifest.instances()) > 1:
        return
    made = generations.read_generation(folder, number)
    interpreter = probe(made.executable, source="environment", cache=context.home.interpreters)
    more = {"seed": list(seed)} if seed else None
    text = outside.manifest_text(NAME, python, interpreter.minor, mode, more)
    nameless = with_text(project, text)
    if nameless.manifest.lock_digest() != manifest.lock_digest():
        return
    spec = nameless.manifest.environment()
    prepared = prepare(nameless, context, spec, interpreter, lock, made.link_mode)
    paths = [interpreter.executable, *_pins(home, context.environ, context.user_home)]
    signatures = [stamp.signature(path) for path in paths]
    known = plans.Known(prepared.digest, ".venv", NAME, "*", signatures, [])
    try:
        plans.remember(context.home.plans, _key(home, environ, python, mode, seed), known)
    except OSError:  # it costs time later on, and nothing else
        return


def make(
    name: str,
    asked: fast.Asked,
    home: str,
    environ: Mapping[str, str],
    cause: str,
    seed: Sequence[str] = (),
) -> fast.Outcome | None:
    """Make the environment ``name`` outside projects from a template; None where there is none.

    Raises:
        OSError: What the file system says; nothing is left.
    """
    from provenv.environments import plans, tree

    root = f"{home}/environments/{name}"
    if not _is_plain(name) or os.path.lexists(root) or fast.governed_above(home, environ):
        return None
    python = (asked.python,) if asked.python is not None else ()
    key = _key(home, environ, python, asked.link_mode, seed)
    known = plans.recall(f"{home}/plans", key, root)
    if seed and not _is_of_today(f"{home}/plans/keys/{key}"):
        return None
    if known is None or known.environment != NAME or not plans.is_whole(f"{home}/plans", known):
        return None
    files = _named(_read_all(plans.plan_folder(f"{home}/plans", known.digest)), name)
    steps = tree.parse(os.fsdecode(files["recipe"])) if files is not None else None
    if files is None or steps is None:
        return None
    digest = _digest_of_plan(files)
    plan = plans.write_plan(f"{home}/plans", digest, files)
    own = plans.Known(digest, ".venv", name, root, known.inputs[:1], [])
    os.makedirs(f"{home}/environments", exist_ok=True)
    try:
        os.mkdir(root)
    except FileExistsError:
        return None
    descriptor = _held_alone(root)
    if descriptor < 0:
        return None  # another call makes it; the long way waits for that one
    outcome = None
    request = logged.Request("env-create", cause, environ)
    try:
        for file in _FILES:
            _write(root, file, files[file])
        outcome = making.make_known(root, own, plan, steps, fast.Asked(), home, request)
    finally:
        if outcome is None and not os.path.lexists(f"{root}/.venv"):
            _undo(root)
        os.close(descriptor)
    return outcome


def _is_of_today(path: str) -> bool:
    import time

    try:
        return 0 <= time.time() - os.stat(path).st_mtime < _A_DAY
    except OSError:
        return False


def _write(root: str, file: str, data: bytes) -> None:
    """Write a file of the project: whole, or under a name that the next command sweeps."""
    temporary = f"{root}/.{file}.{os.getpid()}.0.tmp"
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, f"{root}/{file}")
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


def _held_alone(root: str) -> int:
    """A descriptor that holds the lock of the new folder, as the long way does; -1 where that cannot be."""
    import fcntl

    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        empty = not os.listdir(root)
    except OSError:  # another call holds it, or the file system has no locks: the long way copes
        empty = False
    if empty:
        return descriptor
    os.close(descriptor)
    return -1


def _undo(root: str) -> None:
    for remove, path in (*((os.unlink, f"{root}/{file}") for file in _FILES), (os.rmdir, root)):
        try:
            remove(path)
        except OSError:
            continue


def _is_plain(name: str) -> bool:
    """Whether a name is its project's name, too, and reads the same wherever it is written."""
    plain = name.isascii() and name == name.lower() and name[:1].isalnum() and name[-1:].isalnum()
    return plain and name != NAME and all(c.isalnum() or c in "-_." for c in name)


def _read_all(folder: str) -> dict[str, bytes]:
    files = {}
    for name in os.listdir(folder):
        with open(f"{folder}/{name}", "rb") as stream:
            files[name] = stream.read()
    return files


def _named(files: dict[str, bytes], name: str) -> dict[str, bytes] | None:
    """The files of the plan for ``name``; None where they are not made as they are here."""
    word, wanted = NAME.encode(), name.encode()
    new = {file: data.replace(word, wanted) for file, data in files.items()}
    contents = new["contents.json"]
    former, now = _digest_of_tree(files), _digest_of_tree(new)
    changed = [f for f in files if files[f] != new[f] and f != "contents.json"]
    pairs = [(sha256.hexadecimal(files[f]), sha256.hexadecimal(new[f])) for f in changed]
    for old, digest in [(former, now), *pairs]:
        if contents.count(old.encode()) != 1:
            return None
        contents = contents.replace(old.encode(), digest.encode())
    new["contents.json"] = seal.sealed(seal.unsealed(contents))
    return new


def _digest_of_tree(files: dict[str, bytes]) -> str:
    """As :func:`provenv.workspace.syncing.planning.prepare` has it: without provenv's own files."""
    recipe = os.fsdecode(files["recipe"]).rpartition("D .provenv\n")[0]
    rows = [_quoted(recipe), *_rows(files, without=_OF_THE_PLAN)]
    return sha256.hexadecimal(f"[{','.join(rows)}]".encode())


def _digest_of_plan(files: dict[str, bytes]) -> str:
    return sha256.hexadecimal(f"[{','.join(_rows(files))}]".encode())


def _rows(files: dict[str, bytes], without: tuple[str, ...] = ()) -> list[str]:
    """``["name","digest"]`` of each file, as :func:`provenv.core.digest.of_json` spells it."""
    names = sorted(name for name in files if name not in without)
    return [f'[{_quoted(name)},"{sha256.hexadecimal(files[name])}"]' for name in names]


def _quoted(text: str) -> str:
    """A JSON string that leaves other than ASCII alone (``json`` costs 5 ms to import)."""
    try:
        from _json import encode_basestring
    except ImportError:
        from json.encoder import encode_basestring
    found: str = encode_basestring(text)
    return found
