"""Policies made by tests."""

from __future__ import annotations

from datetime import date


def waiver(created: date, expires: date, versions: str = "==1.0") -> str:
    """A waiver of CVE-1 in ``core`` by the rule ``vulns``, as a policy spells it."""
    return f"""
[[waiver]]
rule = "vulns"
package = "core"
versions = "{versions}"
advisory = "CVE-1"
reason = "not reachable"
owner = "ana"
approver = "bo"
created = {created}
expires = {expires}
"""
