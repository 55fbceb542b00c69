"""Verdicts for the tools of others: in-toto Statements (v1) with SLSA's Verification Summary (VSA v1).

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md,
https://slsa.dev/spec/v1.1/verification_summary. A verdict of ours has three outcomes and a VSA has two:
what is inconclusive is FAILED there, and said in ``provenv_outcome``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from provenv.evidence.records import Record

TYPE = "https://in-toto.io/Statement/v1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
LEVELS = {"PASSED": "PROVENV_POLICY", "FAILED": "FAILED"}


def statement(subject: Sequence[Mapping[str, Any]], kind: str, predicate: Any) -> dict[str, Any]:
    """A Statement about some subjects."""
    return {
        "_type": TYPE,
        "subject": [dict(one) for one in subject],
        "predicateType": kind,
        "predicate": predicate,
    }


def summary(
    record: Record, *, version: str, generations: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The Statement of a verdict's record.

    Its subjects are the locks that were judged, and the ``generations`` that were made of them: their
    names and digests. What it was judged from are the advisories and the record itself.

    Raises:
        ValueError: The record is no verdict about a lock.
    """
    entry = record.entry
    if entry.kind != "verdict" or entry.policy is None or not entry.locks:
        raise ValueError("it is no verdict about a lock")
    passed = "PASSED" if entry.details.get("outcome") == "pass" else "FAILED"
    subjects = [
        *({"name": name, "digest": {"sha256": sha256}} for name, sha256 in entry.locks.items()),
        *generations,
    ]
    inputs = [
        {
            "uri": f"urn:provenv:evidence:{record.log}:{record.sequence}",
            "digest": {"sha256": record.digest},
        }
    ]
    if entry.advisories is not None:
        inputs.append({"uri": "urn:provenv:advisories", "digest": {"sha256": entry.advisories}})
    predicate = {
        "verifier": {"id": "urn:provenv", "version": {"provenv": version}},
        "timeVerified": entry.time,
        "resourceUri": f"pkg:generic/{entry.subject.get('project', 'project')}",
        "policy": {"uri": "urn:provenv:policy", "digest": {"sha256": entry.policy}},
        "inputAttestations": inputs,
        "verificationResult": passed,
        "verifiedLevels": [LEVELS[passed]],
        "slsaVersion": "1.1",
        "provenv_outcome": entry.details.get("outcome"),
        "provenv_environments": list(entry.details.get("environments", ())),
    }
    return statement(subjects, SUMMARY, predicate)
