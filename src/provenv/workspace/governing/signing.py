"""Signing locks, and refusing those that nobody signed who may: who that is, is policy."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from provenv.audit import verdict
from provenv.core.errors import CheckFailedError, InputError, UsageError
from provenv.core.events import Warned
from provenv.core.values import frozen, replace
from provenv.evidence import envelopes, keys, log, records, statements
from provenv.evidence.keys import PrivateKey, PublicKey
from provenv.model.policy import Rule, Signer
from provenv.workspace.governing import evidence, policies, signatures
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects import files
from provenv.workspace.projects.context import (
    Context,
    LockFile,
    Project,
    read_locks,
    read_text,
)


@frozen
class Signed:
    """A lock that was signed: the files that were written, and the key."""

    files: tuple[str, ...]
    key: PublicKey


def read_key(context: Context, path: str | None) -> PrivateKey:
    """The key to sign with: an absolute path, or a name in the home folder; else the only one there.

    Raises:
        UsageError: There is none, or there are several. InputError: It cannot be used.
    """
    folder = context.home.keys
    asked = path or context.environ.get("PROVENV_SIGNING_KEY") or None
    if asked is not None:
        if os.path.isabs(asked):
            return keys.read_private(asked)
        if os.sep in asked:
            raise UsageError(f"{asked!r} is neither a key's name nor an absolute path")
        return keys.read_private(
            os.path.join(folder, asked.removesuffix(keys.PRIVATE) + keys.PRIVATE)
        )
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(keys.PRIVATE))
    except (FileNotFoundError, NotADirectoryError):
        names = []
    if len(names) != 1:
        what = (
            "there is no key to sign with" if not names else "there are several keys to sign with"
        )
        listed = ", ".join(name.removesuffix(keys.PRIVATE) for name in names)
        raise UsageError(
            what,
            hint="`provenv evidence key new NAME` makes one." if not names else f"--key: {listed}.",
        )
    return keys.read_private(os.path.join(folder, names[0]))


def require(
    project: Project, context: Context, environment: str, lock: LockFile, *, asked: bool
) -> None:
    """Refuse a lock that is not signed as the policy wants, or, where that is ``asked``, by a trusted key.

    Raises:
        CheckFailedError: It is not. InputError: A policy or a key cannot be used.
        UsageError: It is asked for, and nobody is said to be trusted.
    """
    today = datetime.now(UTC).date()
    rules = binding(project, context, environment)
    if not rules and asked:
        trusted = own(context)
        if not trusted:
            raise UsageError(
                "a signature is required, and nothing says whose",
                hint="A rule of kind `signature` in the policy does; docs/how-to/evidence.md has one.",
            )
        signers = tuple(Signer(key=one.text, owner=one.label) for one in trusted)
        rules = [Rule(id="--require-signature", kind="signature", origin="", keys=signers)]
    for rule in rules:
        known = [keys.parse_public(one.key, one.owner) for one in rule.keys]
        reason = verdict.unsigned(rule, signatures.look(project, lock, known), today)
        if reason is not None:
            raise CheckFailedError(
                f"{os.path.basename(lock.path)} must be signed for {environment} ({rule.id}): {reason}",
                hint="Whoever may sign looks at it, and says `provenv lock --sign`.",
                details={"file": lock.path, "rule": rule.id},
            )
    if rules:
        _tell_older(project, context, lock)


def _tell_older(project: Project, context: Context, lock: LockFile) -> None:
    """Say that another lock was signed after this one: an old signature holds for ever."""
    name = os.path.basename(lock.path)
    later = None
    for record in log.newest(evidence.folder(project, context)):
        if record.entry.kind != "sign" or name not in record.entry.locks:
            continue
        if record.entry.locks[name] == lock.digest:
            if later is not None:
                context.emit(
                    Warned(
                        message=f"{name} is signed, and is not the one that was signed last, on {later}",
                        hint="Somebody went back to it; `provenv evidence show` says who signed what.",
                    )
                )
            return
        later = later or record.entry.time


def binding(project: Project, context: Context, environment: str) -> list[Rule]:
    """The rules that want the lock of an environment signed.

    Raises:
        InputError: A policy cannot be used.
    """
    return [
        rule
        for rule in policies.policies_of(project, context).rules
        if rule.kind == "signature" and rule.binding and rule.concerns(environment)
    ]


def own(context: Context) -> tuple[PublicKey, ...]:
    """The public keys in the home folder.

    Raises:
        InputError: One cannot be read.
    """
    folder = context.home.keys
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return tuple(
        keys.read_public(os.path.join(folder, name)) for name in names if name.endswith(keys.PUBLIC)
    )


def sign(project: Project, context: Context, key: str | None = None) -> Signed:
    """Sign the project's locks; whoever has signed the same ones before stays.

    Raises:
        CheckFailedError: One was edited by hand. InputError: There is none. UsageError: No key.
    """
    from provenv.model.lock import is_edited

    signer = read_key(context, key)
    project = project.locker
    locks = read_locks(project)
    if not locks:
        raise InputError("is missing", file=project.lock_path(None), hint="Run `provenv lock`.")
    for file in locks.values():
        if is_edited(file.lock, file.text):
            raise CheckFailedError(
                f"{os.path.basename(file.path)} was edited by hand, and is not signed",
                hint="`provenv lock` makes it anew.",
            )
    texts = {
        file.path + signatures.ENDING: _signed(project, file, signer) for file in locks.values()
    }
    with recorded(context, "lock-sign", root=project.root, paths=tuple(texts)):
        files.write(project, texts)
    digests = {os.path.basename(file.path): file.digest for file in locks.values()}
    evidence.signed(project, context, digests, signer.public.id)
    return Signed(files=tuple(os.path.basename(path) for path in texts), key=signer.public)


def _signed(project: Project, file: LockFile, signer: PrivateKey) -> str:
    """The envelope of a lock with one more signature."""
    payload = records.canonical(
        statements.statement(
            [{"name": os.path.basename(file.path), "digest": {"sha256": file.digest}}],
            signatures.KIND,
            {"project": project.title},
        )
    )
    made = envelopes.seal(envelopes.IN_TOTO, payload, [signer])
    try:
        there = envelopes.parse(read_text(file.path + signatures.ENDING))
    except (InputError, ValueError):  # none yet, or none that can be read
        return made.as_text()
    if (there.kind, there.payload) != (made.kind, made.payload):
        return made.as_text()
    others = tuple(one for one in there.signatures if one[0] != signer.public.id)
    return replace(made, signatures=(*others, *made.signatures)).as_text()
