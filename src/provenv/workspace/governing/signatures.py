"""Whether a lock is signed: what lies beside it (``pylock.toml.sig``), held against the keys of the policy.

A DSSE envelope over an in-toto Statement whose subject is the lock's SHA-256. Nothing in it changes from
one signing to the next, so that several people can sign the same lock one after the other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from provenv.audit.policies import Policies
from provenv.audit.verdict import Signed
from provenv.core.disk import there
from provenv.core.errors import InputError
from provenv.evidence import envelopes, keys, statements
from provenv.evidence.envelopes import Envelope
from provenv.evidence.keys import PublicKey
from provenv.workspace.projects.context import LockFile, Project, read_locks, read_text

KIND = "urn:provenv:lock-signature:1"
ENDING = ".sig"


def allowed(policies: Policies) -> tuple[PublicKey, ...]:
    """The keys that rules of kind ``signature`` name, for whatever environment."""
    return tuple(
        keys.parse_public(signer.key, signer.owner)
        for rule in policies.rules
        if rule.kind == "signature"
        for signer in rule.keys
    )


def of_environments(project: Project, policies: Policies) -> dict[str, Signed]:
    """For each environment that has a lock: by which of the policy's keys that is signed.

    Raises:
        InputError: A lock cannot be read.
    """
    known = allowed(policies)
    locks = read_locks(project) if known else {}
    found = {key: look(project, lock, known) for key, lock in locks.items()}
    specs = project.manifest.all_instances()
    return {
        spec.name: found[project.lock_key(spec)]
        for spec in specs
        if project.lock_key(spec) in found
    }


def look(project: Project, lock: LockFile, known: Sequence[PublicKey]) -> Signed:
    """Who of those that are ``known`` has signed these bytes of a lock; and why nobody has."""
    name = os.path.basename(lock.path)
    path = lock.path + ENDING
    if not there(path):
        return Signed(file=name, keys=(), reason="it is not signed")
    try:
        envelope = envelopes.parse(read_text(path))
        title, subject, sha256 = _subject(envelope)
    except (InputError, ValueError) as error:
        reason = error.message if isinstance(error, InputError) else str(error)
        return Signed(file=name, keys=(), reason=f"{name}{ENDING} cannot be used: {reason}")
    found = envelopes.signers(envelope, known)
    reason = ""
    if title != project.locker.title:
        reason = f"the signature is of a lock of another project, {title}"
    elif subject != name:
        reason = f"the signature is of {subject}"
    elif found.wrong:
        reason = "the signature does not hold: it was changed"
    elif not found.good:
        who = ", ".join(one[:12] for one in found.unknown) or "nobody"
        reason = f"it is signed by the key {who}, which may not sign for this"
    elif sha256 != lock.digest:
        reason = "it was changed after it was signed"
    held = () if reason else tuple(one.text for one in found.good)
    return Signed(file=name, keys=held, reason=reason)


def _subject(envelope: Envelope) -> tuple[str, str, str]:
    """The project, the file's name and its digest that were signed.

    Raises:
        ValueError: It is no signature of a lock.
    """
    if envelope.kind != envelopes.IN_TOTO:
        raise ValueError(f"it holds {envelope.kind!r}")
    try:
        data: Any = json.loads(envelope.payload)
        if data["_type"] != statements.TYPE or data["predicateType"] != KIND:
            raise ValueError("it is another statement than a signature of a lock")
        (subject,) = data["subject"]
        found = data["predicate"]["project"], subject["name"], subject["digest"]["sha256"]
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError("it is no signature of a lock") from error
    if not all(isinstance(one, str) for one in found):
        raise ValueError("it is no signature of a lock")
    return found
